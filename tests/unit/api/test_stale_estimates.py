"""What a transaction takes may grow between its estimate and its block, when others are faster."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.chain.sender import GAS_MARGIN_PERCENT
from assay.protocol.errors import Reverted
from assay.protocol.job import Job
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.seals import sealed_bid
from assay.roles.stage import Stage
from assay.store.samples import Samples
from assay.work.capture import capture

SLOTS, BIDDERS = 3, 5
OPTIMIZER = {"name": "sgd", "lr": 0.5}


def make_stage() -> Stage:
    """Three places, five bidders, nobody else."""
    x = np.random.default_rng(1).random((60, 6), dtype=np.float32)
    samples = Samples(x, (x.sum(1) > 3).astype(np.int64))
    batch = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    bundle = capture(nn.Linear(6, 2), "cross_entropy", OPTIMIZER, *batch, counts=range(1, SLOTS + 1), init="seed:1")
    job = Job.from_tables(
        {
            "job": {"name": "tiny", "budget": "250"},
            "match": {"providers": SLOTS, "validators": 3},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": OPTIMIZER, "rounds": 1, "steps": 8, "segment_steps": 1, "batch_size": 4},
            "aggregate": {"reports_min": 1},
            "verify": {"samples": 4},
        }
    )
    stage = Stage(Network(bytes(32), time.perf_counter), job, bundle, samples, samples)
    stage.enter("provider", *(Provider,) * BIDDERS)
    return stage


def test_a_bid_that_was_estimated_before_others_opened_theirs_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_stage()
    network, job = stage.network, stage.post()
    roles = [network.parties[f"provider-{index}"] for index in range(1, BIDDERS + 1)]
    calls = []
    for index, role in enumerate(roles):
        world, price, salt = role.world, stage.order.price_ceiling - index, bytes([index]) * 32  # type: ignore[attr-defined]
        assert role.clerk.fund(stage.order.token, 2 * stage.order.price_ceiling)
        world.ledger.jobs.commit_bid(job, sealed_bid(job, world.address, price, salt)).send()
        calls.append(world.ledger.jobs.reveal_bid(job, price, salt))
    network.ground.approach(network.ground.now_s() + stage.order.windows.bid)
    *others, lowest = calls
    estimate = lowest.estimate()
    for other in others:
        other.send()
    with pytest.raises(Reverted):  # the estimate was right, and is so no more
        lowest.send(gas=estimate + estimate * GAS_MARGIN_PERCENT // 100)
    sender, estimates = lowest.contract.sender, [hex(estimate)]
    assert sender is not None
    request = sender.rpc.request

    def stale_at_first(method: str, *params: Any) -> Any:
        return estimates.pop() if method == "eth_estimateGas" and estimates else request(method, *params)

    monkeypatch.setattr(sender.rpc, "request", stale_at_first)
    sent = lowest.send()
    assert not estimates
    assert sent.gas_used > estimate + estimate * GAS_MARGIN_PERCENT // 100
    assert network.ledger.jobs.bids_of(job)[0].bidder == roles[-1].world.address  # type: ignore[attr-defined]


def test_what_reverts_for_a_reason_is_not_sent_again() -> None:
    stage = make_stage()
    ledger, job = stage.network.worlds["provider-1"].ledger, stage.post()
    before = len(stage.network.chain.blocks)
    with pytest.raises(Reverted, match="OutsideWindow"):
        ledger.jobs.close(job).send(gas=1_000_000)
    assert len(stage.network.chain.blocks) == before + 1
