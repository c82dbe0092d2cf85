"""Bundles of jobs in which somebody cheated, was replaced, or the job itself was at fault: they hold like any other."""

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.api.bundle import open_bundle
from assay.api.client import Client
from assay.api.draft import Token
from assay.api.export import export_job
from assay.api.inspect import Address, Audit, Auditor, replay
from assay.api.reexecute import reexecute
from assay.api.verify import Verifier
from assay.chain.contracts.jobs import Faulted
from assay.proof.verdict import Finding
from assay.protocol.errors import BadInput
from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.world import Compute
from assay.roles.zoo import CHEATS
from assay.store.samples import Samples
from assay.work.capture import capture

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
CASES = [
    ("skipper", "update-swapper", "rubber-stamp"),
    ("unrevealed-secret", "two-roots", "late"),
    ("excluding-aggregator", "silent-validator"),
    ("inventing-aggregator",),
    ("flattering-aggregator",),
    ("stalling-aggregator", "silent"),
    ("hidden-states", "hidden-rows"),
    ("copycat", "two-faced"),
]


def play(cheats: tuple[str, ...]) -> tuple[Client, Stage]:
    """A tiny job with these cheats in it, to its end; and somebody who only looks."""
    torch.set_num_threads(1)
    cards = [CHEATS[name] for name in cheats]
    by_role = {role: [card.load() for card in cards if card.role == role] for role in ("provider", "validator")}
    leads = [card.load() for card in cards if card.role == "aggregator"]
    consumers: list[Callable[..., Any]] = [card.load() for card in cards if card.role == "consumer"]
    providers = (*[Provider] * 3, *by_role["provider"])
    draw = np.random.default_rng(1)
    x = draw.random((80, 6), dtype=np.float32)
    samples = Samples(x, (x.sum(1) > 3).astype(np.int64))
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    batch = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    bundle = capture(model, "cross_entropy", OPTIMIZER, *batch, counts=range(1, len(providers) + 1), init="seed:1")
    job = Job.from_tables(
        {
            "job": {"name": "cheats", "budget": "250"},
            "match": {"providers": len(providers), "validators": 5},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": OPTIMIZER, "rounds": 2, "steps": 8, "segment_steps": 1, "batch_size": 4},
            "aggregate": {"reports_min": 1},
            "verify": {"samples": len(providers) * 3, "redo_rounds": 3},
        }
    )
    network = Network(sha256(repr(cheats).encode()).digest(), time.perf_counter)
    stage = Stage(network, job, bundle, samples, samples, **({"consumer": consumers[0]} if consumers else {}))
    stage.enter("provider", *providers)
    stage.enter("validator", *[Validator] * (5 - len(by_role["validator"])), *by_role["validator"])
    stage.enter("aggregator", *(leads or [Aggregator]))
    stage.enter("aggregator", Aggregator, enrol=False)
    stage.play()
    looking = network.world("onlooker", 0)

    def open_world() -> Any:
        return replace(looking, peers=network.board.peers(looking.address))

    return Client(open_world, Token(network.token.address), lambda _: None, acts=False), stage


@pytest.mark.parametrize("cheats", CASES, ids="+".join)
def test_a_job_with_cheats_in_it_holds(cheats: tuple[str, ...], tmp_path: Path) -> None:
    client, stage = play(cheats)
    export_job(client, stage.job, tmp_path / "b")
    with open_bundle(tmp_path / "b") as (evidence, blobs):
        for finding in Verifier(evidence, blobs).run():
            assert finding.holds, (finding.name, finding.words)
            # Tables that nobody was shown are the only thing that may be missing.
            assert not finding.missing or finding.name == "tables", (finding.name, finding.words)
        again = list(reexecute(evidence, blobs, Compute(time.perf_counter)))
    assert len(again) == 2
    assert all(finding.holds for finding in again)
    assert replay(client.reader, stage.job).honest
    assert all(checked.verdict.honest for checked in Auditor(client.reader).audit(Address(stage.job)))


def test_a_job_at_fault_holds_and_its_audit_names_the_operator(tmp_path: Path) -> None:
    client, stage = play(("nan-bomb",))
    assert stage.said(Faulted)
    export_job(client, stage.job, tmp_path / "b")
    with open_bundle(tmp_path / "b") as (evidence, blobs):
        assert all(finding.holds for finding in Verifier(evidence, blobs).run())
    audit = Audit(tuple(Auditor(client.reader).audit(Address(stage.job))))
    assert Finding.FAULT in {checked.verdict.finding for checked in audit.checked}
    assert audit.honest, "a fault of the job is nobody's lie"
    assert "(node " in audit.words
    with pytest.raises(BadInput, match="no round"):
        replay(client.reader, stage.job)


def test_a_job_that_nobody_could_take_on_is_evidence_too(tmp_path: Path) -> None:
    client, stage = play(("poisoned-program",))
    written = export_job(client, stage.job, tmp_path / "b")
    assert written["blobs"] == 1
    with open_bundle(tmp_path / "b") as (evidence, blobs):
        assert all(finding.holds for finding in Verifier(evidence, blobs).run())
