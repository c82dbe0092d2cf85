"""Trains every other segment, and opens its secret without its leaves, so as to lose a bond only."""

from assay.chain.contracts.containers import RoundView
from assay.roles.piece import Piece
from assay.roles.round import RoundName
from assay.roles.wake import ACTED, IDLE, Wake
from assay.roles.zoo.skipper import Cheat as Skipper


class Cheat(Skipper):
    """A skipper that would rather be silent than disproved."""

    behaviour = "hidden-leaves"

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        if piece.opened:
            return IDLE
        piece.opened = True
        self.world.say("opening", name, {"slot": piece.slot, "secret": piece.transcript.secret.hex()})
        return ACTED
