"""The quorum's word on its way to the chain: the aggregator carries it at once, any validator once that is late.

It needs nobody's leave: what k of the drawn validators have signed counts, whoever brings it. An aggregator that keeps
it to itself would otherwise keep the round from its quorum, draw by draw, and go on alone.
"""

from assay.chain.contracts.containers import RoundView
from assay.protocol.phase import RoundPhase
from assay.roles.party import Party
from assay.roles.patience import phase_began_s
from assay.roles.round import RoundName
from assay.roles.vote import fault_values, faults, gather, proposals
from assay.roles.wake import IDLE, Wake, wake_at


def carry_result(party: Party, name: RoundName, view: RoundView) -> Wake:
    """Fixes the included set once a quorum has signed the same one."""
    page, rounds = party.book.round(name), party.world.ledger.rounds
    order, validators = party.clerk.order(name[0]), party.validators(name[0])
    for result in proposals(page):
        values = result.values(name, view.drawing)
        signatures = gather(party.world.domain, page, "Result", values, validators, order.quorum)
        if signatures is not None:
            accepted, included = list(result.accepted), list(result.included)
            return party.clerk.attempt(
                rounds.include(*name, accepted, included, result.served, result.root, signatures)
            )
    return IDLE


def carry_fault(party: Party, name: RoundName) -> Wake:
    """Carries a quorum's word that nothing of the job can be re-executed."""
    page, order = party.book.round(name), party.clerk.order(name[0])
    for digest in faults(page):
        values = fault_values(name, digest)
        signatures = gather(party.world.domain, page, "Fault", values, party.validators(name[0]), order.quorum)
        if signatures is not None:
            return party.clerk.attempt(party.world.ledger.rounds.attest_fault(*name, digest, signatures))
    return IDLE


def carry_late(party: Party, name: RoundName, view: RoundView) -> Wake:
    """Both, in the last quarter of a phase, one validator after another."""
    if view.phase not in (RoundPhase.SAMPLING, RoundPhase.OPENING, RoundPhase.AGGREGATING):
        return IDLE
    began_s = phase_began_s(view, party.clerk.order(name[0]).windows)
    validators, left_s = party.validators(name[0]), (view.deadline - began_s) // 4
    rank = validators.index(party.world.address) if party.world.address in validators else len(validators)
    late_s = view.deadline - left_s + rank * left_s // (2 * max(len(validators), 1))
    if party.world.clock() < late_s:
        return wake_at(late_s)
    wake = carry_fault(party, name)
    if wake.acted or view.phase != RoundPhase.OPENING:
        return wake
    return carry_result(party, name, view)
