"""Two implementations of one machine: whatever the code, pyrevm and the interpreter do the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain.engine import BlockContext, Message
from assay.chain.interpreter import Interpreter
from assay.chain.revm import Revm
from assay.chain.state import Account, Change, State

SENDER, TARGET, OTHER = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
COINBASE = b"\xdd" * 20

# Everything that is defined, twice the weight on what moves state; calls and creations come with their arguments.
PLAIN = [
    *range(0x01, 0x0C),
    *range(0x10, 0x1E),
    0x20,
    *range(0x30, 0x4B),
    *range(0x50, 0x60),
    0x5B,
    *range(0x80, 0xA5),
    0x54,
    0x55,
    0x5C,
    0x5D,
    0x3D,
    0x3E,
]
ENDINGS = [0x00, 0xF3, 0xFD, 0xFE, 0xFF, 0x0C]
INTERESTING = st.sampled_from([0, 1, 2, 31, 32, 33, 255, 256, 2**255, 2**256 - 1, 2**64, 4, 5, 300, 299])


def push(value: int) -> bytes:
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([0x5F + len(body)]) + body


numbers = st.one_of(st.integers(0, 80), INTERESTING, st.integers(0, 2**256 - 1))
addresses = st.sampled_from([int.from_bytes(a, "big") for a in (SENDER, TARGET, OTHER, COINBASE)] + [1, 2, 3, 4, 5, 77])


@st.composite
def calls(draw: st.DrawFn) -> bytes:
    opcode = draw(st.sampled_from([0xF1, 0xF2, 0xF4, 0xFA]))
    memory = b"".join(push(draw(st.integers(0, 100))) for _ in range(4))
    value = push(draw(st.sampled_from([0, 0, 1, 10**30]))) if opcode in (0xF1, 0xF2) else b""
    gas = draw(st.sampled_from([0, 100, 5_000, 100_000, 2**256 - 1]))
    return memory + value + push(draw(addresses)) + push(gas) + bytes([opcode])


@st.composite
def creations(draw: st.DrawFn) -> bytes:
    inner = draw(st.sampled_from(["60015f5560015ff3", "60ef5f5360015ff3", "5f5ffd", "fe", "6160015ff3", "30ff", ""]))
    code = bytes.fromhex(inner)
    opcode = draw(st.sampled_from([0xF0, 0xF5]))
    salt = push(draw(st.integers(0, 2))) if opcode == 0xF5 else b""
    place = push(int.from_bytes(code.ljust(32, b"\0"), "big")) + push(0) + b"\x52"
    return place + salt + push(len(code)) + push(0) + push(draw(st.sampled_from([0, 0, 3]))) + bytes([opcode])


pieces = st.one_of(
    numbers.map(push),
    numbers.map(push),
    st.sampled_from(PLAIN).map(lambda opcode: bytes([opcode])),
    st.sampled_from(PLAIN).map(lambda opcode: bytes([opcode])),
    calls(),
    creations(),
)
codes = st.tuples(st.lists(pieces, max_size=24), st.sampled_from(ENDINGS)).map(lambda t: b"".join(t[0]) + bytes([t[1]]))
FILL = b"".join(push(n) for n in (7, 1, 64, 3, 32, 0, 2, 96, 5, 0, 1, 33, 9, 4, 0, 32))


def make_state(first: bytes, second: bytes) -> State:
    state = State()
    state.apply(
        {
            SENDER: Change(10**20, 1),
            TARGET: Change(1_000, 1, FILL + first, {0: 5, 1: 1, 32: 2**255}),
            OTHER: Change(0, 1, FILL + second, {0: 9}),
            COINBASE: Change(3, 0),
        }
    )
    return state


def after(state: State, diff: dict[bytes, Change]) -> dict[bytes, Account]:
    undo = state.apply(diff)
    seen = {a: Account(x.balance, x.nonce, x.code, x.code_hash, dict(x.storage)) for a, x in state.accounts.items()}
    state.apply(undo)
    return seen


def check_agreement(state: State, message: Message) -> None:
    """Both engines say the same of a message, and would leave the same state behind."""
    context = BlockContext(300, 1_000, COINBASE, 30_000_000, 7, b"\x05" * 32, 777, lambda n: n.to_bytes(32, "little"))
    ours, theirs = Interpreter(state).execute(context, message), Revm(state).execute(context, message)
    for name in ("success", "gas_used", "output", "logs", "created"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert after(state, ours.diff) == after(state, theirs.diff)


@settings(max_examples=400, deadline=None)
@given(codes, codes, st.binary(max_size=70), st.sampled_from([0, 5]), st.sampled_from([30_000, 100_000, 900_000]))
def test_engines_agree_on_any_code(first: bytes, second: bytes, data: bytes, value: int, gas: int) -> None:
    check_agreement(make_state(first, second), Message(SENDER, TARGET, data, value, gas, 9, 0))


@settings(max_examples=150, deadline=None)
@given(codes, st.sampled_from([0, 5]))
def test_engines_agree_on_any_creation(code: bytes, value: int) -> None:
    check_agreement(make_state(b"\x00", b"\x00"), Message(SENDER, None, code, value, 500_000, 9, 0))
