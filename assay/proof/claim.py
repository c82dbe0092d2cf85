"""A claim that can be narrowed down: what somebody stands for, and what it takes to run it again.

`Claim` is what both sides agree that it says, as the contracts hold it. `Replay` runs it: the one side to find out
where it is wrong, the other to open what it has committed. Nothing of a run is kept but hashes; a value that is asked
for is computed again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from assay.proof.rows import Rows, row_root
from assay.protocol.merkle import leaf_hashes, merkle_root, roots_hash
from assay.protocol.schedule import batch_indices
from assay.work.limits import Allowance
from assay.work.program import Program
from assay.work.segment import fault_of
from assay.work.state import root_of, state_root
from assay.work.walk import Fault, walk

Alter = Callable[[int, int, Tensor], Tensor | None]
"""(run, value's number, value) -> what somebody has in its place."""


@dataclass(frozen=True)
class Feed:
    """Which samples the runs take: `Feed` of the contracts. Without a key they come in their order, and begin again
    behind the last."""

    samples_root: bytes = bytes(32)
    sample_count: int = 0
    slot: int = 0
    slot_count: int = 0
    first_step: int = 0
    batch_size: int = 0
    key: bytes = bytes(32)

    def sample_of(self, run: int, place: int) -> int:
        """Which sample is at a place of a run's batch."""
        step = self.first_step + run
        if self.key == bytes(32):
            return (step * self.batch_size + place) % self.sample_count
        batch = batch_indices(self.key, self.sample_count, self.slot, self.slot_count, step, self.batch_size)
        return int(batch[place])

    def to_abi(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        counts = (self.sample_count, self.slot, self.slot_count, self.first_step, self.batch_size)
        return self.samples_root, *counts, self.key


@dataclass(frozen=True)
class Records:
    """A data set as its manifest commits to it: `content` is one record after another, x || y, `record_bytes` each."""

    content: bytes | memoryview
    record_bytes: int

    @property
    def count(self) -> int:
        """Samples."""
        return len(self.content) // self.record_bytes

    @cached_property
    def leaves(self) -> list[bytes]:
        """Hashes of the records."""
        return leaf_hashes(self.content, self.record_bytes)

    @cached_property
    def root(self) -> bytes:
        """`samples_root` of the manifest."""
        return merkle_root(self.leaves)

    def at(self, index: int) -> bytes:
        """One record."""
        return bytes(self.content[index * self.record_bytes : (index + 1) * self.record_bytes])


@dataclass(frozen=True)
class Claim:
    """`Claim` of the contracts. `origins` are the roots of the tensors that the first run begins with; `loss_bits` is
    None where the runs have no loss that is claimed."""

    subject: bytes
    defender: str
    program: Program
    origins: tuple[tuple[bytes, ...], ...]
    feed: Feed
    end: bytes
    end_count: int
    steps: int = 1
    loss_bits: int | None = None

    @property
    def first(self) -> int:
        """Number of the first value that has a row."""
        return sum(map(len, self.origins))

    def first_faulty(self, fault: Fault) -> int:
        """The first row that a run with this fault has not got."""
        place = -1 - fault.node_index if fault.node_index < 0 else len(self.program.inputs) + fault.node_index
        return place - self.first

    @property
    def row_count(self) -> int:
        """Rows of a run."""
        return len(self.program.values) - self.first

    def to_abi(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        trees = tuple(merkle_root(hashes) for hashes in self.program.trees)
        counts = (len(self.program.nodes), len(self.program.outputs), len(self.program.inputs))
        origins = [(roots_hash(roots), len(roots)) for roots in self.origins]
        loss = (self.loss_bits or 0, self.loss_bits is not None)
        parts = (self.subject, self.defender, (*trees, *counts), origins, self.feed.to_abi(), self.first)
        return *parts, self.end_count, *loss, self.steps, self.end


class Replay:
    """The runs of a claim, by somebody who has its inputs.

    `start` are the tensors of the first origin, `others` those of the further ones, `batch` gives the samples of a run.
    `alter` is how somebody's work differs from what the program says; honest work has none.
    """

    def __init__(
        self,
        program: Program,
        start: Sequence[Tensor],
        batch: Callable[[int], Sequence[Tensor]],
        steps: int = 1,
        *,
        others: Sequence[Sequence[Tensor]] = (),
        end_count: int | None = None,
        allowance: Allowance | None = None,
        alter: Alter | None = None,
        first_step: int = 0,
    ) -> None:
        self.program, self.batch, self.steps, self.others = program, batch, steps, others
        self.end_count = len(start) if end_count is None else end_count
        self.allowance, self.alter, self.first_step = allowance, alter, first_step
        self._start = list(start)
        self._at: tuple[int, list[Tensor]] = (0, self._start)
        self._rows: tuple[int, Rows] | None = None
        self._values: tuple[int, set[int], dict[int, Tensor]] = (-1, set(), {})

    @property
    def first(self) -> int:
        """Number of the first value that has a row."""
        return len(self._start) + sum(map(len, self.others))

    @cached_property
    def ends(self) -> list[bytes]:
        """Root of the state after each run, or the fault's digest from the first fault on."""
        return [root for root, *_ in self._course]

    @property
    def loss_bits(self) -> int:
        """Of the output behind the state's, in the last run; 0 after a fault."""
        return self._course[-1][1]

    @property
    def faulty(self) -> int | None:
        """The run that ends in a fault, if one does."""
        return next((step for step, (_, _, fault) in enumerate(self._course) if fault is not None), None)

    @cached_property
    def _course(self) -> list[tuple[bytes, int, Fault | None]]:
        found: list[tuple[bytes, int, Fault | None]] = []
        state, digest = list(self._start), b""
        for step in range(self.steps):
            ended = None if digest else self._outputs(step, state)
            if ended is None:
                found.append((digest, 0, None))
            elif isinstance(ended, Fault):
                digest = fault_of(self.first_step + step, ended)
                found.append((digest, 0, ended))
            else:
                state = ended[: self.end_count]
                found.append((state_root(state), _bits(ended[self.end_count :]), None))
        return found

    def state(self, step: int) -> list[Tensor]:
        """The state before a run. Errors: `LookupError` where a fault came before it."""
        at, state = self._at if self._at[0] <= step else (0, self._start)
        while at < step:
            ended = self._outputs(at, state)
            if isinstance(ended, Fault):
                raise LookupError(step)
            at, state = at + 1, ended[: self.end_count]
        self._at = (at, state)
        return state

    def origins(self, step: int) -> tuple[tuple[bytes, ...], ...]:
        """Roots of the tensors that a run begins with."""
        return tuple(tuple(map(root_of, tensors)) for tensors in (self.state(step), *self.others))

    def end_roots(self, step: int) -> list[bytes]:
        """Roots of the tensors of the state after a run."""
        inputs = self._inputs(step, self.state(step))
        return [
            self.rows(step).root_of(value) if value >= len(inputs) else root_of(inputs[value])
            for value in self.program.outputs[: self.end_count]
        ]

    def _inputs(self, step: int, state: list[Tensor]) -> list[Tensor]:
        others = [tensor for tensors in self.others for tensor in tensors]
        return [*state, *others, *self.batch(step)]

    def rows(self, step: int) -> Rows:
        """The rows of a run; the last one asked for is kept."""
        if self._rows is None or self._rows[0] != step:
            roots: list[bytes] = []

            def see(value: int, tensor: Tensor) -> None:
                if value >= self.first:
                    roots.append(row_root(self.program, value, tensor))

            fault = self._walk(step, self.state(step), see)
            self._rows = (step, Rows(self.program, self.first, tuple(roots), fault))
        return self._rows[1]

    def values(self, step: int, wanted: Collection[int]) -> dict[int, Tensor]:
        """Some values of a run; those after a fault are missing. What was asked for last is kept."""
        if self._values[0] != step or not set(wanted) <= self._values[1]:
            found, _ = self._take(step, self.state(step), set(wanted))
            self._values = (step, set(wanted), found)
        return self._values[2]

    def _outputs(self, step: int, state: list[Tensor]) -> list[Tensor] | Fault:
        found, fault = self._take(step, state, set(self.program.outputs))
        return fault if fault is not None else [found[value] for value in self.program.outputs]

    def _take(self, step: int, state: list[Tensor], wanted: set[int]) -> tuple[dict[int, Tensor], Fault | None]:
        found: dict[int, Tensor] = {}

        def see(value: int, tensor: Tensor) -> None:
            if value in wanted:
                found[value] = tensor.contiguous()

        return found, self._walk(step, state, see)

    def _walk(self, step: int, state: list[Tensor], see: Callable[[int, Tensor], None]) -> Fault | None:
        """Run once from a state; `see` is given every value as somebody has it."""

        def visit(value: int, tensor: Tensor) -> Tensor | None:
            replaced = self.alter(step, value, tensor) if self.alter else None
            see(value, tensor if replaced is None else replaced)
            return replaced

        return walk(self.program, self._inputs(step, state), visit, allowance=self.allowance)


def _bits(rest: Sequence[Tensor]) -> int:
    if not rest or rest[0].dtype != torch.float32 or rest[0].numel() != 1:
        return 0
    return int(rest[0].reshape(1).view(torch.int32)) & 0xFFFFFFFF
