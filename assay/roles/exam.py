"""Measuring a model: the job's own `evaluate` and `predict` programs over held-out samples."""

from collections.abc import Iterator
from math import isfinite

import torch
from torch import Tensor

from assay.protocol.errors import Unsupported
from assay.protocol.score import BatchMark, Marks
from assay.roles.assignment import Assignment, State
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.mark import Mark
from assay.work.segment import fault_of, loss_bits_of
from assay.work.walk import Fault

PADDING = -1
"""The class number that `evaluate` does not count."""
SCALE = "scale inputs to about -1 to 1, or lower the learning rate"
"""What helps where numbers grow without end."""


def marks(compute: Compute, assignment: Assignment, state: State, samples: Samples) -> Marks:
    """Runs `evaluate` over all samples, in order: every batch's mark, or of the first that has none what shows it.

    The last batch is filled up: with targets that do not count where they are class numbers, else from the first
    sample on.
    """
    batches = []
    for index, outcome in enumerate(_outcomes(compute, assignment, state, samples)):
        if isinstance(outcome, Fault):
            return Marks(index, (), fault_of(index, outcome))
        if not outcome.is_possible:
            return Marks(index, (outcome,))
        batches.append(outcome)
    return Marks(0, tuple(batches))


def evaluate(compute: Compute, assignment: Assignment, state: State, samples: Samples) -> Mark:
    """The same for people. Errors: `Unsupported` where the program faults, or what it says cannot be: it is a
    stranger's, and contracts are to compare what comes of it."""
    correct, targets, loss = 0, 0, 0.0
    for outcome in _outcomes(compute, assignment, state, samples):
        if isinstance(outcome, Fault):
            raise Unsupported(f"the model cannot be evaluated: {outcome.reason} in {outcome.operator}", hint=SCALE)
        if not isfinite(outcome.loss_sum):
            raise Unsupported("the model cannot be evaluated: its loss is not finite", hint=SCALE)
        if not outcome.is_possible:
            counts = f"{outcome.correct_count} right answers to {outcome.target_count} targets"
            raise Unsupported(f"the model cannot be evaluated: {counts}")
        correct, targets = correct + outcome.correct_count, targets + outcome.target_count
        loss += outcome.loss_sum
    return Mark.of_sums(correct, targets, loss)


def score(compute: Compute, assignment: Assignment, state: State) -> int:
    """What a state scores on the job's held-out samples; `UNSCORED` where it cannot be measured."""
    return marks(compute, assignment, state, assignment.test).score(assignment.metric == "loss")


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


def _outcomes(compute: Compute, assignment: Assignment, state: State, samples: Samples) -> Iterator[BatchMark | Fault]:
    """What `evaluate` says of each batch."""
    runner = compute.runner(assignment.bundle.evaluate)
    for x, y in _batches(samples, assignment.batch_size):
        outputs = runner.run([*state, x, y])
        if isinstance(outputs, Fault):
            yield outputs
        else:
            correct, targets, loss = outputs
            yield BatchMark(int(correct), int(targets), loss_bits_of(loss))


def batch_at(samples: Samples, batch_size: int, index: int) -> tuple[Tensor, Tensor]:
    """One batch of those that a state is measured by."""
    return next(_batches(samples, batch_size, index * batch_size))


def _batches(samples: Samples, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    for at in range(start, samples.count, batch_size):
        rows = torch.arange(at, at + batch_size)
        batch_x, batch_y = x[rows % samples.count], y[rows % samples.count]
        if not y.is_floating_point():
            batch_y[rows >= samples.count] = PADDING
        yield batch_x, batch_y
