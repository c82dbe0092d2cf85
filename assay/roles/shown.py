"""What the chain has been shown of a round's included updates: a game about their aggregate begins with all of them."""

from assay.chain.contracts.containers import Claim, RoundView
from assay.chain.contracts.disputes import Disputes
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import Target
from assay.protocol.transcript import ZERO
from assay.roles.claims import slot_claim
from assay.roles.openings import Openings
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake

SHOWN_AT_ONCE = 16
"""Updates that one transaction shows: 2 kB each, and 60,000 gas."""


class Shown:
    """The updates of a round's included slots, as one party can show them."""

    def __init__(self, party: Party, openings: Openings) -> None:
        self._party, self._openings = party, openings
        self._disputes = party.world.ledger.open(Disputes)

    def missing(self, name: RoundName, view: RoundView) -> list[int]:
        """Included slots whose update the chain does not know yet."""
        roots = self._disputes.updates_of(*name)
        return [slot for slot, root in zip(bitmap_slots(view.included), roots, strict=True) if root == ZERO]

    def unheard(self, name: RoundName, view: RoundView) -> list[int]:
        """Included slots of which nothing is here that could be shown."""
        return [slot for slot in bitmap_slots(view.included) if self._claim(name, view, slot) is None]

    def show(self, name: RoundName, view: RoundView) -> Wake:
        """Shows what is missing and here."""
        claims = [self._claim(name, view, slot) for slot in self.missing(name, view)]
        found = [claim for claim in claims if claim is not None][:SHOWN_AT_ONCE]
        return self._party.clerk.attempt(self._disputes.show_updates(found)) if found else IDLE

    def _claim(self, name: RoundName, view: RoundView, slot: int) -> Claim | None:
        opened = self._openings.of(name, view, slot)
        if opened is None or opened.transcript is None:
            return None
        return slot_claim(self._party, name, opened.transcript, Target.EMIT, slot, len(opened.transcript.leaves) - 1)
