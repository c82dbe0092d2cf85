"""Models as small as they come, through a whole job: one output, so a bias of one element."""

import time
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.api.observer import Observer
from assay.chain.contracts.rounds import Disproved, Finalised, Penalised
from assay.protocol.errors import Unsupported
from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.exam import evaluate, predict
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS, Stage
from assay.roles.validator import Validator
from assay.store.samples import Samples
from assay.work.capture import capture

ROUNDS = 2
OPTIMIZERS: list[dict[str, Any]] = [{"name": "sgd", "lr": 0.05, "momentum": 0.9}, {"name": "adamw", "lr": 0.01}]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer["name"])
def test_a_bias_of_one_element_is_trained_checked_and_paid(optimizer: dict[str, Any]) -> None:
    play(optimizer, "mse")


def test_micro_batches_an_average_and_wide_operands_are_trained_checked_and_paid() -> None:
    huber = {"name": "huber", "delta": 0.5}
    play(OPTIMIZERS[0], huber, accumulate=2, average=0.9, arithmetic={"default": "exact8", "1": "exact22"})


def play(optimizer: dict[str, Any], loss: Any, **more: Any) -> None:
    """A whole job of a line, with these keys in [train]."""
    torch.set_num_threads(1)
    x = np.random.default_rng(5).random((40, 4), dtype=np.float32)
    samples = Samples(x, np.ascontiguousarray(x.sum(1, keepdims=True)))
    options = {("profile" if key == "arithmetic" else key): value for key, value in more.items()}
    line = nn.Sequential(nn.Flatten(), nn.Linear(4, 1)) if more else nn.Linear(4, 1)
    bundle = capture(line, loss, optimizer, torch.zeros(4, 4), torch.zeros(4, 1), init="seed:1", **options)
    job = Job.from_tables(
        {
            "job": {"name": "line", "budget": "100"},
            "match": {"providers": 2, "validators": 3},
            "model": {"architecture": "torch.nn:Linear", "init": "seed:1", "loss": loss},
            "data": {"source": "sklearn:digits"},
            "train": {
                "optimizer": optimizer,
                "rounds": ROUNDS,
                "steps": 8,
                "segment_steps": 1,
                "batch_size": 4,
                "seed": 3,
                **more,
            },
            "verify": {"samples": 4},
        }
    )
    network = Network(sha256(b"line").digest(), time.perf_counter)
    stage = Stage(network, job, bundle, samples, samples)
    stage.enter("provider", Provider, Provider)
    stage.enter("validator", *(Validator,) * 3)
    stage.enter("aggregator", Aggregator)
    observer = Observer(network.world("observer", 0), network.token.address, DECIMALS, {}, lambda _: None)
    network.parties["observer"] = observer
    stage.play()
    assert len(stage.said(Finalised)) == ROUNDS
    assert not stage.said(Disproved) + stage.said(Penalised)
    assert all(stage.paid(name) == ROUNDS * stage.order.validator_fee for name in stage.honest("validator"))
    state = observer.state(stage.job, network.ledger.rounds.final_state(stage.job).root)
    assert state is not None
    assignment, compute = observer.assignment(stage.job), observer.world.compute
    first, last = (evaluate(compute, assignment, each, samples).loss for each in (assignment.initial, state))
    assert last < first
    with pytest.raises(Unsupported, match="no classes"):
        predict(compute, assignment, state, samples, 0)
