"""What there is: the rounds of a job, and which of them can still change. Beside `Store.sol`."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self, TypeVar

from tests.model.money import Money, Slots, must

Name = tuple[int, int]
"""(generation, round)"""
NOBODY, DRAWN, STANDBY = "", "drawn", "standby"
"""Who aggregates: nobody, who was drawn, or the only other who has the stake."""
ALONE, LONGER = 2, 4
"""An aggregator goes on alone after half a window, and is then challenged for four."""
REDRAWS, REPLACEMENTS = 2, 3
NONE: Slots = frozenset()


class Phase(IntEnum):
    """`RoundPhase` of Types.sol."""

    TRAINING = 1
    SAMPLING = 2
    OPENING = 3
    AGGREGATING = 4
    CHALLENGING = 5
    FINAL = 6
    VOID = 7


@dataclass
class Round:
    """One round of one generation."""

    enter_s: int  # the training window's end
    deadline_s: int
    phase: Phase = Phase.TRAINING
    open_until_s: int = 0
    alone_s: int = 0
    beacon_block: int = 0
    redraws: int = 0
    replacements: int = 0
    disputes: int = 0  # open ones
    disputed: int = 0  # ever opened
    decide_s: int = 0  # when anybody may have the last of them decided, whoever has not voted
    optimistic: bool = False
    orphan: bool = False
    late_done: bool = False
    vouched: bool = True
    aggregated: bool = False
    faulted: bool = False  # its end is said to be a fault of the job
    aggregator: str = NOBODY
    paid: str = ""  # "included", "half" or "present"
    lead_paid: bool = False
    present: Slots = NONE
    direct: Slots = NONE
    accepted: Slots = NONE
    included: Slots = NONE
    billed: Slots = NONE
    committed: Slots = NONE  # seats, here and below
    revealed: Slots = NONE
    served: Slots = NONE
    penalised: Slots = NONE
    due_s: dict[int, int] = field(default_factory=dict)  # by slot, when a secret is owed; -1 once that is settled
    slashed: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Round":
        """Another round in the same state."""
        twin = shallow(self)
        twin.due_s, twin.slashed = dict(self.due_s), dict(self.slashed)
        return twin

    @property
    def ready_s(self) -> int:
        """When every window is over in which somebody could still act in a round that is challenged."""
        return max(self.deadline_s, self.open_until_s)

    @property
    def open_disputes(self) -> int:
        """Disputes and demands that are open."""
        return self.disputes + sum(due_s >= 0 for due_s in self.due_s.values())


@dataclass
class State(Money):
    """All rounds of one running job. `now_s` and `block` are those of the next transaction."""

    now_s: int = 0
    block: int = 0
    generation: int = 0
    first: int = 0  # not final
    next: int = 0  # to open
    ending: bool = False
    stopped: bool = False  # by a fault of the job
    faulted: bool = False  # by one that a contract has seen
    ended: bool = False
    settled_s: int = 0
    aggregator: str = DRAWN
    standby: bool = True
    slots: Slots = NONE  # open ones
    seats: Slots = NONE  # held ones
    generation_of: dict[int, int] = field(default_factory=dict)
    rounds: dict[Name, Round] = field(default_factory=dict)

    def copy(self) -> Self:
        """Another machine in the same state."""
        twin = shallow(self)
        twin.generation_of, twin.purse = dict(self.generation_of), dict(self.purse)
        twin.rounds = {name: r.copy() for name, r in self.rounds.items()}
        return twin

    def is_live(self, name: Name) -> bool:
        """Whether a round is of the job's present course, and not final."""
        r = self.rounds.get(name)
        return bool(r and self.generation_of[name[1]] == name[0] and not r.orphan and r.phase <= Phase.CHALLENGING)

    def live(self, name: Name, phase: Phase | None = None) -> Round:
        """A live round, in a phase."""
        must(self.is_live(name) and phase in (None, self.rounds[name].phase))
        return self.rounds[name]

    def judged(self, name: Name) -> Round:
        """A live round, or an orphan."""
        must(self.is_live(name) or (name in self.rounds and self.rounds[name].orphan))
        return self.rounds[name]

    def challengeable(self, name: Name) -> Round:
        """What nobody can commit to any more, until it is final; what is void too, until what takes its place is."""
        r = self.rounds[name]
        must(not self.ended and r.phase != Phase.FINAL and 0 < r.beacon_block < self.block)
        must(r.phase != Phase.VOID or name[1] >= self.first)
        must(r.phase != Phase.OPENING or self.now_s < r.open_until_s + self.size.challenge_s)
        must(r.phase != Phase.CHALLENGING or self.now_s < r.deadline_s)
        return r

    @property
    def orphans(self) -> list[Name]:
        """What is judged though a round before it was disproved."""
        return [name for name, r in self.rounds.items() if r.orphan]

    def settled(self) -> bool:
        """Nothing is open that could still cost somebody something."""
        quiet = self.first == self.next and not self.orphans and not any(r.open_disputes for r in self.rounds.values())
        return quiet and self.now_s >= self.settled_s and (self.ending or self.next == self.size.rounds)

    def quorate(self) -> bool:
        """Whether those who hold a seat are a quorum, if all of them sign."""
        return len(self.seats) >= self.size.quorum


T = TypeVar("T")


def shallow(value: T) -> T:
    """Another one with the same fields."""
    twin = object.__new__(type(value))
    twin.__dict__.update(value.__dict__)
    return twin
