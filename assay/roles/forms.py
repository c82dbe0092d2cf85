"""What the protocol calls a commitment, a leaf or a transcript, in the forms that the contracts take, and back."""

from typing import Any

from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import Leaf as ChainLeaf
from assay.chain.contracts.containers import Marks as ChainMarks
from assay.chain.contracts.containers import TranscriptOpening
from assay.protocol.commitment import Commitment
from assay.protocol.score import Marks
from assay.protocol.transcript import Leaf, Transcript


def on_chain(commitment: Commitment) -> ChainCommitment:
    """A commitment in the form that the contracts take."""
    return ChainCommitment(**vars(commitment))


def chain_leaf(leaf: Leaf) -> ChainLeaf:
    """A leaf in the form that the contracts take."""
    return ChainLeaf(leaf.index, leaf.state_root, leaf.loss_bits, leaf.update_root)


def chain_opening(transcript: Transcript) -> TranscriptOpening:
    """A transcript's secret and leaves in the form that the contracts take."""
    leaves = transcript.leaves
    states = tuple(leaf.state_root for leaf in leaves)
    losses = tuple(leaf.loss_bits for leaf in leaves[1:])
    return TranscriptOpening(transcript.secret, leaves[-1].update_root, states, losses)


def chain_marks(marks: Marks) -> ChainMarks:
    """Marks in the form that the contracts take."""
    return ChainMarks(marks.first, marks.content, marks.fault)


def from_chain(marks: ChainMarks) -> Marks:
    """Marks that were shown on chain. Errors: `Malformed`."""
    return Marks.of_content(marks.first, marks.batches, marks.fault)


def opening_json(opening: TranscriptOpening) -> dict[str, Any]:
    """Leaves that were opened on chain, as a provider would have said them."""
    return {
        "secret": opening.secret.hex(),
        "states": [root.hex() for root in opening.state_roots],
        "losses": [0, *opening.loss_bits],
        "update": opening.update_root.hex(),
    }
