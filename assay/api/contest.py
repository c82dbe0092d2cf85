"""One dispute as it stands: what it is about, who moves, what it has come to, and what it has cost each side."""

from dataclasses import dataclass, field
from typing import Any

from assay.api.layout import Layout
from assay.api.moves import Move, Side, Spent
from assay.api.narrowing import Narrowing
from assay.chain.contracts.disputes import (
    ChallengeBegun,
    ChallengeOpened,
    ChallengeSealed,
    FaultClaimed,
    FaultFound,
    LeavesCalled,
    Settled,
)
from assay.chain.events import Event
from assay.protocol.phase import Settlement, Target
from assay.roles.finding import Unit
from assay.roles.round import RoundName

PARTS = {
    Target.SEGMENT: "segment {segment} of slot {slot}",
    Target.EMIT: "the update of slot {slot}",
    Target.TABLE: "a row about segment {segment} of slot {slot}",
    Target.AGGREGATE: "the aggregate",
    Target.SCORE: "the score",
}
"""What is disputed, in words."""


@dataclass(frozen=True)
class Money:
    """What a dispute has moved so far, in units of what the job pays in."""

    bond: int = 0
    """Of the challenger."""
    returned: int = 0
    reward: int = 0
    """Of the slash, to the challenger."""
    slashed: int = 0
    """From the accused."""
    paid_to_accused: int = 0
    """Of a bond that was lost."""
    burned: int = 0


@dataclass(frozen=True)
class Bill:
    """What one side has sent so far; `untold` counts transactions of which the node does not say what they cost."""

    transactions: int = 0
    gas: int = 0
    fee_wei: int = 0
    untold: int = 0

    def add(self, spent: Spent) -> "Bill":
        """With one transaction more."""
        gas, fee_wei, untold = spent.gas or 0, spent.fee_wei or 0, int(spent.gas is None)
        return Bill(self.transactions + 1, self.gas + gas, self.fee_wei + fee_wei, self.untold + untold)


@dataclass(frozen=True)
class Contest:
    """One dispute, with the number that it has in the contract. Without a game it was decided at once, waits for
    something to be shown, or shows a fault of the job that nobody disputes."""

    number: int
    name: RoundName
    target: Target
    slot: int
    segment: int
    accused: str
    challenger: str
    game: int | None
    outcome: str
    phase: str
    """waiting (for what the game begins with), game, fault (found, and not yet final), over (ended, and not yet
    settled) or settled."""
    turn: Side | None = None
    deadline_s: int | None = None
    money: Money = Money()
    bills: dict[Side, Bill] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    narrowing: Narrowing | None = None
    layout: Layout | None = field(default=None, repr=False)
    batch: int | None = None
    """Of the held-out samples, which a game about a score is about."""
    claimed: bool = False
    """A fault of the job that the slot itself has committed to: nobody is accused of anything."""

    @property
    def is_open(self) -> bool:
        """Whether anything is yet to come."""
        return self.outcome == "open"

    @property
    def unit(self) -> Unit:
        """What is disputed of the round."""
        return self.accused, int(self.target), self.slot, self.segment

    @property
    def about(self) -> str:
        """What is disputed."""
        words = PARTS[self.target].format(slot=self.slot, segment=self.segment)
        words = words if self.batch is None else f"batch {self.batch} of {words}"
        words = f"a fault of the job in {words}" if self.claimed else words
        again = f" (generation {self.name[1]})" if self.name[1] else ""
        return f"{words} of round {self.name[2]}{again}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "dispute": self.number,
            "job": self.name[0],
            "generation": self.name[1],
            "round": self.name[2],
            "about": self.target.name.lower(),
            "slot": self.slot,
            "segment": self.segment,
            "batch": self.batch,
            "accused": self.accused,
            "challenger": self.challenger,
            "game": self.game,
            "claimed": self.claimed,
            "phase": self.phase,
            "outcome": self.outcome,
            "turn": None if self.turn is None else str(self.turn),
            "deadline_s": self.deadline_s,
            "money": vars(self.money),
            "cost": {str(side): vars(bill) for side, bill in self.bills.items()},
            "moves": [move.to_json() for move in self.moves],
            "narrowing": None if self.narrowing is None else self.narrowing.to_json(),
        }


def words_of(event: Event) -> tuple[Side, str]:
    """Who did what beside a game."""
    match event:
        case ChallengeSealed():
            return Side.CHALLENGER, "seals a challenge, with its bond"
        case ChallengeOpened():
            about = PARTS[Target(event.target)]
            return Side.CHALLENGER, "opens it: " + about.format(slot=event.slot, segment=event.segment) + " is disputed"
        case FaultClaimed():
            about = PARTS[Target(event.target)].format(slot=event.slot, segment=event.segment)
            return Side.CHALLENGER, f"shows that {about} ends in a fault of the job"
        case ChallengeBegun():
            return Side.CHALLENGER, "begins the game, since what it rests on is shown"
        case LeavesCalled():
            return Side.ANYBODY, "asks for the slot's leaves: what the fault rests on has to be seen before it stands"
        case FaultFound():
            return Side.ANYBODY, "the job is at fault, unless what that rests on is disproved in time"
        case Settled():
            return Side.ANYBODY, f"settled: {Settlement(event.outcome).name.lower().replace('_', ' ')}"
    return Side.ANYBODY, ""
