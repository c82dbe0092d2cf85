"""A small job on a network in this process, with cheats in it, and what must hold of everybody else in any case."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import torch

from assay.api.account import Account
from assay.architectures.ship import SHIPPED, load_shipped
from assay.chain.contracts.disputes import ChallengeOpened
from assay.chain.contracts.rounds import Disproved, Late, Penalised
from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.store.samples import Samples, split
from assay.store.sources import load
from assay.work.program import Bundle

HONEST = {"provider": Provider, "validator": Validator, "aggregator": Aggregator}
SEGMENTS = 8
Play = Callable[..., Stage]


@pytest.fixture(scope="session")
def digits() -> tuple[Samples, Samples]:
    torch.set_num_threads(1)
    return split(load("sklearn:digits"), 0.2, 0)


@pytest.fixture(scope="session")
def mlp() -> Bundle:
    return load_shipped("digits-mlp")


def job_of(providers: int, validators: int, rounds: int, **sections: dict[str, Any]) -> Job:
    """16 steps a round in 8 segments; by default every validator samples as much as there is."""
    tables: dict[str, dict[str, Any]] = {
        "job": {"name": "zoo", "budget": "250"},
        "match": {"providers": providers, "validators": validators},
        "model": {"architecture": "assay.architectures:mlp", "init": "seed:7"},
        "data": {"source": "sklearn:digits"},
        "train": {
            "optimizer": SHIPPED["digits-mlp"].optimizer,
            "rounds": rounds,
            "steps": 2 * SEGMENTS,
            "segment_steps": 2,
            "batch_size": 64,
            "seed": 7,
        },
        "aggregate": {"reports_min": 1},
        "verify": {"samples": providers * 3, "redo_rounds": 3},
    }
    for name, section in sections.items():
        tables[name] |= section
    return Job.from_tables(tables)


@pytest.fixture(scope="session")
def set_up(digits: tuple[Samples, Samples], mlp: Bundle) -> Play:
    """Honest providers, validators, an aggregator and whoever else is named, before the job is posted."""

    def set_up(
        *,
        providers: tuple[Callable[..., Any], ...] = (),
        validators: tuple[Callable[..., Any], ...] = (Validator,) * 3,
        aggregator: Callable[..., Any] = Aggregator,
        rounds: int = 1,
        honest: int = 3,
        seed: int = 1,
        bundle: Bundle | None = None,
        consumer: Callable[..., Any] | None = None,
        **sections: dict[str, Any],
    ) -> Stage:
        network = Network(sha256(b"zoo" + seed.to_bytes(4, "big")).digest(), time.perf_counter)
        job = job_of(honest + len(providers), len(validators), rounds, **sections)
        settings = {"consumer": consumer} if consumer else {}
        stage = Stage(network, job, bundle or mlp, *digits, **settings)
        stage.enter("provider", *(Provider,) * honest, *providers)
        stage.enter("validator", *validators)
        # Only the first can be drawn; the second stands by, so that a cheat has somebody to lose its place to.
        stage.enter("aggregator", aggregator)
        stage.enter("aggregator", Aggregator, enrol=False)
        return stage

    return set_up


@pytest.fixture(scope="session")
def play(set_up: Play) -> Play:
    """The same, played to the end."""

    def play(**settings: Any) -> Stage:
        stage = set_up(**settings)
        stage.play()
        return stage

    return play


class Ledgers:
    """What must hold after every job, whoever cheated."""

    def conserved(self, stage: Stage) -> None:
        """Every unit that was ever minted is in a wallet or in the vault, and the vault's buckets are its balance."""
        vault, token = stage.network.ledger.vault, stage.network.token
        totals = [vault.total(token.address, kind) for kind in range(6)]
        assert sum(totals) == token.balance_of(vault.address)
        worlds = stage.network.worlds.values()
        wallets = sum(token.balance_of(world.address) for world in worlds)
        held = sum(
            vault.free(token.address, world.address) + stage.network.ledger.stakes.staked(token.address, world.address)
            for world in worlds
        )
        assert wallets + held + vault.burned(token.address) == token.total_supply()
        assert totals[2:5] == [0, 0, 0], "bonds, escrow and credit are empty once a job has ended"
        account = Account(stage.network.ledger, token.address)
        account.enter(stage.events())
        account.check()

    def honest_untouched(self, stage: Stage, rounds: int, halves: int = 0) -> None:
        """No honest party was accused, slashed or fined; each provider was paid to the last unit: `rounds`
        prices, and `halves` of rounds that were void before anything was accepted."""
        self.conserved(stage)
        network, token = stage.network, stage.network.token.address
        blamed = {event.provider for kind in (Disproved, Late) for event in stage.said(kind)}
        blamed |= {event.account for event in stage.said(Penalised)}
        blamed |= {event.accused for event in stage.said(ChallengeOpened)}
        for role in HONEST:
            for name in stage.honest(role):
                stake = getattr(stage.order, f"{role}_stake")
                assert stage.address(name) not in blamed, name
                assert network.ledger.stakes.staked(token, stage.address(name)) == stake, name
        vault, price = network.ledger.vault, stage.price()
        for name in stage.honest("provider"):
            assert stage.paid(name) == rounds * price + halves * (price // 2), name
            wealth = network.token.balance_of(stage.address(name)) + vault.free(token, stage.address(name))
            assert wealth == 2 * stage.order.price_ceiling + stage.paid(name), name

    def validators_paid(self, stage: Stage, rounds: int) -> None:
        """Each honest validator has its fee of every round, the aggregators theirs between them."""
        for name in stage.honest("validator"):
            assert stage.paid(name) == rounds * stage.order.validator_fee, name


@pytest.fixture(scope="session")
def ledgers() -> Ledgers:
    return Ledgers()
