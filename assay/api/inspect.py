"""Looking at a job from outside: what it waits for, what happened in it, whether the work in it is true.

`Watcher` tells the story of one job, `waiting` says in one line whom it waits for, `audit` re-executes work and
compares it with what was committed, `replay` goes from the initial state to the final one by what was published.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from assay.api.client import Reader
from assay.api.home import frozen_words, local_time
from assay.api.observer import Note, Observer
from assay.api.token import Token
from assay.chain.contracts.containers import RoundView
from assay.chain.contracts.jobs import (
    AggregatorReplaced,
    BidCommitted,
    BidRevealed,
    Cancelled,
    Drawn,
    Ended,
    Enlisted,
    Matched,
    Posted,
    ValidatorReplaced,
)
from assay.chain.contracts.models import Minted
from assay.chain.contracts.rounds import Finalised, Voided
from assay.chain.events import Event
from assay.proof.recompute import audit_slot, check_aggregate, summary
from assay.proof.verdict import Finding, Part, Place, Verdict, compared, honest
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import BadInput, Unavailable
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.score import UNSCORED, is_due, score_plain
from assay.roles.assignment import State
from assay.roles.audit import audit_step
from assay.roles.exam import score
from assay.roles.openings import Openings
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.world import World
from assay.work.segment import Plan
from assay.work.state import state_root

ADDRESS = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9})(?:/([0-9]{1,9})(?:/([0-9]{1,9}))?)?)?")


@dataclass(frozen=True)
class Wait:
    """Whom or what a job waits for, and until when, in protocol time."""

    text: str
    until_s: int | None = None

    def words(self, now_s: int, *, frozen_s: int = 0, is_live: bool = True) -> str:
        """One line for people: "waiting for 2 more providers (3/5), until 12:40".

        Where time passes as it does here (`is_live`) the moment is this machine's, whatever the chain's clock shows;
        where it is simulated the line says how much of it is left. `frozen_s`: for how long the network may stay
        frozen; what has not come yet comes so much later then.
        """
        if frozen_s:
            rest = Wait(self.text, None if self.until_s is None else max(now_s, self.until_s) + frozen_s)
            return f"{frozen_words(now_s, frozen_s, is_live=is_live)}; {rest.words(now_s, is_live=is_live)}"
        if self.until_s is None:
            return f"waiting for {self.text}"
        left_s = self.until_s - now_s
        if not is_live:
            return f"waiting for {self.text}, " + (f"{left_s} s of simulated time left" if left_s > 0 else "overdue")
        return f"waiting for {self.text}, {'since' if left_s <= 0 else 'until'} {local_time(self.until_s, now_s)}"


class Watcher(Observer):
    """The story of one job as it happens. `is_live`: the chain's time passes as it does here."""

    def __init__(self, world: World, token: Token, job: int, note: Note, *, is_live: bool = True) -> None:
        names = {world.address: "you"}
        super().__init__(world, token.address, token.decimals, names, note, token.symbol)
        self.job, self.token = job, token
        self.history: list[Event] = []
        self.bidders: set[str] = set()
        self.opened_bids: set[str] = set()
        self.enlisted: set[str] = set()
        self.credited = self.refunded = 0
        self.minted: Minted | None = None
        self.is_live = is_live

    def enter(self, event: Event) -> None:
        """Tells the story of one event of this job; other jobs' are none of it."""
        if getattr(event, "job", None) != self.job:
            return
        self.history.append(event)
        match event:
            case Posted():
                self.step(f"job {event.job} was posted with {self.token.words(event.deposited)} in escrow")
            case BidCommitted():
                self.bidders.add(event.bidder)
            case BidRevealed():
                self.opened_bids.add(event.bidder)
            case Matched():
                for slot, provider in enumerate(event.providers):
                    self.call(provider, f"provider of slot {slot}", "provider")
            case Drawn():
                for seat, validator in enumerate(event.validators):
                    self.call(validator, f"validator {seat}", "validator")
                self.call(event.aggregator, "aggregator", "aggregator")
            case ValidatorReplaced():
                self.call(event.to, f"validator {event.index}", "validator")
            case AggregatorReplaced():
                self.call(event.to, "aggregator", "aggregator")
            case Enlisted():
                self.enlisted.add(event.validator)
            case Finalised() | Voided():
                self.credited += event.credited
            case Cancelled():
                self.step("the job was called off")
            case Ended():
                self.refunded = event.refunded
                self.step(f"the job has ended; {self.token.words(event.refunded)} went back to the consumer")
            case Minted():
                self.minted = event
                self.step(f"model {event.token} is registered, state {event.state_root.hex()[:16]}…")
        super().enter(event)

    def call(self, address: str, name: str, role: str) -> None:
        """Gives an address a name, and the role that is shown behind it."""
        self._names.setdefault(address, name)
        self.behaviours.setdefault(address, role)

    def tick(self) -> Any:
        """One turn; the job's own end does not stop it from hearing what comes after."""
        wake = super().tick()
        self.clerk.refresh()
        return wake

    def _pay(self) -> None:
        """Totals of the vault are everybody's, so nothing is said of them for one job."""

    def told(self, wait: Wait) -> str:
        """A wait as a line for people, by protocol time as this watcher knows it."""
        calendar = self.world.calendar
        return wait.words(calendar(), frozen_s=calendar.left_s(), is_live=self.is_live)

    def waiting(self) -> Wait | None:
        """Whom this job waits for; nothing once it is over."""
        order, view = self.clerk.order(self.job), self.clerk.view(self.job)
        match view.phase:
            case JobPhase.BIDDING:
                return self._bids(view.posted_at)
            case JobPhase.DRAWING:
                if self.world.ledger.rpc.get_head() <= view.draw_block + 1:
                    return Wait(f"block {view.draw_block}, whose hash draws the validators")
                return Wait("enough validators in the pool to draw from", view.phase_deadline)
            case JobPhase.ENLISTING:
                live = self.clerk.seats_live(self.job).bit_count()
                if live == order.validators:
                    return Wait("the first round to be opened")
                return Wait(_more(live, order.validators, "validator") + " to enlist", view.phase_deadline)
            case JobPhase.RUNNING | JobPhase.FAULTED if not view.ended:
                return self._round()
        if view.ended and self.world.ledger.rounds.complete(self.job) and self.minted is None:
            return Wait("the model to be registered")
        return None

    def _bids(self, posted_s: int) -> Wait:
        order, now_s = self.clerk.order(self.job), self.world.clock()
        closes_s = posted_s + order.windows.bid
        if now_s < closes_s:
            missing = len(self.bidders) < order.providers
            text = _more(len(self.bidders), order.providers, "provider") if missing else "the end of bidding"
            return Wait(text + ("" if missing else f" ({len(self.bidders)} bids)"), closes_s)
        missing = len(self.opened_bids) < len(self.bidders)
        text = _more(len(self.opened_bids), len(self.bidders), "bid") + " to be opened" if missing else "the match"
        return Wait(text, closes_s + order.windows.reveal)

    def _round(self) -> Wait:
        rounds = list(self.clerk.rounds(self.job))
        if not rounds:
            return Wait("the job to be ended")
        # Those that may only be challenged any more hold nobody up while another is at work.
        at_work = [found for found in rounds if found[1].phase < RoundPhase.CHALLENGING]
        name, view = (at_work or rounds)[0]
        present, validators = bitmap_slots(view.present), self.clerk.seats_live(self.job).bit_count()
        where = f"round {name[2]}"
        match view.phase:
            case RoundPhase.TRAINING:
                committed, slots = len(self.book.round(name).commitments), len(self.clerk.open_slots(self.job))
                text = _more(committed, slots, "provider") + f" to train {where}"
                return Wait(text if committed < slots else f"the aggregator to commit {where}", view.deadline)
            case RoundPhase.SAMPLING:
                done = view.tables_committed.bit_count()
                if done >= validators:
                    return Wait(f"the tables of {where} to be opened", view.deadline)
                return Wait(_more(done, validators, "validator") + f" to re-execute samples of {where}", view.deadline)
            case RoundPhase.OPENING:
                done = view.tables_revealed.bit_count()
                if done < view.tables_committed.bit_count():
                    more = _more(done, view.tables_committed.bit_count(), "validator")
                    return Wait(f"{more} to open their tables of {where}", view.deadline)
                return Wait(f"a quorum's word on the {len(present)} slots of {where}", view.deadline)
            case RoundPhase.AGGREGATING:
                return Wait(f"the aggregate of {where}", view.deadline)
        if view.disputes_open:
            return Wait(f"{view.disputes_open} dispute{'s' * (view.disputes_open > 1)} about {where} to be decided")
        if self.world.clock() >= view.deadline:
            return Wait(f"{where} to be made final")
        return Wait(f"the end of the time in which {where} may be challenged", view.deadline)

    def summary(self) -> dict[str, Any]:
        """How the job stands, as plain values."""
        view, order = self.clerk.view(self.job), self.clerk.order(self.job)
        complete = self.world.ledger.rounds.complete(self.job)
        final = [story for story in self.stories.values() if not story.void]
        mark = next((story.mark for story in reversed(final) if story.mark), None)
        wait = self.waiting()
        return {
            "job": self.job,
            "phase": JobPhase(view.phase).name.lower(),
            "consumer": view.consumer,
            "complete": complete,
            "ended": view.ended,
            "score": self.score(),
            "rounds": {"ordered": order.rounds, "done": sum(story.accepted > 0 for story in final)},
            "accuracy": mark.accuracy if mark else None,
            "loss": next((story.loss for story in reversed(final) if story.loss is not None), None),
            "deposited": self.amount(view.deposited),
            "credited": self.amount(self.credited),
            "refunded": self.amount(self.refunded),
            "model": self.minted.token if self.minted else None,
            "state_root": self.minted.state_root.hex() if self.minted else None,
            "found_out": {self.name(account): self.evidence(account) for account in self.found},
            "waiting_for": self.told(wait) if wait else None,
        }

    def score(self) -> dict[str, object] | None:
        """What the last final round was signed to be worth."""
        found = self.world.ledger.rounds.final_state(self.job).score
        return None if found == UNSCORED else score_plain(self.assignment(self.job).metric, found)


def _more(done: int, wanted: int, what: str) -> str:
    missing = max(0, wanted - done)
    return f"{missing} more {what}{'s' * (missing != 1)} ({done}/{wanted})"


@dataclass(frozen=True)
class Address:
    """`JOB[/ROUND[/SLOT[/STEP]]]`."""

    job: int
    round: int | None = None
    slot: int | None = None
    step: int | None = None
    generation: int | None = None
    """Of a round that was run again; the last where nothing is said."""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Errors: `BadInput`."""
        match = ADDRESS.fullmatch(text)
        if match is None:
            raise BadInput(
                f"{text[:60]!r} is no address of work", hint="write JOB, or JOB/ROUND/SLOT/STEP, like 3/0/1/17"
            )
        return cls(*(None if part is None else int(part) for part in match.groups()))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return "/".join(str(part) for part in (self.job, self.round, self.slot, self.step) if part is not None)


@dataclass(frozen=True)
class Checked:
    """One verdict of an audit, and where."""

    address: Address
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"address": str(self.address), "honest": self.verdict.honest, **self.verdict.to_json()}


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    checked: tuple[Checked, ...]

    @property
    def honest(self) -> bool:
        """Whether everything that was looked at is what it was committed to be. A fault of the job is nobody's lie."""
        return not self._wrong

    @property
    def _wrong(self) -> list[Checked]:
        return [each for each in self.checked if not each.verdict.honest and each.verdict.finding != Finding.FAULT]

    @property
    def words(self) -> str:
        """One sentence."""
        wrong, faults = self._wrong, [each for each in self.checked if each.verdict.finding == Finding.FAULT]
        if not wrong and faults:
            return f"as committed, and the job itself is at fault: {faults[0].address}: {faults[0].verdict.reason}"
        if not wrong:
            return f"executed again, equal bit for bit ({len(self.checked)} checked)"
        return f"{len(wrong)} of {len(self.checked)} not as committed: {wrong[0].address}: {wrong[0].verdict.words}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"honest": self.honest, "words": self.words, "checked": [each.to_json() for each in self.checked]}


class Auditor:
    """Re-executes what somebody else has committed. It believes nobody: commitments come from the chain, bytes are
    compared with their hashes."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.openings = Openings(party)

    def audit(self, address: Address) -> Iterator[Checked]:
        """Verdicts on all the work under an address, one after another. Errors: `BadInput` for what is not there."""
        for name, view in self.rounds(address):
            # Nothing is included in a round that a fault of the job has ended.
            included = bitmap_slots(view.included) or bitmap_slots(view.present)
            if address.slot is not None and address.slot not in bitmap_slots(view.present):
                raise BadInput(
                    f"slot {address.slot} committed nothing in round {name[2]}",
                    hint=f"present are {', '.join(map(str, bitmap_slots(view.present))) or 'none'}",
                )
            for slot in included if address.slot is None else [address.slot]:
                yield Checked(Address(name[0], name[2], slot, address.step), self.slot(name, view, slot, address.step))
            if address.slot is None and any(view.end_root):
                yield Checked(Address(name[0], name[2]), self.aggregate(name, view))

    def rounds(self, address: Address) -> list[tuple[RoundName, RoundView]]:
        """The rounds under an address, each in its live generation."""
        ledger, job = self.party.world.ledger, address.job
        count = self._count(job)
        if not count or (address.round is not None and address.round >= count):
            have = f"rounds 0 to {count - 1} were opened" if count else f"job {job} has opened no round"
            raise BadInput(f"there is no round {address.round or 0} of job {job}", hint=have)
        steps = self.party.clerk.order(job).steps_per_round
        if address.step is not None and address.step >= steps:
            raise BadInput(f"a round has steps 0 to {steps - 1}", hint="count steps from 0")
        chosen = range(count) if address.round is None else [address.round]
        given = address.generation
        generations = [ledger.rounds.generation_of(job, index) if given is None else given for index in chosen]
        names = [(job, generation, index) for generation, index in zip(generations, chosen, strict=True)]
        return [(name, ledger.rounds.view_of(*name)) for name in names]

    def _count(self, job: int) -> int:
        """Rounds that were opened; those of a job at fault are no longer counted by its progress."""
        rounds, index = self.party.world.ledger.rounds, 0
        while any(rounds.view_of(job, rounds.generation_of(job, index), index).start_root):
            index += 1
        return index

    def slot(self, name: RoundName, view: RoundView, slot: int, step: int | None) -> Verdict:
        """A whole slot, or one step of it."""
        if step is not None:
            return audit_step(self.party, name, view, slot, step)
        opened, start = self.openings.of(name, view, slot, final=True), self.party.state(name[0], view.start_root)
        if opened is None or opened.transcript is None or start is None:
            return Verdict(Finding.NOT_SERVED, Place(Part.SEGMENT, slot), reason="its opening or start is not here")
        assignment, compute = self.party.assignment(name[0]), self.party.world.compute
        plan = Plan(assignment.order.steps_per_round, assignment.order.steps_per_segment)
        runners = compute.runner(assignment.bundle.step), compute.runner(assignment.bundle.emit)
        feed = assignment.course.feed(name[1], name[2], slot)
        return summary(audit_slot(*runners, start, feed, plan, opened.transcript))

    def aggregate(self, name: RoundName, view: RoundView, start: State | None = None) -> Verdict:
        """Whether a round's end follows from its start and the updates in it."""
        place, assignment = Place(Part.AGGREGATE), self.party.assignment(name[0])
        start = start or self.party.state(name[0], view.start_root)
        opened = [self.openings.of(name, view, slot, final=True) for slot in bitmap_slots(view.included)]
        updates = [each.update for each in opened if each is not None and each.update is not None]
        if start is None or len(updates) < len(opened):
            return Verdict(Finding.NOT_SERVED, place, reason="an update or the start is not here")
        compute = self.party.world.compute
        program = compute.runner(assignment.bundle.aggregate[len(updates)])
        verdict = check_aggregate(program, start, updates, view.end_root)
        end = self.party.state(name[0], view.end_root) if verdict.honest else None
        if end is None:
            return verdict
        due = is_due(assignment.order.stop_score, name[2], assignment.order.rounds)
        found = score(compute, assignment, end) if due else UNSCORED
        words = f"the end state scores {found}, not {view.score}"
        return verdict if found == view.score else Verdict(Finding.DIFFERS, place, reason=words)


def replay(reader: Reader, job: int, on_round: Callable[[dict[str, Any]], None] = lambda _: None) -> Verdict:
    """From the initial state to the final one: each round's included updates, as they were committed and opened,
    through the job's aggregate program. Nothing is trained again. Errors: `Unavailable` where bytes are not served."""
    auditor, ledger = Auditor(reader), reader.world.ledger
    assignment = reader.assignment(job)
    state, place = list(assignment.initial), Place(Part.AGGREGATE)
    for name, view in auditor.rounds(Address(job)):
        if not any(view.end_root):
            break
        begun = compared(place, state_root(state), view.start_root, f"round {name[2]} begins elsewhere")
        if not begun.honest:
            return begun
        opened = [auditor.openings.of(name, view, slot, final=True) for slot in bitmap_slots(view.included)]
        updates = [each.update for each in opened if each is not None and each.update is not None]
        if len(updates) < len(opened):
            raise Unavailable(f"updates of round {name[2]} are not served", hint="try again, or ask another holder")
        inputs = [*state, *(tensor for update in updates for tensor in update)]
        outputs = reader.world.compute.runner(assignment.bundle.aggregate[len(updates)]).run(inputs)
        if not isinstance(outputs, list):
            return Verdict(Finding.FAULT, place, reason=f"{outputs.operator} in round {name[2]}")
        state, root = outputs, state_root(outputs)
        on_round({"round": name[2], "generation": name[1], "updates": len(updates), "state_root": root.hex()})
        reached = compared(place, root, view.end_root, f"round {name[2]} ends elsewhere")
        if not reached.honest:
            return reached
        assignment.keep(root, state)
    if state_root(state) == assignment.order.state_root:
        raise BadInput(f"no round of job {job} came to an end", hint=f"see why: assay watch {job} --once")
    final = ledger.rounds.final_state(job).root if ledger.rounds.complete(job) else state_root(state)
    found = compared(place, state_root(state), final, "the final state is another")
    return honest(place, state_root(state)) if found.honest else found
