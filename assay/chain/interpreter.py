"""The exact engine: a small EVM in Python, Cancun rules.

It runs where pyrevm has no wheel, and wherever code asks for what pyrevm answers wrongly. Four million simple opcodes
a second. Sources: the Yellow Paper and the execution specs; held to the same conformance suite as pyrevm and a node.
"""

from functools import lru_cache
from typing import TypeAlias

from assay.chain.calls import TABLE, close_creation, compute_create_address, open_creation, resume, run_precompile
from assay.chain.engine import INITCODE_LIMIT_BYTES, BlockContext, Message, Outcome, compute_intrinsic_gas
from assay.chain.frame import Frame, Halt
from assay.chain.opcodes import Handler
from assay.chain.overlay import Overlay
from assay.chain.state import Diff, State

STACK_LIMIT = 1_024
PLANS_MAX = 64
"""Codes that are kept ready to run; each takes about a hundred bytes for one of its own."""

Step: TypeAlias = tuple[int, Handler | None, int, int]
PRECOMPILES = tuple(i.to_bytes(20, "big") for i in range(1, 11))


class Interpreter:
    """`Engine` in pure Python."""

    name = "interpreter"

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self, diff: Diff) -> None:
        """Nothing to do: the interpreter reads the state itself."""

    def execute(self, block: BlockContext, message: Message, *, keep: bool = True) -> Outcome:  # noqa: ARG002
        intrinsic = compute_intrinsic_gas(message)
        if intrinsic > message.gas_limit:
            return Outcome(False, message.gas_limit, b"", "IntrinsicGas")
        if message.to is None and len(message.data) > INITCODE_LIMIT_BYTES:
            return Outcome(False, message.gas_limit, b"", "CreateInitCodeSizeLimit")
        overlay = Overlay(self._state)
        first = self._open(overlay, block, message, message.gas_limit - intrinsic)
        success, halt = _run(first)
        if not success:
            return Outcome(False, message.gas_limit - first.gas, first.output, halt)
        spent = message.gas_limit - first.gas
        gas_used = spent - min(overlay.refund, spent // 5)
        created = first.address if message.to is None else None
        return Outcome(True, gas_used, first.output, "", tuple(overlay.logs), created, overlay.collect_diff())

    def _open(self, overlay: Overlay, block: BlockContext, message: Message, gas: int) -> Frame:
        creates = message.to is None
        address = compute_create_address(message.sender, message.nonce) if message.to is None else message.to
        for warm in (*PRECOMPILES, message.sender, address, block.coinbase):
            overlay.touch(warm)
        for listed, slots in message.access_list:
            overlay.touch(listed)
            for slot in slots:
                overlay.touch((listed, slot))
        frame = Frame(
            overlay,
            block,
            message,
            code=message.data if creates else overlay.get_code(address),
            address=address,
            caller=message.sender,
            value=message.value,
            payload=b"" if creates else message.data,
            gas=gas,
            depth=0,
            is_static=False,
            is_create=creates,
        )
        if message.value > overlay.get_balance(message.sender):
            frame.fault = "OutOfFunds"
        elif creates:
            # The chain has bumped the sender's nonce already, unless this is only a question.
            overlay.set_nonce(message.sender, message.nonce + 1)
            open_creation(frame)
        else:
            frame.mark = overlay.mark()
            overlay.transfer(message.sender, address, message.value)
            run_precompile(frame, address)
        return frame


def _run(first: Frame) -> tuple[bool, str]:
    """Run `first` and everything that it calls; True when it succeeded, else the name of the halt."""
    frames = [first]
    while True:
        frame, halt = frames[-1], ""
        try:
            _run_until_pause(frame)
            if frame.child is not None:
                frames.append(frame.child)
                frame.child = None
                continue
            if frame.is_create and not frame.reverted:
                close_creation(frame)
        except Halt as reason:
            halt, frame.gas, frame.output = str(reason), 0, b""
        success = not (halt or frame.reverted)
        if not success:
            frame.overlay.rewind(frame.mark)
        frames.pop()
        if not frames:
            return success, halt
        resume(frames[-1], frame, success=success)


def _run_until_pause(frame: Frame) -> None:
    """Run opcodes until the frame finishes or calls."""
    if frame.fault:
        raise Halt(frame.fault)
    steps, stack = plan(frame.code), frame.stack
    try:
        while not frame.finished and frame.child is None:
            gas, handler, pushed, frame.position = steps[frame.position]
            frame.gas -= gas
            if frame.gas < 0:
                raise Halt("OutOfGas")
            if handler is None:
                stack.append(pushed)
            else:
                handler(frame)
            if len(stack) > STACK_LIMIT:
                raise Halt("StackOverflow")
    except IndexError:
        raise Halt("StackUnderflow") from None


@lru_cache(maxsize=PLANS_MAX)
def plan(code: bytes) -> tuple[Step, ...]:
    """What to do at each position, and at the end: (static gas, handler, number to push where there is none, next)."""
    steps: list[Step] = []
    size = len(code)
    for position, opcode in enumerate(code):
        if 0x5F <= opcode <= 0x7F:
            after = position + opcode - 0x5E
            number = int.from_bytes(code[position + 1 : after].ljust(opcode - 0x5F, b"\0"), "big")
            steps.append((2 if opcode == 0x5F else 3, None, number, min(after, size)))
        else:
            gas, handler = TABLE.get(opcode, (0, _refuse))
            steps.append((gas, handler, 0, position + 1))
    return (*steps, (0, TABLE[0x00][1], 0, size))


def _refuse(_: Frame) -> None:
    raise Halt("OpcodeNotFound")
