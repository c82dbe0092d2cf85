"""A very small job, captured once, for the tests of every room that runs one."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from assay.protocol.transcript import SlotName
from assay.work.batch import Course, Feed
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.program import Bundle
from assay.work.segment import Plan, SlotWork, train_slot
from assay.work.state import Signature

PROVIDER = "0x" + "ab" * 20


@dataclass(frozen=True)
class TinyJob:
    """Runners, data and start of a job with 6 steps a round in segments of 2."""

    bundle: Bundle
    step: Runner
    emit: Runner
    aggregate: Runner
    course: Course
    plan: Plan
    start: list[Tensor]
    signature: Signature
    update_signature: Signature

    def feed(self, slot: int = 0) -> Feed:
        return self.course.feed(0, 0, slot)

    def train(self, slot: int = 0) -> SlotWork:
        return train_slot(self.step, self.emit, self.start, self.feed(slot), self.plan, lambda: 0.0)

    def name(self, slot: int = 0) -> SlotName:
        return SlotName(7, 0, 0, slot, PROVIDER)


@pytest.fixture(scope="session")
def tiny_job() -> TinyJob:
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(1)
    x = torch.rand((40, 6), generator=draw)
    y = (x.sum(1) > 3).long()
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    optimizer = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
    bundle = capture(model, "cross_entropy", optimizer, x[:4], y[:4], counts=(2,), init="seed:1")
    signature = Signature.of(bundle.state)
    names = [name.removeprefix("update:") for name in bundle.emit.side.output_names]
    return TinyJob(
        bundle,
        Runner(bundle.step),
        Runner(bundle.emit),
        Runner(bundle.aggregate[2]),
        Course(x, y, bytes(32), bytes(range(32)), slot_count=2, batch_size=4),
        Plan(6, 2),
        list(bundle.state.values()),
        signature,
        Signature(tuple(spec for spec in signature.specs if spec.name in names)),
    )
