"""Measuring a model: the job's own `evaluate` and `predict` programs over held-out samples."""

from collections.abc import Iterator, Sequence
from math import isfinite

import torch
from torch import Tensor

from assay.protocol.errors import Unsupported
from assay.protocol.score import UNSCORED
from assay.roles.assignment import Assignment, State
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.mark import Mark
from assay.work.walk import Fault

PADDING = -1
"""The class number that `evaluate` does not count."""
SCALE = "scale inputs to about -1 to 1, or lower the learning rate"
"""What helps where numbers grow without end."""


def evaluate(compute: Compute, assignment: Assignment, state: State, samples: Samples) -> Mark:
    """Runs `evaluate` over all samples, in order. Errors: `Unsupported` where the program faults, or what it says
    cannot be: it is a stranger's, and contracts are to compare what comes of it.

    The last batch is filled up: with targets that do not count where they are class numbers, else from the first
    sample on.
    """
    runner = compute.runner(assignment.bundle.evaluate)
    ignored = assignment.ignored_target
    correct, targets, loss = 0, 0, 0.0
    for x, y in _batches(samples, assignment.batch_size):
        outputs = runner.run([*state, x, y])
        if isinstance(outputs, Fault):
            raise Unsupported(f"the model cannot be evaluated: {outputs.reason} in {outputs.operator}", hint=SCALE)
        count = (
            len(y)
            if y.is_floating_point()
            else int(((y >= 0) & (y != (PADDING if ignored is None else ignored))).sum())
        )
        right, batch_loss = _read(outputs, count)
        correct, targets, loss = correct + right, targets + count, loss + batch_loss
    return Mark(correct, max(targets, 1), loss / max(targets, 1))


def _read(outputs: Sequence[Tensor], target_count: int) -> tuple[int, float]:
    """Right answers of a batch and the sum of its losses. Errors: `Unsupported` for what no batch comes to."""
    forms = [(torch.int64, 0), (torch.float32, 0)]
    if [(output.dtype, output.dim()) for output in outputs] != forms:
        raise Unsupported("the model cannot be evaluated: its program gives no count and loss")
    correct, loss = int(outputs[0]), float(outputs[1])
    if not 0 <= correct <= target_count:
        raise Unsupported(f"the model cannot be evaluated: {correct} right answers to {target_count} targets")
    if not isfinite(loss):
        raise Unsupported("the model cannot be evaluated: its loss is not finite", hint=SCALE)
    return correct, loss


def score(compute: Compute, assignment: Assignment, state: State) -> int:
    """What a state scores on the job's held-out samples; `UNSCORED` where it cannot be measured."""
    try:
        return evaluate(compute, assignment, state, assignment.test).score(assignment.metric)
    except Unsupported:
        return UNSCORED


def predict(compute: Compute, assignment: Assignment, state: State, samples: Samples, index: int) -> tuple[int, float]:
    """The model's answer to one sample and its margin over the second best. Errors: `Unsupported`, also where
    the model does not choose among classes."""
    x, _ = next(_batches(samples, assignment.batch_size, index))
    outputs = compute.runner(assignment.bundle.predict).run([*state, x])
    if isinstance(outputs, Fault):
        raise Unsupported(f"the model cannot answer: {outputs.reason} in {outputs.operator}", hint=SCALE)
    if len(outputs) < 2 or outputs[0].dim() != 2 or outputs[0].shape[1] < 2 or outputs[1].dim() != 1:
        raise Unsupported("the model has no classes to choose from", hint="measure it by its loss")
    best, second = torch.topk(outputs[0][0], 2).values.tolist()
    return int(outputs[1][0]), best - second


def _batches(samples: Samples, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    for at in range(start, samples.count, batch_size):
        rows = torch.arange(at, at + batch_size)
        batch_x, batch_y = x[rows % samples.count], y[rows % samples.count]
        if not y.is_floating_point():
            batch_y[rows >= samples.count] = PADDING
        yield batch_x, batch_y
