"""Training a slot's round in segments: states, their hashes, the loss, and the update.

Everything here is a function of its arguments; seconds are measured by a timer that is passed in. After a fault of the
job every later leaf carries the same digest in place of a state's hash, and there is no update.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.protocol.transcript import ZERO, Leaf, SlotName, Transcript, fault_digest, leaves_of
from assay.work.batch import Feed
from assay.work.program import Program
from assay.work.shelf import Shelf
from assay.work.state import content_of, state_root, update_root
from assay.work.walk import Fault

Timer = Callable[[], float]

BESIDE_BYTES = 8 << 20
"""States from here on are hashed by a thread beside the next segment. Measured on two cores, segments of 2 to 3 steps:
15 MB 2-13% faster with a core to spare and 7-20% slower without; 1.6 MB and 5 MB no gain, since each leaf of 4 KiB
takes the interpreter's lock once."""


class Runs(Protocol):
    """What runs a program: `assay.work.interpret.Runner`."""

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        """Outputs of the program, or its first fault."""
        ...


@dataclass(frozen=True)
class Span:
    """Some steps of a slot, run. After a fault `state` is None and `state_root` the fault's digest."""

    state: list[Tensor] | None
    state_root: bytes
    loss_bits: int
    fault: Fault | None = None


@dataclass(frozen=True)
class Plan:
    """How a round is cut: `steps` in segments of `segment_steps`."""

    steps: int
    segment_steps: int

    def __post_init__(self) -> None:
        if self.segment_steps < 1 or self.steps < 1 or self.steps % self.segment_steps:
            raise ValueError(f"{self.steps} steps do not make segments of {self.segment_steps}")

    @property
    def segment_count(self) -> int:
        """Segments of a round, N."""
        return self.steps // self.segment_steps


def loss_bits_of(loss: Tensor) -> int:
    """Bits of a binary32 loss of one element, as an unsigned integer."""
    return int.from_bytes(bytes(content_of(loss)), "little")


def fault_of(step: int, fault: Fault) -> bytes:
    """What a leaf carries for a fault in a step, numbered in the round: the same on every machine."""
    node = fault.node_index if fault.node_index >= 0 else -1 - fault.node_index
    return fault_digest(step, node, fault.operator)


def place_of_fault(program: Program, steps: Iterable[int], digest: bytes) -> tuple[int, int, str] | None:
    """Step, node and operator of the fault that a leaf has the digest of; nothing where the program has none such."""
    inputs = [(number, "input") for number in range(len(program.inputs))]
    nodes = [(number, BY_OPCODE[node.opcode].name) for number, node in enumerate(program.nodes)]
    places = ((step, *place) for step in steps for place in (*inputs, *nodes))
    return next((place for place in places if fault_digest(*place) == digest), None)


def run_steps(
    runner: Runs, state: Sequence[Tensor], feed: Feed, first_step: int, step_count: int
) -> tuple[list[Tensor] | None, int, bytes, Fault | None]:
    """Run steps of a round: (end state, bits of the last loss, fault's digest, fault); state is None after a fault."""
    tensors, loss_bits = list(state), 0
    with torch.inference_mode():
        for step in range(first_step, first_step + step_count):
            outputs = runner.run([*tensors, *feed.batch(step)])
            if isinstance(outputs, Fault):
                return None, 0, fault_of(step, outputs), outputs
            *tensors, loss = outputs
            loss_bits = loss_bits_of(loss)
    return tensors, loss_bits, ZERO, None


def run_segment(runner: Runs, state: Sequence[Tensor], feed: Feed, segment: int, segment_steps: int) -> Span:
    """Run one segment from its start state and hash where it ends: what a validator re-executes."""
    end, loss_bits, digest, fault = run_steps(runner, state, feed, segment * segment_steps, segment_steps)
    return Span(end, digest if end is None else state_root(end), loss_bits, fault)


@dataclass(frozen=True)
class SlotWork:
    """A slot's round, done.

    `states[i]` is the state before segment i, the last one the end; None after a fault. Some may be derived again when
    they are asked for.
    `roots` and `loss_bits` have N + 1 entries, `update` is None after a fault. Seconds are by the injected timer;
    `hash_s` runs beside `train_s` for large states.
    """

    states: Sequence[list[Tensor] | None]
    roots: tuple[bytes, ...]
    loss_bits: tuple[int, ...]
    update: list[Tensor] | None
    update_root: bytes
    fault: Fault | None
    train_s: float
    hash_s: float

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The transcript's leaves, not yet salted."""
        return leaves_of(self.roots, self.loss_bits, self.update_root)

    def transcript(self, name: SlotName, secret: bytes) -> Transcript:
        """The transcript of this work, salted by a secret of 32 bytes."""
        return Transcript(name, secret, self.leaves)


def train_slot(
    step: Runs,
    emit: Runs,
    start: Sequence[Tensor],
    feed: Feed,
    plan: Plan,
    timer: Timer,
    *,
    start_root: bytes | None = None,
    stride: int = 1,
) -> SlotWork:
    """Train one slot for a round: N segments, then the update.

    `start_root` saves hashing the start state when it is known; of the states each `stride`-th is kept. Runners must
    give fresh tensors, not buffers that they write again.
    """

    def again(state: list[Tensor], segment: int) -> list[Tensor] | None:
        return run_steps(step, state, feed, segment * plan.segment_steps, plan.segment_steps)[0]

    shelf = Shelf(start, plan.segment_count, stride, again)
    clock = _Clock(timer)
    losses, digest, fault = [0], ZERO, None
    with _Hasher(start, clock) as hasher:
        roots = [hasher.known(start_root) if start_root is not None else hasher.submit(start)]
        last: list[Tensor] | None = list(start)
        for segment in range(plan.segment_count):
            loss_bits = 0
            if last is not None:
                began = timer()
                last, loss_bits, digest, fault = run_steps(
                    step, last, feed, segment * plan.segment_steps, plan.segment_steps
                )
                clock.train_s += timer() - began
            roots.append(hasher.known(digest) if last is None else hasher.submit(last))
            losses.append(loss_bits)
            shelf.put(last)
        update, bound = None, ZERO
        if last is not None:
            began = timer()
            outputs = emit.run([*start, *last])
            clock.train_s += timer() - began
            if isinstance(outputs, Fault):
                fault, bound = outputs, fault_of(plan.steps, outputs)
            else:
                update, bound = outputs, clock.hashed(lambda: update_root(outputs))
        hashes = tuple(root() for root in roots)
    return SlotWork(shelf, hashes, tuple(losses), update, bound, fault, clock.train_s, clock.hash_s)


class _Clock:
    """Seconds spent, by kind."""

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self.train_s = 0.0
        self.hash_s = 0.0

    def hashed(self, hash_it: Callable[[], bytes]) -> bytes:
        began = self.timer()
        root = hash_it()
        self.hash_s += self.timer() - began
        return root


class _Hasher:
    """Hashes states in order, beside the caller where they are large: one at a time, so that none pile up."""

    def __init__(self, state: Sequence[Tensor], clock: _Clock) -> None:
        beside = sum(tensor.nbytes for tensor in state) >= BESIDE_BYTES
        self.pool = ThreadPoolExecutor(1) if beside else None
        self.clock = clock
        self.busy: Future[bytes] | None = None

    def __enter__(self) -> "_Hasher":
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def known(self, root: bytes) -> Callable[[], bytes]:
        return lambda: root

    def submit(self, state: Sequence[Tensor]) -> Callable[[], bytes]:
        if self.pool is None:
            return self.known(self.clock.hashed(lambda: state_root(state)))
        if self.busy is not None:
            self.busy.result()
        self.busy = self.pool.submit(self.clock.hashed, lambda: state_root(state))
        return self.busy.result
