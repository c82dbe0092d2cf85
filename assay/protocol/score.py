"""How good a state is, as one integer that contracts compare: greater is better.

Accuracy in millionths, or a loss in millionths below zero, both rounded down. A round is measured where the order says
when to stop, and the last one always is. What is measured comes from a stranger's program: a score is an int64 whatever
that says, or nobody honest could enter the round that it is of.
"""

from fractions import Fraction
from math import ceil, floor, isfinite

MILLION = 1_000_000
UNSCORED = -(1 << 63)
"""Of rounds that nobody has to measure and of states that cannot be measured; `Types.sol:UNSCORED`."""
NEVER = (1 << 63) - 1
"""A score that no state reaches: the job has all its rounds."""


def score_of(metric: str, correct_count: int, target_count: int, loss: float) -> int:
    """The score of a state with so many right answers and this mean loss; `UNSCORED` where there cannot be so many, or
    the loss is no number."""
    if not 0 <= correct_count <= target_count or not target_count or not isfinite(loss):
        return UNSCORED
    if metric == "accuracy":
        return correct_count * MILLION // target_count
    return _within(floor(-Fraction(loss) * MILLION))


def score_at(metric: str, value: float) -> int:
    """The least score of a state whose accuracy is at least, or whose loss is at most, `value` as it was written."""
    exact = Fraction(repr(value))
    return _within(ceil((exact if metric == "accuracy" else -exact) * MILLION))


def value_of(metric: str, score: int) -> float | None:
    """The metric's value again, to the millionth; nothing where there is none."""
    if score == UNSCORED:
        return None
    return (score if metric == "accuracy" else -score) / MILLION


def score_plain(metric: str, score: int) -> dict[str, object] | None:
    """A score as plain values for people and programs; nothing where there is none."""
    return None if score == UNSCORED else {"metric": metric, "value": value_of(metric, score), "millionths": score}


def is_due(stop_score: int, round_index: int, round_count: int) -> bool:
    """Whether the round's end state is measured."""
    return stop_score != NEVER or round_index == round_count - 1


def _within(score: int) -> int:
    return max(UNSCORED + 1, min(NEVER - 1, score))
