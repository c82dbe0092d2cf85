"""Opcodes of Cancun for the exact interpreter, as a table of (static gas, handler).

Gas as in the execution specs: EIP-150, 160, 2929, 3529, 1153, 5656, 3860, 6780. Calls and creations are in `calls`.
"""

from collections.abc import Callable
from typing import TypeAlias

from eth_hash.auto import keccak

from assay.chain.engine import Log
from assay.chain.frame import MAX, SIGN, WORD, Frame, Halt, cut, to_address, to_signed

Handler: TypeAlias = Callable[[Frame], None]

TABLE: dict[int, tuple[int, Handler]] = {}


def define(opcode: int, gas: int, handler: Handler) -> None:
    """Enter one opcode."""
    TABLE[opcode] = (gas, handler)


def _unary(function: Callable[[int], int]) -> Handler:
    def run(f: Frame) -> None:
        f.stack[-1] = function(f.stack[-1])

    return run


def _binary(function: Callable[[int, int], int]) -> Handler:
    def run(f: Frame) -> None:
        first = f.stack.pop()
        f.stack[-1] = function(first, f.stack[-1])

    return run


def _ternary(function: Callable[[int, int, int], int]) -> Handler:
    def run(f: Frame) -> None:
        first, second = f.stack.pop(), f.stack.pop()
        f.stack[-1] = function(first, second, f.stack[-1])

    return run


def _push(function: Callable[[Frame], int]) -> Handler:
    def run(f: Frame) -> None:
        f.stack.append(function(f))

    return run


def _divide_signed(a: int, b: int) -> int:
    x, y = to_signed(a), to_signed(b)
    return 0 if y == 0 else (abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)) % WORD


def _mod_signed(a: int, b: int) -> int:
    x, y = to_signed(a), to_signed(b)
    return 0 if y == 0 else (abs(x) % abs(y) * (-1 if x < 0 else 1)) % WORD


def _extend_sign(size: int, value: int) -> int:
    if size > 30:
        return value
    bit = 8 * size + 7
    return value | (MAX - (1 << bit) + 1) if value >> bit & 1 else value & ((1 << bit + 1) - 1)


def _exp(f: Frame) -> None:
    base, exponent = f.stack.pop(), f.stack.pop()
    f.use_gas(50 * ((exponent.bit_length() + 7) // 8))
    f.stack.append(pow(base, exponent, WORD))


def _keccak(f: Frame) -> None:
    offset, size = f.stack.pop(), f.stack.pop()
    f.use_gas(6 * ((size + 31) // 32))
    f.expand(offset, size)
    f.stack.append(int.from_bytes(keccak(f.read(offset, size)), "big"))


def _copy_from(source: Callable[[Frame], bytes]) -> Handler:
    def run(f: Frame) -> None:
        target, offset, size = f.stack.pop(), f.stack.pop(), f.stack.pop()
        f.use_gas(3 * ((size + 31) // 32))
        f.expand(target, size)
        f.write(target, cut(source(f), offset, size))

    return run


def _copy_returned(f: Frame) -> None:
    target, offset, size = f.stack.pop(), f.stack.pop(), f.stack.pop()
    f.use_gas(3 * ((size + 31) // 32))
    if offset + size > len(f.returned):
        raise Halt("OutOfOffset")
    f.expand(target, size)
    f.write(target, f.returned[offset : offset + size])


def _copy_code_of(f: Frame) -> None:
    address, target, offset, size = to_address(f.stack.pop()), f.stack.pop(), f.stack.pop(), f.stack.pop()
    f.use_access(address)
    f.use_gas(3 * ((size + 31) // 32))
    f.expand(target, size)
    f.write(target, cut(f.overlay.get_code(address), offset, size))


def _copy_memory(f: Frame) -> None:
    target, offset, size = f.stack.pop(), f.stack.pop(), f.stack.pop()
    f.use_gas(3 * ((size + 31) // 32))
    f.expand(max(target, offset), size)
    f.write(target, f.read(offset, size))


def _of_account(function: Callable[[Frame, bytes], int]) -> Handler:
    def run(f: Frame) -> None:
        address = to_address(f.stack.pop())
        f.use_access(address)
        f.stack.append(function(f, address))

    return run


def _block_hash(f: Frame) -> None:
    number = f.stack.pop()
    known = f.block.number - 256 <= number < f.block.number
    f.stack.append(int.from_bytes(f.block.hash_of(number), "big") if known else 0)


def _load(f: Frame) -> None:
    offset = f.stack.pop()
    f.expand(offset, 32)
    f.stack.append(int.from_bytes(f.memory[offset : offset + 32], "big"))


def _store(f: Frame) -> None:
    offset, value = f.stack.pop(), f.stack.pop()
    f.expand(offset, 32)
    f.memory[offset : offset + 32] = value.to_bytes(32, "big")


def _store_byte(f: Frame) -> None:
    offset, value = f.stack.pop(), f.stack.pop()
    f.expand(offset, 1)
    f.memory[offset] = value & 0xFF


def _load_slot(f: Frame) -> None:
    slot = f.stack.pop()
    f.use_gas(2_100 if f.overlay.touch((f.address, slot)) else 100)
    f.stack.append(f.overlay.get_slot(f.address, slot))


def _store_slot(f: Frame) -> None:
    f.forbid_static()
    if f.gas <= 2_300:
        raise Halt("OutOfGas")
    slot, new = f.stack.pop(), f.stack.pop()
    overlay = f.overlay
    current, original = overlay.get_slot(f.address, slot), overlay.get_original(f.address, slot)
    gas = 2_100 if overlay.touch((f.address, slot)) else 0
    if current == new or current != original:
        gas += 100
    else:
        gas += 20_000 if original == 0 else 2_900
    f.use_gas(gas)
    if current == new:
        return
    refund = 0
    if current == original:
        if original != 0 and new == 0:
            refund += 4_800
    else:
        if original != 0:
            refund += -4_800 if current == 0 else (4_800 if new == 0 else 0)
        if new == original:
            refund += 19_900 if original == 0 else 2_800
    if refund:
        overlay.add_refund(refund)
    overlay.set_slot(f.address, slot, new)


def _load_transient(f: Frame) -> None:
    f.stack[-1] = f.overlay.transient.get((f.address, f.stack[-1]), 0)


def _store_transient(f: Frame) -> None:
    f.forbid_static()
    slot, value = f.stack.pop(), f.stack.pop()
    f.overlay.set_transient(f.address, slot, value)


def _jump(f: Frame) -> None:
    target = f.stack.pop()
    if target not in f.targets:
        raise Halt("InvalidJump")
    f.position = target


def _jump_if(f: Frame) -> None:
    target, condition = f.stack.pop(), f.stack.pop()
    if condition:
        if target not in f.targets:
            raise Halt("InvalidJump")
        f.position = target


def _duplicate(depth: int) -> Handler:
    def run(f: Frame) -> None:
        f.stack.append(f.stack[-depth])

    return run


def _swap(depth: int) -> Handler:
    def run(f: Frame) -> None:
        stack = f.stack
        stack[-1], stack[-depth - 1] = stack[-depth - 1], stack[-1]

    return run


def _log(count: int) -> Handler:
    def run(f: Frame) -> None:
        f.forbid_static()
        offset, size = f.stack.pop(), f.stack.pop()
        topics = tuple(f.stack.pop().to_bytes(32, "big") for _ in range(count))
        f.use_gas(8 * size)
        f.expand(offset, size)
        f.overlay.add_log(Log(f.address, topics, f.read(offset, size)))

    return run


def _end_with(*, reverted: bool) -> Handler:
    def run(f: Frame) -> None:
        offset, size = f.stack.pop(), f.stack.pop()
        f.expand(offset, size)
        f.output, f.finished, f.reverted = f.read(offset, size), True, reverted

    return run


def _stop(f: Frame) -> None:
    f.finished = True


def _invalid(_: Frame) -> None:
    raise Halt("InvalidFEOpcode")


def _nothing(_: Frame) -> None:
    pass


def _drop(f: Frame) -> None:
    f.stack.pop()


def _self_destruct(f: Frame) -> None:
    f.forbid_static()
    heir, overlay = to_address(f.stack.pop()), f.overlay
    gas = 2_600 if overlay.touch(heir) else 0
    balance = overlay.get_balance(f.address)
    if balance and overlay.is_empty(heir):
        gas += 25_000
    f.use_gas(gas)
    dies = f.address in overlay.created
    if heir != f.address:
        overlay.transfer(f.address, heir, balance)
    elif dies:
        overlay.set_balance(f.address, 0)
    if dies:
        overlay.note_destroyed(f.address)
    f.finished = True


def _fill() -> None:
    for opcode, gas, binary in (
        (0x01, 3, lambda a, b: a + b & MAX),
        (0x02, 5, lambda a, b: a * b & MAX),
        (0x03, 3, lambda a, b: a - b & MAX),
        (0x04, 5, lambda a, b: a // b if b else 0),
        (0x05, 5, _divide_signed),
        (0x06, 5, lambda a, b: a % b if b else 0),
        (0x07, 5, _mod_signed),
        (0x0B, 5, _extend_sign),
        (0x10, 3, lambda a, b: int(a < b)),
        (0x11, 3, lambda a, b: int(a > b)),
        (0x12, 3, lambda a, b: int(to_signed(a) < to_signed(b))),
        (0x13, 3, lambda a, b: int(to_signed(a) > to_signed(b))),
        (0x14, 3, lambda a, b: int(a == b)),
        (0x16, 3, lambda a, b: a & b),
        (0x17, 3, lambda a, b: a | b),
        (0x18, 3, lambda a, b: a ^ b),
        (0x1A, 3, lambda i, v: v >> 8 * (31 - i) & 0xFF if i < 32 else 0),
        (0x1B, 3, lambda n, v: v << n & MAX if n < 256 else 0),
        (0x1C, 3, lambda n, v: v >> n if n < 256 else 0),
        (0x1D, 3, lambda n, v: (to_signed(v) >> n if n < 256 else (-1 if v & SIGN else 0)) % WORD),
    ):
        define(opcode, gas, _binary(binary))
    define(0x08, 8, _ternary(lambda a, b, n: (a + b) % n if n else 0))
    define(0x09, 8, _ternary(lambda a, b, n: a * b % n if n else 0))
    define(0x15, 3, _unary(lambda a: int(a == 0)))
    define(0x19, 3, _unary(lambda a: a ^ MAX))
    define(0x35, 3, lambda f: f.stack.append(int.from_bytes(cut(f.payload, f.stack.pop(), 32), "big")))
    define(0x49, 3, _unary(lambda _: 0))
    for opcode, gas, source in (
        (0x30, 2, lambda f: int.from_bytes(f.address, "big")),
        (0x32, 2, lambda f: int.from_bytes(f.message.sender, "big")),
        (0x33, 2, lambda f: int.from_bytes(f.caller, "big")),
        (0x34, 2, lambda f: f.value),
        (0x36, 2, lambda f: len(f.payload)),
        (0x38, 2, lambda f: len(f.code)),
        (0x3A, 2, lambda f: f.message.gas_price),
        (0x3D, 2, lambda f: len(f.returned)),
        (0x41, 2, lambda f: int.from_bytes(f.block.coinbase, "big")),
        (0x42, 2, lambda f: f.block.timestamp),
        (0x43, 2, lambda f: f.block.number),
        (0x44, 2, lambda f: int.from_bytes(f.block.prevrandao, "big")),
        (0x45, 2, lambda f: f.block.gas_limit),
        (0x46, 2, lambda f: f.block.chain_id),
        (0x47, 5, lambda f: f.overlay.get_balance(f.address)),
        (0x48, 2, lambda f: f.block.base_fee),
        (0x4A, 2, lambda _: 1),
        (0x58, 2, lambda f: f.position - 1),
        (0x59, 2, lambda f: len(f.memory)),
        (0x5A, 2, lambda f: f.gas),
    ):
        define(opcode, gas, _push(source))
    define(0x31, 0, _of_account(lambda f, a: f.overlay.get_balance(a)))
    define(0x3B, 0, _of_account(lambda f, a: len(f.overlay.get_code(a))))
    define(0x3F, 0, _of_account(lambda f, a: int.from_bytes(f.overlay.get_code_hash(a), "big")))
    define(0x37, 3, _copy_from(lambda f: f.payload))
    define(0x39, 3, _copy_from(lambda f: f.code))
    for opcode, gas, handler in (
        (0x00, 0, _stop),
        (0x0A, 10, _exp),
        (0x20, 30, _keccak),
        (0x3C, 0, _copy_code_of),
        (0x3E, 3, _copy_returned),
        (0x40, 20, _block_hash),
        (0x50, 2, _drop),
        (0x51, 3, _load),
        (0x52, 3, _store),
        (0x53, 3, _store_byte),
        (0x54, 0, _load_slot),
        (0x55, 0, _store_slot),
        (0x56, 8, _jump),
        (0x57, 10, _jump_if),
        (0x5B, 1, _nothing),
        (0x5C, 100, _load_transient),
        (0x5D, 100, _store_transient),
        (0x5E, 3, _copy_memory),
        (0xF3, 0, _end_with(reverted=False)),
        (0xFD, 0, _end_with(reverted=True)),
        (0xFE, 0, _invalid),
        (0xFF, 5_000, _self_destruct),
    ):
        define(opcode, gas, handler)
    for depth in range(1, 17):
        define(0x7F + depth, 3, _duplicate(depth))
        define(0x8F + depth, 3, _swap(depth))
    for count in range(5):
        define(0xA0 + count, 375 + 375 * count, _log(count))


_fill()
