"""A tiny job for tests of a home's network: a few seconds of real time, windows as short as real time lets them be."""

import numpy as np
import torch
from torch import nn

from assay.api.home import Home
from assay.chain.contracts.containers import JobView
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.signer import KeySigner
from assay.protocol.job import Job
from assay.roles.consumer import Consumer, chain_order
from assay.roles.stage import DECIMALS
from assay.roles.world import World
from assay.store.samples import Samples
from assay.work.capture import capture

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
PASSWORD = "correct horse battery"


def tiny_samples() -> Samples:
    draw = np.random.default_rng(1)
    x = draw.random((60, 6), dtype=np.float32)
    return Samples(x, (x.sum(1) > 3).astype(np.int64))


def tiny_job(rounds: int = 2, providers: int = 3, **windows: str) -> Job:
    times = {"bid_s": "6s", "reveal_s": "4s", "enlist_s": "20s", "train_s": "30s"}
    times |= {"table_s": "30s", "open_s": "30s", "aggregate_s": "30s", **windows}
    return Job.from_tables(
        {
            "job": {"name": "tiny", "budget": "250"},
            "match": {"providers": providers, "validators": 3},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": OPTIMIZER, "rounds": rounds, "steps": 8, "segment_steps": 1, "batch_size": 4},
            "aggregate": {"reports_min": 1},
            "verify": {"samples": 4, "challenge": "4s"},
            "windows": {name.removesuffix("_s"): text for name, text in times.items()},
        }
    )


def post_tiny(world: World, token: str, rounds: int = 2, providers: int = 3, **windows: str) -> int:
    """Posts a tiny job with money from the token's own tap."""
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    bundle = capture(model, "cross_entropy", OPTIMIZER, x, y, counts=range(1, providers + 1), init="seed:1")
    samples, consumer = tiny_samples(), Consumer(world)
    job = tiny_job(rounds, providers, **windows)
    document, roots = consumer.publish(job, bundle, samples, samples)
    order = chain_order(job, document, roots, token, DECIMALS)
    cost = world.ledger.jobs.cost(order)
    TestStablecoin(world.ledger.web3, token, world.ledger.sender).mint(world.address, cost).send()
    return consumer.post(order)


def open_account(home: Home, name: str = "me") -> KeySigner:
    """An account with coin."""
    from assay.chain.faucet import Setter
    from assay.chain.ground import WEALTH_WEI
    from assay.chain.rpc import Rpc

    signer = home.account(name, PASSWORD) if home.has_account(name) else home.new_account(name, PASSWORD)
    Setter(Rpc(home.connect(operator=True)), "anvil_setBalance").give(signer, WEALTH_WEI)
    return signer


def view(home: Home, job: int) -> JobView:
    return home.ledger().jobs.view_of(job)
