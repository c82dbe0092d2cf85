"""Not a cheat itself: training in which each segment may be replaced by something else."""

from assay.roles.assignment import State
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.work.batch import Feed
from assay.work.segment import SlotWork, Span, run_segment
from assay.work.state import state_root, update_root
from assay.work.walk import Fault


class Warped(Provider):
    """A provider whose segments go through `segment`; what it commits is consistent with itself.

    Where the job itself overflows there is nothing to gain: it then does as the honest do.
    """

    def compute(self, name: RoundName, slot: int, start: State, start_root: bytes) -> SlotWork:
        assignment = self.assignment(name[0])
        feed = assignment.course.feed(name[1], name[2], slot)
        spans = [Span(start, start_root, 0)]
        with self.world.compute.metered("train"):
            for index in range(assignment.segment_count):
                state = spans[-1].state
                if state is None:
                    return super().compute(name, slot, start, start_root)
                spans.append(self.segment(name, feed, index, state, spans[-1]))
        end = spans[-1].state
        if end is None:
            return super().compute(name, slot, start, start_root)
        update = self.world.compute.runner(assignment.bundle.emit).run([*start, *end])
        if isinstance(update, Fault):
            return super().compute(name, slot, start, start_root)
        return SlotWork(
            states=tuple(span.state for span in spans),
            roots=tuple(span.state_root for span in spans),
            loss_bits=tuple(span.loss_bits for span in spans),
            update=update,
            update_root=update_root(update),
            fault=None,
            train_s=0.0,
            hash_s=0.0,
        )

    def segment(self, name: RoundName, feed: Feed, index: int, state: State, before: Span) -> Span:
        """One segment; honest unless overridden."""
        assignment = self.assignment(name[0])
        runner = self.world.compute.runner(assignment.bundle.step)
        return run_segment(runner, state, feed, index, assignment.order.steps_per_segment)


def claimed(state: State, loss_bits: int) -> Span:
    """A segment's end as claimed."""
    return Span(state, state_root(state), loss_bits)
