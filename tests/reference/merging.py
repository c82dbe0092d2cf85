"""Aggregation rules as docs/explanation/aggregation.md defines them, on patterns, in plain integers.

An update is a list of patterns. Nothing here knows of networks, stacks or nodes.
"""

from collections.abc import Sequence
from fractions import Fraction

from tests.reference.binary32 import SIZE, add, div, from_integer, maximum, mul, order, scaled, signed, sqrt
from tests.reference.groups import group_exponent, quantise_one, sum_profile

Update = list[int]


def value_of(pattern: int) -> Fraction:
    """The number that a finite pattern stands for."""
    magnitude, exponent = signed(pattern)
    return magnitude * Fraction(2) ** exponent


def exact_sum(patterns: Sequence[int]) -> int:
    """Of a group, rounded once; one value stays as it is."""
    if len(patterns) == 1:
        return patterns[0]
    bits, limit = sum_profile(len(patterns))
    e = group_exponent(max(each & SIZE for each in patterns), bits, limit)
    return scaled(sum(quantise_one(each, e, bits) for each in patterns), e + 1 - bits)


def mean(patterns: Sequence[int]) -> int:
    """The exact sum divided by how many there are."""
    total = exact_sum(patterns)
    return total if len(patterns) == 1 else div(total, from_integer(len(patterns)))


def trimmed_mean(updates: Sequence[Update], dropped: int) -> Update:
    """Per coordinate the mean without the smallest and the largest; a zero is +0."""
    rows = [sorted(row, key=order) for row in zip(*updates, strict=True)]
    return [add(mean(row[dropped : len(row) - dropped]), 0) for row in rows]


def median(updates: Sequence[Update]) -> Update:
    """Per coordinate the middle, or the mean of both."""
    return trimmed_mean(updates, (len(updates) - 1) // 2)


def multi_krum(updates: Sequence[Update], byzantine_count: int, best_count: int) -> Update:
    """The mean of those that are nearest to their nearest, by exact distances."""
    points = [[value_of(each) for each in update] for update in updates]
    scores = []
    for one in points:
        squares = sorted(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for other in points)
        # The first is the distance from itself.
        scores.append(sum(squares[1 : len(points) - byzantine_count - 1]))
    best = sorted(range(len(points)), key=lambda index: (scores[index], index))[:best_count]
    return [mean([updates[index][at] for index in best]) for at in range(len(updates[0]))]


def norm_bound(updates: Sequence[Update], limit: int) -> Update:
    """The mean of updates that are cut to a length."""
    cut = []
    for update in updates:
        scale = limit
        for each in update:
            scale = maximum(each & SIZE, scale)
        parts = [div(each, scale) for each in update]
        length, share = sqrt(exact_sum([mul(each, each) for each in parts])), div(limit, scale)
        factor = div(share, maximum(length, share))
        cut.append([mul(each, factor) for each in update])
    return [mean(row) for row in zip(*cut, strict=True)]
