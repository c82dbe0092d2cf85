"""Somebody who only watches: turns the chain's events and the peers' messages into the story of a job."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assay.api.account import Account
from assay.api.contests import Contests, Told
from assay.api.losses import mean_loss
from assay.chain.calendar import FREEZING, freezes_of
from assay.chain.contracts.containers import RoundView
from assay.chain.contracts.jobs import AggregatorReplaced, Drawn, Faulted, Matched, ValidatorReplaced
from assay.chain.contracts.rounds import (
    Aggregated,
    Billed,
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
    TableRevealed,
    Voided,
)
from assay.chain.events import Event
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import Malformed, Refused, Undecidable, Unsupported
from assay.protocol.units import format_amount
from assay.roles.exam import evaluate
from assay.roles.openings import Opened, Openings
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World
from assay.work.mark import Mark

Note = Callable[[dict[str, Any]], None]
REASONS = {
    "segment": "re-execution of a segment gave other bits than it had committed",
    "emit": "its update does not follow from its own end state",
    "update": "it has an end state and bound no update to it",
    "start": "it began from another state than its round, or its slot, has there",
    "leaf": "a leaf of its transcript says what none there may",
    "secret": "it did not open its commitment when called upon",
    "equivocation": "it signed two commitments for one slot",
    "table": "its table says of a segment what re-execution does not give",
    "aggregate": "its aggregate is not that of the included updates",
    "score": "its score is not what the end state scores",
    "updates": "it has included an update that nobody has committed to",
    "marks": "it did not show what its score is made of",
    "unserved": "its table is not of the sample that was drawn, or begins where no slot was",
    "silent": "it was to check this round and did not",
    "aggregator": "it let its deadline pass",
}


HIDDEN = "it served no start states, so that whoever checked it had to replay from the round's start"
UNVOUCHED = "no quorum vouched for its root, so it earned no fee"
FORFEITING = ("table", "start", "aggregate", "score", "updates", "marks")
"""Reasons of penalties with which all pay of a job is forfeited."""


@dataclass
class RoundStory:
    """What became of one round."""

    index: int
    generation: int
    present: int = 0
    accepted: int = 0
    late: int = 0
    rejected: int = 0
    loss: float | None = None
    mark: Mark | None = None
    void: bool = False
    fixed: bool = False
    """Whether it got as far as an included set, void or not."""
    orphan: bool = False
    """Whether a round before it was disproved while it was not judged yet."""
    shown: set[str] = field(default_factory=set)
    """Validators that opened a table of the sample that counts."""
    served: set[str] = field(default_factory=set)
    """Validators that earn its fee."""
    full: set[str] = field(default_factory=set)
    half: set[str] = field(default_factory=set)
    """Providers that it pays the price, and half of it."""

    def to_json(self) -> dict[str, Any]:
        """As the report and the display show it."""
        return {
            "index": self.index,
            "generation": self.generation,
            "loss": self.loss,
            "accuracy": self.mark.accuracy if self.mark else None,
            "accepted": self.accepted,
            "late": self.late,
            "rejected": self.rejected,
            "void": self.void,
        }


class Observer(Party):
    """Watches one deployment. `names` and `behaviours` are by address; `note` takes the events of the live display."""

    behaviour = "observer"

    def __init__(
        self, world: World, token: str, decimals: int, names: dict[str, str], note: Note, symbol: str = "aUSD"
    ) -> None:
        super().__init__(world)
        self.account = Account(world.ledger, token)
        self.stories: dict[RoundName, RoundStory] = {}
        self.price = 0
        self.aggregators: set[str] = set()
        self.found: dict[str, dict[str, list[int]]] = {}
        """Rounds by reason, by account."""
        self.contests = Contests(self.name, lambda job: self.assignment(job).bundle)
        self.behaviours: dict[str, str] = {}
        self.events: list[Event] = []
        self.seats: dict[int, dict[int, str]] = {}
        """Validators by seat, by job, as of the last event."""
        self.forfeited: set[str] = set()
        self.openings = Openings(self)
        self._cursor = world.ledger.open_cursor()
        self._decimals, self._symbol, self._names, self._note = decimals, symbol, names, note
        self._head = -1

    def tick(self) -> Wake:
        """One turn: never acts."""
        self.book.note(self.world.peers.poll())
        head = self.world.ledger.rpc.get_head()
        if head != self._head:
            self._head = head
            logs = self._cursor.drain().added
            events = [emitted.event for log in logs if (emitted := self.world.ledger.decode(log)) is not None]
            self.events += events
            if any(isinstance(event, FREEZING) for event in events):
                self.world.calendar.learn(freezes_of(self.events))
            self.account.enter(events)
            for event in events:
                self.enter(event)
            for job in self.account.jobs:
                if self.world.ledger.jobs.view_of(job).ended:
                    self.clerk.close(job)
        return IDLE

    def enter(self, event: Event) -> None:
        """Tells the story of one event."""
        match event:
            case Matched():
                self.price = event.price
                self.step(f"matched {len(event.providers)} providers at {self.amount(event.price)} per slot and round")
            case Drawn():
                self.aggregators.add(event.aggregator)
                self.seats[event.job] = dict(enumerate(event.validators))
                self.step(f"the beacon drew {len(event.validators)} validators and an aggregator")
            case RoundOpened():
                name = (event.job, event.generation, event.round)
                self.stories[name] = RoundStory(event.round, event.generation)
                rounds = self.clerk.order(event.job).rounds
                self._note({"kind": "opened", "round": event.round, "generation": event.generation, "rounds": rounds})
            case Committed():
                # A sample that is drawn anew makes the tables of the one before worthless.
                self.stories[event.job, event.generation, event.round].shown.clear()
            case TableRevealed():
                self.stories[event.job, event.generation, event.round].shown.add(event.validator)
            case ValidatorReplaced():
                self.seats[event.job][event.index] = event.to
            case Billed():
                self.blame(self.clerk.providers(event.job)[event.slot], "billed", event.paid, HIDDEN, event.round)
            case Orphaned():
                self.stories[event.job, event.generation, event.round].orphan = True
                self.step(f"round {event.round} is judged, though one before it was disproved")
            case Included():
                self._include(event)
            case Late():
                self._leave_out(event)
            case Aggregated():
                self._measure((event.job, event.generation, event.round), event.end_root)
                if event.score >= self.clerk.order(event.job).stop_score:
                    self.step(f"round {event.round} is as good as the job asks for: it is the last")
            case Voided():
                self._void(event)
            case Finalised():
                self._lead((event.job, event.generation, event.round), event.credited)
                self._pay()
            case Disproved():
                self._forfeit(event.provider)
                story = self.stories[event.job, event.generation, event.round]
                story.rejected += 1
                self.blame(event.provider, "slashed", event.slashed, _reason(event.reason), event.round)
            case Penalised():
                if _text(event.reason) in FORFEITING:
                    self._forfeit(event.account)
                self.blame(event.account, "penalised", event.amount, _reason(event.reason), event.round)
            case AggregatorReplaced():
                self.aggregators.add(event.to)
                self.step(f"{self.name(event.to)} takes the place of {self.name(event.from_)}")
            case Rewound():
                self.step(f"round {event.round} is rewound into generation {event.generation}")
            case FaultAttested():
                self.step("a quorum says that nothing of the job can be re-executed: it ends with what it has")
            case Faulted():
                self.step(f"the job itself is at fault: its deposit of {self.amount(event.forfeited)} is burned")
        if isinstance(event, Told):
            line = self.contests.enter(event)
            if line:
                self.step(line)

    def name(self, address: str) -> str:
        """What a party is called here."""
        return self._names.get(address, address)

    def amount(self, units: int) -> str:
        """Units as whole tokens."""
        return format_amount(units, self._decimals)

    def step(self, text: str) -> None:
        """One line of what is going on."""
        self._note({"kind": "step", "text": text})

    def blame(self, account: str, what: str, amount: int, reason: str, index: int) -> None:
        """A party is found out; what costs it nothing more is no news."""
        rounds = self.found.setdefault(account, {}).setdefault(reason, [])
        if index not in rounds:
            rounds.append(index)
        if not amount:
            return
        verdict = {"subject": self.name(account), "behaviour": self.behaviours.get(account, ""), "what": what}
        self._note(
            {"kind": "verdict", **verdict, "amount": self.amount(amount), "evidence": f"{reason} (round {index})"}
        )

    def evidence(self, account: str) -> list[str]:
        """What convicts an account, a line for each reason."""
        return [
            f"round{'s' * (len(rounds) > 1)} {', '.join(map(str, rounds))}: {reason}"
            for reason, rounds in self.found.get(account, {}).items()
        ]

    def _leave_out(self, event: Late) -> None:
        """A slot that was not accepted: late when it was not there, rejected when it was."""
        name = (event.job, event.generation, event.round)
        view = self.world.ledger.rounds.view_of(*name)
        if event.slot not in bitmap_slots(view.present):
            self.stories[name].late += 1
            self.blame(event.provider, "late", event.burned, "its slot did not come in time", event.round)
            return
        self.stories[name].rejected += 1
        opened = self._opened(name, view, event.slot)
        if opened is None or not opened.reason:
            why = "it was not opened"
        else:
            # The hashes of an opening that does not fit differ from round to round, and tell a reader nothing.
            why = opened.reason if ":" not in opened.reason or opened.transcript else "its opening does not fit it"
        self.blame(event.provider, "rejected", event.burned, f"its slot was not accepted: {why}", event.round)

    def _opened(self, name: RoundName, view: RoundView, slot: int) -> Opened | None:
        """A slot's opening, checked; nothing also where the job itself is such that nothing can be."""
        try:
            return self.openings.of(name, view, slot, final=True)
        except (Malformed, Refused, Undecidable):
            return None

    def _include(self, event: Included) -> None:
        name = (event.job, event.generation, event.round)
        slots = bitmap_slots(event.included)
        story, providers = self.stories[name], self.clerk.providers(event.job)
        accepted = set(bitmap_slots(event.accepted))
        # An orphan leads nowhere, and with too few accepted no aggregate is made.
        enough = not story.orphan and len(accepted) >= self.clerk.order(event.job).reports_min
        entered = accepted & set(slots) if enough else set()
        story.accepted, story.fixed = len(entered), True
        story.full = {providers[slot] for slot in entered} - self.forfeited
        story.half = {providers[slot] for slot in accepted - entered} - self.forfeited
        story.served = self._opened_tables(name, event.served)
        page, view = self.book.round(name), self.clerk.round(name)
        heard = [page.commitments[slot][0] for slot in slots if slot in page.commitments]
        story.loss = mean_loss(
            page.openings,
            heard,
            self.leaves(name) or {},
            self.clerk.place,
            view.start_root,
            self.clerk.segments(name[0]),
        )

    def _opened_tables(self, name: RoundName, seats: int = -1) -> set[str]:
        """Who of these seats has opened a table and forfeited nothing."""
        holders = {holder for seat, holder in self.seats[name[0]].items() if seats >> seat & 1}
        return (holders & self.stories[name].shown) - self.forfeited

    def _forfeit(self, account: str) -> None:
        """It loses all pay of the job."""
        self.forfeited.add(account)
        for story in self.stories.values():
            for earners in (story.full, story.half, story.served):
                earners.discard(account)

    def _void(self, event: Voided) -> None:
        """A void round pays what was accepted, or half of or all that was committed: its sum tells which."""
        name = (event.job, event.generation, event.round)
        story = self.stories[name]
        story.void = True
        if not event.credited:
            return
        if not story.fixed:
            story.served = self._opened_tables(name)
        providers = self.clerk.providers(event.job)
        present = bitmap_slots(self.world.ledger.rounds.view_of(*name).present)
        there, nobody = {providers[slot] for slot in present} - self.forfeited, set[str]()
        fee = self.clerk.order(event.job).aggregator_fee
        for full, half in [(story.full, story.half), (nobody, there), (there, nobody)]:
            if event.credited - self._worth(name, full, half) in (0, fee):
                story.full, story.half = full, half
                break
        if story.fixed and not story.orphan:
            self._lead(name, event.credited)

    def _worth(self, name: RoundName, full: set[str], half: set[str]) -> int:
        """What a round pays providers and validators."""
        fees = len(self.stories[name].served) * self.clerk.order(name[0]).validator_fee
        return len(full) * self.price + len(half) * (self.price // 2) + fees

    def _lead(self, name: RoundName, credited: int) -> None:
        """Tells of an aggregator that earned no fee though nobody disproved it."""
        story, leader = self.stories[name], self.world.ledger.rounds.aggregator_of(*name)
        unpaid = self.clerk.order(name[0]).aggregator_fee and credited == self._worth(name, story.full, story.half)
        if unpaid and int(leader, 16) and leader not in self.forfeited:
            self.blame(leader, "unpaid", 0, UNVOUCHED, name[2])

    def count(self, earned: str) -> Counter[str]:
        """Rounds by account: those in which it is among `full`, `half` or `served`."""
        return Counter(account for story in self.stories.values() for account in getattr(story, earned))

    def _measure(self, name: RoundName, end_root: bytes) -> None:
        story = self.stories[name]
        try:
            state = self.state(name[0], end_root)
            if state is not None:
                assignment = self.assignment(name[0])
                story.mark = evaluate(self.world.compute, assignment, state, assignment.test)
        except (Malformed, Refused, Undecidable, Unsupported) as trouble:
            self.step(f"round {story.index} cannot be measured: {trouble.message}")
        self._note({"kind": "round", **story.to_json()})

    def _pay(self) -> None:
        vault, token = self.world.ledger.vault, self.account.token
        figures = {
            "escrow": self.amount(vault.total(token, 3)),
            "paid": self.amount(vault.total(token, 4)),
            "burned": self.amount(vault.burned(token)),
        }
        self._note({"kind": "money", **figures, "symbol": self._symbol})


def _text(word: bytes) -> str:
    return word.rstrip(b"\0").decode("ascii", "replace")


def _reason(word: bytes) -> str:
    return REASONS.get(_text(word), _text(word))
