"""Commits and never opens: what it did cannot be checked."""

from assay.chain.contracts.containers import RoundView
from assay.roles.book import RoundName
from assay.roles.provider import Piece, Provider
from assay.roles.wake import IDLE, Wake


class Cheat(Provider):
    """A provider that hides behind its salt."""

    behaviour = "unrevealed-secret"

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        return IDLE
