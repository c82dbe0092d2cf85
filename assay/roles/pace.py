"""How fast this machine is at a job, so that nobody promises what its windows do not leave time for."""

import numpy as np
import torch

from assay.exact.values import TORCH_DTYPES
from assay.protocol.errors import Refused
from assay.roles.assignment import Assignment
from assay.roles.world import Compute
from assay.work.interpret import Fault

MARGIN = 3
"""A window must be this many times as long as the work in it: hidden states are replayed, machines are busy."""


def round_s(assignment: Assignment, compute: Compute) -> float:
    """Seconds that one slot's round takes here: the faster of two steps on the first samples, times the steps."""
    runner, times_s = compute.runner(assignment.bundle.step), []
    parts = zip((assignment.train.x, assignment.train.y), assignment.bundle.step.inputs[-2:], strict=True)
    batch = [torch.from_numpy(np.resize(part[: value.shape[0]], value.shape)) for part, value in parts]
    for _ in range(2):
        started_s = compute.timer()
        if isinstance(runner.run([*assignment.initial, *batch]), Fault):
            return 0.0  # a job that is at fault ends early
        times_s.append(compute.timer() - started_s)
    return min(times_s) * assignment.order.steps_per_round


def check_pace(assignment: Assignment, compute: Compute, window_s: int, rounds: float = 1) -> None:
    """Whether this machine does so many slots' rounds of work well within a window. Errors: `Refused`."""
    needed_s = MARGIN * rounds * round_s(assignment, compute)
    if needed_s > window_s:
        raise Refused(f"this machine would want {needed_s:.0f} s for what the job leaves {window_s} s for")


def measure_s(assignment: Assignment, compute: Compute) -> float:
    """Seconds that measuring one state takes here: one batch of zeros, times the batches of the held-out samples."""
    program = assignment.bundle.evaluate
    batches = -(-assignment.test.count // assignment.batch_size)
    batch = [torch.zeros(value.shape, dtype=TORCH_DTYPES[value.dtype]) for value in program.inputs[-2:]]
    started_s = compute.timer()
    compute.runner(program).run([*assignment.initial, *batch])
    return (compute.timer() - started_s) * batches


def check_measuring(assignment: Assignment, compute: Compute) -> None:
    """Whether this machine measures a round's state well within its window. Errors: `Refused`."""
    needed_s, window_s = MARGIN * measure_s(assignment, compute), assignment.order.windows.aggregate // 2
    if needed_s > window_s:
        raise Refused(f"this machine would want {needed_s:.0f} s to measure what the job leaves {window_s} s for")


def check_sampling(assignment: Assignment, compute: Compute) -> None:
    """Whether this machine re-executes a validator's sample and one hidden slot in time. Errors: `Refused`."""
    windows = assignment.order.windows
    # Half of the table window is for waiting, before a hidden state is replayed.
    window_s = min(windows.table // 2, windows.open)
    check_pace(assignment, compute, window_s, 1 + assignment.order.samples_per_validator / assignment.segment_count)
