"""The whole network in one process, seeded: random casts, messages that come late and out of order, and what must hold.

A failing seed is printed by the test's name and is a test from then on.
"""

import random
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.chain.contracts.disputes import ChallengeOpened
from assay.chain.contracts.jobs import Ended
from assay.chain.contracts.rounds import Disproved, Finalised, Late, Penalised
from assay.net.port import Peers
from assay.protocol.job import Job
from assay.protocol.message import Message
from assay.roles.aggregator import Aggregator
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.zoo import CARDS
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.program import Bundle

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
DELAY_TURNS = 3
"""A message reaches a party after at most so many of its turns: less than a network waits before it lets time pass."""
BY_ROLE = {role: [card for card in CARDS if card.role == role] for role in ("provider", "validator", "aggregator")}


class SlowPeers:
    """Delivers each message up to `DELAY_TURNS` turns late, some twice, in any order."""

    def __init__(self, peers: Peers, chance: random.Random) -> None:
        self.peers, self.chance = peers, chance
        self.waiting: list[tuple[int, Message]] = []

    def send(self, message: Message) -> None:
        self.peers.send(message)

    def poll(self) -> list[Message]:
        for message in self.peers.poll():
            for _ in range(1 + (self.chance.random() < 0.1)):
                self.waiting.append((self.chance.randrange(DELAY_TURNS + 1), message))
        arrived = [message for turns, message in self.waiting if turns == 0]
        self.waiting = [(turns - 1, message) for turns, message in self.waiting if turns]
        self.chance.shuffle(arrived)
        return arrived


@pytest.fixture(scope="module")
def samples() -> Samples:
    torch.set_num_threads(1)
    x = np.random.default_rng(1).random((80, 6), dtype=np.float32)
    return Samples(x, (x.sum(1) > 3).astype(np.int64))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    return capture(model, "cross_entropy", OPTIMIZER, x, y, counts=range(1, 7), init="seed:1")


def build(seed: int, bundle: Bundle, samples: Samples, providers: list[Any], validators: list[Any], lead: Any) -> Stage:
    job = Job.from_tables(
        {
            "job": {"name": "simulated", "budget": "500"},
            "match": {"providers": len(providers), "validators": len(validators)},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {
                "optimizer": OPTIMIZER,
                "rounds": 3,
                "steps": 8,
                "segment_steps": 1,
                "batch_size": 4,
                "seed": seed,
            },
            "aggregate": {"reports_min": 1},
            "verify": {"samples": 3 * len(providers), "redo_rounds": 4},
        }
    )
    network = Network(sha256(b"simulation" + seed.to_bytes(4, "big")).digest(), time.perf_counter)
    stage = Stage(network, job, bundle, samples, samples)
    stage.enter("provider", *providers)
    stage.enter("validator", *validators)
    stage.enter("aggregator", lead)
    stage.enter("aggregator", Aggregator, enrol=False)
    return stage


def check(stage: Stage) -> None:
    """Nobody honest was accused, slashed or fined; every unit is in a wallet or in the vault."""
    network, token = stage.network, stage.network.token
    blamed = {event.provider for kind in (Disproved, Late) for event in stage.said(kind)}
    blamed |= {event.account for event in stage.said(Penalised)}
    blamed |= {event.accused for event in stage.said(ChallengeOpened)}
    names = {network.worlds[name].address: name for name in network.parties}
    honest = {name for role in BY_ROLE for name in stage.honest(role)}
    assert not {names[address] for address in blamed} & honest
    totals = [network.ledger.vault.total(token.address, kind) for kind in range(6)]
    assert sum(totals) == token.balance_of(network.ledger.vault.address)
    assert totals[2:5] == [0, 0, 0]
    assert stage.said(Ended)
    slots = {name: stage.paid(name) for name in stage.honest("provider")}
    assert len(set(slots.values())) == 1, "the same work is paid alike"
    for name in network.parties:
        if name not in honest and name.startswith("provider"):
            assert stage.paid(name) <= min(slots.values())


@pytest.mark.parametrize("seed", range(6))
def test_whoever_cheats_the_honest_are_paid_alike_and_lose_nothing(seed: int, bundle: Bundle, samples: Samples) -> None:
    chance = random.Random(seed)
    liars: list[Callable[..., Any]] = [card.load() for card in chance.sample(BY_ROLE["provider"], 3)]
    stamp = chance.choice(BY_ROLE["validator"]).load()
    lead = chance.choice([Aggregator, *(card.load() for card in BY_ROLE["aggregator"])])
    stage = build(seed, bundle, samples, [Provider] * 3 + liars, [Validator] * 4 + [stamp], lead)
    stage.play(turns_max=20_000)
    check(stage)
    assert {event.round for event in stage.said(Finalised)} == {0, 1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_late_and_shuffled_messages_cost_nobody_anything(seed: int, bundle: Bundle, samples: Samples) -> None:
    stage = build(100 + seed, bundle, samples, [Provider] * 3, [Validator] * 3, Aggregator)
    for index, world in enumerate(stage.network.worlds.values()):
        world.peers = SlowPeers(world.peers, random.Random(1_000 * seed + index))
    stage.play(turns_max=20_000)
    check(stage)
    assert len(stage.said(Finalised)) == 3
    assert stage.paid("provider-1") == 3 * stage.price()


def test_a_run_is_a_function_of_its_seed(bundle: Bundle, samples: Samples) -> None:
    runs = []
    for _ in range(2):
        stage = build(9, bundle, samples, [Provider] * 3, [Validator] * 3, Aggregator)
        stage.play()
        runs.append([(type(event).__name__, vars(event)) for event in stage.events()])
    assert runs[0] == runs[1]
