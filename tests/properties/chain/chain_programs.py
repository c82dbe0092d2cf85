"""EVM programs drawn at random: every opcode of Cancun, with arguments under which most of them do something.

`draw_case` takes a `random.Random`, so that hypothesis can drive and shrink it, and a seed can name it.
"""

from dataclasses import dataclass
from random import Random

from eth_keys.datatypes import PrivateKey

from assay.chain.engine import BlockContext, Message
from assay.chain.pairings import load_curve
from assay.chain.state import Change, Diff, State

SENDER, TARGET, OTHER, COINBASE, NOBODY = (bytes([digit]) * 20 for digit in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE))
CHAIN_ID, NUMBER = 777, 300
BASE_FEE_WEI = 7
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

OPERATIONS = (*range(0x01, 0x0C), *range(0x10, 0x1E), 0x50, *range(0x80, 0xA0))
QUESTIONS = (0x30, *range(0x32, 0x35), 0x36, 0x38, 0x3A, 0x3D, *range(0x41, 0x49), 0x4A, *range(0x58, 0x5B), 0x5F)
OF_ONE = (0x31, 0x35, 0x3B, 0x3F, 0x40, 0x49, 0x54, 0x5C)  # an account, a place, a block or a slot
COPIES = (0x37, 0x39, 0x3E, 0x5E)
UNDEFINED = (0x0C, 0x1E, 0x21, 0x4B, 0xA5, 0xB0, 0xF6, 0xFB, 0xFE)
NUMBERS = (0, 1, 2, 31, 32, 33, 64, 255, 256, 299, 300, 44, 43, 2**64, 2**255, 2**255 - 1, 2**256 - 1, 2**256 - 32)


@dataclass(frozen=True)
class Case:
    """One message on one state; what any engine must answer alike."""

    accounts: Diff
    message: Message

    def open_state(self) -> State:
        """A state of its own."""
        state = State()
        state.apply(self.accounts)
        return state


def make_context(gas_limit: int = 30_000_000) -> BlockContext:
    """The block that every case runs in."""
    return BlockContext(
        NUMBER, 1_000, COINBASE, gas_limit, BASE_FEE_WEI, b"\x05" * 32, CHAIN_ID, lambda n: n.to_bytes(32, "little")
    )


def draw_case(random: Random) -> Case:
    """Two contracts that know each other, an account that pays, and a message to one of them or that makes another."""
    accounts = {
        SENDER: Change(10**20, 1),
        TARGET: Change(1_000, 1, draw_code(random, 3), {0: 5, 1: 1, 32: 2**255}),
        OTHER: Change(random.choice((0, 7)), 1, draw_code(random, 2), {0: 9}),
        COINBASE: Change(3, 0),
    }
    gas = random.choice((60_000, 250_000, 900_000, 900_000))
    value = random.choice((0, 0, 0, 5))
    listed: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    if random.randrange(4) == 0:
        listed = ((random.choice((TARGET, OTHER, NOBODY)), tuple(random.sample((0, 1, 2, 32), random.randrange(3)))),)
    if random.randrange(5) == 0:
        data = draw_code(random, 2) if random.randrange(3) else draw_initcode(random, 2)
        return Case(accounts, Message(SENDER, None, data, value, gas, 9, 1, listed))
    data = random.randbytes(random.choice((0, 1, 4, 31, 36, 68)))
    return Case(accounts, Message(SENDER, TARGET, data, value, gas, 9, 1, listed))


def draw_code(random: Random, depth: int) -> bytes:
    """Runtime code of up to two dozen pieces; creations inside it go `depth` levels down."""
    code = b"".join(push(draw_number(random)) for _ in range(random.randrange(4, 16)))
    for _ in range(random.randrange(1, 24)):
        code += draw_piece(random, depth, len(code))
    return code + random.choice((b"\x00", _end(random, 0xF3), _end(random, 0xFD), b"\xfe", _die(random), b"", b"\x60"))


def draw_initcode(random: Random, depth: int) -> bytes:
    """Code that runs and then returns other code, mostly."""
    first = b"".join(draw_piece(random, depth - 1, 10_000) for _ in range(random.randrange(3)))
    kind = random.randrange(10)
    if kind == 0:
        return first + random.choice(
            (b"\x60\xef\x5f\x53\x60\x01\x5f\xf3", b"\x61\x60\x01\x5f\xf3", b"\x61\x60\x00\x5f\xf3")
        )
    if kind == 1:
        return first + random.choice((_die(random), b"\xfe", _end(random, 0xFD), b""))
    code = draw_code(random, depth - 1)[: random.choice((5, 40, 400))]
    return first + store(code) + push(len(code)) + push(0) + b"\xf3"


def draw_number(random: Random) -> int:
    """Small, at an edge, or anything."""
    kind = random.randrange(4)
    if kind < 2:
        return random.randrange(81)
    return random.choice(NUMBERS) if kind == 2 else random.getrandbits(random.choice((8, 64, 160, 256)))


def draw_piece(random: Random, depth: int, position: int) -> bytes:
    """A few opcodes, to stand at `position`."""
    kind = random.randrange(26)
    if kind < 4:
        return push(draw_number(random))
    if kind < 8:
        return bytes([random.choice(OPERATIONS)])
    if kind == 8:
        return push(draw_number(random)) + push(draw_number(random)) + bytes([random.choice(OPERATIONS)])
    if kind < 11:
        return bytes([random.choice(QUESTIONS)])
    if kind == 11:
        argument = random.choice((_place(random), random.randrange(40, 50), draw_address(random)))
        return push(argument) + bytes([random.choice(OF_ONE)])
    if kind == 12:
        return _places(random, 3) + bytes([random.choice(COPIES)])
    if kind == 13:
        return _places(random, 3) + push(draw_address(random)) + b"\x3c"
    if kind == 14:
        return push(draw_number(random)) + push(_place(random)) + random.choice((b"\x52", b"\x53"))
    if kind == 15:
        return _places(random, 2) + b"\x20" if random.randrange(2) else push(_place(random)) + b"\x51"
    if kind == 16:
        count = random.randrange(5)
        return b"".join(push(draw_number(random)) for _ in range(count)) + _places(random, 2) + bytes([0xA0 + count])
    if kind < 19:
        slot, value = random.choice((0, 0, 1, 2, 32)), random.choice((0, 0, 1, 5, 9, draw_number(random)))
        return push(value) + push(slot) + random.choice((b"\x55", b"\x55", b"\x5d"))
    if kind == 19:
        return _jump(random, position)
    if kind == 20:
        return bytes([random.choice(UNDEFINED)]) if random.randrange(8) == 0 else b"\x5b"
    if kind < 24:
        return _call(random)
    if kind == 24:
        return _ask_precompile(random)
    return _create(random, depth) if depth > 0 else b"\x58"


def draw_address(random: Random) -> int:
    """An account of the case, a precompile, or nobody's."""
    known = random.choice((SENDER, TARGET, OTHER, COINBASE, NOBODY))
    return random.choice((int.from_bytes(known, "big"), random.randrange(1, 6), 9, 77))


def push(value: int) -> bytes:
    """The shortest push of a number."""
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([0x5F + len(body)]) + body


def store(content: bytes, offset: int = 0) -> bytes:
    """Opcodes that put `content` into memory."""
    words = [content[i : i + 32].ljust(32, b"\0") for i in range(0, len(content), 32)]
    return b"".join(push(int.from_bytes(w, "big")) + push(offset + 32 * i) + b"\x52" for i, w in enumerate(words))


def _place(random: Random) -> int:
    far = random.choice((2_000, 2**16, 2**32, 2**64, 2**255)) if random.randrange(30) == 0 else random.randrange(300)
    return random.choice((0, 1, 32, 60, far))


def _places(random: Random, count: int) -> bytes:
    return b"".join(push(random.choice((0, 1, 4, 32, 33, _place(random)))) for _ in range(count))


def _end(random: Random, opcode: int) -> bytes:
    return _places(random, 2) + bytes([opcode])


def _die(random: Random) -> bytes:
    return push(draw_address(random)) + b"\xff"


def _jump(random: Random, position: int) -> bytes:
    """Over some bytes, back to where it stands (until the gas or the stack is out), or to nowhere."""
    kind = random.randrange(16)
    if kind == 0:
        return b"\x5b" + random.choice((b"", b"\x5a", b"\x5f\x5f", b"\x60\x5b\x50")) + push(position) + b"\x56"
    if kind == 1:
        return push(random.randrange(position + 40)) + b"\x56"
    skipped = random.choice((b"", b"\xfe", b"\x61\x5b", b"\x5b\x5b\x00", random.randbytes(5)))
    head = b"" if random.randrange(2) else push(random.choice((0, 1, 2**255)))
    target = position + len(head) + 3 + 1 + len(skipped)
    return head + b"\x61" + (target % 65_536).to_bytes(2, "big") + (b"\x57" if head else b"\x56") + skipped + b"\x5b"


def _call(random: Random) -> bytes:
    opcode = random.choice((0xF1, 0xF1, 0xF2, 0xF4, 0xFA))
    value = push(random.choice((0, 0, 0, 1, 10**30))) if opcode in (0xF1, 0xF2) else b""
    gas = random.choice((0, 100, 2_300, 5_000, 30_000, 2**256 - 1, 2**256 - 1))
    after = random.choice((b"", b"", b"\x3d\x5f\x5f\x3e"))
    return _places(random, 4) + value + push(draw_address(random)) + push(gas) + bytes([opcode]) + after


def _create(random: Random, depth: int) -> bytes:
    code = draw_initcode(random, depth)
    opcode = random.choice((0xF0, 0xF5))
    salt = push(random.randrange(2)) if opcode == 0xF5 else b""
    size = random.choice((len(code), len(code), len(code), 0, 49_152, 49_153))
    made = store(code) + salt + push(size) + push(0) + push(random.choice((0, 0, 3))) + bytes([opcode])
    use = b"\x5f\x5f\x5f\x5f\x5f\x85\x62\x01\x00\x00\xf1"
    return made + random.choice((b"", use, use + b"\x50" + made))


def _ask_precompile(random: Random) -> bytes:
    address = random.randrange(1, 10)
    content = PRECOMPILED[address](random)
    kind = random.randrange(6)
    if kind == 0 and content:
        content = content[: random.randrange(len(content))]
    elif kind == 1 and content:
        spot = random.randrange(len(content))
        content = content[:spot] + random.randbytes(1) + content[spot + 1 :]
    gas = random.choice((2**256 - 1, 2**256 - 1, 3_000, 45_000, 150))
    asked = push(128) + push(512) + push(len(content)) + push(0) + push(address) + push(gas) + b"\xfa"
    return store(content) + asked + b"\x3d\x61\x02\x00\x51"


def _draw_signature(random: Random) -> bytes:
    digest = random.randbytes(32)
    v, r, s = PrivateKey(random.randrange(1, 2**250).to_bytes(32, "big")).sign_msg_hash(digest).vrs
    high = random.randrange(2)
    return b"".join(
        x.to_bytes(32, "big") for x in (int.from_bytes(digest, "big"), 27 + (v ^ high), r, ORDER - s if high else s)
    )


def _draw_powers(random: Random) -> bytes:
    sizes = [random.choice((0, 1, 2, 31, 32, 33, 70)) for _ in range(3)]
    return b"".join(size.to_bytes(32, "big") for size in sizes) + b"".join(random.randbytes(size) for size in sizes)


def _draw_points(random: Random) -> bytes:
    curve = load_curve("optimized_bn128")
    points = (
        curve.normalize(curve.multiply(curve.G1, random.choice((1, 2, 3, random.getrandbits(250))))) for _ in range(2)
    )
    return b"".join(int(x).to_bytes(32, "big") for point in points for x in point)


def _draw_compression(random: Random) -> bytes:
    return (
        random.choice((0, 1, 12, 700)).to_bytes(4, "big") + random.randbytes(208) + random.choice((b"\0", b"\1", b"\2"))
    )


PRECOMPILED = {
    1: _draw_signature,
    2: lambda random: random.randbytes(random.choice((0, 1, 32, 33, 100))),
    3: lambda random: random.randbytes(random.choice((0, 1, 32, 33, 100))),
    4: lambda random: random.randbytes(random.choice((0, 1, 32, 33, 100))),
    5: _draw_powers,
    6: _draw_points,
    7: lambda random: _draw_points(random)[:64] + random.choice((bytes(32), random.randbytes(32), b"\0" * 31 + b"\2")),
    8: lambda random: b"",
    9: _draw_compression,
}
