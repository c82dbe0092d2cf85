"""Auditing from outside: re-executing one step of somebody's work and comparing it with what was committed."""

from assay.chain.contracts.containers import RoundView
from assay.proof.recompute import judge, segment_digest
from assay.proof.verdict import Finding, Part, Place, Verdict
from assay.roles.openings import Openings
from assay.roles.party import Party
from assay.roles.replays import Replays
from assay.roles.round import RoundName


def audit_step(party: Party, name: RoundName, view: RoundView, slot: int, step: int) -> Verdict:
    """Re-executes a slot's round from its start through the segment that holds `step`, and compares the leaf there.

    Only the round's start state and the slot's opening are needed, which every party of the job holds.
    """
    segment = step // party.clerk.order(name[0]).steps_per_segment
    opened = Openings(party).of(name, view, slot)
    replayed = Replays(party).replay(name, view, slot, segment)
    if opened is None or opened.transcript is None or replayed is None:
        place = Place(Part.SEGMENT, slot, segment)
        return Verdict(Finding.NOT_SERVED, place, reason="the slot was not opened, or its start state is not here")
    span = replayed.span
    return judge(slot, segment, segment_digest(span.state_root, span.loss_bits), opened.transcript)
