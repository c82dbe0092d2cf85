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
PAUSE_LOOKS = 8
"""A job is left alone for so many times as long as the look at it took: withheld bytes cost others little of a turn."""


def is_postponed(trouble: Unavailable) -> bool:
    """Whether it was not the time for a look, so that nothing was found out."""
    return bool(trouble.fields.get("postponed"))


class Looks:
    """One party's looks. A job that is not to be had yet is looked at again ever more rarely, and after the others."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._spent_s = 0.0
        self._pauses_s: dict[int, int] = {}
        self._again_s: dict[int, int] = {}
        self._done: set[int] = set()
        """Jobs that had their last look."""
        self._is_crowded, self._was_crowded = False, False
        """Whether a job is waiting for its first look since this turn, and since the one before."""

    def begin(self) -> None:
        """A new turn."""
        self._spent_s = 0.0
        self._is_crowded, self._was_crowded = False, self._is_crowded

    def forget(self, job: int) -> None:
        """Lets go of a job."""
        self._pauses_s.pop(job, None)
        self._again_s.pop(job, None)
        self._done.discard(job)

    def again_s(self, job: int) -> int:
        """When a job that was not to be had is looked at again."""
        return self._again_s.get(job, 0)

    @contextmanager
    def one(self, job: int, late_s: int) -> Iterator[None]:
        """A look, bounded in time and by this machine's memory. From `late_s` on, when there may be no other, there is
        one that waits for no pause. Errors: `Unavailable`, postponed, where it is not the time; what is found in it."""
        now_s = self._world.clock()
        is_last = now_s >= late_s and job not in self._done
        is_urgent = job not in self._pauses_s or is_last
        if self._spent_s >= LOOK_S:
            self._is_crowded |= is_urgent
            raise Unavailable("this turn's time for looking at jobs is spent", postponed=True)
        if not is_urgent and (self._was_crowded or now_s < self.again_s(job)):
            raise Unavailable("the job was not to be had, and is looked at again later", postponed=True)
        if is_last:
            self._done.add(job)
        compute = self._world.compute
        began_s = compute.timer()
        try:
            with compute.within(LOOK_S), within_memory():
                yield
        except Unavailable:
            spent_s = int(PAUSE_LOOKS * (compute.timer() - began_s))
            pause_s = self._pauses_s[job] = min(2 * self._pauses_s.get(job, 0) or 1, PAUSE_MAX_S)
            again_s = now_s + max(pause_s, spent_s)
            self._again_s[job] = min(again_s, late_s) if now_s < late_s else again_s
            raise
        finally:
            self._spent_s += compute.timer() - began_s
        self.forget(job)
