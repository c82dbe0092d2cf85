"""Trying a job before it is posted: what would be at fault from its first step is refused while it costs nothing."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from assay.api.job import Job
from assay.protocol.errors import AtFault, BadKey
from assay.roles.exam import SCALE
from assay.roles.pace import TRIAL_S
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.losses import OF_CLASSES
from assay.work.lower_norms import DEFAULT_IGNORED
from assay.work.program import Bundle
from assay.work.walk import Fault

LOOK_S = 1.0
"""Of evaluating the initial weights: as many of the samples as are done in that time."""


def check_labels(job: Job, bundle: Bundle, samples: Samples) -> None:
    """Whether the model has an output for each label. Errors: `BadKey`."""
    if job.model.loss_name not in OF_CLASSES or samples.y.dtype.kind != "i":
        return
    ignored = DEFAULT_IGNORED if job.model.ignored_target is None else job.model.ignored_target
    labels = samples.y[samples.y != ignored]
    if not len(labels):
        raise BadKey(
            "every label is one that the loss leaves out", hint="label some", key="model.loss.ignore", value=ignored
        )
    predict = bundle.predict
    count = predict.values[predict.outputs[0]].shape[-1]
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= count:
        given = f"model.architecture = {job.model.architecture} gives {count} numbers for each sample"
        raise BadKey(
            f"labels go from {low} to {high}, and {given}",
            hint=f"number the classes from 0, or let the model's last layer give {max(high + 1, 1)}",
            key="data.source",
            value=job.data.source,
            allowed=f"labels from 0 to {count - 1}, as {given}",
        )


def try_out(bundle: Bundle, samples: Samples) -> None:
    """One step of training, and the initial weights on the samples. Errors: `AtFault` with the operator and its place,
    `LimitExceeded` where a step takes longer than any provider's trial."""
    compute, state = Compute(time.perf_counter), list(bundle.state.values())
    with compute.within(TRIAL_S):
        batch = next(_batches(bundle, samples))
        _refuse(compute.runner(bundle.step).run([*state, *batch]), "its first step of training")
    until_s, runner = time.perf_counter() + LOOK_S, compute.runner(bundle.evaluate)
    for batch in _batches(bundle, samples):
        if time.perf_counter() > until_s:
            return
        with compute.within(TRIAL_S):
            _refuse(runner.run([*state, *batch]), "measuring its initial weights")


def _batches(bundle: Bundle, samples: Samples) -> Iterator[tuple[Tensor, Tensor]]:
    """All samples, in order; the last batch is filled up from the first sample on."""
    size = bundle.step.inputs[-1].shape[0]
    for start in range(0, samples.count, size):
        rows = np.arange(start, start + size) % samples.count
        yield torch.from_numpy(samples.x[rows]), torch.from_numpy(samples.y[rows])


def _refuse(outcome: list[Tensor] | Fault, what: str) -> None:
    if isinstance(outcome, Fault):
        place = f" at {outcome.source}" if outcome.source else ""
        finite = outcome.reason == "not finite"
        raise AtFault(
            f"the job is itself at fault, in {what}: {outcome.reason} in {outcome.operator}{place}",
            hint=SCALE if finite else "see that labels and indices are below what the model has room for",
            operator=outcome.operator,
            source=outcome.source,
        )
