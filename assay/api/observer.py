"""Somebody who only watches: turns the chain's events and the peers' messages into the story of a job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay.api.account import Account
from assay.api.losses import mean_loss
from assay.chain.contracts.containers import RoundView
from assay.chain.contracts.jobs import AggregatorReplaced, Drawn, Faulted, Matched
from assay.chain.contracts.rerun import Challenged, Decided
from assay.chain.contracts.rounds import (
    Aggregated,
    Disproved,
    Finalised,
    Included,
    Late,
    Penalised,
    Rewound,
    RoundOpened,
    TableRevealed,
    Voided,
)
from assay.chain.events import Event
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import Malformed, Refused, Unsupported
from assay.protocol.phase import Outcome, Target
from assay.protocol.units import format_amount
from assay.roles.book import RoundName
from assay.roles.evidence import Evidence, Opened
from assay.roles.exam import Mark, evaluate
from assay.roles.party import Party
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World

Note = Callable[[dict[str, Any]], None]
REASONS = {
    "segment": "re-execution of a segment gave other bits than it had committed",
    "emit": "its update does not follow from its own end state",
    "start": "it did not start from the round's state",
    "secret": "it did not open its commitment when called upon",
    "equivocation": "it signed two commitments for one slot",
    "table": "its table says of a segment what re-execution does not give",
    "aggregate": "its aggregate is not that of the included updates",
    "silent": "it was to check this round and did not",
    "aggregator": "it let its deadline pass",
    "minority": "it voted against what a quorum found",
    "vote": "it did not vote in a dispute",
}


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

    def __init__(self, world: World, token: str, decimals: int, names: dict[str, str], note: Note) -> None:
        super().__init__(world)
        self.account = Account(world.ledger, token)
        self.stories: dict[RoundName, RoundStory] = {}
        self.price = 0
        self.aggregators: set[str] = set()
        self.found: dict[str, dict[str, list[int]]] = {}
        """Rounds by reason, by account."""
        self.disputes: dict[int, dict[str, Any]] = {}
        self.behaviours: dict[str, str] = {}
        self.events: list[Event] = []
        self.rounds_served: dict[str, int] = {}
        """Tables shown, by validator: each earns the fee."""
        self.slots_full: dict[str, int] = {}
        self.slots_half: dict[str, int] = {}
        """Slots by what they earn: the price when their update entered; half when accepted only, or void after all had
        committed."""
        self.checked = Evidence(self)
        self._cursor = world.ledger.open_cursor()
        self._decimals, self._names, self._note = decimals, names, note
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
                self.step(f"the beacon drew {len(event.validators)} validators and an aggregator")
            case RoundOpened():
                name = (event.job, event.generation, event.round)
                self.stories[name] = RoundStory(event.round, event.generation)
                rounds = self.clerk.order(event.job).rounds
                self._note({"kind": "opened", "round": event.round, "generation": event.generation, "rounds": rounds})
            case TableRevealed():
                self.rounds_served[event.validator] = self.rounds_served.get(event.validator, 0) + 1
            case Included():
                self._include(event)
            case Late():
                self._leave_out(event)
            case Aggregated():
                self._measure((event.job, event.generation, event.round), event.end_root)
            case Voided():
                self._void(event)
            case Finalised():
                self._pay()
            case Disproved():
                story = self.stories[event.job, event.generation, event.round]
                story.rejected += 1
                self.blame(event.provider, "slashed", event.slashed, _reason(event.reason), event.round)
            case Penalised():
                self.blame(event.account, "penalised", event.amount, _reason(event.reason), event.round)
            case AggregatorReplaced():
                self.aggregators.add(event.to)
                self.step(f"{self.name(event.to)} takes the place of {self.name(event.from_)}")
            case Rewound():
                self.step(f"round {event.round} is rewound into generation {event.generation}")
            case Faulted():
                self.step(f"the job itself is at fault: its deposit of {self.amount(event.forfeited)} is burned")
            case Challenged() | Decided():
                self._dispute(event)

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
            return self.checked.opened(name, view, slot, final=True)
        except (Malformed, Refused):
            return None

    def _include(self, event: Included) -> None:
        name = (event.job, event.generation, event.round)
        slots = bitmap_slots(event.included)
        self.stories[name].accepted = len(slots)
        providers = self.clerk.providers(event.job)
        self.stories[name].fixed = True
        for slot in bitmap_slots(event.accepted):
            earned = self.slots_full if slot in slots else self.slots_half
            earned[providers[slot]] = earned.get(providers[slot], 0) + 1
        page, view = self.book.round(name), self.clerk.round(name)
        heard = [page.commitments[slot][0] for slot in slots if slot in page.commitments]
        self.stories[name].loss = mean_loss(
            page.openings,
            heard,
            self.leaves(name) or {},
            self.clerk.place,
            view.start_root,
            self.clerk.segments(name[0]),
        )

    def _void(self, event: Voided) -> None:
        name = (event.job, event.generation, event.round)
        story = self.stories[name]
        story.void = True
        if not story.fixed and event.credited:
            providers = self.clerk.providers(event.job)
            for slot in bitmap_slots(self.world.ledger.rounds.view_of(*name).present):
                self.slots_half[providers[slot]] = self.slots_half.get(providers[slot], 0) + 1

    def _measure(self, name: RoundName, end_root: bytes) -> None:
        story = self.stories[name]
        try:
            state = self.state(name[0], end_root)
            if state is not None:
                assignment = self.assignment(name[0])
                story.mark = evaluate(self.world.compute, assignment, state, assignment.test)
        except (Malformed, Refused, Unsupported) as trouble:
            self.step(f"round {story.index} cannot be measured: {trouble.message}")
        self._note({"kind": "round", **story.to_json()})

    def _pay(self) -> None:
        vault, token = self.world.ledger.vault, self.account.token
        figures = {
            "escrow": self.amount(vault.total(token, 3)),
            "paid": self.amount(vault.total(token, 4)),
            "burned": self.amount(vault.burned(token)),
        }
        self._note({"kind": "money", **figures, "symbol": "aUSD"})

    def _dispute(self, event: Challenged | Decided) -> None:
        if isinstance(event, Challenged):
            self.disputes[event.dispute] = {
                "id": event.dispute,
                "round": event.round,
                "generation": event.generation,
                "about": Target(event.target).name.lower(),
                "slot": event.slot,
                "segment": event.segment,
                "accused": self.name(event.accused),
                "claimed": event.claimed.hex(),
                "outcome": "open",
            }
        else:
            entry = self.disputes[event.dispute]
            entry |= {"outcome": Outcome(event.outcome).name.lower(), "truth": event.truth.hex()}


def _reason(word: bytes) -> str:
    text = word.rstrip(b"\0").decode("ascii", "replace")
    return REASONS.get(text, text)
