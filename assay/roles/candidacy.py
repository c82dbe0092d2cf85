"""Whether a party stays in the draw of a job: it looks at the job, and leaves what is unfit or too much for it.

What is unfit, or cannot be looked at in time, is left while bids are taken; so is what leaves no time beside jobs that
are surer to be done. That is decided late, and once more when a job is matched, before the block that draws: a job that
nobody bids for takes nobody out of another's draw, and of many that are matched at once those are left that do not fit.
"""

from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignments import Assignments
from assay.roles.clerk import Clerk
from assay.roles.fitness import Check, Fitness, is_crowded
from assay.roles.looks import is_postponed
from assay.roles.overdue import closes_s
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
        """Looks at a job that this party may be drawn for, before its draw, and abstains from what it cannot, or cannot
        see to be able to, do."""
        if job in self._left or not self._may_be_drawn(job):
            return IDLE
        if job not in self._fits:
            awaited = self._look(job, *checks)
            if job not in self._fits:
                return awaited
        late_s = self._fitness.late_s(job)
        if self._fits[job] and self._is_bidding(job) and self._world.clock() < late_s:
            return wake_at(late_s)
        if self._fits[job] and not self._is_crowded_out(job):
            return IDLE
        wake = self._clerk.attempt(self._world.ledger.jobs.abstain(job))
        self._left.add(job)
        if wake.acted:  # else it is too late, and the party may be drawn all the same
            self._fitness.let_go(job)
        return wake

    def stays(self, job: int) -> bool:
        """Whether this party means to be drawn for a job."""
        return job not in self._left and self._fits.get(job, False)

    def forget(self, job: int) -> None:
        """Concludes anew what was concluded of a job on a chain that was rewritten: its number may be another's."""
        self._fits.pop(job, None)
        self._left.discard(job)

    def _may_be_drawn(self, job: int) -> bool:
        """Whether the party is in the job's pool and accepts its stake and windows, as the draw will ask; whoever has
        the stake may take an aggregator's place."""
        order, stakes, me = self._clerk.order(job), self._world.ledger.stakes, self._world.address
        if self._pool == AGGREGATOR and stakes.staked(order.token, me) >= order.aggregator_stake:
            return True
        member, windows = stakes.member_of(order.token, self._pool, me), order.windows
        needed, window_s = order.aggregator_stake, windows.aggregate
        if self._pool == VALIDATOR:
            needed, window_s = order.validator_stake, min(windows.enlist, windows.table, windows.open)
        return member.weight > 0 and member.lock_max >= needed and member.window_min <= window_s

    def _is_bidding(self, job: int) -> bool:
        return self._clerk.view(job).phase == JobPhase.BIDDING

    # a look

    def _look(self, job: int, *checks: Check) -> Wake:
        """Finds out whether a job fits, or when to look again."""
        now_s, late_s = self._world.clock(), self._fitness.late_s(job)
        is_late = now_s >= late_s or not self._is_bidding(job)
        try:
            with self._fitness.look(job):
                # Beside what else is a question of its own, once it is known what there is.
                self._fitness.take_on(self._assignments.of(job), *checks, busy=0.0)
            self._fits[job] = True
        except Unavailable as trouble:
            if not is_late:
                return wake_at(min(max(now_s + 1, self._fitness.looks.again_s(job)), late_s))
            if is_postponed(trouble) and self._may_be_put_off(job):
                return wake_at(now_s + 1)
            if is_crowded(trouble) and self._make_room(job):
                self._fitness.looks.forget(job)
                return self._look(job, *checks)
            self._refuse(job, trouble)
        except AssayError as trouble:
            self._refuse(job, trouble)
        return IDLE

    def _may_be_put_off(self, job: int) -> bool:
        """Whether there is another turn before it is too late to abstain."""
        if self._is_bidding(job):
            return self._world.clock() < self._fitness.late_s(job, 7)
        return self._clerk.head + 2 < self._clerk.view(job).draw_block

    def _refuse(self, job: int, trouble: AssayError) -> None:
        self._troubles[job], self._fits[job] = trouble.message, False

    # beside others

    def _make_room(self, job: int) -> bool:
        """Lets go of what was fetched of jobs that are less sure to be done and can still be left; whether there was
        any."""
        held = [other for other, fits in self._fits.items() if fits and self._may_be_left(other)]
        gone = [other for other in held if self._urgency(other) > self._urgency(job)]
        for other in gone:
            del self._fits[other]
            self._fitness.let_go(other)
        return bool(gone)

    def _may_be_left(self, job: int) -> bool:
        """Whether the contract would let this party abstain: until the block that draws, at the latest in the next."""
        view = self._clerk.view(job)
        is_undrawn = view.phase == JobPhase.DRAWING and self._clerk.head + 1 < view.draw_block
        return view.phase == JobPhase.BIDDING or is_undrawn

    def _urgency(self, job: int) -> tuple[int, int, int]:
        """Matched, with bids enough, with too few, left lying; then who is late first. No two are alike, so of two jobs
        that do not fit together one is let go, once."""
        if not self._is_bidding(job) or self._clerk.closed(job):
            return 0, 0, job
        is_short = self._clerk.notices.bids_sealed(job) < self._clerk.order(job).providers
        level = 3 if self._world.clock() >= closes_s(self._clerk, job) else 1 + is_short
        return level, self._fitness.late_s(job), job

    def _is_crowded_out(self, job: int) -> bool:
        """Whether jobs that come before this one leave no time for it."""
        others = [other for other in self._clerk.jobs() if other != job and self._comes_before(other, job)]
        busy = sum(map(self._fitness.share, others))
        if self._fitness.fits_beside(job, busy):
            return False
        self._troubles[job] = f"of this machine's time {busy:.0%} are promised, and too little is left for the job"
        return True

    def _comes_before(self, other: int, job: int) -> bool:
        """Whether another job is surer to be done: this party has a part in it, or it is matched, or about to be."""
        if self._clerk.closed(other):
            return False
        if self._clerk.view(other).phase >= JobPhase.ENLISTING:
            return self._world.address in self._clerk.parties(other)
        return self.stays(other) and not self._is_left_lying(other) and self._rank(other) < self._rank(job)

    def _rank(self, job: int) -> tuple[int, int, int]:
        """Those matched before those whose bids are open before all others; then who was first."""
        view = self._clerk.view(job)
        if view.phase == JobPhase.DRAWING:
            return 0, view.draw_block, job
        if self._clerk.notices.bids_opened(job) >= self._clerk.order(job).providers:
            return 1, self._fitness.late_s(job), job
        return 2, 0, 0

    def _is_left_lying(self, job: int) -> bool:
        """Whether nobody takes the next step of a job that is overdue: that ends it, or it is none any more."""
        view, enlist_s = self._clerk.view(job), self._clerk.order(job).windows.enlist
        due_s = closes_s(self._clerk, job) if view.phase == JobPhase.BIDDING else view.phase_deadline
        return self._world.clock() >= due_s + enlist_s
