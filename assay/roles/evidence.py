"""What a party can establish by itself about a round: opened slots, states that were served, re-executed segments."""

from dataclasses import dataclass

from assay.chain.contracts.containers import RoundView
from assay.proof.recompute import check_opening, check_update
from assay.proof.served import LeafOpening, read_start
from assay.proof.verdict import Verdict
from assay.protocol.commitment import bitmap_slots
from assay.protocol.errors import AssayError, Malformed, Unavailable
from assay.protocol.transcript import ZERO, Transcript
from assay.roles.assignment import State
from assay.roles.book import RoundName
from assay.roles.party import Party
from assay.store.port import cid_of_hash
from assay.work.interpret import Fault
from assay.work.segment import Span, run_segment
from assay.work.state import state_root, update_root


@dataclass(frozen=True)
class Opened:
    """A slot whose secret is out. `reason` says why it cannot be accepted; empty when it holds together."""

    transcript: Transcript | None
    update: State | None
    end_cid: str
    reason: str = ""


@dataclass(frozen=True)
class Aggregated:
    """A round's end state."""

    root: bytes
    cid: str


class Evidence:
    """Checked once, remembered until the round is forgotten. All re-execution is metered as `verify`."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.world = party.world
        self._opened: dict[tuple[RoundName, int], Opened] = {}
        self._spans: dict[tuple[RoundName, int, int], Span] = {}
        self._aggregates: dict[RoundName, Aggregated] = {}
        self._asked: set[tuple[RoundName, int, int]] = set()

    def opened(self, name: RoundName, view: RoundView, slot: int) -> Opened | None:
        """A slot's opening, checked against its commitment; nothing while it has not been heard."""
        known = self._opened.get((name, slot))
        if known is not None:
            return known
        page = self.party.book.round(name)
        if slot not in page.openings or slot not in page.commitments:
            return None
        with self.world.compute.metered("verify"):
            opened = self._open(name, view, slot)
        if opened is not None:
            self._opened[name, slot] = opened
        return opened

    def _open(self, name: RoundName, view: RoundView, slot: int) -> Opened | None:
        page, assignment = self.party.book.round(name), self.party.assignment(name[0])
        commitment, _ = page.commitments[slot]
        opening = page.openings[slot]
        end_cid = str(opening.get("end", ""))
        transcript, verdict = check_opening(commitment, opening, view.start_root, assignment.segment_count)
        if transcript is None or not verdict.honest:
            return Opened(transcript, None, end_cid, verdict.words)
        if transcript.leaves[-1].update_root == ZERO:
            return Opened(transcript, None, end_cid, "the job faulted")
        signature = assignment.update_signature
        try:
            content = self.world.blobs.get(cid_of_hash(commitment.sealed_hash), signature.encoded_bytes)
        except Unavailable:
            return None
        except Malformed as error:
            return Opened(transcript, None, end_cid, error.message)
        update = check_update(commitment, transcript, content, signature)
        if isinstance(update, Verdict):
            return Opened(transcript, None, end_cid, update.words)
        return Opened(transcript, update, end_cid)

    def start_state(self, name: RoundName, view: RoundView, slot: int, segment: int) -> State | None:
        """The committed state before a segment: served by the provider, opened against its commitment and re-hashed."""
        if segment == 0:
            return self.party.state(name[0], view.start_root)
        page, assignment = self.party.book.round(name), self.party.assignment(name[0])
        served = page.served.get((slot, segment))
        if served is None or slot not in page.commitments:
            self.ask(name, slot, segment)
            return None
        commitment, _ = page.commitments[slot]
        try:
            with self.world.compute.metered("verify"):
                opening = LeafOpening.from_json(served["leaf"], assignment.segment_count)
                content = self.world.blobs.get(str(served["cid"]), assignment.signature.encoded_bytes)
                state = read_start(commitment, opening, content, assignment.signature, assignment.segment_count)
        except (Malformed, Unavailable, KeyError):
            return None
        return None if isinstance(state, Verdict) or opening.leaf.index != segment else state

    def ask(self, name: RoundName, slot: int, segment: int) -> None:
        """Asks a slot's provider for a start state, once."""
        if (name, slot, segment) not in self._asked:
            self._asked.add((name, slot, segment))
            provider = self.party.clerk.providers(name[0])[slot]
            self.world.say("request", name, {"slot": slot, "segment": segment}, provider)

    def rerun(self, name: RoundName, slot: int, segment: int, start: State) -> Span:
        """Re-executes one segment from a start state."""
        assignment = self.party.assignment(name[0])
        with self.world.compute.metered("verify"):
            return run_segment(
                self.world.compute.runner(assignment.bundle.step),
                start,
                assignment.course.feed(name[1], name[2], slot),
                segment,
                assignment.order.steps_per_segment,
            )

    def replay(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Span | None:
        """Re-executes from the round's start through a segment: dear, and open to all who hold the start state."""
        start = self.party.state(name[0], view.start_root)
        if start is None:
            return None
        span = None
        for index in range(segment + 1):
            span = self.rerun(name, slot, index, start)
            if span.state is None:
                break
            start = span.state
        return span

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

    def emit(self, name: RoundName, view: RoundView, end: State) -> bytes | None:
        """Root of the update that follows from the round's start and an end state."""
        start = self.party.state(name[0], view.start_root)
        if start is None:
            return None
        with self.world.compute.metered("verify"):
            update = self.world.compute.runner(self.party.assignment(name[0]).bundle.emit).run([*start, *end])
            return None if isinstance(update, Fault) else update_root(update)

    def aggregate(self, name: RoundName, view: RoundView) -> Aggregated | None:
        """The round's end state by the job's program over the included updates; nothing while one is missing."""
        if name not in self._aggregates:
            assignment = self.party.assignment(name[0])
            start = self.party.state(name[0], view.start_root)
            opened = [self.opened(name, view, slot) for slot in bitmap_slots(view.included)]
            updates = [slot.update for slot in opened if slot is not None and slot.update is not None]
            if start is None or len(updates) < len(opened):
                return None
            with self.world.compute.metered("aggregate"):
                program = assignment.bundle.aggregate[len(updates)]
                inputs = [*start, *(tensor for update in updates for tensor in update)]
                end = self.world.compute.runner(program).run(inputs)
                if isinstance(end, Fault):
                    return None
                root = state_root(end)
            assignment.keep(root, end)
            self._aggregates[name] = Aggregated(root, self.world.blobs.put(assignment.signature.encode(end)))
        return self._aggregates[name]
