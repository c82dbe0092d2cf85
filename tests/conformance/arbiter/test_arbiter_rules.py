"""Every node of aggregates by every rule before the arbiter, and their bits by every path against the reference."""

import random
from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from assay.aggregate.rules import get_rule
from assay.exact.primitives import BY_OPCODE
from assay.proof.evidence import Ruling
from assay.protocol.sections import RULE_REPORTS
from assay.work.capture import capture
from tests.conformance.arbiter.rulings import Trial, lies, with_item
from tests.conformance.arbiter.test_arbiter import run
from tests.conformance.exact.test_reference_programs import check

COUNT = 5
BEARS = {
    name: max(0, (COUNT - base) // max(each, 1)) if name != "mean" else 0 for name, (each, base) in RULE_REPORTS.items()
}
"""The most Byzantine updates of five that each rule bears."""
EACH = 6
"""Nodes of a kind that are tried."""


@cache
def trial_of(rule: str) -> Trial:
    """An aggregate of five updates of a net of two parameters, two of them alike and one far off, run."""
    x, y = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    optimizer = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    chosen = get_rule(rule, BEARS[rule], 0.5)
    bundle = capture(nn.Linear(3, 2), "cross_entropy", optimizer, x, y, init="seed:1", counts=[COUNT], rule=chosen)
    draw = torch.Generator().manual_seed(3)
    start = list(bundle.state.values())
    shapes = [value.shape for value in bundle.aggregate[COUNT].inputs[len(start) :]]
    updates: list[Tensor] = [torch.randn(shape, generator=draw) for shape in shapes]
    each = len(shapes) // COUNT
    updates[each : 2 * each] = updates[:each]
    updates[2 * each : 3 * each] = [1e3 * update for update in updates[2 * each : 3 * each]]
    updates[3 * each].view(-1)[0] = -0.0
    return run(bundle.aggregate[COUNT], [*start, *updates], (len(start), *(each,) * COUNT))


@pytest.mark.parametrize("rule", RULE_REPORTS)
def test_every_kind_of_node(rule: str) -> None:
    trial, tried, draw = trial_of(rule), Counter[int](), random.Random(rule)
    nodes = trial.program.nodes
    for node in draw.sample(range(len(nodes)), len(nodes)):
        if tried[nodes[node].opcode] == EACH:
            continue
        tried[nodes[node].opcode] += 1
        true = trial.values[trial.number(node)]
        element, other = draw.randrange(true.numel()), draw.randrange(true.numel())
        claimed = with_item(true, element, draw.choice(lies(true, element)))
        assert trial.settle(node, other) == Ruling.DISMISSED, (node, nodes[node])
        assert trial.settle(node, element, claimed) == Ruling.UPHELD, (node, nodes[node])
    assert set(tried) == {each.opcode for each in nodes}


def test_the_kinds_of_nodes_that_rules_are_made_of() -> None:
    """What decides about each is asked above."""
    used = {rule: {BY_OPCODE[node.opcode].name for node in trial_of(rule).program.nodes} for rule in RULE_REPORTS}
    common = {"add", "concat", "constant", "div", "exponent", "expand", "integer_sum", "quantise", "rescale", "reshape"}
    chosen = {"argmax", "contract", "eq", "gather", "iota", "neg", "pad", "permute", "pick", "slice", "sub", "where"}
    middle = {"maximum", "minimum"}
    assert common <= used["mean"]
    assert middle <= used["median"] & used["trimmed-mean"]
    assert chosen | middle <= used["krum"] & used["multi-krum"]
    assert {"abs", "amax", "maximum", "mul", "sqrt"} <= used["norm-bound"]


@pytest.mark.parametrize("rule", RULE_REPORTS)
def test_their_bits(rule: str) -> None:
    trial = trial_of(rule)
    check(trial.program, [trial.values[at] for at in range(len(trial.program.inputs))])
