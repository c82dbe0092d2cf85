"""What Ethereum's executable specification answers: makes `vectors/chain/cancun.json`, and judges engines at length.

    python tests/conformance/chain/spec_vectors.py make > vectors/chain/cancun.json
    python tests/conformance/chain/spec_vectors.py judge FIRST COUNT

Runs in an environment of its own, with `ethereum-execution==2.20.0 py-evm==0.12.1b1 pyrevm eth-hash[pycryptodome]`: the
specification wants older releases of cryptography and coincurve than ours.
"""

import json
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
sys.setrecursionlimit(60_000)

import ethereum.forks.cancun.vm.interpreter as spec  # noqa: E402
from ethereum.crypto.hash import Hash32  # noqa: E402
from ethereum.forks.cancun import state as spec_state  # noqa: E402
from ethereum.forks.cancun import vm  # noqa: E402
from ethereum.forks.cancun.fork_types import Account, Address  # noqa: E402
from ethereum.forks.cancun.utils.message import prepare_message  # noqa: E402
from ethereum.forks.cancun.vm.exceptions import Revert  # noqa: E402
from ethereum_types.bytes import Bytes, Bytes0, Bytes32  # noqa: E402
from ethereum_types.numeric import U64, U256, Uint  # noqa: E402

from assay.chain.engine import (  # noqa: E402
    INITCODE_LIMIT_BYTES,
    BlockContext,
    Log,
    Message,
    Outcome,
    compute_intrinsic_gas,
)
from assay.chain.state import Change, Diff, State  # noqa: E402
from tests.conformance.chain.chain_vectors import pack_case, pack_outcome  # noqa: E402
from tests.properties.chain.chain_programs import COINBASE, SENDER, Case, draw_case, make_context  # noqa: E402

VECTORS = 160


class Specification:
    """An `Engine` that is the specification."""

    name = "specification"

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self, diff: Diff) -> None:
        """Nothing: the state is read anew for each message."""

    def execute(self, block: BlockContext, message: Message) -> Outcome:
        intrinsic = compute_intrinsic_gas(message)
        if intrinsic > message.gas_limit:
            return Outcome(False, message.gas_limit, b"", "IntrinsicGas")
        if message.to is None and len(message.data) > INITCODE_LIMIT_BYTES:
            return Outcome(False, message.gas_limit, b"", "CreateInitCodeSizeLimit")
        state = self._open(message)
        asked = self._prepare(state, block, message, message.gas_limit - intrinsic)
        if message.value > int(spec_state.get_account(state, Address(message.sender)).balance):
            return Outcome(False, message.gas_limit, b"", "OutOfFunds")
        ended, output = _process(asked)
        spent = message.gas_limit - int(ended.gas_left)
        if isinstance(ended.error, Revert):
            return Outcome(False, spent, output)
        if ended.error is not None:
            return Outcome(False, message.gas_limit, b"", type(ended.error).__name__)
        for address in ended.accounts_to_delete:
            spec_state.destroy_account(state, address)
        logs = tuple(Log(bytes(e.address), tuple(map(bytes, e.topics)), bytes(e.data)) for e in ended.logs)
        created = bytes(asked.current_target) if message.to is None else None
        if created is not None:
            output = bytes(spec_state.get_account(state, asked.current_target).code)
        gas_used = spent - min(int(ended.refund_counter), spent // 5)
        return Outcome(True, gas_used, output, "", logs, created, self._compare(state))

    def _open(self, message: Message) -> Any:
        state = spec_state.State()
        for address, held in self._state.accounts.items():
            bumped = message.to is None and address == message.sender  # as a transaction does before it creates
            nonce = Uint(message.nonce + 1 if bumped else held.nonce)
            account = Account(nonce=nonce, balance=U256(held.balance), code=Bytes(held.code))
            spec_state.set_account(state, Address(address), account)
            for slot, value in held.storage.items():
                spec_state.set_storage(state, Address(address), _word(slot), U256(value))
        return state

    def _prepare(self, state: Any, block: BlockContext, message: Message, gas: int) -> Any:
        hashes = [Hash32(block.hash_of(number)) for number in range(max(0, block.number - 256), block.number)]
        environment = vm.BlockEnvironment(
            chain_id=U64(block.chain_id),
            state=state,
            block_gas_limit=Uint(block.gas_limit),
            block_hashes=hashes,
            coinbase=Address(block.coinbase),
            number=Uint(block.number),
            base_fee_per_gas=Uint(block.base_fee),
            time=U256(block.timestamp),
            prev_randao=Bytes32(block.prevrandao),
            excess_blob_gas=U64(0),
            parent_beacon_block_root=Hash32(bytes(32)),
        )
        transaction = vm.TransactionEnvironment(
            origin=Address(message.sender),
            gas_price=Uint(message.gas_price),
            gas=Uint(gas),
            access_list_addresses={Address(block.coinbase), *(Address(a) for a, _ in message.access_list)},
            access_list_storage_keys={(Address(a), _word(s)) for a, slots in message.access_list for s in slots},
            transient_storage=spec_state.TransientStorage(),
            blob_versioned_hashes=(),
            index_in_block=None,
            tx_hash=None,
        )
        to = Bytes0(b"") if message.to is None else Address(message.to)
        form = SimpleNamespace(to=to, data=Bytes(message.data), value=U256(message.value))
        return prepare_message(environment, transaction, form)

    def _compare(self, state: Any) -> Diff:
        diff: Diff = {}
        for address in {*map(bytes, state._main_trie._data), *self._state.accounts}:
            now, before = spec_state.get_account(state, Address(address)), self._state.get(address)
            trie = state._storage_tries.get(Address(address))
            held = {int.from_bytes(k, "big"): int(v) for k, v in trie._data.items()} if trie else {}
            slots = {k: held.get(k, 0) for k in {*held, *before.storage} if held.get(k, 0) != before.storage.get(k, 0)}
            code = bytes(now.code)
            if (int(now.balance), int(now.nonce), code) != (before.balance, before.nonce, before.code) or slots:
                change = code if code != before.code else None
                diff[address] = Change(int(now.balance), int(now.nonce), change, slots)
        return diff


def _word(value: int) -> Any:
    return Bytes32(value.to_bytes(32, "big"))


def _process(asked: Any) -> tuple[Any, bytes]:
    """The specification keeps the outermost frame, and so what it returned, to itself; it is caught on the way."""
    frames = []
    plain = spec.process_message, spec.process_create_message

    def keep(function: Any) -> Any:
        def run(message: Any) -> Any:
            frame = function(message)
            if message is asked:
                frames.append(frame)
            return frame

        return run

    spec.process_message, spec.process_create_message = (keep(function) for function in plain)
    try:
        ended = spec.process_message_call(asked)
    finally:
        spec.process_message, spec.process_create_message = plain
    return ended, bytes(frames[-1].output) if frames else b""


def shorten(case: Case, used: int, random: Random) -> Case:
    """The same with gas that ends somewhere on the way."""
    least = compute_intrinsic_gas(case.message)
    return replace(case, message=replace(case.message, gas_limit=random.randrange(least, max(used, least) + 1)))


def make() -> None:
    """Vectors: drawn programs, half of them cut short, and pairings that are right or almost."""
    vectors = []
    for seed in range(VECTORS):
        random = Random(seed)
        case = draw_case(random)
        outcome = Specification(case.open_state()).execute(make_context(), case.message)
        if seed % 2:
            case = shorten(case, outcome.gas_used, random)
            outcome = Specification(case.open_state()).execute(make_context(), case.message)
        vectors.append({"name": f"program {seed}", **pack_case(case), **pack_outcome(case, outcome)})
    for name, address, payload in curves():
        message = Message(SENDER, address.to_bytes(20, "big"), payload, 0, 300_000, 9, 1)
        case = Case({SENDER: Change(10**20, 1), COINBASE: Change(3, 0)}, message)
        outcome = Specification(case.open_state()).execute(make_context(), message)
        vectors.append({"name": name, **pack_case(case), **pack_outcome(case, outcome)})
    about = (
        "Messages on the Cancun rules, with what ethereum-execution 2.20.0 answers. Made by tests/conformance/chain."
    )
    lines = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors)
    sys.stdout.write(f'{{"about": {json.dumps(about)},\n"vectors": [\n{lines}\n]}}\n')


def curves() -> list[tuple[str, int, bytes]]:
    """(name, precompile, input) on the pairing curves."""
    import ckzg
    import eth
    from py_ecc.optimized_bn128 import G1, G2, add, curve_order, field_modulus, multiply, neg, normalize

    def one(point: Any) -> bytes:
        return b"".join(int(x).to_bytes(32, "big") for x in normalize(point))

    def two(point: Any) -> bytes:
        return b"".join(int(c).to_bytes(32, "big") for x in normalize(point) for c in reversed(x.coeffs))

    right = one(multiply(G1, 6)) + two(G2) + one(neg(multiply(G1, 2))) + two(multiply(G2, 3))
    off = one(G1)[:-1] + b"\x03"
    # On the twist, outside the subgroup: its order has a cofactor.
    stray = find_stray()
    cases = [
        ("pairings of nothing", 8, b""),
        ("pairings that cancel", 8, right),
        ("pairings that do not", 8, right[:192]),
        ("pairing with zero", 8, bytes(64) + two(G2)),
        ("pairing with a twisted zero", 8, one(G1) + bytes(128)),
        ("pairing off the curve", 8, off + two(G2)),
        ("pairing outside the subgroup", 8, one(G1) + stray),
        ("pairing of an odd length", 8, right[:191]),
        ("a field element too large", 6, field_modulus.to_bytes(32, "big") + bytes(96)),
        ("the sum with zero", 6, one(G1) + bytes(64)),
        ("the sum with itself", 6, one(G1) * 2),
        ("the sum to zero", 6, one(G1) + one(neg(G1))),
        ("the sum of a short input", 6, one(add(G1, G1))[:63]),
        ("the sum off the curve", 6, off + one(G1)),
        ("times the order", 7, one(G1) + curve_order.to_bytes(32, "big")),
        ("times the largest number", 7, one(G1) + b"\xff" * 40),
        ("times nothing", 7, one(G1)),
    ]
    setup = ckzg.load_trusted_setup(str(Path(eth.__file__).parent / "_utils" / "kzg_trusted_setup.txt"), 0)
    blob = b"".join(b"\0" + bytes([i % 251]) * 31 for i in range(4_096))
    commitment, at = ckzg.blob_to_kzg_commitment(blob, setup), b"\0" * 31 + b"\x07"
    proof, value = ckzg.compute_kzg_proof(blob, at, setup)
    versioned = b"\x01" + sha256(commitment).digest()[1:]
    good = versioned + at + value + commitment + proof
    cases += [
        ("an evaluation", 10, good),
        ("an evaluation with another value", 10, good[:95] + bytes([good[95] ^ 1]) + good[96:]),
        ("an evaluation of another commitment", 10, b"\x01" + bytes(31) + good[32:]),
        ("an evaluation at a number too large", 10, good[:32] + b"\xff" * 32 + good[64:]),
        ("an evaluation with a broken proof", 10, good[:-1] + bytes([good[-1] ^ 1])),
        ("an evaluation of nothing", 10, b""),
    ]
    zero = b"\xc0" + bytes(47)
    versioned = b"\x01" + sha256(zero).digest()[1:]
    cases.append(("the evaluation of zero", 10, versioned + at + bytes(32) + zero + zero))
    return cases


def find_stray() -> bytes:
    """A point on bn254's twist that is not in the subgroup, as a precompile reads it."""
    from py_ecc.optimized_bn128 import FQ2, b2, curve_order, field_modulus, is_inf, multiply

    p = field_modulus
    for x0 in range(1, 100):
        x = FQ2((x0, 0))
        y = (x * x * x + b2) ** ((p * p + 15) // 32)  # a candidate; tried with the roots that may be missing
        for factor in (
            FQ2((1, 0)),
            FQ2((0, 1)),
            FQ2((1, 1)),
            FQ2((1, 1)) ** 3,
            *(FQ2((9, 1)) ** k for k in range(1, 40)),
        ):
            root = y * factor
            if root * root == x * x * x + b2 and not is_inf(multiply((x, root, FQ2((1, 0))), curve_order)):
                return b"".join(int(c).to_bytes(32, "big") for q in (x, root) for c in reversed(q.coeffs))
    raise SystemExit("no stray point was found")


def judge(first: int, count: int) -> None:
    """Compares both engines with the specification on drawn programs, each with all its gas and with less."""
    from assay.chain.interpreter import Interpreter
    from assay.chain.revm import Revm

    differences = 0
    for seed in range(first, first + count):
        random = Random(seed)
        case = draw_case(random)
        for _ in range(2):
            expected = Specification(case.open_state()).execute(make_context(), case.message)
            for engine in (Interpreter, Revm):
                found = engine(case.open_state()).execute(make_context(), case.message)
                if pack_outcome(case, found) != pack_outcome(case, expected):
                    differences += 1
                    sys.stdout.write(f"seed {seed}: {engine.__name__} differs from the specification\n")
            case = shorten(case, expected.gas_used, random)
    sys.stdout.write(f"{count} programs from seed {first}, each twice: {differences} differences\n")


if __name__ == "__main__":
    make() if sys.argv[1] == "make" else judge(int(sys.argv[2]), int(sys.argv[3]))
