"""Recompute: the default scheme. Run it again and compare hashes; equality, no tolerance.

Blind at first: a validator re-executes segments from committed start states and writes down where they end, before it
can know the claimed ends. Then secrets open, and everything committed is compared: `check_opening` the whole
transcript, `judge` what a segment came to against it, `check_update` the unsealed update. `audit_slot` does the whole
round of a slot again, for whoever does not want to take a sample's word.
"""

from collections.abc import Sequence

from torch import Tensor

from assay.proof.served import slot_name
from assay.proof.verdict import Finding, Part, Place, Verdict, compared, honest, malformed
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.transcript import Transcript, secret_hash
from assay.protocol.words import words_hash
from assay.work.batch import Feed
from assay.work.seal import unseal
from assay.work.segment import Plan, Runs, fault_of, run_segment
from assay.work.state import Signature, state_root, update_root
from assay.work.walk import Fault


def segment_digest(state_root: bytes, loss_bits: int) -> bytes:
    """What a segment came to, in one hash."""
    return words_hash("assay.digest.segment.1", state_root, loss_bits)


def emit_digest(update_root: bytes) -> bytes:
    """What the update from a start and an end state came to, in one hash."""
    return words_hash("assay.digest.emit.1", update_root)


def emit_root(emit: Runs, start: Sequence[Tensor], end: Sequence[Tensor], plan: Plan) -> bytes:
    """Root of the update that follows from a slot's start and end states, or the digest of emit's fault."""
    outputs = emit.run([*start, *end])
    return fault_of(plan.steps, outputs) if isinstance(outputs, Fault) else update_root(outputs)


def claimed_digest(transcript: Transcript, segment: int) -> bytes:
    """What a transcript claims of a segment, or (segment N) of its update."""
    if segment == len(transcript.leaves) - 1:
        return emit_digest(transcript.leaves[-1].update_root)
    leaf = transcript.leaves[segment + 1]
    return segment_digest(leaf.state_root, leaf.loss_bits)


def check_opening(
    commitment: Commitment, opening: object, start_root: bytes, segment_count: int
) -> tuple[Transcript | None, Verdict]:
    """Recompute the committed root of a slot from its opened secret and leaves; `start_root` is the round's.

    The transcript comes with the verdict whenever it is the committed one, whatever else is wrong with it.
    """
    place = Place(Part.OPENING, commitment.slot)
    try:
        transcript = Transcript.from_json(slot_name(commitment), opening, segment_count)
    except Malformed as error:
        return None, malformed(place, error.message)
    if secret_hash(transcript.secret) != commitment.secret_hash:
        return None, malformed(place, "the secret is not the committed one")
    verdict = compared(place, transcript.root, commitment.transcript_root, "the leaves do not give the committed root")
    if not verdict.honest:
        return None, verdict
    for claimed, reason in (
        (commitment.start_root, "committed to another start state than the round's"),
        (transcript.leaves[0].state_root, "the work did not begin at the round's start state"),
    ):
        start = compared(Place(Part.START, commitment.slot, 0), start_root, claimed, reason)
        if not start.honest:
            return transcript, start
    if transcript.leaves[0].loss_bits:
        return transcript, malformed(place, "the first leaf has a loss before any work")
    return transcript, verdict


def judge(slot: int, segment: int, digest: bytes, transcript: Transcript) -> Verdict:
    """Compare what a segment came to, or (segment N) an update, with what the opened transcript claims."""
    emit = segment == len(transcript.leaves) - 1
    place = Place(Part.EMIT, slot) if emit else Place(Part.SEGMENT, slot, segment)
    return compared(place, digest, claimed_digest(transcript, segment))


def check_update(
    commitment: Commitment, transcript: Transcript, sealed: bytes, signature: Signature
) -> list[Tensor] | Verdict:
    """The unsealed update's tensors, or what is wrong: not the committed bytes, not canonical, not the bound root."""
    place = Place(Part.UPDATE, commitment.slot)
    try:
        tensors = signature.decode(unseal(transcript.secret, sealed, commitment.sealed_hash))
    except Malformed as error:
        return malformed(place, error.message)
    bound = transcript.leaves[-1].update_root
    found = compared(place, bound, update_root(tensors), "the update is not the one bound in the last leaf")
    return tensors if found.honest else found


def check_emit(
    emit: Runs, start: Sequence[Tensor], end: Sequence[Tensor], plan: Plan, transcript: Transcript
) -> Verdict:
    """Whether a slot's update follows from its states; `end` must be the state of the last leaf."""
    place = Place(Part.EMIT, transcript.name.slot)
    if state_root(end) != transcript.leaves[-1].state_root:
        return malformed(place, "the end state served is not the one in the last leaf")
    return compared(place, emit_root(emit, start, end, plan), transcript.leaves[-1].update_root)


def check_aggregate(
    aggregate: Runs, start: Sequence[Tensor], updates: Sequence[Sequence[Tensor]], end_root: bytes
) -> Verdict:
    """Whether a round's end state is the aggregate of the included updates, in the order of their slots."""
    place = Place(Part.AGGREGATE)
    outputs = aggregate.run([*start, *(tensor for update in updates for tensor in update)])
    if isinstance(outputs, Fault):
        return _fault(place, fault_of(0, outputs), outputs)
    return compared(place, state_root(outputs), end_root)


def audit_slot(
    step: Runs, emit: Runs, start: Sequence[Tensor], feed: Feed, plan: Plan, transcript: Transcript
) -> list[Verdict]:
    """Re-execute a slot's whole round: a verdict per segment, then the update's; stops at the first that is not honest.

    A fault that the transcript claims too is a verdict against the job.
    """
    verdicts: list[Verdict] = []
    state = list(start)
    for segment in range(plan.segment_count):
        span = run_segment(step, state, feed, segment, plan.segment_steps)
        digest = segment_digest(span.state_root, span.loss_bits)
        verdict = compared(Place(Part.SEGMENT, feed.slot, segment), digest, claimed_digest(transcript, segment))
        if not verdict.honest or span.state is None:
            fault = span.fault if verdict.honest else None
            verdicts.append(verdict if fault is None else _fault(verdict.place, span.state_root, fault))
            return verdicts
        verdicts.append(verdict)
        state = span.state
    return [*verdicts, check_emit(emit, start, state, plan, transcript)]


def summary(verdicts: Sequence[Verdict]) -> Verdict:
    """The first verdict that is not honest, or the last."""
    if not verdicts:
        return honest(Place(Part.SEGMENT))
    return next((verdict for verdict in verdicts if not verdict.honest), verdicts[-1])


def _fault(place: Place, digest: bytes, fault: Fault) -> Verdict:
    where = f" at {fault.source}" if fault.source else ""
    return Verdict(Finding.FAULT, place, digest, digest, f"{fault.operator} (node {fault.node_index}){where}")
