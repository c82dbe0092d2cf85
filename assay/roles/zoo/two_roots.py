"""Signs two commitments for one slot, to show each party the one it likes."""

from dataclasses import replace

from assay.roles.content import commitment_content
from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName


class Cheat(Provider):
    """A provider that keeps two books."""

    behaviour = "two-roots"

    def tell(self, name: RoundName, piece: Piece) -> None:
        super().tell(name, piece)
        other = replace(piece.commitment, transcript_root=self.world.entropy.draw(32))
        self.world.say("commitments", name, {"commitments": [commitment_content(other, self.sign(other))]})
