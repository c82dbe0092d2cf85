"""Commits and never opens: what it did cannot be checked."""

from assay.chain.contracts.containers import RoundView
from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake


class Cheat(Provider):
    """A provider that hides behind its salt."""

    behaviour = "unrevealed-secret"

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        return IDLE
