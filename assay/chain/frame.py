"""One call frame of the exact interpreter: stack, memory, gas, and the exceptional halts."""

from functools import lru_cache

from assay.chain.engine import BlockContext, Message
from assay.chain.overlay import Overlay

WORD = 1 << 256
MAX = WORD - 1
SIGN = 1 << 255


class Halt(Exception):
    """An exceptional halt: the frame's gas is gone and its writes are undone. The argument names it."""


@lru_cache(maxsize=512)
def find_jump_targets(code: bytes) -> frozenset[int]:
    """Positions of JUMPDEST that are not push data."""
    targets, position = [], 0
    while position < len(code):
        opcode = code[position]
        if opcode == 0x5B:
            targets.append(position)
        position += opcode - 0x5E if 0x60 <= opcode <= 0x7F else 1
    return frozenset(targets)


class Frame:
    """A running piece of code. `child` is set by a call opcode, `finished` by the ones that end the frame.

    `fault` names a halt that was found before the first opcode.
    """

    __slots__ = (
        "address",
        "block",
        "caller",
        "child",
        "code",
        "depth",
        "fault",
        "finished",
        "gas",
        "is_create",
        "is_static",
        "mark",
        "memory",
        "message",
        "output",
        "overlay",
        "payload",
        "position",
        "result_offset",
        "result_size",
        "returned",
        "reverted",
        "stack",
        "targets",
        "value",
    )

    def __init__(
        self,
        overlay: Overlay,
        block: BlockContext,
        message: Message,
        *,
        code: bytes,
        address: bytes,
        caller: bytes,
        value: int,
        payload: bytes,
        gas: int,
        depth: int,
        is_static: bool,
        is_create: bool,
    ) -> None:
        self.overlay, self.block, self.message = overlay, block, message
        self.code, self.address, self.caller = code, address, caller
        self.value, self.payload, self.gas = value, payload, gas
        self.depth, self.is_static, self.is_create = depth, is_static, is_create
        self.targets = find_jump_targets(code)
        self.stack: list[int] = []
        self.memory = bytearray()
        self.position = 0
        self.returned = b""  # of the last child
        self.output = b""
        self.finished = False
        self.reverted = False
        self.child: Frame | None = None
        self.fault = ""
        self.mark = 0
        self.result_offset = 0
        self.result_size = 0

    def use_gas(self, gas: int) -> None:
        """Charge, or halt."""
        self.gas -= gas
        if self.gas < 0:
            raise Halt("OutOfGas")

    def expand(self, offset: int, size: int) -> None:
        """Charge for and grow memory to hold `size` bytes at `offset`."""
        if size == 0:
            return
        end = offset + size
        have = len(self.memory)
        if end <= have:
            return
        if end > 1 << 32:
            raise Halt("OutOfGas")
        old, new = have // 32, (end + 31) // 32
        self.use_gas(3 * (new - old) + new * new // 512 - old * old // 512)
        self.memory.extend(bytes(new * 32 - have))

    def read(self, offset: int, size: int) -> bytes:
        """Memory that `expand` has made room for."""
        return bytes(self.memory[offset : offset + size]) if size else b""

    def write(self, offset: int, payload: bytes) -> None:
        """Write into memory that `expand` has made room for."""
        if payload:
            self.memory[offset : offset + len(payload)] = payload

    def use_access(self, address: bytes) -> None:
        """Charge for touching an account (EIP-2929)."""
        self.use_gas(2_600 if self.overlay.touch(address) else 100)

    def forbid_static(self) -> None:
        """Halt inside a static call."""
        if self.is_static:
            raise Halt("StateChangeDuringStaticCall")


def to_signed(value: int) -> int:
    """Two's complement of 256 bits."""
    return value - WORD if value & SIGN else value


def to_address(value: int) -> bytes:
    """The low 160 bits."""
    return (value & ((1 << 160) - 1)).to_bytes(20, "big")


def cut(payload: bytes, offset: int, size: int) -> bytes:
    """`size` bytes at `offset`, zeros past the end."""
    return payload[offset : offset + size].ljust(size, b"\0") if offset < len(payload) else bytes(size)
