"""Losses of a round as its providers are bound to them: out of openings that give what they committed to on chain.

An opening is a message: anybody with a slot may write anything into it. So a loss is shown only where the opening's
leaves give the transcript root of the slot's commitment, that commitment stands in the round's root, and the number is
finite. Whether the loss is true is for the validators to find out; that the provider pays for it if not, is certain.
"""

import struct
from collections.abc import Iterable, Mapping
from math import isfinite

from assay.proof.recompute import check_opening
from assay.protocol.commitment import Commitment


def committed_loss(commitment: Commitment, opening: object, start_root: bytes, segment_count: int) -> float | None:
    """The loss of the last segment; nothing where the opening does not fit the commitment, or it is no number."""
    transcript, verdict = check_opening(commitment, opening, start_root, segment_count)
    if transcript is None or not verdict.honest:
        return None
    loss: float = struct.unpack(">f", transcript.leaves[-1].loss_bits.to_bytes(4, "big"))[0]
    return loss if isfinite(loss) else None


def mean_loss(
    openings: Mapping[int, object],
    commitments: Iterable[Commitment],
    leaves: Mapping[int, bytes],
    place: tuple[int, str],
    start_root: bytes,
    segment_count: int,
) -> float | None:
    """The mean over the slots of `commitments`; nothing where none of them has shown one.

    `leaves` are those of the round's commitment root by slot, `place` is (chain id, address of Rounds).
    """
    losses = [
        loss
        for commitment in commitments
        if leaves.get(commitment.slot) == commitment.leaf(*place)
        and (loss := committed_loss(commitment, openings.get(commitment.slot), start_root, segment_count)) is not None
    ]
    return sum(losses) / len(losses) if losses else None
