"""What the contracts have announced of rounds that still matter, as the chain tells it now.

Read by a cursor that takes back what a reorganisation has taken back, so nothing is known here that is not so.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

from assay.chain.calendar import FREEZING, Freeze, freezes_of
from assay.chain.contracts.clock import Clock
from assay.chain.contracts.containers import Marks as ChainMarks
from assay.chain.contracts.containers import TranscriptOpening
from assay.chain.contracts.disputes import (
    ChallengeBegun,
    ChallengeOpened,
    ChallengeSealed,
    Disputes,
    FaultClaimed,
    FaultFound,
    MarksShown,
    Settled,
)
from assay.chain.contracts.games import Answered, Demanded, Games, Summed
from assay.chain.contracts.jobs import BidCommitted, BidRevealed, Posted
from assay.chain.contracts.rounds import (
    Billed,
    Claimed,
    Disproved,
    Penalised,
    SecretDemanded,
    SecretRevealed,
    SlotCommitted,
    TableRevealed,
)
from assay.chain.cursor import Cursor
from assay.chain.events import Emitted, Event, LogEntry
from assay.chain.ledger import Ledger
from assay.protocol.phase import Outcome, Settlement, Target
from assay.roles.round import RoundName, drop

E = TypeVar("E", bound=Event)
WINDOW_BLOCKS = 64
"""Deeper than this no reorganisation is undone; whoever starts reads so many headers."""
ROUNDS_END = 1 << 32
"""Above every round's index."""
PLAYED = (Answered, Demanded, Summed)
KINDS = (
    *FREEZING,
    *PLAYED,
    BidCommitted,
    BidRevealed,
    Billed,
    ChallengeBegun,
    ChallengeOpened,
    ChallengeSealed,
    Claimed,
    Disproved,
    FaultClaimed,
    FaultFound,
    MarksShown,
    Penalised,
    Posted,
    SecretDemanded,
    SecretRevealed,
    Settled,
    SlotCommitted,
    TableRevealed,
)
TOPICS = frozenset(kind.TOPIC for kind in KINDS)
SILENCE = (b"silent", b"unserved")


@dataclass(frozen=True)
class Dispute:
    """A dispute as it stands."""

    number: int
    name: RoundName
    accused: str
    target: int
    slot: int
    segment: int
    outcome: Outcome
    challenger: str
    game: int
    """The game by which it is decided, 0 until it begins."""
    batch: int = 0
    """Of a score's marks, which the game is about."""
    faulted: bool = False
    """The game has ended with the job at fault, or that was claimed: it stands unless the slot is disproved."""

    @property
    def unit(self) -> tuple[str, int, int, int]:
        """What is disputed of the round."""
        return self.accused, self.target, self.slot, self.segment

    @property
    def is_of_slot(self) -> bool:
        """Whether a slot is accused, of whatever it has committed to."""
        return self.target in (Target.SEGMENT, Target.EMIT)

    @property
    def case(self) -> tuple[RoundName, int, int | str]:
        """All that is decided with it: what is disputed of one slot, one table, the aggregate or its score."""
        if self.is_of_slot:
            return self.name, int(Target.SEGMENT), self.slot
        return self.name, self.target, self.accused


class Notices:
    """Everything announced so far, by round. `address` is the party's own."""

    def __init__(self, ledger: Ledger, address: str) -> None:
        self._ledger, self._address = ledger, address
        kinds = (Clock, Disputes, Games)
        places = [ledger.jobs.address, ledger.rounds.address, *(ledger.open(kind).address for kind in kinds)]
        first = ledger.deployment.first_block
        self._cursor = Cursor(ledger.web3, places, first_block=first, window_blocks=WINDOW_BLOCKS)
        self._said: dict[RoundName, list[Emitted[Event]]] = {}
        self._places: dict[tuple[str, int], RoundName] = {}
        """The round of a dispute, by the contract that numbers it."""
        self._played: dict[int, list[Emitted[Event]]] = {}
        """By game, what was demanded and opened."""
        self._frozen: list[Emitted[Event]] = []
        self._disputes: dict[int, list[Dispute]] = {}
        """By job, as they stand, until something more is read, taken back or dropped."""
        self.head = 0
        """Number of the newest block that was read."""
        self.posted = 0
        """The latest job of which was read that it was posted."""
        self._unread: deque[LogEntry] = deque()
        self._rewritten: set[int] = set()
        """Jobs of which something was taken back, and nobody has been told so yet."""

    def read(self) -> set[int]:
        """Reads on; the jobs of which something was taken back."""
        while True:
            page = self._cursor.poll()
            self._rewritten |= self._take_back(page.removed)
            # Kept until they are entered: should one fail, or the next page, no other is lost.
            self._unread.extend(page.added)
            self._enter()
            self.head = page.head
            if page.is_caught_up:
                rewritten, self._rewritten = self._rewritten, set()
                return rewritten

    def _enter(self) -> None:
        while self._unread:
            log = self._unread.popleft()
            self._disputes.clear()
            emitted = self._ledger.decode(log) if log.topics[:1] and log.topics[0] in TOPICS else None
            if emitted is not None and isinstance(emitted.event, Posted):
                self.posted = max(self.posted, emitted.event.job)
            elif emitted is not None and isinstance(emitted.event, FREEZING):
                self._frozen.append(emitted)
            elif emitted is not None and isinstance(emitted.event, PLAYED):
                self._played.setdefault(emitted.event.game, []).append(emitted)
            elif emitted is not None and self._matters(emitted.event):
                self._said.setdefault(self._place(emitted.event), []).append(emitted)

    def _take_back(self, logs: Sequence[LogEntry]) -> set[int]:
        jobs, gone = set(), set(logs)
        if logs:
            self._disputes.clear()
        self._unread = deque(log for log in self._unread if log not in gone)
        for emitted in filter(None, map(self._ledger.decode, logs)):
            if isinstance(emitted.event, FREEZING):
                self._frozen = [each for each in self._frozen if each.log != emitted.log]
                continue
            if isinstance(emitted.event, PLAYED):
                played = self._played.get(emitted.event.game, [])
                played[:] = [each for each in played if each.log != emitted.log]
                continue
            jobs.add(self._place(emitted.event)[0])
            if isinstance(emitted.event, Posted):
                self.posted = min(self.posted, emitted.event.job - 1)
            said = self._said.get(self._place(emitted.event), [])
            said[:] = [each for each in said if each.log != emitted.log]
        return jobs

    def _matters(self, event: Event) -> bool:
        if isinstance(event, ChallengeSealed):
            return event.challenger == self._address
        if isinstance(event, ChallengeOpened | FaultClaimed):
            self._places[event.CONTRACT, event.dispute] = (event.job, event.generation, event.round)
        return True

    def _place(self, event: Event) -> RoundName:
        """The round that an event is of; what is of a whole job stands after all its rounds."""
        if isinstance(event, ChallengeBegun | FaultFound | Settled):
            return self._places.get((event.CONTRACT, event.dispute), (0, 0, 0))
        job = getattr(event, "job", 0)
        return job, getattr(event, "generation", 0), getattr(event, "round", ROUNDS_END - 1)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final. A dispute of an earlier generation may still be open, and
        a secret still called for."""
        open_names = {each.name for each in self.disputes(job) if each.outcome == Outcome.OPEN}
        open_names |= {name for name, _ in self.demands(job)}
        kept = {name: self._said[name] for name in open_names} if below < ROUNDS_END else {}
        drop(self._said, job, below)
        self._said.update(kept)
        self._disputes.pop(job, None)
        self._places = {dispute: name for dispute, name in self._places.items() if name in self._said}
        games = {each.game for said in self._said.values() for each in _duels(said)}
        self._played = {game: events for game, events in self._played.items() if game in games}

    def of(self, kind: type[E], name: RoundName) -> Iterator[E]:
        """What was announced of a round, of one kind, in order."""
        return (each.event for each in self._said.get(name, ()) if isinstance(each.event, kind))

    def of_job(self, kind: type[E], job: int) -> Iterator[E]:
        """What was announced of a job and of none of its rounds."""
        return self.of(kind, (job, 0, ROUNDS_END - 1))

    @property
    def freezes(self) -> tuple[Freeze, ...]:
        """When the network was frozen, is, and at the latest until when."""
        return freezes_of(each.event for each in self._frozen)

    # before and after the rounds

    def bid_sealed(self, job: int) -> bool:
        """Whether this party's bid stands."""
        return any(bid.bidder == self._address for bid in self.of_job(BidCommitted, job))

    def bid_opened(self, job: int) -> bool:
        """Whether it was opened."""
        return any(bid.bidder == self._address for bid in self.of_job(BidRevealed, job))

    def bids_opened(self, job: int) -> int:
        """How many bids for a job are open."""
        return sum(1 for _ in self.of_job(BidRevealed, job))

    def bids_sealed(self, job: int) -> int:
        """How many bids for a job stand."""
        return len({bid.bidder for bid in self.of_job(BidCommitted, job)})

    def claimed(self, job: int) -> bool:
        """Whether this party has taken what it earned."""
        return any(claim.account == self._address for claim in self.of_job(Claimed, job))

    # slots and seats

    def due_s(self, name: RoundName, slot: int) -> int | None:
        """When a slot's secret is due on chain, in the chain's seconds; nothing if nobody has called for it."""
        due = [demand.deadline for demand in self.of(SecretDemanded, name) if demand.slot == slot]
        return due[-1] if due else None

    def demands(self, job: int) -> dict[tuple[RoundName, int], int]:
        """Slots whose secret was called for on chain and neither shown there since nor given up, and when it is due."""
        due_s: dict[tuple[RoundName, int], int] = {}
        for name in [name for name in self._said if name[0] == job]:
            for each in self._said[name]:
                if isinstance(each.event, SecretDemanded):
                    due_s[name, each.event.slot] = each.event.deadline
                elif isinstance(each.event, SecretRevealed) or _is_default(each.event):
                    due_s.pop((name, each.event.slot), None)
        return due_s

    def opening(self, name: RoundName, slot: int, transcript_root: bytes) -> TranscriptOpening | None:
        """Secret and leaves behind a transcript's root, if they stand on chain."""
        for shown in self.of(SecretRevealed, name):
            if (shown.slot, shown.transcript_root) == (slot, transcript_root):
                return shown.opening
        return None

    def leaf(self, name: RoundName, slot: int) -> bytes | None:
        """The leaf of a commitment that its provider entered directly."""
        return next((entry.leaf for entry in self.of(SlotCommitted, name) if entry.slot == slot), None)

    def nonce(self, name: RoundName, validator: str, table_root: bytes) -> bytes | None:
        """The nonce with which a table was last revealed: it says which sample its rows should be.

        The last, since another drawing of the round may have had the same rows.
        """
        for table in reversed(list(self.of(TableRevealed, name))):
            if (table.validator, table.table_root) == (validator, table_root):
                return table.nonce
        return None

    def billed(self, name: RoundName, slot: int) -> bool:
        """Whether a slot has paid for states that it did not serve."""
        return any(bill.slot == slot for bill in self.of(Billed, name))

    def fined(self, name: RoundName, validator: str) -> bool:
        """Whether a validator's silence in a round was penalised."""
        fines = self.of(Penalised, name)
        return any(fine.account == validator and fine.reason.rstrip(b"\0") in SILENCE for fine in fines)

    # disputes

    def marks(self, name: RoundName) -> ChainMarks | None:
        """What a round's score is made of, once its aggregator has shown it."""
        return next((shown.marks for shown in self.of(MarksShown, name)), None)

    def sealed_block(self, sealed_challenge: bytes) -> int | None:
        """In which block this party's challenge was sealed; nothing if it was not."""
        for emitted in self._said.get((0, 0, ROUNDS_END - 1), ()):
            event = emitted.event
            if isinstance(event, ChallengeSealed) and event.sealed_challenge == sealed_challenge:
                return emitted.log.block_number
        return None

    def played(self, claim: bytes) -> list[Event]:
        """What was demanded and opened about a claim, in whatever game, in order."""
        found: list[Emitted[Event]] = []
        for played in self._played.values():
            if any(getattr(each.event, "claim", None) == claim for each in played):
                found += played
        return [each.event for each in sorted(found, key=lambda each: each.log.place)]

    def disputes(self, job: int) -> list[Dispute]:
        """The disputes of a job's rounds, in order."""
        if job not in self._disputes:
            self._disputes[job] = self._find_disputes(job)
        return list(self._disputes[job])

    def _find_disputes(self, job: int) -> list[Dispute]:
        found = []
        for name in [name for name in self._said if name[0] == job]:
            settled = {each.dispute: each.outcome for each in self.of(Settled, name)}
            begun = {each.dispute: (each.game, each.batch) for each in self.of(ChallengeBegun, name)}
            for opened in self.of(ChallengeOpened, name):
                ended = settled.get(opened.dispute, Settlement.OPEN)
                # A row is not disproved by what disproves its slot.
                moot = opened.target == Target.TABLE and ended == Settlement.MOOT
                outcome = Outcome.DISMISSED if moot else ended.outcome
                unit = (opened.accused, int(opened.target), opened.slot, opened.segment)
                faulted = opened.dispute in {each.dispute for each in self.of(FaultFound, name)}
                game, batch = begun.get(opened.dispute, (opened.game, 0))
                found.append(Dispute(opened.dispute, name, *unit, outcome, opened.challenger, game, batch, faulted))
            for shown in self.of(FaultClaimed, name):
                outcome = settled.get(shown.dispute, Settlement.OPEN).outcome
                unit = (shown.provider, int(shown.target), shown.slot, shown.segment)
                found.append(Dispute(shown.dispute, name, *unit, outcome, shown.by, 0, faulted=True))
        return sorted(found, key=lambda dispute: dispute.number)


def _duels(said: Sequence[Emitted[Event]]) -> list[ChallengeOpened | ChallengeBegun]:
    return [each.event for each in said if isinstance(each.event, ChallengeOpened | ChallengeBegun)]


def _is_default(event: Event) -> TypeGuard[Disproved]:
    """Whether a slot lost its lock for a secret that it did not show."""
    return isinstance(event, Disproved) and event.reason.rstrip(b"\0") == b"secret"
