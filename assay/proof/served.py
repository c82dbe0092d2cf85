"""One served start state: the leaf that commits to it, opened alone, and the state's bytes.

A provider opens leaf i with its own salt, which tells nothing about the leaves after it, and without its loss; so a
validator knows where the segment starts, and nobody who asks for the state after it knows what executing it gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assay.proof.verdict import Part, Place, Verdict, honest, malformed
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.merkle import depth, verify
from assay.protocol.transcript import SlotName, Transcript, salt, sealed_loss, shown_leaf
from assay.work.state import Signature, state_root


@dataclass(frozen=True)
class LeafOpening:
    """A leaf but for its loss, with its salt and its place in the transcript's tree."""

    index: int
    state_root: bytes
    sealed_loss: bytes
    update_root: bytes
    salt: bytes
    proof: tuple[bytes, ...]

    @classmethod
    def of(cls, transcript: Transcript, index: int) -> "LeafOpening":
        """Leaf `index` of a transcript of one's own."""
        leaf, secret = transcript.leaves[index], transcript.secret
        loss, proof = sealed_loss(secret, index, leaf.loss_bits), tuple(transcript.proof(index))
        return cls(index, leaf.state_root, loss, leaf.update_root, salt(secret, index), proof)

    def to_json(self) -> dict[str, Any]:
        """The opening as plain values."""
        return {
            "index": self.index,
            "state": self.state_root.hex(),
            "loss": self.sealed_loss.hex(),
            "update": self.update_root.hex(),
            "salt": self.salt.hex(),
            "proof": [sibling.hex() for sibling in self.proof],
        }

    @classmethod
    def from_json(cls, value: object, segment_count: int) -> "LeafOpening":
        """An opening from outside. Errors: `Malformed`."""
        if not isinstance(value, Mapping):
            raise Malformed("a leaf's opening is not an object")
        try:
            state, loss, update, its_salt = (bytes.fromhex(value[part]) for part in ("state", "loss", "update", "salt"))
            proof = tuple(bytes.fromhex(each) for each in value["proof"])
            opening = cls(value["index"], state, loss, update, its_salt, proof)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("a leaf's opening cannot be read") from error
        shown = (opening.state_root, opening.sealed_loss, opening.update_root, opening.salt, *opening.proof)
        sizes = set(map(len, shown))
        if sizes != {32} or len(opening.proof) != depth(segment_count + 1):
            raise Malformed("a leaf's opening has fields of the wrong size")
        if type(opening.index) is not int or not 0 <= opening.index <= segment_count:
            raise Malformed("a leaf's opening is of no leaf of this round")
        return opening


def slot_name(commitment: Commitment) -> SlotName:
    """Which work a commitment is of."""
    return SlotName(commitment.job, commitment.generation, commitment.round, commitment.slot, commitment.provider)


def check_leaf(commitment: Commitment, opening: LeafOpening, segment_count: int) -> Verdict:
    """Whether a leaf stands in the committed transcript."""
    place = Place(Part.START, commitment.slot, opening.index)
    parts = (opening.index, opening.salt, opening.state_root, opening.sealed_loss, opening.update_root)
    hashed = shown_leaf(slot_name(commitment), *parts)
    if not verify(commitment.transcript_root, segment_count + 1, opening.index, hashed, opening.proof):
        return malformed(place, "the leaf is not in the committed transcript")
    return honest(place, opening.state_root)


def read_start(
    commitment: Commitment, opening: LeafOpening, content: bytes, signature: Signature, segment_count: int
) -> list[Tensor] | Verdict:
    """The tensors of a served start state, or what is wrong with it: leaf, bytes, or hash."""
    found = check_leaf(commitment, opening, segment_count)
    if not found.honest:
        return found
    try:
        tensors = signature.decode(content)
    except Malformed as error:
        return malformed(found.place, error.message)
    root = state_root(tensors)
    if root != opening.state_root:
        return malformed(found.place, "the state served is not the one in the leaf")
    return tensors
