"""Re-executing segments: one from a state that is here, or all from the round's start, which every party holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from assay.chain.contracts.containers import RoundView
from assay.protocol.transcript import Leaf
from assay.roles.assignment import State
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.work.segment import Span, run_segment


@dataclass(frozen=True)
class Stretch:
    """A segment that was derived from the round's start. Behind a fault of the job it begins and ends in that."""

    segment: int
    start_root: bytes
    span: Span


@dataclass
class Trail:
    """Where each segment of a slot ends that was derived from the round's start; only the last keeps its state."""

    spans: list[Span] = field(default_factory=list)

    def add(self, span: Span) -> None:
        """Goes one segment further."""
        if self.spans:
            self.spans[-1] = replace(self.spans[-1], state=None)
        self.spans.append(span)


class Replays:
    """What one party has re-executed, metered as `verify`, or as what it is charged to."""

    def __init__(self, party: Party) -> None:
        self._party, self._world = party, party.world
        self._trails: dict[tuple[RoundName, int, bytes], Trail] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._trails, job, below)

    def rerun(self, name: RoundName, slot: int, segment: int, start: State) -> Span:
        """Re-executes one segment from a start state."""
        assignment, compute = self._party.assignment(name[0]), self._world.compute
        limit_s = patience_s(assignment.order.windows.table)
        with compute.metered("verify"), compute.within(limit_s):
            step, feed = compute.runner(assignment.bundle.step), assignment.course.feed(name[1], name[2], slot)
            return run_segment(step, start, feed, segment, assignment.order.steps_per_segment)

    def replay(
        self, name: RoundName, view: RoundView, slot: int, segment: int, leaves: Sequence[Leaf] = ()
    ) -> Stretch | None:
        """Re-executes from the round's start through a segment: dear, and open to all who hold the start state.

        Returns the last one: with `leaves`, the first that does not end as its leaf says, because what comes after it
        begins from another state than the one derived here. Nothing while the start is not here, nor of a segment that
        the round does not have. What was derived is remembered.
        """
        state = self._party.state(name[0], view.start_root)
        if state is None or not 0 <= segment < self._party.clerk.segments(name[0]):
            return None
        trail = self._trails.setdefault((name, slot, view.start_root), Trail())
        for index in range(segment + 1):
            if index == len(trail.spans):
                trail.add(self.rerun(name, slot, index, state if index == 0 else trail.spans[-1].state or []))
            span = trail.spans[index]
            start_root = trail.spans[index - 1].state_root if index else view.start_root
            if leaves and (span.state_root, span.loss_bits) != (
                leaves[index + 1].state_root,
                leaves[index + 1].loss_bits,
            ):
                return Stretch(index, start_root, span)
            if index == segment:
                return Stretch(segment, start_root, span)
            if span.fault is not None:
                return Stretch(segment, span.state_root, span)
        return None

    def state(self, name: RoundName, view: RoundView, slot: int, index: int) -> State | None:
        """The state after `index` segments, derived from the round's start; nothing where a fault came before it."""
        if index == 0:
            return self._party.state(name[0], view.start_root)
        if len(self._trails.get((name, slot, view.start_root), Trail()).spans) > index:
            del self._trails[name, slot, view.start_root]  # only the last one keeps its state
        replayed = self.replay(name, view, slot, index - 1)
        return None if replayed is None or replayed.segment != index - 1 else replayed.span.state
