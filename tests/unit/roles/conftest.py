"""A tiny job on a network in this process, for what roles do with hostile input."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.program import Bundle

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}


@pytest.fixture(scope="session")
def samples() -> Samples:
    torch.set_num_threads(1)
    draw = np.random.default_rng(1)
    x = draw.random((60, 6), dtype=np.float32)
    return Samples(x, (x.sum(1) > 3).astype(np.int64))


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    return capture(model, "cross_entropy", OPTIMIZER, x, y, counts=(1, 2, 3), init="seed:1")


@pytest.fixture(scope="session")
def tiny_stage(samples: Samples, bundle: Bundle) -> Callable[..., Stage]:
    def tiny_stage(
        *,
        rounds: int = 1,
        providers: tuple[Any, ...] = (Provider,) * 2,
        validators: tuple[Any, ...] = (Validator,) * 3,
        programs: Bundle | None = None,
        train: Samples | None = None,
        **settings: Any,
    ) -> Stage:
        job = Job.from_tables(
            {
                "job": {"name": "tiny", "budget": "250"},
                "match": {"providers": len(providers), "validators": len(validators)},
                "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
                "data": {"source": "sklearn:digits"},
                "train": {"optimizer": OPTIMIZER, "rounds": rounds, "steps": 8, "segment_steps": 1, "batch_size": 4},
                "aggregate": {"reports_min": 1},
                "verify": {"samples": 4},
            }
        )
        network = Network(sha256(b"tiny").digest(), time.perf_counter)
        stage = Stage(network, job, programs or bundle, train or samples, samples, **settings)
        stage.enter("provider", *providers)
        stage.enter("validator", *validators)
        stage.enter("aggregator", Aggregator)
        return stage

    return tiny_stage
