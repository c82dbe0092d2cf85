"""Whole programs, by every path and node by node by the reference: the same bits, and the same root of the bytes."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from assay.architectures import cnn, gpt, load_shipped, mlp
from assay.exact import kernels
from assay.exact.values import TORCH_DTYPES
from assay.work.capture import capture
from assay.work.interpret import Fault, Runner
from assay.work.program import Bundle, Program
from tests.conformance.exact.five_steps import drawn_batch
from tests.reference import programs

NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
ADAMW = {"name": "adamw", "lr": 0.01, "weight_decay": 0.01}
SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
LABELS = torch.zeros(4, dtype=torch.int64)


class Dropping(nn.Module):
    """A net with dropout and a smooth activation: random words, and a program that takes a key."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 9), nn.Linear(9, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.first(x))
        return self.second(nn.functional.dropout(hidden, 0.3, self.training).sigmoid())


@cache
def bundle_of(name: str, profile: str) -> Bundle:
    """A small captured job."""
    torch.manual_seed(3)
    if name == "mlp":
        model = mlp(6, (5,), 10)
        return capture(model, "cross_entropy", ADAMW, torch.zeros(4, 6), LABELS, profile, init="seed:1", counts=[3])
    if name == "cnn":
        model = cnn(size=4, widths=(2, 3))
        x = torch.zeros(4, 1, 4, 4)
        return capture(model, "cross_entropy", SGD, x, LABELS, profile, init="seed:2", counts=[2])
    if name == "dropout":
        return capture(Dropping(), "cross_entropy", SGD, torch.zeros(4, 6), LABELS, profile, init="seed:4", counts=[1])
    model = gpt(vocabulary=17, length=5, width=8, layers=1, heads=2)
    tokens, following = torch.zeros(2, 5, dtype=torch.int64), torch.zeros(10, dtype=torch.int64)
    return capture(model, "cross_entropy", ADAMW, tokens, following, profile, init="seed:3", counts=[1])


def to_array(tensor: Tensor) -> programs.Array:
    """A tensor as the reference takes it."""
    return programs.read_elements(NAMES[tensor.dtype], tuple(tensor.shape), tensor.contiguous().numpy().tobytes())


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


def step_inputs(bundle: Bundle, state: list[Tensor], step: int) -> list[Tensor]:
    """State, batch and, where the step is random, its key and number."""
    x, y = bundle.step.inputs[len(state) : len(state) + 2]
    draw = torch.Generator().manual_seed(step)
    classes = torch.randint(10, y.shape, generator=draw)
    batch = torch.randint(17, x.shape, generator=draw) if x.dtype == "I64" else torch.randn(x.shape, generator=draw)
    randomness = [torch.tensor([5, -(1 << 40) + 6]), torch.tensor(step + (7 << 33))]
    return [*state, batch, classes, *(randomness if bundle.is_random else [])]


@pytest.fixture(autouse=True)
def _every_size_by_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "INT8_WORK", 2)
    monkeypatch.setattr(kernels, "INT8_SIDE", 2)


@pytest.mark.parametrize("profile", ["exact8", "exact15", "exact22"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt", "dropout"])
def test_training_steps(name: str, profile: str) -> None:
    bundle = bundle_of(name, profile)
    state = list(bundle.state.values())
    for step in range(2):
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
