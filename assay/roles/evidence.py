"""What a party can establish by itself about a round: opened slots, states that were served, re-executed segments."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from assay.chain.contracts.containers import RoundView, TranscriptOpening
from assay.proof.recompute import check_opening, check_update
from assay.proof.served import LeafOpening, read_start
from assay.proof.verdict import Verdict
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import AssayError, Malformed, Unavailable
from assay.protocol.score import UNSCORED, is_due
from assay.protocol.transcript import ZERO, Leaf, Transcript, secret_hash
from assay.roles.assignment import State
from assay.roles.book import RoundName, drop
from assay.roles.exam import score
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.store.port import cid_of_hash
from assay.work.interpret import Fault
from assay.work.segment import Span, fault_of, run_segment
from assay.work.state import state_root, update_root


@dataclass(frozen=True)
class Opened:
    """A slot whose secret is out. `reason` says why it cannot be accepted; empty when it holds together.

    `plain`: the opened leaves themselves disprove it, and a contract sees that without a re-execution.
    """

    transcript: Transcript | None
    update: State | None
    end_cid: str
    reason: str = ""
    plain: bool = False


@dataclass(frozen=True)
class Emitted:
    """An update's root, or the digest of the fault in `emit`."""

    root: bytes
    faulted: bool = False
    astray: int | None = None
    """The first segment that does not end as its leaf says, where an end state that was not served was derived."""


@dataclass
class Trail:
    """Where each segment of a slot ends that was derived from the round's start; only the last keeps its state."""

    spans: list[Span] = field(default_factory=list)

    def add(self, span: Span) -> None:
        """Goes one segment further."""
        if self.spans:
            self.spans[-1] = replace(self.spans[-1], state=None)
        self.spans.append(span)


@dataclass(frozen=True)
class Aggregated:
    """A round's end state; or the digest of the fault that the job's program met instead."""

    root: bytes
    cid: str
    score: int = UNSCORED
    fault: bytes | None = None


class Evidence:
    """Checked once, remembered until the round is forgotten. All re-execution is metered, as `verify` by default."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.world = party.world
        self._opened: dict[tuple[RoundName, int], Opened] = {}
        self._aggregates: dict[tuple[RoundName, tuple[int, ...]], Aggregated] = {}
        self._trails: dict[tuple[RoundName, int, bytes], Trail] = {}
        self._relayed: set[tuple[RoundName, int, int]] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        for known in (self._opened, self._aggregates, self._trails, self._relayed):
            drop(known, job, below)

    def opened(self, name: RoundName, view: RoundView, slot: int, *, final: bool = False) -> Opened | None:
        """A slot's opening, checked against its commitment; nothing while it has not been heard.

        `final`: no longer waits for bytes that are not served.
        """
        known = self._opened.get((name, slot))
        if known is not None:
            return known
        if slot not in self.party.book.round(name).commitments or not self._openings(name, slot):
            return None
        if not self.world.ledger.rounds.standing(*self.party.standing(name, slot)):
            return Opened(None, None, "", "its commitment does not stand on chain")
        with self.world.compute.metered("verify"):
            opened = self._open(name, view, slot, final)
        if opened is not None:
            self._opened[name, slot] = opened
        return opened

    def _open(self, name: RoundName, view: RoundView, slot: int, final: bool) -> Opened | None:
        page, assignment = self.party.book.round(name), self.party.assignment(name[0])
        commitment, _ = page.commitments[slot]
        openings = [each for each in self._openings(name, slot) if _opens(commitment.secret_hash, each.get("secret"))]
        checked = [
            (check_opening(commitment, each, view.start_root, assignment.segment_count), each) for each in openings
        ]
        # A secret whose leaves do not lead to the root is no opening: the slot is called to open all of it on chain.
        found = [(transcript, verdict, each) for (transcript, verdict), each in checked if transcript is not None]
        if not found:
            return None
        transcript, verdict, opening = found[0]
        end_cid = str(opening.get("end", ""))
        if not verdict.honest:
            return Opened(transcript, None, end_cid, verdict.words, plain=True)
        if transcript.leaves[-1].update_root == ZERO:
            return Opened(transcript, None, end_cid, "the job faulted")
        signature = assignment.update_signature
        try:
            content = self.world.blobs.get(cid_of_hash(commitment.sealed_hash), signature.encoded_bytes)
        except Unavailable:
            return Opened(transcript, None, end_cid, "its update is not served") if final else None
        except Malformed as error:
            return Opened(transcript, None, end_cid, error.message)
        update = check_update(commitment, transcript, content, signature)
        if isinstance(update, Verdict):
            return Opened(transcript, None, end_cid, update.words)
        return Opened(transcript, update, end_cid)

    def _openings(self, name: RoundName, slot: int) -> list[dict[str, Any]]:
        """What was said of a slot's leaves, then what stands on chain of them."""
        page = self.party.book.round(name)
        said = page.openings.get(slot)
        commitment, _ = page.commitments[slot]
        shown = self.party.clerk.notices.opening(name, slot, commitment.transcript_root)
        on_chain = [] if shown is None else [{**opening_json(shown), "end": (said or {}).get("end", "")}]
        return ([] if said is None else [said]) + on_chain

    def start_state(self, name: RoundName, view: RoundView, slot: int, segment: int) -> State | None:
        """The committed state before a segment: served by the provider, opened against its commitment and re-hashed;
        nothing of a segment that the round does not have."""
        if not 0 <= segment < self.party.clerk.segments(name[0]):
            return None
        if segment == 0:
            return self.party.state(name[0], view.start_root)
        page = self.party.book.round(name)
        if slot in page.commitments:
            for served in page.served.get((slot, segment), {}).values():
                state = self._served(name, slot, segment, served)
                if state is not None:
                    self.party.voice.hush(name, "request", self.party.clerk.providers(name[0])[slot], (slot, segment))
                    return state
        self.ask(name, slot, segment)
        return None

    def _served(self, name: RoundName, slot: int, segment: int, served: dict[str, Any]) -> State | None:
        assignment = self.party.assignment(name[0])
        commitment, _ = self.party.book.round(name).commitments[slot]
        try:
            with self.world.compute.metered("verify"):
                opening = LeafOpening.from_json(served["leaf"], assignment.segment_count)
                content = self.world.blobs.get(str(served["cid"]), assignment.signature.encoded_bytes)
                state = read_start(commitment, opening, content, assignment.signature, assignment.segment_count)
        except (Malformed, Unavailable, KeyError):
            return None
        return None if isinstance(state, Verdict) or opening.leaf.index != segment else state

    def relay(self, name: RoundName, slot: int, segment: int) -> None:
        """Passes on to everybody, once, a start state that this party was served: it opens itself, so the word of the
        provider is not needed, and a provider that serves one state to some only gains nothing."""
        key, count = (name, slot, segment), self.party.assignment(name[0]).segment_count
        for served in self.party.book.round(name).served.get((slot, segment), {}).values():
            if key not in self._relayed and self._served(name, slot, segment, served) is not None:
                self._relayed.add(key)
                leaf = LeafOpening.from_json(served["leaf"], count).to_json()
                content = {"slot": slot, "segment": segment, "cid": str(served["cid"]), "leaf": leaf}
                self.party.voice.say(name, "state", content, topic=(slot, segment))

    def ask(self, name: RoundName, slot: int, segment: int) -> None:
        """Asks a slot's provider for a start state."""
        provider = self.party.clerk.providers(name[0])[slot]
        self.party.voice.say(name, "request", {"slot": slot, "segment": segment}, provider, (slot, segment))

    def rerun(self, name: RoundName, slot: int, segment: int, start: State) -> Span:
        """Re-executes one segment from a start state."""
        assignment = self.party.assignment(name[0])
        with (
            self.world.compute.metered("verify"),
            self.world.compute.within(patience_s(assignment.order.windows.table)),
        ):
            return run_segment(
                self.world.compute.runner(assignment.bundle.step),
                start,
                assignment.course.feed(name[1], name[2], slot),
                segment,
                assignment.order.steps_per_segment,
            )

    def replay(
        self, name: RoundName, view: RoundView, slot: int, segment: int, leaves: Sequence[Leaf] = ()
    ) -> tuple[Span, int] | None:
        """Re-executes from the round's start through a segment: dear, and open to all who hold the start state.

        Returns where it ended and in which segment: with `leaves`, at the first that does not end as its leaf says,
        because what comes after it begins from another state than the one derived here. Nothing while the start is not
        here, nor of a segment that the round does not have. What was derived is remembered.
        """
        state = self.party.state(name[0], view.start_root)
        if state is None or not 0 <= segment < self.party.clerk.segments(name[0]):
            return None
        trail = self._trails.setdefault((name, slot, view.start_root), Trail())
        for index in range(segment + 1):
            if index == len(trail.spans):
                trail.add(self.rerun(name, slot, index, state if index == 0 else trail.spans[-1].state or []))
            span = trail.spans[index]
            if leaves and (span.state_root, span.loss_bits) != (
                leaves[index + 1].state_root,
                leaves[index + 1].loss_bits,
            ):
                return span, index
            if span.fault is not None or index == segment:
                return span, segment
        return None

    def end_state(self, name: RoundName, opened: Opened) -> State | None:
        """A slot's end state, as served and verified against its last leaf."""
        assignment = self.party.assignment(name[0])
        try:
            with self.world.compute.metered("verify"):
                content = self.world.blobs.get(opened.end_cid, assignment.signature.encoded_bytes)
                state = assignment.signature.decode(content)
                root = state_root(state)
        except AssayError:
            return None
        return state if opened.transcript and root == opened.transcript.leaves[-1].state_root else None

    def emit(self, name: RoundName, view: RoundView, end: State, opened: Opened | None) -> Emitted | None:
        """What `emit` makes of the round's start and an end state; nothing while the start is not here."""
        start, order = self.party.state(name[0], view.start_root), self.party.clerk.order(name[0])
        if start is None:
            return None
        with self.world.compute.metered("verify"), self.world.compute.within(patience_s(order.windows.open)):
            update = self.world.compute.runner(self.party.assignment(name[0]).bundle.emit).run([*start, *end])
            if isinstance(update, Fault):
                return Emitted(fault_of(order.steps_per_round, update), faulted=True)
            if opened and opened.transcript and opened.update and all(map(_same_bits, update, opened.update)):
                return Emitted(opened.transcript.leaves[-1].update_root)
            return Emitted(update_root(update))

    def aggregate(self, name: RoundName, view: RoundView) -> Aggregated | None:
        """The round's end state by the job's program over the included updates, and its score where one is due; nothing
        while an update is missing."""
        key = (name, tuple(view.included))
        if key not in self._aggregates:
            assignment = self.party.assignment(name[0])
            start = self.party.state(name[0], view.start_root)
            opened = [self.opened(name, view, slot) for slot in bitmap_slots(view.included)]
            updates = [slot.update for slot in opened if slot is not None and slot.update is not None]
            program = assignment.bundle.aggregate.get(len(updates))
            if start is None or len(updates) < len(opened) or program is None:
                return None
            compute, window_s = self.world.compute, assignment.order.windows.aggregate
            with compute.metered("aggregate"), compute.within(patience_s(window_s)):
                inputs = [*start, *(tensor for update in updates for tensor in update)]
                end = self.world.compute.runner(program).run(inputs)
                if isinstance(end, Fault):
                    self._aggregates[key] = Aggregated(ZERO, "", fault=fault_of(0, end))
                    return self._aggregates[key]
                root, order = state_root(end), assignment.order
                due = is_due(order.stop_score, name[2], order.rounds)
                worth = score(self.world.compute, assignment, end) if due else UNSCORED
            assignment.keep(root, end)
            self._aggregates[key] = Aggregated(root, self.world.blobs.put(assignment.signature.encode(end)), worth)
        return self._aggregates[key]


def _opens(committed: bytes, secret: object) -> bool:
    """Whether this is the committed secret, in hex."""
    try:
        return isinstance(secret, str) and secret_hash(bytes.fromhex(secret)) == committed
    except ValueError:
        return False


def opening_json(opening: TranscriptOpening) -> dict[str, Any]:
    """Leaves that were opened on chain, as a provider would have said them."""
    return {
        "secret": opening.secret.hex(),
        "states": [root.hex() for root in opening.state_roots],
        "losses": [0, *opening.loss_bits],
        "update": opening.update_root.hex(),
    }


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """Equality of bits: cheaper than two hashes, and a zero's sign counts."""
    return bool(torch.equal(a.view(torch.int32), b.view(torch.int32)))
