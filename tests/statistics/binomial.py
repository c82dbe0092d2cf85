"""Exact tests of a rate: which counts of hits are too rare to be chance, by the binomial distribution itself."""

from math import exp, fsum, lgamma, log


def probability(count: int, hits: int, rate: float) -> float:
    """Of exactly so many hits in `count` independent tries."""
    if rate in (0.0, 1.0):
        return float(hits == count * rate)
    ways = lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1)
    return exp(ways + hits * log(rate) + (count - hits) * log(1 - rate))


def p_value(count: int, hits: int, rate: float) -> float:
    """How likely a count is that is as far out, on its own side, as this one; doubled, for there are two sides."""
    below = fsum(probability(count, each, rate) for each in range(hits + 1))
    above = fsum(probability(count, each, rate) for each in range(hits, count + 1))
    return min(1.0, 2 * min(below, above))
