"""Call and create opcodes for the exact interpreter: what a frame asks of another frame, and how it gets it back.

Sources: EIP-150 (63/64), 2929, 3860, 1014 (CREATE2), 3541, 170, 684 (collisions).
"""

from eth_hash.auto import keccak

from assay.chain import rlp
from assay.chain.engine import CODE_LIMIT_BYTES, INITCODE_LIMIT_BYTES
from assay.chain.frame import Frame, Halt, to_address
from assay.chain.opcodes import TABLE, Handler, define
from assay.chain.precompiles import find_precompile

DEPTH_LIMIT = 1_024


def compute_create_address(sender: bytes, nonce: int) -> bytes:
    """Address of a contract created by `sender` at `nonce`."""
    return bytes(keccak(rlp.encode([sender, nonce]))[12:])


def _call(opcode: int) -> Handler:
    has_value = opcode in (0xF1, 0xF2)

    def run(f: Frame) -> None:
        pop = f.stack.pop
        asked, target = pop(), to_address(pop())
        value = pop() if has_value else 0
        offset, size, result_offset, result_size = pop(), pop(), pop(), pop()
        if opcode == 0xF1 and value:
            f.forbid_static()
        f.expand(offset, size)
        f.expand(result_offset, result_size)
        f.use_access(target)
        if value:
            f.use_gas(9_000 + (25_000 if opcode == 0xF1 and f.overlay.is_empty(target) else 0))
        gas = min(asked, f.gas - f.gas // 64)
        f.use_gas(gas)
        gas += 2_300 if value else 0
        f.returned, f.result_offset, f.result_size = b"", result_offset, result_size
        if f.depth + 1 > DEPTH_LIMIT or value > f.overlay.get_balance(f.address):
            f.gas += gas
            f.stack.append(0)
            return
        f.child = Frame(
            f.overlay,
            f.block,
            f.message,
            code=f.overlay.get_code(target),
            address=target if opcode in (0xF1, 0xFA) else f.address,
            caller=f.caller if opcode == 0xF4 else f.address,
            value=f.value if opcode == 0xF4 else value,
            payload=f.read(offset, size),
            gas=gas,
            depth=f.depth + 1,
            is_static=f.is_static or opcode == 0xFA,
            is_create=False,
        )
        f.child.mark = f.overlay.mark()
        if opcode == 0xF1:
            f.overlay.transfer(f.address, target, value)
        run_precompile(f.child, target)

    return run


def run_precompile(frame: Frame, address: bytes) -> None:
    """Finish `frame` at once if `address` is a precompile."""
    precompile = find_precompile(address)
    if precompile is None:
        return
    gas = precompile.price(frame.payload)
    if gas > frame.gas:
        frame.fault = "OutOfGas"
        return
    output = precompile.answer(frame.payload)
    if output is None:
        frame.fault = "PrecompileError"
        return
    frame.gas -= gas
    frame.output, frame.finished = output, True


def _create(opcode: int) -> Handler:
    def run(f: Frame) -> None:
        f.forbid_static()
        value, offset, size = f.stack.pop(), f.stack.pop(), f.stack.pop()
        salt = f.stack.pop() if opcode == 0xF5 else 0
        if size > INITCODE_LIMIT_BYTES:
            raise Halt("CreateInitCodeSizeLimit")
        words = (size + 31) // 32
        f.use_gas(words * (8 if opcode == 0xF5 else 2))
        f.expand(offset, size)
        initcode, overlay = f.read(offset, size), f.overlay
        f.use_gas(32_000)
        gas = f.gas - f.gas // 64
        f.use_gas(gas)
        f.returned = b""
        nonce = overlay.get_nonce(f.address)
        if f.depth + 1 > DEPTH_LIMIT or value > overlay.get_balance(f.address) or nonce == 2**64 - 1:
            f.gas += gas
            f.stack.append(0)
            return
        overlay.set_nonce(f.address, nonce + 1)
        if opcode == 0xF5:
            payload = b"\xff" + f.address + salt.to_bytes(32, "big") + keccak(initcode)
            address = bytes(keccak(payload)[12:])
        else:
            address = compute_create_address(f.address, nonce)
        child = Frame(
            overlay,
            f.block,
            f.message,
            code=initcode,
            address=address,
            caller=f.address,
            value=value,
            payload=b"",
            gas=gas,
            depth=f.depth + 1,
            is_static=False,
            is_create=True,
        )
        overlay.touch(address)
        open_creation(child)
        f.child = child

    return run


def open_creation(frame: Frame) -> None:
    """Make the account that `frame` fills; a collision turns the frame into one that halts."""
    overlay, address = frame.overlay, frame.address
    frame.mark = overlay.mark()
    if overlay.get_nonce(address) or overlay.get_code(address):
        frame.fault = "CreateCollision"
        return
    overlay.note_created(address)
    overlay.set_nonce(address, 1)
    overlay.transfer(frame.caller, address, frame.value)


def close_creation(frame: Frame) -> None:
    """Charge for and store the code that a creating frame returned."""
    code = frame.output
    if code[:1] == b"\xef" or len(code) > CODE_LIMIT_BYTES:
        raise Halt("CreateContractInvalid")
    frame.use_gas(200 * len(code))
    frame.overlay.set_code(frame.address, code)


def resume(parent: Frame, child: Frame, *, success: bool) -> None:
    """Give a finished child's gas and output back to its parent."""
    parent.gas += child.gas
    if child.is_create:
        parent.returned = child.output if child.reverted else b""
        parent.stack.append(int.from_bytes(child.address, "big") if success else 0)
        return
    parent.returned = child.output
    parent.write(parent.result_offset, child.output[: parent.result_size])
    parent.stack.append(int(success))


for _opcode in (0xF1, 0xF2, 0xF4, 0xFA):
    define(_opcode, 0, _call(_opcode))
for _opcode in (0xF0, 0xF5):
    define(_opcode, 0, _create(_opcode))

__all__ = ["TABLE", "close_creation", "compute_create_address", "open_creation", "resume", "run_precompile"]
