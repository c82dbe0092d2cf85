"""Whole programs, by every path and node by node by the reference: the same bits, and the same root of the bytes."""

import pytest
import torch
from torch import Tensor

from assay.architectures import load_shipped
from assay.exact import kernels
from assay.work.interpret import Runner
from assay.work.program import Program
from assay.work.walk import Fault
from tests.conformance.exact.five_steps import drawn_batch
from tests.conformance.exact.small_nets import bundle_of, step_inputs, to_array
from tests.reference import programs


def check(program: Program, inputs: list[Tensor]) -> list[Tensor]:
    """Every path gives the reference's bits; the outputs."""
    read = programs.read_program(program.to_bytes())
    assert read.root == program.root
    wanted = programs.run(read, [to_array(each) for each in inputs])
    assert isinstance(wanted, list), wanted
    outputs: list[Tensor] = []
    for path in kernels.PATHS:
        if not kernels.agrees(path):
            continue
        result = Runner(program, path).run(inputs)
        assert not isinstance(result, Fault), result
        outputs = result
        assert [each.contiguous().numpy().tobytes() for each in outputs] == list(map(programs.write_elements, wanted))
    return outputs


@pytest.fixture(autouse=True)
def _every_size_by_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "INT8_WORK", 2)
    monkeypatch.setattr(kernels, "INT8_SIDE", 2)


@pytest.mark.parametrize("profile", ["exact8", "exact15", "exact22"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt", "dropout"])
def test_training_steps(name: str, profile: str) -> None:
    bundle = bundle_of(name, profile)
    state = list(bundle.state.values())
    for step in range(2 if profile == "exact15" else 1):
        *state, loss = check(bundle.step, step_inputs(bundle, state, step))
        assert 0 < float(loss) < 10


@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_a_jobs_other_programs(name: str) -> None:
    bundle = bundle_of(name, "exact15")
    start = list(bundle.state.values())
    inputs = step_inputs(bundle, start, 0)
    check(bundle.predict, inputs[:-1])
    check(bundle.evaluate, inputs)
    end = Runner(bundle.step).run(inputs)
    assert isinstance(end, list)
    updates = check(bundle.emit, [*start, *end[:-1]])
    for count, program in bundle.aggregate.items():
        check(program, [*start, *(each * (0.5 + turn) for turn in range(count) for each in updates)])


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "gpt-tiny"])
def test_shipped_steps(name: str) -> None:
    bundle = load_shipped(name)
    check(bundle.step, [*bundle.state.values(), *drawn_batch(bundle, 0)])


def test_inputs_of_any_layout() -> None:
    bundle = bundle_of("mlp", "exact15")
    inputs = step_inputs(bundle, list(bundle.state.values()), 0)
    turned = [each.t().contiguous().t() if each.dim() == 2 else each for each in inputs]
    assert not all(each.is_contiguous() for each in turned)
    wanted = check(bundle.step, inputs)
    got = check(bundle.step, turned)
    assert all(torch.equal(a, b) for a, b in zip(wanted, got, strict=True))
    assert all(each.is_contiguous() for each in got)
