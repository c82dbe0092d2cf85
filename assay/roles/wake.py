"""When a role wants its next turn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wake:
    """`acted`: something changed, so everybody gets another turn. `at_s`: protocol time of the next deadline."""

    acted: bool = False
    at_s: int | None = None

    def __or__(self, other: "Wake") -> "Wake":
        mine_first = other.at_s is None or (self.at_s is not None and self.at_s <= other.at_s)
        first, acted = self if mine_first else other, self.acted or other.acted
        return first if first.acted == acted else Wake(acted, first.at_s)


IDLE = Wake()
ACTED = Wake(acted=True)


def wake_at(at_s: int) -> Wake:
    """Nothing to do before `at_s`."""
    return Wake(at_s=at_s)
