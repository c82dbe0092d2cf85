"""Looks at strangers' jobs, which take time that running jobs want: each look is bounded, and so are all of a turn."""

from collections.abc import Iterator
from contextlib import contextmanager

from assay.protocol.errors import Unavailable
from assay.roles.world import World
from assay.work.limits import within_memory

LOOK_S = 30.0
"""One look: fetching what a job consists of, checking it, and trying its programs. The shortest windows that people set
are of this order, and half of one is for waiting."""
PAUSE_MAX_S = 64


class Looks:
    """One party's looks. A job that is not to be had yet is looked at again ever more rarely."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._spent_s = 0.0
        self._pauses_s: dict[int, int] = {}
        self._again_s: dict[int, int] = {}

    def begin(self) -> None:
        """A new turn."""
        self._spent_s = 0.0

    def forget(self, job: int) -> None:
        """Lets go of a job."""
        self._pauses_s.pop(job, None)
        self._again_s.pop(job, None)

    def again_s(self, job: int) -> int:
        """When a job that was not to be had is looked at again."""
        return self._again_s.get(job, 0)

    @contextmanager
    def one(self, job: int) -> Iterator[None]:
        """A look, bounded in time and by this machine's memory. Errors: `Overload`; `Unavailable` where it is not the
        time for it."""
        if self._spent_s >= LOOK_S:
            raise Unavailable("this turn's time for looking at jobs is spent")
        if self._world.clock() < self.again_s(job):
            raise Unavailable("the job was not to be had, and is looked at again later")
        compute = self._world.compute
        began_s = compute.timer()
        try:
            with compute.within(LOOK_S), within_memory():
                yield
        except Unavailable:
            pause_s = self._pauses_s[job] = min(2 * self._pauses_s.get(job, 0) or 1, PAUSE_MAX_S)
            self._again_s[job] = self._world.clock() + pause_s
            raise
        finally:
            self._spent_s += compute.timer() - began_s
        self.forget(job)
