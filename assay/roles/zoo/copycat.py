"""Waits for another provider's commitment and signs it as its own."""

from dataclasses import replace

from assay.chain.contracts.containers import RoundView
from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.work.segment import SlotWork


class Cheat(Provider):
    """A provider that lets others work."""

    behaviour = "copycat"

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        others = [signed for signed, _ in self.book.round(name).commitments.values() if signed.slot != slot]
        if not others:
            return wake_at(view.deadline)
        copied = replace(others[0], slot=slot, provider=self.world.address)
        start = self.state(name[0], view.start_root)
        assert start is not None
        count = self.assignment(name[0]).segment_count
        work = SlotWork(
            (start,) * (count + 1), (view.start_root,) * (count + 1), (0,) * (count + 1), None, bytes(32), None, 0, 0
        )
        piece = self.commit(name, view.start_root, slot, work)
        self.tell(name, Piece(slot, copied, self.sign(copied), piece.transcript, work))
        return ACTED

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        """Opens with the secret that the victim has opened by now."""
        victims = [
            opening
            for slot, opening in self.book.round(name).openings.items()
            if slot != piece.slot and bytes.fromhex(opening["secret"])
        ]
        if piece.opened or not victims:
            return IDLE
        piece.opened = True
        self.world.say("opening", name, {**victims[0], "slot": piece.slot})
        return ACTED
