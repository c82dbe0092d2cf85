"""Does the work and serves no start state to anybody, so that validators must replay it from the round's start."""

from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake


class Cheat(Provider):
    """A provider that makes checking dear."""

    behaviour = "hidden-states"

    def answer(self, name: RoundName, piece: Piece, recipient: str, segment: int) -> Wake:
        return IDLE
