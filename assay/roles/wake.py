"""When a role wants its next turn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wake:
    """`acted`: something changed, so everybody gets another turn. `at_s`: the chain's time of the next deadline."""

    acted: bool = False
    at_s: int | None = None

    def __or__(self, other: "Wake") -> "Wake":
        if not other.acted and other.at_s is None:
            return self
        if not self.acted and self.at_s is None:
            return other
        times = [at_s for at_s in (self.at_s, other.at_s) if at_s is not None]
        return Wake(self.acted or other.acted, min(times, default=None))


IDLE = Wake()
ACTED = Wake(acted=True)


def wake_at(at_s: int) -> Wake:
    """Nothing to do before `at_s`."""
    return Wake(at_s=at_s)
