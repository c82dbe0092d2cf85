"""Enters one commitment on chain and tells everybody another, which nobody can demand anything of."""

from dataclasses import replace
from typing import Any, ClassVar

from assay.chain.contracts.containers import RoundView
from assay.roles.content import commitment_content
from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake


class Cheat(Provider):
    """A provider that would keep every round from its quorum: what it has told does not stand, and is not opened."""

    behaviour = "decoy-commitment"
    other: ClassVar[dict[str, Any]] = {"start_root": bytes([7]) * 32}
    """What the other commitment says instead: with another start it is of other work, and so no second one."""

    def tell(self, name: RoundName, piece: Piece) -> None:
        self.pieces[name] = piece
        other = replace(piece.commitment, **self.other)
        self.voice.say(name, "commitments", {"commitments": [commitment_content(other, self.sign(other))]})

    def enter(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        return self.include_itself(name, piece)

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        return IDLE
