"""Whether this machine takes a job's work on, beside all that it has promised elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from assay.chain.contracts.containers import Order
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, Content
from assay.roles.assignments import Assignments
from assay.roles.clerk import Clerk
from assay.roles.footprint import Footprint, footprint_of_judge
from assay.roles.looks import Looks
from assay.roles.memory import Memory
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import Compute, World
from assay.work.limits import Space

Measure = Callable[[Order, Content, Space], Footprint]


class Check(Protocol):
    """What share of this machine's time a job takes; `busy` is the share that is promised elsewhere."""

    def __call__(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """Errors: `Refused`, `LimitExceeded` where it is more than there is."""
        ...


class Fitness:
    """One machine, and its promises. What is wrong with a job goes to `troubles`; `measure` says how much memory one
    takes."""

    def __init__(
        self,
        world: World,
        clerk: Clerk,
        assignments: Assignments,
        troubles: dict[int, str],
        measure: Measure = footprint_of_judge,
    ) -> None:
        self._world, self._clerk, self._assignments, self._troubles = world, clerk, assignments, troubles
        self.measure, self.looks = measure, Looks(world)
        self._fits: dict[int, bool] = {}
        self._abstained: set[int] = set()
        self._shares = Memory(world.journal, "share", float.hex, float.fromhex)
        """By job, the share of this machine's time that it may take."""
        self._spaces = Memory(world.journal, "space", int, int)
        """By job, the bytes that are kept of it while it is served."""
        self._found: dict[int, int] = {}
        """The same of jobs that were looked at, and not yet promised anything."""

    def consider(self, job: int, *checks: Check) -> Wake:
        """Stays out of the draw of a job that is not what its order says, or too much for this machine beside what it
        has promised elsewhere; and of one that cannot be looked at before bids are closed."""
        if job not in self._fits:
            try:
                self._fits[job] = self._try(job, *checks)
            except Unavailable as trouble:
                now_s, late_s = self._world.clock(), self._late_s(job)
                if now_s < late_s:
                    return wake_at(min(max(now_s + 1, self.looks.again_s(job)), late_s))
                self._troubles[job], self._fits[job] = trouble.message, False
        if self._fits[job] or job in self._abstained:
            return IDLE
        wake = self._clerk.attempt(self._world.ledger.jobs.abstain(job))
        self._abstained.add(job)
        return wake

    def _late_s(self, job: int) -> int:
        """When bids may soon be closed: who is drawn then cannot abstain any more from what it has not seen."""
        return self._clerk.view(job).posted_at + 3 * self._clerk.order(job).windows.bid // 4

    def forget(self, job: int) -> None:
        """Concludes anew what was concluded of a job on a chain that was rewritten: its number may be another's."""
        self._fits.pop(job, None)
        self._abstained.discard(job)

    def _try(self, job: int, *checks: Check) -> bool:
        try:
            with self.look(job):
                self.take_on(self._assignments.of(job), *checks)
        except Unavailable:
            raise
        except AssayError as trouble:
            self._troubles[job] = trouble.message
            self._assignments.drop(job)
            return False
        return True

    @contextmanager
    def look(self, job: int) -> Iterator[None]:
        """Looks at a stranger's job, in bounded time, and fetches what is large of it only if there is the memory for
        it. Errors: `Overload`; `Unavailable` where it is not the time for a look."""
        with self.looks.one(job), self._assignments.screening(partial(self._make_room, job)):
            yield

    def _make_room(self, job: int, order: Order, content: Content) -> None:
        space, found = self._world.compute.space, self.measure(order, content, self._world.compute.space)
        space.admit(
            found.working_bytes, found.kept_bytes, sum(self._spaces.get(each) or 0 for each in self._others(job))
        )
        self._found[job] = found.kept_bytes

    def take_on(self, assignment: Assignment, *checks: Check) -> None:
        """Counts on a job's work. Errors: `Refused` and `LimitExceeded` where there is not the time for it."""
        busy = self.busy(assignment.job)
        share = sum(check(assignment, self._world.compute, busy=busy) for check in checks)
        self._shares.keep(share, assignment.job)
        self._spaces.keep(self._found.get(assignment.job, 0), assignment.job)

    def busy(self, beside: int) -> float:
        """The share of this machine's time that is promised to other jobs that it has, or may be drawn for, by this
        process or one before it."""
        return sum(self._shares.get(job) or 0.0 for job in self._others(beside))

    def _others(self, beside: int) -> list[int]:
        return [job for job in self._clerk.jobs() if job != beside and self.serves(job)]

    def serves(self, job: int) -> bool:
        """Whether this party has a part in a job, or may yet get one."""
        if self._clerk.closed(job):
            return False
        return self._clerk.view(job).phase < JobPhase.ENLISTING or self._world.address in self._clerk.parties(job)
