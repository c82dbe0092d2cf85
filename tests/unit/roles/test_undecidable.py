"""Jobs whose disputes no contract could decide: nobody posts them by accident, and nobody bids for them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from assay.aggregate.rules import RULES, get_rule
from assay.architectures import load_shipped
from assay.architectures.ship import SHIPPED
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof.affordable import Part, check, check_part, demands_of, parts_of
from assay.protocol.errors import Undecidable
from assay.protocol.transcript import SEGMENT_STEPS_MAX
from assay.roles.stage import Stage
from assay.work import normal
from assay.work.capture import capture
from assay.work.node import Node
from assay.work.program import Bundle, Limits, Program

Tiny = Callable[..., Stage]


class Wide(nn.Module):
    """Joins a value with itself, as often as nobody could show."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6 * 200, 2)

    def forward(self, x: Tensor) -> Tensor:
        wide: Tensor = self.layer(torch.cat([x] * 200, 1))
        return wide


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Captured by somebody who joins as much as a node takes."""
    monkeypatch.setattr(normal, "JOINED", 256)
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    optimizer = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
    return capture(Wide(), "cross_entropy", optimizer, x, y, counts=(1, 2, 3), init="seed:1")


def test_nobody_takes_part_in_a_job_that_cannot_be_disputed(tiny_stage: Tiny, wide: Bundle) -> None:
    stage = tiny_stage(programs=wide)
    job = stage.post()
    for party in stage.network.parties.values():
        party.tick()
    provider: Any = stage.network.parties["provider-1"]
    validator: Any = stage.network.parties["validator-1"]
    for said in (provider.bidding.declined[job], validator.troubles[job]):
        assert "the training step joins 200 values at once at" in said
        assert "test_undecidable:" in said
        assert "nodes take 131,072" in said


def test_where_a_node_stands_is_said_with_what_it_takes(wide: Bundle) -> None:
    with pytest.raises(Undecidable, match="joins 200 values") as refusal:
        check(wide, 32, 1)
    fields = refusal.value.fields
    assert fields["operator"] == "concat"
    assert len(wide.step.nodes[fields["node"]].inputs) == 200
    assert fields["actual"] > fields["limit"]
    assert "a few at a time" in refusal.value.hint


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_can_be_disputed(name: str) -> None:
    bundle = load_shipped(name)
    x, y = bundle.step.inputs[-2:]
    check(bundle, (x.size_bytes + y.size_bytes) // x.shape[0], SEGMENT_STEPS_MAX)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_disputed(rule: str) -> None:
    model, x, y = nn.Linear(6, 2), torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    counts = (64,) if rule == "multi-krum" else (64, 256) if rule in ("mean", "norm-bound") else (100,)
    bundle = capture(model, "cross_entropy", {"name": "sgd", "lr": 0.5}, x, y, counts=counts, rule=get_rule(rule))
    check(bundle, 32, SEGMENT_STEPS_MAX)


def test_a_sample_that_no_transaction_holds_is_refused(bundle: Bundle) -> None:
    check(bundle, 96_000, 1)
    with pytest.raises(Undecidable, match="a sample of 96,000 bytes cannot be disputed") as refusal:
        check(bundle, 96_000, SEGMENT_STEPS_MAX)
    most = int(refusal.value.hint.split(" bytes")[0].rpartition(" ")[2].replace(",", ""))
    check(bundle, most, SEGMENT_STEPS_MAX)
    with pytest.raises(Undecidable):
        check(bundle, most + 32, SEGMENT_STEPS_MAX)


def test_a_program_that_ends_in_a_sample_is_refused(bundle: Bundle) -> None:
    step = next(parts_of(bundle)).program
    ends = replace(step, outputs=(len(bundle.rules), *step.outputs[1:]))
    with pytest.raises(Undecidable, match="ends in one of its samples"):
        check_part(Part("the training step", ends, (len(bundle.rules),)))


def test_the_largest_runs_that_are_admitted_are_narrowed_down_within_a_game() -> None:
    limits = Limits()
    value = Value("I64", (limits.value_elements,))
    part = Part("large", Program.__new__(Program), (1,))
    vars(part.program).update(values=(value,) * (limits.nodes + limits.inputs))
    assert demands_of(part) == 11


def test_more_tensors_than_a_root_is_of_are_refused() -> None:
    program = Program(PROFILES["exact15"], (Value("F32", ()),), (Node(0x14, 1, "F32", (), (0,)),), (1,))
    check_part(Part("one", program, (1,)))
    with pytest.raises(Undecidable, match="begins with 4,097 tensors under one root"):
        check_part(Part("many", program, (4_097,)))
