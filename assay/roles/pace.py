"""How fast this machine is at a job, so that nobody promises what its windows do not leave time for.

What surely takes too long is refused unrun, by its count of operations; what runs for too long is stopped: a stranger's
program may be within all limits and still take days.
"""

import numpy as np
import torch

from assay.exact.values import TORCH_DTYPES
from assay.protocol.errors import Refused
from assay.roles.assignment import Assignment
from assay.roles.footprint import stride_of
from assay.roles.world import Compute
from assay.work.program import Program
from assay.work.walk import Fault

MARGIN = 3
"""A window must be this many times as long as the work in it: hidden states are replayed, machines are busy."""
TRIAL_S = 10.0
"""Of trying a job's programs: whoever posts many dear ones holds nobody up."""


def round_s(assignment: Assignment, compute: Compute) -> float:
    """Seconds that one slot's round takes here: the faster of two steps on the first samples, times the steps.

    Errors: `LimitExceeded` where they take longer than a trial may.
    """
    runner, times_s = compute.runner(assignment.bundle.step), []
    parts = zip((assignment.train.x, assignment.train.y), assignment.bundle.step.inputs[-2:], strict=True)
    batch = [torch.from_numpy(np.resize(part[: value.shape[0]], value.shape)) for part, value in parts]
    with compute.within(TRIAL_S):
        for _ in range(2):
            started_s = compute.timer()
            if isinstance(runner.run([*assignment.initial, *batch]), Fault):
                return 0.0  # a job that is at fault ends early
            times_s.append(compute.timer() - started_s)
    return min(times_s) * assignment.order.steps_per_round


def patience_s(window_s: float) -> float:
    """For how long a job's programs may run once it runs: what is not ready when its window ends is of no use; and a
    machine that is busy is given a moment."""
    return max(2 * TRIAL_S, window_s)


def refuse_over(needed_s: float, window_s: float, work: str) -> float:
    """The share of a window that some work takes. Errors: `Refused` where it is more than there is."""
    if needed_s > window_s:
        raise Refused(f"this machine would want {needed_s:.0f} s {work} for which the job leaves {window_s:.0f} s")
    return needed_s / window_s if window_s else 0.0


def check_pace(
    assignment: Assignment, compute: Compute, window_s: float, rounds: float = 1, *, busy: float = 0.0
) -> float:
    """Whether this machine does so many slots' rounds of work well within a window, beside what it has promised
    elsewhere: `busy` is the share of its time that is gone. Returns the share that this job takes. Errors: `Refused`,
    `LimitExceeded`."""
    order, bundle = assignment.order, assignment.bundle
    times, left_s = MARGIN * rounds, window_s * (1 - busy)
    refuse_least([bundle.step], compute, left_s / (times * order.steps_per_round))
    refuse_least([bundle.emit], compute, left_s / times)
    return refuse_over(times * round_s(assignment, compute), left_s, "to train a round") * (1 - busy)


def check_serving(assignment: Assignment, compute: Compute, *, busy: float = 0.0) -> float:
    """Whether this machine derives start states again in time that it has not got the memory to keep: for each that its
    slot is asked for, the segments since the last one kept. Returns the share of its time that this takes. Errors:
    `Refused`, `Overload`."""
    order = assignment.order
    between = stride_of(order, assignment.bundle, compute.space) - 1
    if not between:
        return 0.0
    asked = -(-order.validators * order.samples_per_validator // order.providers)
    # Half of the table window is for whoever asks.
    return check_pace(
        assignment, compute, order.windows.table / 2, asked * between / assignment.segment_count, busy=busy
    )


def refuse_least(programs: list[Program], compute: Compute, window_s: float) -> None:
    """Refuses unrun what no operator of this machine is fast enough for. Errors: `Refused`."""
    for program in programs:
        refuse_over(compute.least_s(program), min(window_s, TRIAL_S), "for a single program")


def measure_s(assignment: Assignment, compute: Compute) -> float:
    """Seconds that measuring one state takes here: one batch of zeros, times the batches of the held-out samples."""
    program = assignment.bundle.evaluate
    batches = -(-assignment.test.count // assignment.batch_size)
    batch = [torch.zeros(value.shape, dtype=TORCH_DTYPES[value.dtype]) for value in program.inputs[-2:]]
    started_s = compute.timer()
    with compute.within(TRIAL_S):
        compute.runner(program).run([*assignment.initial, *batch])
    return (compute.timer() - started_s) * batches


def check_measuring(assignment: Assignment, compute: Compute, *, busy: float = 0.0) -> float:
    """Whether this machine adds up and measures a round's state well within its window. Returns the share of its time
    that this takes. Errors: `Refused`, `LimitExceeded`."""
    # Whoever is challenged for a score has to show within the window for openings what it is made of.
    windows = assignment.order.windows
    left_s = min(windows.aggregate, windows.open) / 2 * (1 - busy)
    bundle = assignment.bundle
    refuse_least([bundle.evaluate, *bundle.aggregate.values()], compute, left_s / MARGIN)
    return refuse_over(MARGIN * measure_s(assignment, compute), left_s, "to measure a state") * (1 - busy)


def check_sampling(assignment: Assignment, compute: Compute, *, busy: float = 0.0) -> float:
    """Whether this machine re-executes a validator's sample and one hidden slot in time. Returns the share of its time
    that this takes. Errors: `Refused`, `LimitExceeded`."""
    windows = assignment.order.windows
    # Half of the table window is for waiting, before a hidden state is replayed.
    window_s = min(windows.table // 2, windows.open)
    rounds = 1 + assignment.order.samples_per_validator / assignment.segment_count
    return check_pace(assignment, compute, window_s, rounds, busy=busy)
