"""Work is measured by what it takes of a processor, and limited by the clock on the wall."""

import math
import time

import pytest

from assay.api.effort import Effort, effort_s, warm_up
from assay.architectures import load_shipped
from assay.protocol.errors import LimitExceeded


def test_waiting_is_no_work_and_yet_runs_into_limits() -> None:
    compute = Effort()
    began_s = time.perf_counter()
    with compute.metered("verify"):
        time.sleep(0.2)
    assert time.perf_counter() - began_s > 0.19
    assert compute.meter.seconds["verify"] < 0.1, "others may have had the processor"
    with compute.within(0.05):
        time.sleep(0.06)
        with pytest.raises(LimitExceeded):
            compute.allowance.check()
    assert compute.allowance.until_s == math.inf


def test_work_is_measured() -> None:
    compute = Effort()
    with compute.metered("train"):
        began_s = effort_s()
        while effort_s() - began_s < 0.02:
            pass
    assert 0.02 <= compute.meter.seconds["train"] < 0.5


def test_programs_are_planned_before_they_are_measured() -> None:
    class Party:
        compute = Effort()

    bundle = load_shipped("digits-mlp")
    warm_up([Party()], bundle)  # type: ignore[list-item]
    began_s = effort_s()
    for program in (bundle.step, bundle.emit, bundle.evaluate, *bundle.aggregate.values()):
        Party.compute.runner(program)
    assert effort_s() - began_s < 0.05
    assert Party.compute.meter.seconds == {}
