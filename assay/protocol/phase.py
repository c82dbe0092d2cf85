"""The phases that `Types.sol` names, in its order. The contracts decide; this only gives their numbers names."""

from enum import IntEnum


class JobPhase(IntEnum):
    """Where a job stands."""

    NONE = 0
    BIDDING = 1
    DRAWING = 2
    ENLISTING = 3
    RUNNING = 4
    DONE = 5
    CANCELLED = 6
    FAULTED = 7


class RoundPhase(IntEnum):
    """Where a round stands."""

    NONE = 0
    TRAINING = 1
    SAMPLING = 2
    OPENING = 3
    AGGREGATING = 4
    CHALLENGING = 5
    FINAL = 6
    VOID = 7


class Target(IntEnum):
    """What a dispute is about."""

    SEGMENT = 0
    EMIT = 1
    TABLE = 2
    AGGREGATE = 3
    SCORE = 4


class Outcome(IntEnum):
    """How a dispute ended."""

    OPEN = 0
    UPHELD = 1
    DISMISSED = 2
    JOB_FAULT = 3


class Ending(IntEnum):
    """How a game ended."""

    OPEN = 0
    UPHELD = 1
    DISMISSED = 2
    JOB_FAULT = 3


class Settlement(IntEnum):
    """How a challenge of a slot ended."""

    OPEN = 0
    UPHELD = 1
    DISMISSED = 2
    MOOT = 3
    JOB_FAULT = 4
    UNDONE = 5

    @property
    def outcome(self) -> Outcome:
        """What it says of the slot."""
        disproved = self in (Settlement.UPHELD, Settlement.MOOT, Settlement.UNDONE)
        named = {Settlement.OPEN: Outcome.OPEN, Settlement.DISMISSED: Outcome.DISMISSED}
        return Outcome.UPHELD if disproved else named.get(self, Outcome.JOB_FAULT)
