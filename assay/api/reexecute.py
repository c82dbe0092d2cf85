"""Executing the work in a bundle again, from its blobs alone: every included slot and aggregate, to the last state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from assay.api.bundle import BundleBlobs, Evidence
from assay.api.finding import Finding
from assay.api.verify import Verifier, slots_of
from assay.chain.contracts.jobs import Drawn
from assay.chain.contracts.rounds import Aggregated, Finalised, Included
from assay.proof.recompute import audit_slot, check_update, summary
from assay.proof.verdict import Verdict
from assay.protocol.score import UNSCORED, is_due
from assay.roles.assignment import State, fetch_assignment
from assay.roles.exam import score
from assay.roles.world import Compute, World
from assay.store.port import Blobs, cid_of_hash
from assay.work.program import Limits
from assay.work.segment import Plan
from assay.work.state import state_root
from assay.work.walk import Fault


@dataclass
class _Shelf:
    """What of a world fetching an assignment needs."""

    blobs: Blobs
    compute: Compute


def reexecute(evidence: Evidence, blobs: BundleBlobs, compute: Compute) -> Iterator[Finding]:
    """A finding for each final round, in order; stops where the bundle does not lead on. Errors: `Unavailable` for a
    bundle without blobs, `Malformed`, `Refused` for one whose blobs are not the ordered ones."""
    verifier = Verifier(evidence, blobs)
    order = evidence.order
    assignment = fetch_assignment(cast(World, _Shelf(blobs, compute)), order, evidence.job, Limits())
    assignment.beacon = next((event.beacon for event in verifier.said(Drawn)), b"")
    plan = Plan(order.steps_per_round, order.steps_per_segment)
    step, emit = compute.runner(assignment.bundle.step), compute.runner(assignment.bundle.emit)
    included = verifier.by_round(Included)
    state: State = list(assignment.initial)
    for index, final in enumerate(verifier.said(Finalised)):
        name = (final.generation, final.round)
        finding = Finding(f"round {final.round}")
        if final.round != index:
            # Each is executed once, however often it is said to be final.
            finding.check(False, "it became final out of order")
            yield finding
            return
        updates = []
        for slot in slots_of(included[name].included) if name in included else ():
            transcript = verifier.transcript(name, slot)
            if transcript is None:
                finding.miss(f"slot {slot}")
                continue
            feed = assignment.course.feed(*name, slot)
            verdict = summary(audit_slot(step, emit, state, feed, plan, transcript))
            finding.check(verdict.honest, verdict.words)
            commitment = evidence.rounds[name].slots[slot].commitment
            signature = assignment.update_signature
            sealed = blobs.get(cid_of_hash(commitment.sealed_hash), signature.encoded_bytes)
            update = check_update(commitment, transcript, sealed, signature)
            if isinstance(update, Verdict):
                finding.wrong.append(update.words)
            else:
                updates.append(update)
        program = assignment.bundle.aggregate.get(len(updates))
        if finding.wrong or finding.missing or program is None:
            yield finding
            return
        end = compute.runner(program).run([*state, *(tensor for update in updates for tensor in update)])
        reached = not isinstance(end, Fault) and state_root(end) == final.end_root
        finding.check(reached, "the aggregate is another")
        aggregated = verifier.by_round(Aggregated).get(name)
        if not isinstance(end, Fault) and aggregated is not None:
            due = is_due(order.stop_score, final.round, order.rounds)
            worth = score(compute, assignment, end) if due else UNSCORED
            finding.check(worth == aggregated.score, "the score is another")
        yield finding
        if isinstance(end, Fault) or not reached:
            return
        state = end
