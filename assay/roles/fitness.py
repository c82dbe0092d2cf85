"""Whether this machine takes a job's work on, beside all that it has promised elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from assay.chain.contracts.containers import Order
from assay.protocol.errors import Overload, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, Content
from assay.roles.assignments import Assignments
from assay.roles.clerk import Clerk
from assay.roles.footprint import Footprint, footprint_of_judge
from assay.roles.looks import Looks
from assay.roles.memory import Memory
from assay.roles.world import Compute, World
from assay.work.limits import Space

Measure = Callable[[Order, Content, Space], Footprint]


class Check(Protocol):
    """What share of this machine's time a job takes; `busy` is the share that is promised elsewhere."""

    def __call__(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """Errors: `Refused`, `LimitExceeded` where it is more than there is."""
        ...


def is_crowded(trouble: Unavailable) -> bool:
    """Whether there is not the memory for a job while this machine has others: it may come free."""
    return bool(trouble.fields.get("crowded"))


class Fitness:
    """One machine, and its promises; `measure` says how much memory a job takes of it."""

    def __init__(
        self, world: World, clerk: Clerk, assignments: Assignments, measure: Measure = footprint_of_judge
    ) -> None:
        self._world, self._clerk, self._assignments = world, clerk, assignments
        self.measure, self.looks = measure, Looks(world)
        self._shares = Memory(world.journal, "share", float.hex, float.fromhex)
        """By job, the share of this machine's time that it may take."""
        self._spaces = Memory(world.journal, "space", int, int)
        """By job, the bytes that are kept of it while it is served."""
        self._works = Memory(world.journal, "working", int, int)
        """By job, the bytes that working on it takes besides."""
        self._largest: dict[int, float] = {}
        """By job, the largest part of that share that one piece of work takes."""
        self._found: dict[int, Footprint] = {}
        """Memory of jobs that were looked at, and not yet promised anything."""

    @contextmanager
    def look(self, job: int) -> Iterator[None]:
        """Looks at a stranger's job, in bounded time, and fetches what is large of it only if there is the memory for
        it. Errors: `Overload`; `Unavailable` while other jobs take the memory, and where it is not the time for a
        look."""
        with self.looks.one(job, self.late_s(job)), self._assignments.screening(partial(self._make_room, job)):
            yield

    def late_s(self, job: int, eighths: int = 6) -> int:
        """When bids may soon be closed, and what was not seen of a job by then is to be seen now or not at all."""
        return self._clerk.view(job).posted_at + eighths * self._clerk.order(job).windows.bid // 8

    def _make_room(self, job: int, order: Order, content: Content) -> None:
        space = self._world.compute.space
        found = self.measure(order, content, space)
        space.admit(found.working_bytes, found.kept_bytes, 0)
        others = self._others(job)
        # One job is worked on at a time, and it may be the largest of them all, beside whatever is kept of this one.
        working_bytes = max([found.working_bytes, *(self._works.get(each) or 0 for each in others)])
        try:
            space.admit(working_bytes, found.kept_bytes, sum(self._spaces.get(each) or 0 for each in others))
        except Overload as trouble:
            raise Unavailable(trouble.message, hint=trouble.hint, crowded=True) from None
        self._found[job] = found

    def take_on(self, assignment: Assignment, *checks: Check, busy: float) -> None:
        """Counts on a job's work, where a share `busy` of the time is gone. Errors: `Refused` and `LimitExceeded` where
        there is not the time for it."""
        shares = [check(assignment, self._world.compute, busy=busy) for check in checks]
        self._largest[assignment.job] = max(shares, default=0.0)
        self._shares.keep(sum(shares), assignment.job)
        found = self._found.get(assignment.job, Footprint(0, 0))
        self._spaces.keep(found.kept_bytes, assignment.job)
        self._works.keep(found.working_bytes, assignment.job)

    def let_go(self, job: int) -> None:
        """Counts on a job's work no more, and lets go of what was fetched of it."""
        self._assignments.drop(job)
        self._spaces.keep(0, job)
        self._works.keep(0, job)

    def share(self, job: int) -> float:
        """The share of this machine's time that a job takes, as far as it was looked at."""
        return self._shares.get(job) or 0.0

    def fits_beside(self, job: int, busy: float) -> bool:
        """Whether each of a job's checks, one of which is done at a time, passes where a share `busy` is gone."""
        return busy + self._largest.get(job, self.share(job)) <= 1

    def busy(self, beside: int) -> float:
        """The share of this machine's time that is promised to other jobs that it has, or may be drawn for, by this
        process or one before it."""
        return sum(map(self.share, self._others(beside)))

    def _others(self, beside: int) -> list[int]:
        return [job for job in self._clerk.jobs() if job != beside and self.serves(job)]

    def serves(self, job: int) -> bool:
        """Whether this party has a part in a job, or may yet get one."""
        if self._clerk.closed(job):
            return False
        return self._clerk.view(job).phase < JobPhase.ENLISTING or self._world.address in self._clerk.parties(job)
