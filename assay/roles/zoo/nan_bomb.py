"""Posts a job that overflows after some steps, so that others work for nothing, or are blamed for what they find."""

import torch

from assay.architectures.mlp import mlp
from assay.protocol.job import Job
from assay.protocol.order import Roots
from assay.roles.assignment import Document
from assay.roles.consumer import Consumer
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.program import Bundle

LEARNING_RATE = 1e18
"""Finite, and so is the first step; what follows from it is not."""


class Cheat(Consumer):
    """A consumer whose learning rate is a weapon."""

    behaviour = "nan-bomb"

    def publish(self, job: Job, bundle: Bundle, train: Samples, test: Samples) -> tuple[Document, Roots]:
        x = torch.zeros(job.train.batch_size, *train.x.shape[1:])
        y = torch.zeros(job.train.batch_size, dtype=torch.int64)
        model = mlp(inputs=x[0].numel(), classes=int(train.y.max()) + 1)
        optimizer = {"name": "sgd", "lr": LEARNING_RATE, "momentum": 0.9}
        bomb = capture(model, job.model.loss, optimizer, x, y, init=bundle.init, counts=sorted(bundle.aggregate))
        return super().publish(job, bomb, train, test)
