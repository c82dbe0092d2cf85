"""Aggregation rules against their definitions in plain integers, bit for bit, and laws that each of them keeps."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from assay.aggregate.network import sorting, trimming
from assay.aggregate.rules import get_rule
from assay.exact.profile import EXACT15
from assay.protocol.sections import RULE_REPORTS
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.walk import Fault
from tests.properties.exact.drawn import ANY, FLOATS, MILD, pattern_of
from tests.reference import merging
from tests.reference.arrays import Array
from tests.reference.binary32 import SIGN, NotFinite
from tests.reference.merging import Update, value_of
from tests.reference.programs import read_elements, write_elements

SIZES = (2, 1)
"""Elements of each parameter: what is merged is one update of both."""
WIDTH = sum(SIZES)
LIMIT = 1.5
ROBUST = sorted(set(RULE_REPORTS) - {"mean"})


@cache
def runner(name: str, count: int, byzantine_count: int, limit: float | None) -> Runner:
    graph = Graph(EXACT15)
    stacks = [graph.add_input(f"stack.{place}", "F32", (size, count)) for place, size in enumerate(SIZES)]
    merged = get_rule(name, byzantine_count, limit).merge(graph, stacks)
    return Runner(graph.finish(merged, [f"merged.{place}" for place in range(len(SIZES))]))


def tensor_of(patterns: list[int]) -> Tensor:
    content = write_elements(Array("F32", (len(patterns),), patterns))
    return torch.frombuffer(bytearray(content), dtype=torch.float32)


def merge(name: str, updates: list[Update], byzantine_count: int = 0, limit: float | None = LIMIT) -> Update | Fault:
    """What the rule's program makes of updates."""
    whole = torch.stack([tensor_of(each) for each in updates], 1)
    result = runner(name, len(updates), byzantine_count, limit).run(list(whole.split(SIZES)))
    if isinstance(result, Fault):
        return result
    return read_elements("F32", (WIDTH,), torch.cat(result).numpy().tobytes()).items


def check(found: Update | Fault, define: Callable[[], Update]) -> None:
    """What was merged is what is defined; where that is no finite number, the program says so."""
    try:
        wanted = define()
    except NotFinite:
        assert isinstance(found, Fault)
    else:
        assert found == wanted


def drawn(least: int, most: int, floats: st.SearchStrategy[int] = FLOATS) -> st.SearchStrategy[list[Update]]:
    """Updates, some of them equal."""
    update = st.lists(floats, min_size=WIDTH, max_size=WIDTH)
    some = st.lists(update, min_size=1, max_size=3)
    one = st.one_of(update, some.flatmap(st.sampled_from))
    return st.lists(one, min_size=least, max_size=most)


SMALL = drawn(3, 9, st.integers(-9, 9).map(lambda number: pattern_of(float(number))))
"""Of which every distance and every score is a number that nothing rounds."""
ZEROS = [[0, SIGN, 0], [SIGN, SIGN, 0], [SIGN, SIGN, SIGN], [0, SIGN, 0], [SIGN, SIGN, 1]]


@given(drawn(1, 9), st.integers(0, 4))
@example(ZEROS, 2)
@example(ZEROS[:4], 1)
@example([[pattern_of(3e38)] * WIDTH] * 4, 1)
def test_a_trimmed_mean_is_what_it_is_defined_as(updates: list[Update], wished: int) -> None:
    dropped = min(wished, (len(updates) - 1) // 2)
    check(merge("trimmed-mean", updates, dropped), lambda: merging.trimmed_mean(updates, dropped))


@given(drawn(1, 9))
@example(ZEROS)
@example(ZEROS[:4])
@example(ZEROS[:1])
def test_a_median_is_what_it_is_defined_as(updates: list[Update]) -> None:
    check(merge("median", updates), lambda: merging.median(updates))


@given(drawn(1, 9, MILD))
def test_an_odd_median_is_a_value_that_somebody_sent_and_a_trimmed_mean_may_be_one(updates: list[Update]) -> None:
    updates = updates[: len(updates) - 1 + len(updates) % 2]
    found = merge("median", updates)
    assert isinstance(found, list)
    for each, row in zip(found, zip(*updates, strict=True), strict=True):
        assert each in {0 if value == SIGN else value for value in row}
    assert merge("trimmed-mean", updates, (len(updates) - 1) // 2) == found


@given(SMALL, st.integers(0, 3))
def test_krum_is_what_it_is_defined_as(updates: list[Update], wished: int) -> None:
    bears = min(wished, (len(updates) - 3) // 2)
    check(merge("krum", updates, bears), lambda: merging.multi_krum(updates, bears, 1))


@given(SMALL.filter(lambda updates: len(updates) > 3), st.integers(0, 3))
def test_multi_krum_is_what_it_is_defined_as(updates: list[Update], wished: int) -> None:
    bears = min(wished, (len(updates) - 4) // 2)
    best_count = len(updates) - 2 * bears - 3
    check(merge("multi-krum", updates, bears), lambda: merging.multi_krum(updates, bears, best_count))


@given(drawn(1, 6))
@example([[0, SIGN, 0]] * 3)
@example([[0x7F7F_FFFF, 0xFF7F_FFFF, 0x7F7F_FFFF], [1, SIGN | 1, 1]])
@example([[pattern_of(LIMIT), 0, 0], [0, pattern_of(-LIMIT), SIGN]])
def test_a_norm_bound_is_what_it_is_defined_as(updates: list[Update]) -> None:
    check(merge("norm-bound", updates), lambda: merging.norm_bound(updates, pattern_of(LIMIT)))


@given(st.lists(FLOATS, min_size=WIDTH, max_size=WIDTH), st.sampled_from([1e-9, 1e-3, 1.0, 1e9]))
def test_what_is_cut_is_no_longer_than_the_bound_and_what_is_short_stays(update: Update, limit: float) -> None:
    found = merge("norm-bound", [update], limit=limit)
    assert isinstance(found, list)
    bound = value_of(pattern_of(limit))
    square, cut = (sum((value_of(each) ** 2 for each in vector), Fraction(0)) for vector in (update, found))
    assert cut <= bound**2 * (1 + Fraction(1, 1 << 18))
    if square <= bound**2 * (1 - Fraction(1, 1 << 18)):
        assert found == update
    for before, after in zip(update, found, strict=True):
        assert (before ^ after) & SIGN == 0


@pytest.mark.parametrize("name", ["trimmed-mean", "median"])
@given(drawn(3, 8, MILD), st.randoms(use_true_random=False))
def test_the_order_of_updates_is_nothing_to_a_coordinates_middle(
    name: str, updates: list[Update], draw: object
) -> None:
    mixed = list(updates)
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    assert merge(name, mixed, 1) == merge(name, updates, 1)


@pytest.mark.parametrize("name", ROBUST)
@given(honest=drawn(6, 6, MILD), liars=drawn(1, 1, ANY))
def test_no_finite_update_of_one_liar_is_a_fault(name: str, honest: list[Update], liars: list[Update]) -> None:
    """Which would be the job's, whoever sent it."""
    for at in (0, 3, 6):
        assert isinstance(merge(name, honest[:at] + liars + honest[at:], 1), list)


@pytest.mark.parametrize("name", ROBUST)
@given(update=st.lists(MILD, min_size=WIDTH, max_size=WIDTH))
def test_equal_updates_are_what_comes_of_them(name: str, update: Update) -> None:
    found = merge(name, [update] * 8, 2, 1e9)
    assert isinstance(found, list)
    # A sum of several zeros, or what a coordinate's middle is, has no sign.
    assert [value_of(each) for each in found] == [value_of(each) for each in update]


@pytest.mark.parametrize("count", range(1, 12))
def test_a_network_sorts_whatever_it_is_given(count: int) -> None:
    """By the zero-one principle: what puts all rows of zeros and ones in order does so with any."""
    for row in itertools.product((0, 1), repeat=count):
        assert ordered(sorting(count), row) == sorted(row)
        for dropped in range((count + 1) // 2):
            parts, wanted = ordered(trimming(count, dropped), row), sorted(row)
            for part in (slice(dropped), slice(dropped, count - dropped), slice(count - dropped, None)):
                assert sorted(parts[part]) == wanted[part]


def ordered(network: list[tuple[int, int]], row: tuple[int, ...]) -> list[int]:
    """A row behind a network."""
    wires = list(row)
    for low, high in network:
        assert low < high
        wires[low], wires[high] = min(wires[low], wires[high]), max(wires[low], wires[high])
    return wires


def test_a_network_compares_no_more_than_it_must() -> None:
    assert [len(sorting(count)) for count in (1, 2, 3, 4, 8, 16, 20)] == [0, 1, 3, 5, 19, 63, 97]
    assert trimming(20, 0) == []
    assert len(trimming(20, 4)) < len(trimming(20, 9)) + 5 < len(sorting(20)) - 5
