"""Changes one number inside one step, goes on from there, and stands by all of it.

Nothing but that one step differs from honest work. Whatever it is asked to open hangs together, so only the number
itself tells.
"""

from torch import Tensor

from assay.proof.claim import Alter, Replay
from assay.proof.evidence import as_tensor, number_at
from assay.roles.assignment import State
from assay.roles.round import RoundName
from assay.roles.zoo.warped import Warped
from assay.work.batch import Feed
from assay.work.segment import Span

ELEMENT = 3


class Cheat(Warped):
    """A provider one of whose weights is off by its last bit."""

    behaviour = "needle"

    def segment(self, name: RoundName, feed: Feed, index: int, state: State, before: Span) -> Span:
        assignment = self.assignment(name[0])
        if index != assignment.segment_count // 2:
            return super().segment(name, feed, index, state, before)
        steps = assignment.order.steps_per_segment
        first = index * steps
        allowance = self.world.compute.allowance
        work = Replay(
            assignment.bundle.step,
            state,
            lambda run: feed.batch(first + run),
            steps,
            allowance=allowance,
            alter=self.alter(name, feed.slot),
            first_step=first,
        )
        return Span(work.state(steps), work.ends[-1], work.loss_bits)

    def alter(self, name: RoundName, slot: int) -> Alter | None:
        """The number, in the last step of the segment: a step further on it may be rounded away."""
        assignment = self.assignment(name[0])
        place = (assignment.order.steps_per_segment - 1, assignment.bundle.step.outputs[0])

        def alter(run: int, value: int, tensor: Tensor) -> Tensor | None:
            if (run, value) != place:
                return None
            return as_tensor(tensor, ELEMENT, number_at(tensor, ELEMENT) ^ 1)

        return alter
