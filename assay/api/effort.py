"""Work measured by what it takes of a processor: other programs on the machine do not make it look longer.

All parties of a demo take turns in one thread, and so does what they compute. Limits go by the clock on the wall all
the same: who waits does not care why.
"""

import time
from collections.abc import Iterable

import torch

from assay.exact.values import TORCH_DTYPES
from assay.roles.network import Network
from assay.roles.world import Compute, World
from assay.work.compiled.warm import Warmth
from assay.work.limits import Allowance
from assay.work.program import Bundle

effort_s = time.thread_time
"""Seconds of a processor that this thread has had."""


class Effort(Compute):
    """Where one thread runs programs, metered by its processor time."""

    def __init__(self, warmth: Warmth | None = None) -> None:
        super().__init__(effort_s, warmth=warmth)
        self.allowance = Allowance(time.perf_counter)


class MeasuredNetwork(Network):
    """A network in one thread, whose parties and whose chain are metered by processor time."""

    def world(self, name: str, wealth: int) -> World:
        """A new party's world."""
        made = super().world(name, wealth)
        made.compute = Effort(self.warmth)
        return made


def warm_up(worlds: Iterable[World], bundle: Bundle) -> None:
    """Plans a job's programs for everybody, and runs them once: the first run of a process pays for what all use."""
    programs = (bundle.step, bundle.emit, bundle.evaluate, *bundle.aggregate.values())
    runners = [world.compute.runner(program) for world in worlds for program in programs]
    for runner in runners[: len(programs)]:
        inputs = runner.program.inputs
        runner.run([torch.zeros(value.shape, dtype=TORCH_DTYPES[value.dtype]) for value in inputs])
