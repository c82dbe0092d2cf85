"""Detection: how likely a cheat is caught, per round and per job.

Of N (slot, segment) pairs in a round c are cheated; m validators each re-execute q pairs, drawn without replacement and
independently of each other. One validator misses all of them with probability C(N-c, q) / C(N, q) (hypergeometric), so

    per round   1 - (C(N-c, q) / C(N, q))^m
    per job     1 - (1 - p)^rounds

Samples avoid adjacent segments of a slot. A cheat at random places is caught by one sample with exactly this
probability (any q pairs miss c random ones equally often), a run of adjacent segments more often, every other segment
of a slot less often: by 1% or 2% where one sample is a twelfth of the work, by 5% to 8% where it is a quarter.
"""

from math import comb, prod

from assay.protocol.errors import BadInput


def miss_probability(pair_count: int, cheated_count: int, sample_count: int) -> float:
    """Probability that one validator's sample of `sample_count` of `pair_count` pairs holds no cheated one."""
    if not (0 <= cheated_count <= pair_count and 0 <= sample_count <= pair_count):
        raise BadInput(
            f"{sample_count} samples and {cheated_count} cheated of {pair_count} segments",
            hint="neither can exceed the number of segments",
        )
    return comb(pair_count - cheated_count, sample_count) / comb(pair_count, sample_count)


def round_detection(pair_count: int, cheated_count: int, sample_count: int, validator_count: int = 1) -> float:
    """Probability that at least one of `validator_count` independent samples holds a cheated pair."""
    return 1 - miss_probability(pair_count, cheated_count, sample_count) ** validator_count


def segment_checked(pair_count: int, sample_count: int, validator_count: int) -> tuple[int, int]:
    """Probability that a given pair is re-executed by anybody, 1 - (1 - q/N)^m, exactly: numerator, denominator.

    Validators draw independently, so some pairs are re-executed twice and this is less than m q / N.
    """
    whole: int = pair_count**validator_count
    missed: int = max(0, pair_count - sample_count) ** validator_count
    return whole - missed, whole


def job_detection(per_round: float, rounds: int) -> float:
    """Probability that a cheat that goes on for `rounds` rounds is caught in at least one."""
    return 1 - (1 - per_round) ** rounds


def mixed_job_detection(per_round: list[float]) -> float:
    """The same for rounds that differ in slots, samples or validators."""
    return 1 - prod(1 - each for each in per_round)


def samples_needed(pair_count: int, cheated_count: int, validator_count: int, wanted: float) -> int:
    """Fewest samples per validator with which a round catches `cheated_count` pairs with probability `wanted`.

    Errors: `BadInput` where nothing is cheated or certainty is asked for and cannot be had.
    """
    if not 0 <= wanted <= 1 or not 1 <= cheated_count <= pair_count:
        raise BadInput(
            f"no sample catches {cheated_count} of {pair_count} segments with probability {wanted}",
            hint="ask for a probability from 0 to 1 and at least one cheated segment",
        )
    low, high = 0, pair_count - cheated_count + 1
    while low < high:
        middle = (low + high) // 2
        if round_detection(pair_count, cheated_count, middle, validator_count) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def verification_share(pair_count: int, sample_count: int, validator_count: int) -> float:
    """Re-executed segments per trained one: what verification costs, in training."""
    return sample_count * validator_count / pair_count
