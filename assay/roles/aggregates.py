"""What a round's included updates come to by the job's program, and what that is worth."""

from dataclasses import dataclass

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.score import UNSCORED, is_due
from assay.roles.assignment import Assignment, State
from assay.roles.exam import marks
from assay.roles.openings import Openings
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.work.program import Program
from assay.work.segment import fault_of
from assay.work.state import state_root
from assay.work.walk import Fault

Parts = tuple[State, list[State]]
"""The state that a round begins with, and the updates that enter its end state, by slot."""


@dataclass(frozen=True)
class Aggregated:
    """A round's end state; or the fault that the job's program met instead, with its digest as the root."""

    root: bytes
    cid: str
    score: int = UNSCORED
    fault: Fault | None = None


class Aggregates:
    """The aggregates that one party has computed itself, metered as `aggregate`."""

    def __init__(self, party: Party, openings: Openings) -> None:
        self._party, self._world, self._openings = party, party.world, openings
        self._found: dict[tuple[RoundName, tuple[int, ...]], Aggregated] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._found, job, below)

    def of(self, name: RoundName, view: RoundView) -> Aggregated | None:
        """The round's end state by the job's program over the included updates, and its score where one is due; nothing
        while an update is missing."""
        key = (name, tuple(view.included))
        if key not in self._found:
            assignment, parts = self._party.assignment(name[0]), self.parts(name, view)
            program = assignment.bundle.aggregate.get(len(parts[1])) if parts else None
            if parts is None or program is None:
                return None
            self._found[key] = self._run(assignment, name[2], program, *parts)
        return self._found[key]

    def parts(self, name: RoundName, view: RoundView) -> Parts | None:
        """What a round's end state is made of; nothing while something of it is missing."""
        start = self._party.state(name[0], view.start_root)
        opened = [self._openings.of(name, view, slot) for slot in bitmap_slots(view.included)]
        updates = [slot.update for slot in opened if slot is not None and slot.update is not None]
        return None if start is None or len(updates) < len(opened) else (start, updates)

    def _run(
        self, assignment: Assignment, index: int, program: Program, start: State, updates: list[State]
    ) -> Aggregated:
        order, compute = assignment.order, self._world.compute
        with compute.metered("aggregate"), compute.within(patience_s(order.windows.aggregate)):
            end = compute.runner(program).run([*start, *(tensor for update in updates for tensor in update)])
            if isinstance(end, Fault):
                return Aggregated(fault_of(0, end), "", fault=end)
            root = state_root(end)
            due = is_due(order.stop_score, index, order.rounds)
            worth = self._measure(assignment, root, end) if due else UNSCORED
        assignment.keep(root, end)
        return Aggregated(root, self._world.blobs.put(assignment.signature.encode(end)), worth)

    def _measure(self, assignment: Assignment, root: bytes, end: State) -> int:
        """What a state scores; what that is made of is kept for who asks."""
        found = marks(self._world.compute, assignment, end, assignment.test)
        assignment.keep_marks(root, found)
        return found.score(assignment.metric == "loss")
