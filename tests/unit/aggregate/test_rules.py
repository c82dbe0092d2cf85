"""Aggregation rules as programs: golden vectors, their names, what they refuse, and what attacks make of them."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from assay.aggregate.krum import Krum, MultiKrum
from assay.aggregate.norm import NormBound
from assay.aggregate.rules import RULES, get_rule
from assay.aggregate.trimmed import Median, TrimmedMean
from assay.exact.profile import EXACT15
from assay.protocol.errors import BadInput
from assay.protocol.job import reports_needed
from assay.protocol.sections import RULE_REPORTS
from assay.work.capture import Mean, Rule, capture, rule_source
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Bundle

SIZES = (6, 1, 15)
"""Elements of each parameter."""
ROBUST = sorted(set(RULE_REPORTS) - {"mean"})
SGD = {"name": "sgd", "lr": 0.1}
EXAMPLES = (torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64))


def merge(rule: Rule, updates: list[list[Tensor]]) -> list[Tensor]:
    """Runs a rule over updates, each a flat tensor per parameter."""
    graph = Graph(EXACT15)
    stacks = [graph.add_input(f"stack.{place}", "F32", (size, len(updates))) for place, size in enumerate(SIZES)]
    program = graph.finish(rule.merge(graph, stacks), [f"merged.{place}" for place in range(len(SIZES))])
    result = Runner(program).run([torch.stack(columns, 1) for columns in zip(*updates, strict=True)])
    assert isinstance(result, list), result
    return result


def draw_updates(count: int, seed: int) -> list[list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(size, generator=generator) for size in SIZES] for _ in range(count)]


def krum_winner(updates: list[list[Tensor]], byzantine_count: int) -> int:
    """By the paper's definition, in binary64."""
    flat = [torch.cat(update).double() for update in updates]
    scores = []
    for one in flat:
        distances = sorted(float((one - other).square().sum()) for other in flat if other is not one)
        scores.append(sum(distances[: len(flat) - byzantine_count - 2]))
    return int(np.argmin(scores))


def merge_rows(rule: Rule, rows: list[list[float]]) -> list[float]:
    """Merges updates of one parameter of three elements."""
    graph = Graph(EXACT15)
    stack = graph.add_input("stack", "F32", (3, len(rows)))
    result = Runner(graph.finish(rule.merge(graph, [stack]), ["merged"])).run([torch.tensor(rows).float().t()])
    assert isinstance(result, list), result
    return list(result[0].tolist())


def small(**options: object) -> Bundle:
    return capture(nn.Linear(6, 2), "cross_entropy", SGD, *EXAMPLES, init="seed:1", **options)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_mean_is_the_mean(count: int) -> None:
    updates = draw_updates(count, 1)
    for place, merged in enumerate(merge(Mean(), updates)):
        mean = torch.stack([update[place].double() for update in updates]).mean(0)
        assert torch.allclose(merged.double(), mean, rtol=1e-6, atol=1e-6)


def test_the_mean_is_what_a_job_without_a_rule_gets() -> None:
    default, named = small(counts=[1, 3]), small(counts=[1, 3], rule=Mean())
    assert [default.aggregate[count].root for count in (1, 3)] == [named.aggregate[count].root for count in (1, 3)]
    krum = small(counts=[3], rule=Krum())
    assert krum.aggregate[3].root != named.aggregate[3].root
    assert any(source == "aggregate by krum" for source in krum.aggregate[3].side.sources)


@pytest.mark.parametrize(("count", "byzantine_count"), [(3, 0), (5, 1), (7, 1), (7, 2)])
def test_krum_takes_a_whole_update_from_among_friends(count: int, byzantine_count: int) -> None:
    for seed in range(4):
        updates = draw_updates(count, seed)
        for liar in range(byzantine_count):
            updates[liar] = [each * 50 + 9 for each in updates[liar]]
        winner = krum_winner(updates, byzantine_count)
        assert winner >= byzantine_count
        for merged, chosen in zip(merge(Krum(byzantine_count), updates), updates[winner], strict=True):
            assert torch.equal(merged, chosen)


def test_krum_breaks_ties_for_the_lowest() -> None:
    one = draw_updates(1, 5)[0]
    mirrored = [[each * sign for each in one] for sign in (1.0, 1.0, -1.0, -1.0, 0.0)]
    assert all(torch.equal(a, b) for a, b in zip(merge(Krum(1), mirrored), one, strict=True))


@pytest.mark.parametrize("byzantine_count", [0, 1, 2])
@pytest.mark.parametrize("name", ROBUST)
def test_a_rule_refuses_too_few_updates(name: str, byzantine_count: int) -> None:
    needed, rule = reports_needed(name, byzantine_count), get_rule(name, byzantine_count)
    merge(rule, draw_updates(needed, 1))
    if needed > 1:
        with pytest.raises(BadInput, match=f"{name} needs at least {needed} updates") as refused:
            merge(rule, draw_updates(needed - 1, 1))
        assert "lower byzantine_max" in refused.value.hint


def test_every_rule_that_a_job_may_name_is_there() -> None:
    assert RULES.keys() == RULE_REPORTS.keys()
    found = [Mean(), TrimmedMean(2), Median(2), Krum(2), MultiKrum(2), NormBound(2, 0.5)]
    assert [get_rule(name, 2, 0.5) for name in RULES] == found
    assert {name: get_rule(name).name for name in RULES} == {name: name for name in RULES}
    with pytest.raises(BadInput, match="bulyan") as refused:
        get_rule("bulyan")
    assert all(name in refused.value.hint for name in RULES)


@pytest.mark.parametrize("length", [0.0, -1.0, 1e-10, 1e10, math.inf, math.nan])
def test_no_length_is_no_bound(length: float) -> None:
    with pytest.raises(BadInput, match="length"):
        NormBound(norm_max=length)


def test_sources_name_the_rule_with_all_that_it_was_given() -> None:
    assert rule_source(TrimmedMean(2)) == "aggregate by trimmed-mean bearing 2"
    assert rule_source(NormBound(1, 0.1)) == "aggregate by norm-bound within 0.100000001 bearing 1"
    assert rule_source(NormBound(0, 3)) == "aggregate by norm-bound within 3"


@pytest.mark.parametrize("rule", [Mean(), TrimmedMean(1), Median(1)])
def test_golden_vectors(rule: Rule) -> None:
    assert merge_rows(rule, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == [4, 5, 6]


def test_golden_vectors_of_the_others() -> None:
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [4, 5, 7]]
    assert merge_rows(Krum(), rows[:3]) == [1, 2, 3]
    # Two neighbours count: of (4, 5, 6) at 1 and 27, of (4, 5, 7) at 1 and 22.
    assert merge_rows(Krum(), rows) == [4, 5, 7]
    assert merge_rows(MultiKrum(), rows) == [4, 5, 7]
    # Of five, two are taken; three neighbours count, at 54 from (7, 8, 9), 55 from (4, 5, 6), 57 from (4, 5, 7).
    assert merge_rows(MultiKrum(), [*rows, [9, 9, 9]]) == [5.5, 6.5, 7.5]
    assert merge_rows(NormBound(0, 5), [[3, 4, 0], [6, 8, 0], [0, 0, 0], [-30, -40, 0]]) == [0.75, 1, 0]


def test_an_even_median_is_between_the_two_in_the_middle() -> None:
    assert merge_rows(Median(1), [[1, -9, 0], [2, -0.5, 1], [4, 0.75, 1], [90, 70, 2]]) == [3, 0.125, 1]
    assert merge_rows(Median(), [[1, 2, 3], [4, 5, 6]]) == [2.5, 3.5, 4.5]
    assert merge_rows(Median(), [[1, 2, 3]]) == [1, 2, 3]


def test_a_trimmed_mean_that_drops_nothing_is_the_mean() -> None:
    updates = draw_updates(6, 3)
    assert all(map(torch.equal, merge(TrimmedMean(), updates), merge(Mean(), updates)))


def test_zero_updates_are_no_division_by_zero() -> None:
    zeros = [[torch.zeros(size) for size in SIZES]] * 5
    for name in RULES:
        assert all(not each.any() for each in merge(get_rule(name, 0, 1e-9), zeros)), name


def test_a_program_of_many_parameters_is_about_as_large_as_one_of_few() -> None:
    """The network is over all of them at once."""
    few, many = (
        len(capture(net, "cross_entropy", SGD, *EXAMPLES, counts=[7], rule=Median(3)).aggregate[7].nodes)
        for net in (nn.Linear(6, 2), nn.Sequential(*(nn.Linear(6, 6) for _ in range(5)), nn.Linear(6, 2)))
    )
    assert many < few + 150


# attacks


def sign_flip(honest: Tensor, liars: int) -> Tensor:
    return -10 * honest.mean(0).expand(liars, -1)


def inner_product(honest: Tensor, liars: int) -> Tensor:
    """IPM (Xie et al., 2020), with a large factor."""
    return -2.0 * honest.mean(0).expand(liars, -1) - 30 * honest.mean(0).sign()


def a_little(honest: Tensor, liars: int) -> Tensor:
    """ALIE (Baruch et al., 2019)."""
    count = len(honest) + liars
    supporters = count // 2 + 1 - liars
    z = NormalDist().inv_cdf((len(honest) - supporters) / len(honest))
    return (honest.mean(0) - z * honest.std(0)).expand(liars, -1)


def gaussian(honest: Tensor, liars: int) -> Tensor:
    return 200 * torch.randn(liars, honest.shape[1], generator=torch.Generator().manual_seed(8))


LOUD = [sign_flip, inner_product, gaussian]
HONEST, LIARS, SPREAD = 11, 4, 0.3


def attacked(attack: Callable[[Tensor, int], Tensor]) -> tuple[Tensor, Tensor]:
    """Honest updates around a direction, and those of liars who know them all."""
    draw = torch.Generator().manual_seed(4)
    centre = torch.randn(sum(SIZES), generator=draw)
    honest = centre + SPREAD * torch.randn(HONEST, sum(SIZES), generator=draw)
    return honest, attack(honest, LIARS)


def distance(rule: Rule, honest: Tensor, lies: Tensor) -> float:
    """Of what is merged from the mean of those that are honest, in standard deviations of an honest update."""
    updates = [list(each.split(SIZES)) for each in (*lies[::2], *honest, *lies[1::2])]
    return float((torch.cat(merge(rule, updates)) - honest.mean(0)).norm()) / (SPREAD * sum(SIZES) ** 0.5)


@pytest.mark.parametrize("attack", LOUD)
@pytest.mark.parametrize("name", sorted(set(ROBUST) - {"norm-bound"}))
def test_loud_lies_move_the_mean_and_no_robust_rule(name: str, attack: Callable[[Tensor, int], Tensor]) -> None:
    honest, lies = attacked(attack)
    assert distance(Mean(), honest, lies) > 5
    assert distance(get_rule(name, LIARS), honest, lies) < 1.5


@pytest.mark.parametrize("attack", LOUD)
def test_a_norm_bound_lets_a_liar_move_the_mean_by_its_share(attack: Callable[[Tensor, int], Tensor]) -> None:
    honest, lies = attacked(attack)
    bound = float(honest.norm(dim=1).max())
    moved = distance(NormBound(LIARS, bound), honest, lies) * SPREAD * sum(SIZES) ** 0.5
    assert moved <= 2 * bound * LIARS / (HONEST + LIARS)
    assert moved < distance(Mean(), honest, lies) * SPREAD * sum(SIZES) ** 0.5 / 2


@pytest.mark.parametrize("name", ROBUST)
def test_a_little_is_enough_to_move_every_rule_a_little(name: str) -> None:
    """What hides within the spread of honest updates moves a rule within that spread: none of them removes it."""
    honest, lies = attacked(a_little)
    assert distance(get_rule(name, LIARS, 1e3), honest, lies) < 1.5


@pytest.mark.parametrize("name", ROBUST)
def test_one_liar_more_than_a_rule_bears_is_one_too_many(name: str) -> None:
    """Half of all: a coordinate's middle, and an update's friends, are theirs."""
    honest, _ = attacked(sign_flip)
    lies = (1e4 * torch.ones(sum(SIZES))).expand(HONEST + 1, -1)
    assert distance(get_rule(name, LIARS, 1e9), honest, lies) > 100
