"""What a job from outside may ask of this machine."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from assay.protocol.errors import LimitExceeded, Overload

REFUSED_WORDS = ("can't allocate memory", "not enough memory")
"""In what torch says where the machine has no memory left, which has no type of its own on processors."""


@dataclass(frozen=True)
class Limits:
    """Bounds on a program's size, memory and work, on all programs of a job, and on its samples."""

    program_bytes: int = 64 << 20
    nodes: int = 65_536
    inputs: int = 4_096
    outputs: int = 4_096
    constant_bytes: int = 1 << 20
    value_elements: int = 1 << 31
    live_bytes: int = 8 << 30
    operations: int = 1 << 44
    prepared_bytes: int = 64 << 20
    """Of constants and counters that are computed before a program runs and kept, in all programs of a job."""
    bundle_nodes: int = 1 << 17
    """Nodes of all programs of a job. One is read and checked in 50 to 80 us: ten seconds at the most."""
    samples: int = 1 << 22
    """Samples to train on and held out together. One is hashed in 3 us beside its bytes: twelve seconds."""
    samples_bytes: int = 4 << 30
    """Bytes of both."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Space:
    """How much memory jobs may take: `size_bytes` for all `shared_by` parties of one process, of which one works at a
    time while each keeps what it has of its jobs."""

    size_bytes: int = 8 << 30
    shared_by: int = 1

    def part_bytes(self, divisor: int) -> int:
        """An equal part of what one party may keep."""
        return self.size_bytes // (self.shared_by * divisor)

    def admit(self, working_bytes: int, kept_bytes: int, promised_bytes: int) -> None:
        """Refuse what does not fit beside what is promised. Errors: `Overload`."""
        needed = working_bytes + self.shared_by * (kept_bytes + promised_bytes)
        if needed > self.size_bytes:
            raise Overload(
                f"this machine would want {needed >> 20} MiB of memory beside its other jobs, it gives"
                f" {self.size_bytes >> 20} MiB",
                hint="give jobs more with --memory-mb",
                limit=self.size_bytes,
                actual=needed,
            )


@contextmanager
def within_memory() -> Iterator[None]:
    """What this machine has not got the memory for is a refusal of what asked for it. Errors: `Overload` inside."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhaustion(error):
            raise
        raise Overload("this machine has not got the memory for it", hint="close other programs") from None


def is_exhaustion(error: Exception) -> bool:
    """Whether an error says that there is no memory left."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in REFUSED_WORDS)


class Allowance:
    """How long programs may run, by a timer that is passed in: without end, unless somebody says otherwise."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self.timer = timer
        self.until_s = self.limit_s = math.inf

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """Whatever runs inside ends in so many seconds, or is stopped after the operator that it is at."""
        outer, until_s = (self.until_s, self.limit_s), self.timer() + limit_s
        if until_s < self.until_s:
            self.until_s, self.limit_s = until_s, limit_s
        try:
            yield
        finally:
            self.until_s, self.limit_s = outer

    def check(self) -> None:
        """Errors: `Overload` once the time is over."""
        self.foresee(0.0)

    def foresee(self, needed_s: float, what: str = "the program") -> None:
        """Errors: `Overload` where so many seconds more are not left."""
        over_s = self.timer() + needed_s - self.until_s
        if over_s > 0:
            raise Overload(
                f"{what} takes longer than the {self.limit_s:g} s that are allowed here",
                limit=self.limit_s,
                actual=self.limit_s + over_s,
            )


def admit(name: str, actual: int, limit: int) -> None:
    """Refuse what is larger than admitted. Errors: `LimitExceeded`."""
    if actual > limit:
        raise LimitExceeded(
            f"the program's {name} is {actual}, at most {limit} is admitted", limit=limit, actual=actual
        )
