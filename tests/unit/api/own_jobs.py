"""A model and a job file as a user would have them, small enough for tests."""

import numpy as np
import torch
from torch import Tensor, nn

from assay.api.job import Job
from assay.store.samples import Samples

JOB = """
[job]
name = "tiny"
budget = "100"
[match]
providers = 2
validators = 3
[model]
architecture = "own:Net"
init = "given"
[data]
source = "sklearn:digits"
[train]
optimizer = { name = "sgd", lr = 0.5, momentum = 0.9 }
rounds = 2
steps = 8
segment_steps = 1
batch_size = 4
[aggregate]
reports_min = 1
[verify]
samples = 2
"""


class Net(nn.Module):
    """Two layers."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


def make_net() -> Net:
    torch.manual_seed(3)
    return Net()


def tiny_samples() -> Samples:
    draw = np.random.default_rng(1)
    x = draw.random((60, 6), dtype=np.float32)
    return Samples(x, (x.sum(1) > 3).astype(np.int64))


def tiny_job(**changes: str) -> Job:
    text = JOB
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return Job.parse(text)
