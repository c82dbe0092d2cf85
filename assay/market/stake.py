"""Minimum stakes: how much must be at risk so that cheating does not pay.

A liar may be its own challenger, so it gets the winner's share w of its stake back: at most a third.

Lazy. It leaves out a share f of a round's work that would cost `cost`, saving f x cost, and is caught with a
probability p(f) >= f as soon as one segment is sampled (the miss probability is convex in f). Caught, it loses its
reward and (1 - w) of its stake. So it never pays when

    reward + stake x (1 - w) >= cost

One segment. It changes one segment, gaining G where it is not caught; q of N times it is re-executed (for q different
ones of N segments; `detection.segment_checked` for validators that draw independently):

    (1 - q/N) x G <= q/N x (stake + reward)     so     stake >= G (N - q) / q - reward
"""

from fractions import Fraction

from assay.protocol.errors import BadInput

WINNER_SHARE = Fraction(1, 3)
"""Most of a slash that a challenger gets; the contracts burn at least as much."""


def lazy_stake(cost: int, reward: int, winner_share: Fraction = WINNER_SHARE) -> int:
    """Least stake that deters leaving work out. Amounts in the token's smallest unit, of one slot and round."""
    if not 0 <= winner_share < 1:
        raise BadInput(f"a winner's share of {winner_share} returns the stake to a liar", hint="at most a third")
    return max(0, -((reward - cost) // (1 - winner_share)))


def segment_stake(gain: int, pair_count: int, sample_count: int, reward: int) -> int:
    """Least stake that deters changing a segment that is re-executed `sample_count` of `pair_count` times."""
    if not 1 <= sample_count <= pair_count:
        raise BadInput(
            f"{sample_count} samples of {pair_count} segments deter nobody", hint="re-execute at least one segment"
        )
    return max(0, -((sample_count * reward - gain * (pair_count - sample_count)) // sample_count))
