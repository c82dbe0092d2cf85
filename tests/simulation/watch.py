"""What must hold on chain, whoever cheats and whatever fails: looked at after each event, and at the end.

From events alone, so that a reorganisation is simply read again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from assay.chain.contracts.disputes import ChallengeOpened, FaultClaimed, Settled
from assay.chain.contracts.jobs import BidForfeited, Cancelled, Ended, Faulted, Unenlisted
from assay.chain.contracts.rounds import (
    Aggregated,
    Claimed,
    Committed,
    Disproved,
    FaultAttested,
    Finalised,
    Included,
    Late,
    Orphaned,
    Penalised,
    Rewound,
    RoundOpened,
    SlotCommitted,
    Voided,
)
from assay.chain.contracts.stakes import Locked, Released, Slashed
from assay.chain.events import Emitted
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import Settlement

Name = tuple[int, int, int]
"""(job, generation, round)"""


class Broken(AssertionError):
    """Something does not hold that must."""


def hold(condition: object, words: str) -> None:
    """Raises `Broken` unless the condition holds."""
    if not condition:
        raise Broken(words)


@dataclass
class Page:
    """What the events have told of one round of one generation."""

    steps: list[str] = field(default_factory=list)
    present: set[int] = field(default_factory=set)
    direct: set[int] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)
    included: set[int] = field(default_factory=set)
    disputes: set[int] = field(default_factory=set)
    final_from_s: int = 0
    closed: bool = False


LONGER = 4
"""How many times the window lasts where no quorum has vouched."""
AFTER = {
    "opened": {"committed", "closed"},
    "committed": {"committed", "included", "orphaned", "closed"},
    "orphaned": {"committed", "included", "closed"},
    "included": {"aggregated", "closed"},
    "aggregated": {"closed"},
    "closed": set(),
}
"""Which of a round's events may follow which."""


@dataclass
class Watch:
    """The invariants over the events so far. `sound` are the addresses of parties that must lose nothing."""

    sound: dict[str, str]
    challenge_s: int
    """The challenge window of every job."""
    timestamp: Callable[[int], int]
    pages: dict[Name, Page] = field(default_factory=lambda: defaultdict(Page))
    final: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    generation: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    locks: dict[bytes, int] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)
    disputes: dict[int, Name] = field(default_factory=dict)
    challenged: dict[int, str] = field(default_factory=dict)
    over: set[int] = field(default_factory=set)
    faulted: set[int] = field(default_factory=set)
    early: dict[int, Name] = field(default_factory=dict)
    """Rounds that were final before their window was over."""
    claimed: Counter[tuple[int, str]] = field(default_factory=Counter)
    paid: Counter[tuple[int, str]] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def enter(self, events: Iterable[Emitted]) -> None:
        """Looks at more events. Raises `Broken`."""
        for emitted in events:
            self.seen[type(emitted.event).__name__] += 1
            self._blame(emitted)
            self._step(emitted)
            self._money(emitted)

    def _blame(self, emitted: Emitted) -> None:
        event = emitted.event
        match event:
            case Disproved():
                self._spare(event.provider, f"disproved ({_text(event.reason)}) in {_name(event)}")
            case Penalised():
                self._spare(event.account, f"penalised ({_text(event.reason)}, {event.amount}) in {_name(event)}")
            case Late() if event.burned:
                self._spare(event.provider, f"late in {_name(event)}")
            case Unenlisted():
                self._spare(event.validator, f"not enlisted in job {event.job}")
            case BidForfeited():
                self._spare(event.bidder, f"its bid on job {event.job} forfeited")
            case Settled() if event.outcome in (Settlement.UPHELD, Settlement.UNDONE):
                self._spare(self.challenged.get(event.dispute, ""), f"found guilty in challenge {event.dispute}")

    def _spare(self, account: str, words: str) -> None:
        hold(account not in self.sound, f"the honest {self.sound.get(account)} was {words}")

    def _step(self, emitted: Emitted) -> None:
        event = emitted.event
        match event:
            case RoundOpened():
                page = self._page(event)
                hold(not page.steps, f"{_name(event)} opened twice")
                hold(event.generation == self.generation[event.job], f"{_name(event)} is of another generation")
                page.steps.append("opened")
            case SlotCommitted():
                page = self._page(event)
                hold(event.slot not in page.direct, f"slot {event.slot} has two roots in {_name(event)}")
                page.direct.add(event.slot)
                if page.steps[-1] != "opened":
                    page.present.add(event.slot)
            case Committed():
                page = self._follow(event, "committed")
                present = set(bitmap_slots(event.present))
                hold(page.present <= present, f"a slot has left {_name(event)}")
                page.present |= present
            case Included():
                page = self._follow(event, "included")
                page.accepted, page.included = set(bitmap_slots(event.accepted)), set(bitmap_slots(event.included))
                hold(page.included <= page.accepted <= page.present, f"{_name(event)} includes who was not there")
            case Aggregated():
                page = self._follow(event, "aggregated")
                hold(event.generation == self.generation[event.job], f"{_name(event)} is of another generation")
                window_s = self.challenge_s * (LONGER if event.optimistic else 1)
                page.final_from_s = self.timestamp(emitted.log.block_number) + window_s
            case Orphaned():
                self._follow(event, "orphaned")
            case Voided():
                self._follow(event, "closed").closed = True
            case Finalised():
                page = self._follow(event, "closed")
                page.closed = True
                hold(page.steps[-2] == "aggregated", f"{_name(event)} is final without an aggregate")
                hold(self.final[event.job] == event.round, f"{_name(event)} is final out of order")
                self.final[event.job] += 1
                hold(not page.disputes, f"{_name(event)} is final with a dispute open")
                if self.timestamp(emitted.log.block_number) < page.final_from_s:
                    self.early[event.job] = _name(event)
            case Faulted() | FaultAttested():
                self.faulted.add(event.job)
                self.early.pop(event.job, None)  # a fault of the job closes at once what stands
            case Rewound():
                hold(event.generation == self.generation[event.job] + 1, f"job {event.job} skips a generation")
                hold(event.round >= self.final[event.job], f"job {event.job} rewinds what is final")
                self.generation[event.job] = event.generation
            case ChallengeOpened():
                self.disputes[event.dispute], self.challenged[event.dispute] = _name(event), event.accused
                self._page(event).disputes.add(event.dispute)
            case FaultClaimed():
                self.disputes[event.dispute] = _name(event)
                self._page(event).disputes.add(event.dispute)
            case Settled():
                self.pages[self.disputes[event.dispute]].disputes.discard(event.dispute)
            case Ended() | Cancelled():
                hold(event.job not in self.over, f"job {event.job} ended twice")
                self.over.add(event.job)

    def _money(self, emitted: Emitted) -> None:
        event = emitted.event
        match event:
            case Locked():
                hold(event.obligation not in self.locks, "a lock was taken twice")
                self.locks[event.obligation] = event.amount
            case Slashed():
                total = event.burned_amount + event.to_challenger + event.to_job
                hold(total == event.amount, "a slash was not shared out to the last unit")
                hold(3 * event.burned_amount >= event.amount, "less than a third of a slash was burned")
                hold(3 * event.to_challenger <= event.amount, "more than a third of a slash went to the challenger")
                hold(event.obligation not in self.released, "a lock was slashed after its release")
                self.locks[event.obligation] -= event.amount
                hold(self.locks[event.obligation] >= 0, "a slash took more than the lock")
            case Released():
                hold(event.obligation not in self.released, "a lock was released twice")
                hold(event.amount == self.locks[event.obligation], "a lock was not released whole")
                self.released.add(event.obligation)
            case Claimed():
                self.claimed[event.job, event.account] += 1
                hold(self.claimed[event.job, event.account] == 1, f"{event.account} was paid twice")
                self.paid[event.job, event.account] += event.amount

    def _page(self, event: object) -> Page:
        return self.pages[_name(event)]

    def _follow(self, event: object, step: str) -> Page:
        page = self._page(event)
        before = page.steps[-1] if page.steps else "nothing"
        hold(step in AFTER.get(before, ()), f"{_name(event)} was {step} after it was {before}")
        page.steps.append(step)
        return page

    def due(self, job: int, slot: int, price: int) -> tuple[int, int]:
        """The least and the most that a slot which nobody ever blamed has earned in a job that is over.

        Raises `Broken` where it was there and was not accepted.
        """
        least = most = 0
        for name, page in self.pages.items():
            if name[0] != job or slot not in page.present or "committed" not in page.steps:
                continue
            hold(page.closed, f"{name} was never closed")
            if "included" in page.steps:
                hold(slot in page.accepted, f"slot {slot} committed honest work in {name} and was not accepted")
                entered = slot in page.included and "orphaned" not in page.steps
                units = price if entered else price // 2
                least, most = least + units, most + units
            else:
                least, most = least + price // 2, most + price
        return least, most


def _name(event: object) -> Name:
    return (event.job, event.generation, event.round)  # type: ignore[attr-defined]


def _text(reason: bytes) -> str:
    return reason.rstrip(b"\0").decode()
