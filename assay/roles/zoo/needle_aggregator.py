"""Adds the updates up but for one number, and stands by the result."""

from torch import Tensor

from assay.chain.contracts.containers import RoundView
from assay.proof.claim import Alter, Replay
from assay.proof.evidence import as_tensor, number_at
from assay.protocol.score import UNSCORED
from assay.roles.aggregates import Aggregated, Aggregates
from assay.roles.aggregator import Aggregator
from assay.roles.assignment import Assignment, State
from assay.roles.page import Page
from assay.roles.round import RoundName
from assay.roles.wake import Wake, wake_at
from assay.roles.world import World
from assay.work.program import Program

ELEMENT = 3


def needle(program: Program) -> Alter:
    """The number, in the first tensor of the end state."""

    def alter(run: int, value: int, tensor: Tensor) -> Tensor | None:  # noqa: ARG001
        if value != program.outputs[0]:
            return None
        return as_tensor(tensor, ELEMENT, number_at(tensor, ELEMENT) ^ 1)

    return alter


class Slanted(Aggregates):
    """Aggregates one of whose weights is off by its last bit."""

    def _run(
        self,
        assignment: Assignment,
        index: int,
        program: Program,
        start: State,
        updates: list[State],
    ) -> Aggregated:
        work = Replay(program, start, lambda _: [], others=updates, end_count=len(start), alter=needle(program))
        end = work.state(1)
        assignment.keep(work.ends[0], end)
        return Aggregated(work.ends[0], self._world.blobs.put(assignment.signature.encode(end)), UNSCORED)


class Cheat(Aggregator):
    """An aggregator that no quorum signs for, and that waits until it may go on alone."""

    behaviour = "needle-aggregator"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.aggregates = Slanted(self, self.openings)

    def aggregate(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        wake = super().aggregate(name, view, page)
        return wake if wake.acted else wake | wake_at(self.world.clock() + 1)

    def alter(self, name: RoundName) -> Alter | None:
        _, updates = self.aggregates.parts(name, self.clerk.round(name)) or ([], [])
        return needle(self.assignment(name[0]).bundle.aggregate[len(updates)])
