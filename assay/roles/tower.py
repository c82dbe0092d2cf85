"""A watch-tower: re-executes the whole transcripts of an aggregate, for who will not take a sample's word."""

from assay.chain.contracts.containers import RoundView
from assay.proof.recompute import audit_slot, summary
from assay.proof.verdict import Part, Verdict
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import Overload
from assay.protocol.phase import Outcome, Target
from assay.roles.finding import Disagreement
from assay.roles.judge import Judge
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.round import RoundName, drop
from assay.work.segment import Plan


class Tower:
    """Looks at every slot that counts once, metered as `watch`."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self._seen: dict[tuple[RoundName, int], Verdict] = {}
        self._spent: set[tuple[RoundName, int]] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._seen, job, below)
        drop(self._spent, job, below)

    def look(self, name: RoundName, view: RoundView) -> list[Disagreement]:
        """What is false in the slots that entered a round's aggregate, or say that the job is at fault."""
        return self._false(name, view, {*bitmap_slots(view.included), *self._faulted(name)})

    def doubt(self, name: RoundName, view: RoundView) -> list[Disagreement]:
        """The same of the latter alone: a fault stands without an aggregate, whatever the others sign."""
        return self._false(name, view, self._faulted(name))

    def _faulted(self, name: RoundName) -> set[int]:
        disputes = [each for each in self.party.clerk.notices.disputes(name[0]) if each.name == name]
        return {each.slot for each in disputes if each.is_of_slot and each.faulted and each.outcome == Outcome.OPEN}

    def _false(self, name: RoundName, view: RoundView, slots: set[int]) -> list[Disagreement]:
        found = []
        for slot in sorted(each for each in slots if (name, each) not in self._spent):
            try:
                verdict = self.audit(name, view, slot)
            except Overload as trouble:
                # Too much for this machine in the time that there is: others look, and its own work goes on.
                self.party.troubles[name[0]] = trouble.message
                self._spent.add((name, slot))
                continue
            if verdict is None or not verdict.cheating:
                continue
            provider = self.party.clerk.providers(name[0])[slot]
            emit = verdict.place.part == Part.EMIT
            segment = self.party.clerk.segments(name[0]) if emit else verdict.place.segment or 0
            target = Target.EMIT if emit else Target.SEGMENT
            found.append(Disagreement(target, slot, segment, provider))
        return found

    def audit(self, name: RoundName, view: RoundView, slot: int) -> Verdict | None:
        """The verdict on one slot; nothing while its opening or the round's start is not here."""
        if (name, slot) not in self._seen:
            opened = self.judge.openings.of(name, view, slot)
            start = self.party.state(name[0], view.start_root)
            if opened is None or opened.transcript is None or start is None:
                return None
            assignment, compute = self.party.assignment(name[0]), self.party.world.compute
            plan = Plan(assignment.order.steps_per_round, assignment.order.steps_per_segment)
            step, emit = compute.runner(assignment.bundle.step), compute.runner(assignment.bundle.emit)
            feed = assignment.course.feed(name[1], name[2], slot)
            with compute.metered("watch"), compute.within(patience_s(assignment.order.windows.challenge)):
                self._seen[name, slot] = summary(audit_slot(step, emit, start, feed, plan, opened.transcript))
        return self._seen[name, slot]
