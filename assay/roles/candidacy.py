"""Whether a party stays in the draw of a job: it looks at the job, and leaves what is unfit or too much for it.

It leaves as late as it may, and for no other job that may come to nothing. A job is sure to be matched once bids enough
are open, or it is being drawn already; where two of them want the same time, it goes to the one whose bids were to be
closed first. So whoever posts jobs that nobody bids for takes nobody out of another's draw.
"""

from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignments import Assignments
from assay.roles.clerk import Clerk
from assay.roles.fitness import Check, Fitness, NoRoom
from assay.roles.looks import Later
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import World

VALIDATOR, AGGREGATOR = 0, 1
"""The pools: `IStakes.Role`."""


class Candidacy:
    """One party's, in the draws from one pool. What is wrong with a job goes to `troubles`."""

    def __init__(
        self,
        world: World,
        clerk: Clerk,
        assignments: Assignments,
        fitness: Fitness,
        troubles: dict[int, str],
        pool: int,
    ) -> None:
        self._world, self._clerk, self._assignments = world, clerk, assignments
        self._fitness, self._troubles, self._pool = fitness, troubles, pool
        self._fits: dict[int, bool] = {}
        """By job that was looked at, whether it is what its order says and this machine can do it alone."""
        self._left: set[int] = set()

    def consider(self, job: int, *checks: Check) -> Wake:
        """Looks at a job that this party may be drawn for, and abstains from what it cannot, or cannot see to be able
        to, do."""
        if job in self._left or not self._may_be_drawn(job):
            return IDLE
        if job not in self._fits:
            awaited = self._look(job, *checks)
            if job not in self._fits:
                return awaited
        late_s = self._late_s(job)
        if self._fits[job]:
            if self._world.clock() < late_s:
                return wake_at(late_s)
            if not self._is_crowded_out(job):
                return IDLE
        self._left.add(job)
        return self._clerk.attempt(self._world.ledger.jobs.abstain(job))

    def forget(self, job: int) -> None:
        """Concludes anew what was concluded of a job on a chain that was rewritten: its number may be another's."""
        self._fits.pop(job, None)
        self._left.discard(job)

    def _may_be_drawn(self, job: int) -> bool:
        """Whether the party is in the job's pool and accepts its stake and windows, as the draw will ask."""
        order = self._clerk.order(job)
        member, windows = (
            self._world.ledger.stakes.member_of(order.token, self._pool, self._world.address),
            order.windows,
        )
        needed, window_s = order.aggregator_stake, windows.aggregate
        if self._pool == VALIDATOR:
            needed, window_s = order.validator_stake, min(windows.enlist, windows.table, windows.open)
        return member.weight > 0 and member.lock_max >= needed and member.window_min <= window_s

    def _late_s(self, job: int, eighths: int = 6) -> int:
        """When bids may soon be closed: who is drawn then cannot abstain any more from what it has not seen."""
        return self._clerk.view(job).posted_at + eighths * self._clerk.order(job).windows.bid // 8

    # a look

    def _look(self, job: int, *checks: Check) -> Wake:
        """Finds out whether a job fits, or when to look again."""
        now_s, late_s = self._world.clock(), self._late_s(job)
        is_late = now_s >= late_s
        try:
            with self._fitness.look(job, last=is_late):
                # Beside what else is a question of its own, once it is known what there is.
                self._fitness.take_on(self._assignments.of(job), *checks, busy=0.0)
            self._fits[job] = True
        except Later as trouble:
            if now_s < self._late_s(job, 7):
                again_s = self._fitness.looks.again_s(job)
                return wake_at(now_s + 1 if is_late else min(max(now_s + 1, again_s), late_s))
            self._refuse(job, trouble)
        except Unavailable as trouble:
            if not is_late:
                return wake_at(min(max(now_s + 1, self._fitness.looks.again_s(job)), late_s))
            if isinstance(trouble, NoRoom) and self._make_room(job):
                return self._look(job, *checks)
            self._refuse(job, trouble)
        except AssayError as trouble:
            self._refuse(job, trouble)
        return IDLE

    def _refuse(self, job: int, trouble: AssayError) -> None:
        self._troubles[job], self._fits[job] = trouble.message, False
        self._assignments.drop(job)

    def _make_room(self, job: int) -> bool:
        """Lets go of what was fetched of jobs that may come to nothing, and whose bids are closed later; whether there
        was any."""
        others = [other for other, fits in self._fits.items() if fits and not self._is_sure(other)]
        later = [other for other in others if self._is_bidding(other) and self._late_s(other) > self._late_s(job)]
        for other in later:
            del self._fits[other]
            self._fitness.let_go(other)
        return bool(later)

    # beside others

    def _is_crowded_out(self, job: int) -> bool:
        """Whether jobs that come before this one leave no time for it."""
        others = [other for other in self._clerk.jobs() if other != job and self._comes_before(other, job)]
        busy, share = sum(map(self._fitness.share, others)), self._fitness.share(job)
        if not busy or busy + share <= 1:
            return False
        self._troubles[job] = f"it takes {share:.0%} of this machine's time, of which {busy:.0%} are promised"
        return True

    def _comes_before(self, other: int, job: int) -> bool:
        if not self._is_sure(other):
            return False
        rivals = self._is_bidding(other) and self._is_sure(job)
        return not rivals or (self._late_s(other), other) < (self._late_s(job), job)

    def _is_bidding(self, job: int) -> bool:
        return self._clerk.view(job).phase == JobPhase.BIDDING

    def _is_sure(self, job: int) -> bool:
        """Whether this party has a part in a job, or may well be given one."""
        if self._clerk.closed(job):
            return False
        if self._clerk.view(job).phase >= JobPhase.ENLISTING:
            return self._world.address in self._clerk.parties(job)
        is_matched = not self._is_bidding(job)
        bids_open = self._clerk.notices.bids_opened(job)
        return job not in self._left and (is_matched or bids_open >= self._clerk.order(job).providers)
