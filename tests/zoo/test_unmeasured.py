"""What a stranger's program says of a state is a score that contracts take, or none: nobody honest is silent for it."""

import struct
from dataclasses import replace
from typing import Any

import pytest

from assay.chain.contracts.jobs import Ended
from assay.chain.contracts.rounds import Aggregated, Finalised
from assay.exact.primitives import BY_NAME
from assay.protocol.score import UNSCORED
from assay.work.node import Node
from assay.work.program import Bundle, Program


def claiming(bundle: Bundle, count: int, loss: float) -> Bundle:
    """The same job; its `evaluate` says this of every batch of 64 targets."""
    old, constant = bundle.evaluate, BY_NAME["constant"]
    nodes = (
        *(Node(constant.opcode, constant.version, "I64", (), payload=struct.pack("<q", each)) for each in (count, 64)),
        Node(constant.opcode, constant.version, "F32", (), payload=struct.pack("<f", loss)),
    )
    first = len(old.inputs)
    return replace(bundle, evaluate=Program(old.profile, old.inputs, nodes, (first, first + 1, first + 2), old.side))


@pytest.mark.parametrize("count", [1 << 62, -1, 65])
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_more_right_answers_than_targets_are_no_score(
    play: Any, ledgers: Any, mlp: Bundle, count: int, metric: str
) -> None:
    stop = {"metric": metric, "at": 0.5}
    stage = play(bundle=claiming(mlp, count, 1.0), honest=2, train={"stop": stop})
    (aggregated,) = stage.said(Aggregated)
    assert aggregated.score == UNSCORED
    assert stage.said(Finalised)
    assert stage.said(Ended)
    assert stage.paid("aggregator-1") == stage.order.aggregator_fee
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


def test_the_least_loss_there_is_makes_a_score(play: Any, ledgers: Any, mlp: Bundle) -> None:
    stage = play(bundle=claiming(mlp, 0, -3e38), honest=2, train={"stop": {"metric": "loss", "at": 0.5}})
    (aggregated,) = stage.said(Aggregated)
    assert UNSCORED < aggregated.score < 1 << 63
    ledgers.honest_untouched(stage, 1)
