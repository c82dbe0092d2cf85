"""Commits to the hash of a truncated update: a valid address of bytes that nobody can use."""

from dataclasses import replace

from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.store.port import hash_of
from assay.work.seal import seal
from assay.work.segment import SlotWork


class Cheat(Provider):
    """A provider whose update ends in the middle."""

    behaviour = "garbage"

    def commit(self, name: RoundName, start_root: bytes, slot: int, work: SlotWork) -> Piece:
        piece = super().commit(name, start_root, slot, work)
        assert work.update is not None
        update = self.assignment(name[0]).update_signature.encode(work.update)[:-5]
        cid = self.world.blobs.put(seal(piece.transcript.secret, update))
        commitment = replace(piece.commitment, sealed_hash=hash_of(cid))
        return replace(piece, commitment=commitment, signature=self.sign(commitment))
