"""What a program from outside may ask of this machine."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assay.protocol.errors import LimitExceeded


@dataclass(frozen=True)
class Limits:
    """Bounds on a program's size, memory and work."""

    program_bytes: int = 64 << 20
    nodes: int = 65_536
    inputs: int = 4_096
    outputs: int = 4_096
    constant_bytes: int = 1 << 20
    value_elements: int = 1 << 31
    live_bytes: int = 8 << 30
    operations: int = 1 << 44


DEFAULT_LIMITS = Limits()


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
        """Errors: `LimitExceeded` once the time is over."""
        over_s = self.timer() - self.until_s
        if over_s > 0:
            raise LimitExceeded(
                f"the program takes longer than the {self.limit_s:g} s that are allowed here",
                limit=self.limit_s,
                actual=self.limit_s + over_s,
            )


def admit(name: str, actual: int, limit: int) -> None:
    """Refuse what is larger than admitted. Errors: `LimitExceeded`."""
    if actual > limit:
        raise LimitExceeded(
            f"the program's {name} is {actual}, at most {limit} is admitted", limit=limit, actual=actual
        )
