"""A fault of the job, as a slot has committed to it: whoever has met the same shows it to the chain, leaves first.

It stands once nobody has disproved the slot within a window, and all rounds before are final (`Disputes.claimFault`).
"""

from collections.abc import Callable, Collection

from assay.chain.contracts.disputes import Disputes
from assay.protocol.phase import Outcome, Target
from assay.protocol.transcript import Transcript, operator_hash
from assay.roles.claims import slot_claim
from assay.roles.finding import Met
from assay.roles.forms import chain_opening
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake, wake_at
from assay.work.segment import place_of_fault


def show_leaves(party: Party, name: RoundName, slot: int, transcript: Transcript) -> Wake:
    """Puts a slot's secret and leaves on chain, unless they are there: what rests on them can be disputed then."""
    if party.clerk.notices.opening(name, slot, transcript.root) is not None:
        return IDLE
    commitment, proof, _ = party.standing(name, slot)
    return party.clerk.attempt(
        party.world.ledger.rounds.reveal_secret(commitment, proof, chain_opening(transcript))
    ) | wake_at(party.world.clock() + 1)


class Faults:
    """The faults of jobs that one party shows. `transcript` gives the leaves that a slot has opened, by round."""

    def __init__(self, party: Party, transcript: Callable[[RoundName, int], Transcript | None]) -> None:
        self._party, self._transcript = party, transcript
        self._disputes = party.world.ledger.open(Disputes)
        self._places: dict[bytes, tuple[int, int, str] | None] = {}

    def claim(self, name: RoundName, met: Met, *, from_s: int = 0, doubted: Collection[str] = ()) -> Wake:
        """Shows a fault, from a time on, unless one of the round is shown already: what comes of that is awaited. Not
        where somebody has shown it whose word is `doubted`: it may be there to keep others from theirs."""
        clerk, transcript = self._party.clerk, self._transcript(name, met.slot)
        shown = [each for each in clerk.notices.disputes(name[0]) if each.name == name and each.faulted]
        waits = [each for each in shown if each.outcome == Outcome.OPEN and each.accused not in doubted]
        if transcript is None or waits or any(each.is_of_slot and each.slot == met.slot for each in shown):
            return IDLE
        if self._party.world.clock() < from_s:
            return wake_at(from_s)
        order, bundle, leaves = clerk.order(name[0]), self._party.assignment(name[0]).bundle, transcript.leaves
        index = next((at for at, leaf in enumerate(leaves) if leaf.state_root == met.digest), len(leaves))
        if index == len(leaves):
            target, program, steps = Target.EMIT, bundle.emit, range(order.steps_per_round, order.steps_per_round + 1)
        else:
            first = (index - 1) * order.steps_per_segment
            target, program, steps = Target.SEGMENT, bundle.step, range(first, first + order.steps_per_segment)
        if met.digest not in self._places:
            self._places[met.digest] = place_of_fault(program, steps, met.digest)
        place = self._places[met.digest]
        if place is None:
            return IDLE
        opened = show_leaves(self._party, name, met.slot, transcript)
        if opened.acted or clerk.notices.opening(name, met.slot, transcript.root) is None:
            return opened
        step, node, operator = place
        claim = slot_claim(self._party, name, transcript, target, met.slot, index - 1)
        return clerk.attempt(self._disputes.claim_fault(claim, step, node, operator_hash(operator)))
