"""One served start state: the leaf that commits to it, opened alone, and the state's bytes.

A provider opens leaf i with its own salt, which tells nothing about the leaves after it; so a validator knows where the
segment starts before the end of it is known to anybody but the provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assay.proof.verdict import Part, Place, Verdict, honest, malformed
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.merkle import depth, verify
from assay.protocol.transcript import Leaf, SlotName, Transcript, salt, segment_leaf
from assay.work.state import Signature, state_root


@dataclass(frozen=True)
class LeafOpening:
    """A leaf with its salt and its place in the transcript's tree."""

    leaf: Leaf
    salt: bytes
    proof: tuple[bytes, ...]

    @classmethod
    def of(cls, transcript: Transcript, index: int) -> "LeafOpening":
        """Leaf `index` of a transcript of one's own."""
        return cls(transcript.leaves[index], salt(transcript.secret, index), tuple(transcript.proof(index)))

    def to_json(self) -> dict[str, Any]:
        """The opening as plain values."""
        return {
            "index": self.leaf.index,
            "state": self.leaf.state_root.hex(),
            "loss": self.leaf.loss_bits,
            "update": self.leaf.update_root.hex(),
            "salt": self.salt.hex(),
            "proof": [sibling.hex() for sibling in self.proof],
        }

    @classmethod
    def from_json(cls, value: object, segment_count: int) -> "LeafOpening":
        """An opening from outside. Errors: `Malformed`."""
        if not isinstance(value, Mapping):
            raise Malformed("a leaf's opening is not an object")
        try:
            leaf = Leaf(value["index"], bytes.fromhex(value["state"]), value["loss"], bytes.fromhex(value["update"]))
            opening = cls(leaf, bytes.fromhex(value["salt"]), tuple(bytes.fromhex(each) for each in value["proof"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("a leaf's opening cannot be read") from error
        sizes = {len(leaf.state_root), len(leaf.update_root), len(opening.salt), *map(len, opening.proof)}
        if sizes != {32} or len(opening.proof) != depth(segment_count + 1):
            raise Malformed("a leaf's opening has fields of the wrong size")
        if type(leaf.index) is not int or not 0 <= leaf.index <= segment_count:
            raise Malformed("a leaf's opening is of no leaf of this round")
        if type(leaf.loss_bits) is not int or not 0 <= leaf.loss_bits < 1 << 32:
            raise Malformed("a leaf's loss is not 32 bits")
        return opening


def slot_name(commitment: Commitment) -> SlotName:
    """Which work a commitment is of."""
    return SlotName(commitment.job, commitment.generation, commitment.round, commitment.slot, commitment.provider)


def check_leaf(commitment: Commitment, opening: LeafOpening, segment_count: int) -> Verdict:
    """Whether a leaf stands in the committed transcript."""
    place = Place(Part.START, commitment.slot, opening.leaf.index)
    hashed = segment_leaf(slot_name(commitment), opening.leaf, opening.salt)
    if not verify(commitment.transcript_root, segment_count + 1, opening.leaf.index, hashed, opening.proof):
        return malformed(place, "the leaf is not in the committed transcript")
    return honest(place, opening.leaf.state_root)


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
    if root != opening.leaf.state_root:
        return malformed(found.place, "the state served is not the one in the leaf")
    return tensors
