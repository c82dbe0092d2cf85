"""A small job on a network in this process in which a provider changes one number, and somebody who looks at it."""

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import nn

from assay.api.client import Client
from assay.api.sdk import Network as Net
from assay.api.token import Token
from assay.protocol.job import Job
from assay.protocol.phase import RoundPhase
from assay.roles.aggregator import Aggregator
from assay.roles.network import PATIENT_BLOCKS, Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake
from assay.roles.zoo import CHEATS
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.program import Bundle

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
LIAR, SLOT, SEGMENTS, STEPS = "provider-4", 3, 4, 2
"""The liar's name and slot, segments of a slot, steps of a segment."""
MONEY = 10**9


class Unlucky(Validator):
    """A validator whose sample never falls on the liar."""

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        sheet.sample[:] = [pair for pair in sheet.sample if pair[0] != SLOT]
        return sheet


def tiny_bundle(optimizer: dict[str, Any] = OPTIMIZER) -> Bundle:
    torch.set_num_threads(1)
    batch = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    return capture(model, "cross_entropy", optimizer, *batch, counts=range(1, 5), init="seed:1")


class Mute(Validator):
    """A validator that accuses nobody."""

    def __init__(self, world: Any, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.challenges.raise_one = lambda *_: IDLE  # type: ignore[method-assign]


def set_up(
    cheat: str = "needle",
    validators: tuple[Callable[..., Any], ...] = (Unlucky,) * 3,
    aggregator: Callable[..., Any] = Aggregator,
    optimizer: dict[str, Any] = OPTIMIZER,
    rounds: int = 1,
) -> Stage:
    """Three honest providers and a cheat, or an honest one where none is named, before the job is posted."""
    draw = np.random.default_rng(1)
    x = draw.random((80, 6), dtype=np.float32)
    samples = Samples(x, (x.sum(1) > 3).astype(np.int64))
    steps = {"steps": SEGMENTS * STEPS, "segment_steps": STEPS, "batch_size": 4}
    train = {"optimizer": OPTIMIZER, "rounds": rounds, **steps}
    job = Job.from_tables(
        {
            "job": {"name": "contested", "budget": "250"},
            "match": {"providers": 4, "validators": 3},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": train,
            "aggregate": {"reports_min": 1},
            "verify": {"samples": 8, "redo_rounds": 2},
        }
    )
    network = Network(sha256(b"contested").digest(), time.perf_counter)
    stage = Stage(network, job, tiny_bundle(optimizer), samples, samples)
    stage.enter("provider", *(Provider,) * 3, CHEATS[cheat].load() if cheat else Provider)
    stage.enter("validator", *validators)
    stage.enter("aggregator", aggregator)
    return stage


class Turns:
    """How time passes for somebody beside the stage: a turn for everybody on it, blocks, then the next deadline."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.idle, self.count = stage, 0, 0
        self.each: Callable[[], None] = lambda: None

    def __call__(self, wake: Wake = IDLE) -> None:
        self.each()
        self.count += 1
        assert self.count < 5_000, "it has come to a standstill"
        network = self.stage.network
        for role in network.parties.values():
            wake |= role.tick()
        self.idle = 0 if wake.acted else self.idle + 1
        next_s = network.next_s(wake) if self.idle > PATIENT_BLOCKS else None
        if next_s is not None:
            network.ground.approach(next_s)
            self.idle = 0
        elif self.idle:
            network.ground.pass_block()


def open_net(stage: Stage, name: str = "onlooker", wealth: int = 0, turns: Turns | None = None) -> Net:
    """The network as somebody sees it: who has money may act."""
    world = stage.network.worlds.get(name) or stage.network.world(name, wealth)
    token = Token(stage.network.token.address)
    client = Client(
        lambda: replace(world, peers=stage.network.board.peers(world.address)),
        token,
        turns or (lambda _: None),
        acts=wealth > 0,
        is_live=False,
    )
    return Net(client)


def until_challenging(stage: Stage, turns: Turns) -> None:
    """Plays until the first round may only be challenged any more."""
    while not stage.job or stage.network.ledger.rounds.view_of(stage.job, 0, 0).phase != RoundPhase.CHALLENGING:
        stage.job = stage.job or stage.post()
        turns()
