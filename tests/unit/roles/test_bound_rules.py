"""A job's programs are of the rule that its file names, or nobody takes it."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn

from assay.aggregate.rules import check_rule, rule_of
from assay.chain.contracts.jobs import BidCommitted, Cancelled
from assay.protocol.errors import Refused
from assay.protocol.job import Job
from assay.protocol.order import Roots
from assay.roles.assignment import Document
from assay.roles.consumer import Consumer
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.program import Bundle

Tiny = Callable[..., Stage]


def job_of(rule: str, byzantine_max: int = 0, **terms: object) -> Job:
    return Job.from_tables(
        {
            "job": {"name": "ruled", "budget": "250"},
            "match": {"providers": 7, "validators": 3},
            "model": {"architecture": "assay.architectures:mlp"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": {"name": "sgd", "lr": 0.1}, "rounds": 1, "steps": 8},
            "aggregate": {"rule": rule, "byzantine_max": byzantine_max, **terms},
        }
    )


def captured(job: Job, count: int) -> Bundle:
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    optimizer = {"name": "sgd", "lr": 0.1}
    return capture(nn.Linear(6, 2), "cross_entropy", optimizer, x, y, init="seed:1", counts=[count], rule=rule_of(job))


JOBS = [
    job_of("mean"),
    job_of("krum"),
    job_of("krum", 1),
    job_of("trimmed-mean", 3),
    job_of("median", 3),
    job_of("multi-krum", 1),
    job_of("norm-bound", 1, norm_max=0.5),
    job_of("norm-bound", 1, norm_max=0.25),
]


@pytest.mark.parametrize("named", JOBS)
def test_programs_fit_the_rule_that_they_were_captured_with_and_no_other(named: Job) -> None:
    bundle = Bundle.from_bytes(captured(named, 7).to_bytes())
    check_rule(named, bundle)
    for other in JOBS:
        if other is not named:
            with pytest.raises(Refused, match="aggregate by") as refused:
                check_rule(other, bundle)
            assert refused.value.fields["key"] == "aggregate.rule"


def test_a_consumer_is_told_before_anything_is_public(tiny_stage: Tiny) -> None:
    with pytest.raises(Refused, match="its file says aggregate by mean"):
        tiny_stage(programs=captured(job_of("krum"), 3))


class Renamer(Consumer):
    """Publishes a job file that names another rule than its programs."""

    def publish(self, job: Job, bundle: Bundle, train: Samples, test: Samples) -> tuple[Document, Roots]:
        document, roots = super().publish(job, bundle, train, test)
        rules = {**document.job["aggregate"], "rule": "krum", "reports_min": 3}
        renamed = dataclasses.replace(document, job={**document.job, "aggregate": rules})
        self.world.blobs.put(renamed.to_bytes())
        return renamed, roots


def test_nobody_bids_for_a_job_whose_programs_are_of_another_rule(tiny_stage: Tiny) -> None:
    stage = tiny_stage(consumer=Renamer, providers=(Provider,) * 3)
    stage.play()
    assert not stage.said(BidCommitted)
    assert stage.said(Cancelled)
    for name in stage.honest("provider"):
        assert "aggregate by mean" in str(stage.network.parties[name].bidding.declined[stage.job])  # type: ignore[attr-defined]
