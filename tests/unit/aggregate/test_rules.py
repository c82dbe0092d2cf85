"""Aggregation rules as programs: the mean, Krum, their names, and what they refuse."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from assay.aggregate.krum import Krum
from assay.aggregate.rules import RULES, get_rule
from assay.exact.profile import EXACT15
from assay.protocol.errors import BadInput
from assay.protocol.job import reports_needed
from assay.protocol.sections import RULE_REPORTS
from assay.work.capture import Mean, Rule, capture
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Bundle

SIZES = (6, 1, 15)
"""Elements of each parameter."""


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


def small(**options: object) -> Bundle:
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    return capture(nn.Linear(6, 2), "cross_entropy", {"name": "sgd", "lr": 0.1}, x, y, init="seed:1", **options)


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
def test_krum_refuses_too_few_updates(byzantine_count: int) -> None:
    needed = reports_needed("krum", byzantine_count)
    merge(Krum(byzantine_count), draw_updates(needed, 1))
    with pytest.raises(BadInput, match=f"at least {needed} updates"):
        merge(Krum(byzantine_count), draw_updates(needed - 1, 1))


def test_every_rule_that_a_job_may_name_is_there() -> None:
    assert RULES.keys() == RULE_REPORTS.keys()
    assert get_rule("mean") == Mean()
    assert get_rule("krum", 2) == Krum(2)
    assert {name: get_rule(name).name for name in RULES} == {name: name for name in RULES}
    with pytest.raises(BadInput, match="median"):
        get_rule("median")
