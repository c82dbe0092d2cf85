"""Programs that are stopped: between two operators, by a timer that is passed in, and never with other bits."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
import torch

from assay.architectures import mlp
from assay.exact.primitives import BY_NAME
from assay.protocol.errors import LimitExceeded
from assay.work.capture import capture
from assay.work.interpret import UNTIMED_WORK, Runner
from assay.work.limits import Allowance
from assay.work.node import Node
from assay.work.program import Program
from assay.work.rates import Rates, measure_rates
from assay.work.walk import Fault

LARGE = (1 << 9, 1 << 11)


class Ticks:
    """A clock that goes on by one each time it is looked at."""

    def __init__(self) -> None:
        self._ticks: Iterator[int] = count()

    def __call__(self) -> float:
        return float(next(self._ticks))


def large_step(operators: int) -> tuple[Program, list[torch.Tensor]]:
    """A step with so many large operators that lead nowhere, and its inputs."""
    spec = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    x, y = torch.ones(4, 6), torch.zeros(4, dtype=torch.int64)
    bundle = capture(mlp(6, (5,), 3), "cross_entropy", spec, x, y, init="seed:1", counts=[1])
    step = bundle.step
    value, loss = len(step.inputs) + len(step.nodes), step.outputs[-1]
    nodes = [Node(BY_NAME["reshape"].opcode, 1, "F32", (1, 1), (loss,), ())]
    nodes += [Node(BY_NAME["expand"].opcode, 1, "F32", LARGE, (value,), ())]
    nodes += [Node(BY_NAME["neg"].opcode, 1, "F32", LARGE, (value + 1,), ()) for _ in range(operators)]
    return replace(step, nodes=step.nodes + tuple(nodes)), [*bundle.state.values(), x, y]


def test_a_program_is_stopped_between_two_operators() -> None:
    program, inputs = large_step(40)
    timer = Ticks()
    allowance = Allowance(timer)
    runner = Runner(program, allowance=allowance)
    with allowance.within(20), pytest.raises(LimitExceeded, match="longer than the 20 s"):
        runner.run(inputs)
    assert 20 <= next(timer._ticks) <= 25


def test_an_allowance_changes_no_bit_and_ends() -> None:
    program, inputs = large_step(3)
    allowance = Allowance(Ticks())
    expected, free = Runner(program).run(inputs), Runner(program, allowance=allowance)
    assert not isinstance(expected, Fault)
    with allowance.within(1_000):
        bounded = free.run(inputs)
    again = free.run(inputs)
    assert not isinstance(bounded, Fault)
    assert not isinstance(again, Fault)
    for one, other, third in zip(expected, bounded, again, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes() == third.numpy().tobytes()


def test_the_shorter_of_two_allowances_holds() -> None:
    allowance = Allowance(lambda: 0.0)
    with allowance.within(5):
        with allowance.within(50):
            assert allowance.limit_s == 5
        with allowance.within(2):
            assert allowance.limit_s == 2
        assert allowance.limit_s == 5


def test_small_programs_are_hardly_timed() -> None:
    program, _ = large_step(0)
    timed = [call for call in Runner(program).calls if call.timed]
    assert len(timed) <= 1 + (program.operations + (len(program.nodes) << 12)) // UNTIMED_WORK


def test_a_search_for_a_fault_is_stopped_too() -> None:
    program, inputs = large_step(40)
    allowance = Allowance(Ticks())
    runner = Runner(program, allowance=allowance)
    with allowance.within(30), pytest.raises(LimitExceeded):
        runner.locate(inputs)


def test_rates_are_the_best_of_a_few_and_bound_a_program_from_below() -> None:
    rates = measure_rates(Ticks())
    assert rates == Rates(1 / 256**3, 1 / (3 << 18))
    program, _ = large_step(4)
    assert program.products + program.elements == program.operations
    assert Rates(2.0, 0.0).least_s(program) == 2 * program.products > 0
    assert Rates(0.0, 1.0).least_s(program) == program.elements > 4 * LARGE[0] * LARGE[1]
