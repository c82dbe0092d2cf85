"""Compiled programs: the reference's bits and the reference's faults."""

import ctypes
from collections.abc import Sequence
from importlib import resources
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from assay.architectures import SHIPPED, gpt, load_shipped
from assay.exact import elementwise, kernels
from assay.work.capture import capture
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import build, compiler
from assay.work.interpret import Runner
from assay.work.program import Program
from assay.work.walk import Fault

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler here")
NAN, INF = float("nan"), float("inf")
PATHS = [path for path in ("float64", "int8") if kernels.agrees(path)]
SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9}


def bits(tensors: Sequence[Tensor]) -> list[tuple[Any, ...]]:
    return [(each.dtype, tuple(each.shape), each.contiguous().numpy().tobytes()) for each in tensors]


def inputs_of(program: Program, state: Sequence[Tensor], seed: int) -> list[Tensor]:
    """The state as far as the program takes it, then inputs by chance; words stay below ten."""
    chance = torch.Generator().manual_seed(seed)
    count = 0
    while count < min(len(state), len(program.inputs)) and program.inputs[count].shape == tuple(state[count].shape):
        count += 1
    found = list(state[:count])
    for kind in program.inputs[count:]:
        if kind.dtype == "F32":
            found.append(torch.randn(kind.shape, generator=chance))
        elif kind.dtype == "BOOL":
            found.append(torch.rand(kind.shape, generator=chance) > 0.5)
        else:
            found.append(torch.randint(0, 10, kind.shape, generator=chance))
    return found


def same(program: Program, inputs: Sequence[Tensor], path: str) -> bool:
    reference, compiled = Runner(program).run(inputs), CompiledRunner(program, path).run(inputs)
    if isinstance(reference, Fault) or isinstance(compiled, Fault):
        return reference == compiled
    return bits(reference) == bits(compiled)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", [name for name in SHIPPED if not name.startswith("mnist")])
def test_shipped_programs(name: str, path: str) -> None:
    bundle = load_shipped(name)
    state = list(bundle.state.values())
    for program in (bundle.step, bundle.emit, bundle.evaluate, bundle.predict, bundle.aggregate[2]):
        assert same(program, inputs_of(program, state, 1), path)


class Attention(nn.Module):
    """Batched products, masks, norms, and functions of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm = nn.Embedding(10, 12), nn.LayerNorm(12)
        self.attend, self.out = nn.MultiheadAttention(12, 3, batch_first=True), nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.words(x))
        y = y + self.attend(y, y, y, need_weights=False)[0]
        y = torch.tanh(y) + torch.sin(y) * torch.cos(y) + nn.functional.gelu(y) + nn.functional.softplus(y)
        return self.out(y).flatten(0, 1)


PICTURES = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=2, stride=2, dilation=2), nn.BatchNorm2d(8), nn.SiLU(), nn.AvgPool2d(2),
    nn.ConvTranspose2d(8, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    nn.Linear(16, 10),
)  # fmt: skip
WIDE = nn.Sequential(nn.Linear(300, 70), nn.ReLU(), nn.Linear(70, 10))
WORDS = torch.arange(28).reshape(4, 7) % 10
CASES: dict[str, tuple[nn.Module, Tensor, Tensor, dict[str, Any]]] = {
    "attention": (Attention(), WORDS, WORDS.flatten(), {"name": "lion", "lr": 0.01}),
    "pictures": (PICTURES, torch.rand(6, 3, 13, 11), torch.arange(6) % 10, {"name": "adamw", "lr": 0.01}),
    "wide": (WIDE, torch.randn(65, 300), torch.arange(65) % 10, SGD),
    "gpt": (gpt(10, 8, 16, 1, 2), torch.arange(24).reshape(3, 8) % 10, torch.arange(24) % 10, SGD),
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", CASES)
def test_steps_one_after_another(name: str, path: str) -> None:
    model, x, y, rule = CASES[name]
    bundle = capture(model, "cross_entropy", rule, x, y, counts=(1,))
    reference, compiled = Runner(bundle.step), CompiledRunner(bundle.step, path)
    state = list(bundle.state.values())
    rest = inputs_of(bundle.step, state, 3)[len(state) :]
    rest = [x if tuple(each.shape) == tuple(x.shape) else y if each.shape == y.shape else each for each in rest]
    for _ in range(3):
        expected, found = reference.run([*state, *rest]), compiled.run([*state, *rest])
        assert isinstance(expected, list), expected
        assert isinstance(found, list), found
        assert bits(expected) == bits(found)
        state = expected[: len(state)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("profile", ["exact8", "exact22"])
def test_other_profiles(profile: str, path: str) -> None:
    model, x, y, rule = CASES["wide"]
    bundle = capture(model, "cross_entropy", rule, x, y, profile, counts=(1,))
    assert same(bundle.step, [*bundle.state.values(), x, y], path)


def test_inputs_that_lie_otherwise_in_memory() -> None:
    model, x, y, rule = CASES["wide"]
    bundle = capture(model, "cross_entropy", rule, x, y, counts=(1,))
    turned = [each.t().contiguous().t() if each.dim() == 2 else each for each in bundle.state.values()]
    runner = CompiledRunner(bundle.step)
    assert bits(runner.run([*turned, x, y])) == bits(runner.run([*bundle.state.values(), x, y]))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("value", "place"), [(NAN, 0), (NAN, 1), (INF, -2), (3e38, 0), (3e38, 1)])
def test_a_fault_is_the_reference_s(path: str, value: float, place: int) -> None:
    """A number that is none, or overflows, in the weights, a bias, or the samples."""
    model, x, y, rule = CASES["wide"]
    bundle = capture(model, "cross_entropy", rule, x, y, counts=(1,))
    inputs = [each.clone() for each in (*bundle.state.values(), x, y)]
    inputs[place].view(-1)[-1] = value
    runner = CompiledRunner(bundle.step, path)
    fault = runner.run(inputs)
    assert fault == Runner(bundle.step).run(inputs)
    assert isinstance(fault, Fault)
    assert isinstance(runner.run([*bundle.state.values(), x, y]), list), "a fault leaves nothing behind"


def test_an_index_outside_its_axis_is_the_reference_s_fault() -> None:
    model, x, y, rule = CASES["wide"]
    bundle = capture(model, "cross_entropy", rule, x, y, counts=(1,))
    wrong = y.clone()
    wrong[3] = 10
    inputs = [*bundle.state.values(), x, wrong]
    fault = CompiledRunner(bundle.step).run(inputs)
    assert isinstance(fault, Fault)
    assert fault == Runner(bundle.step).run(inputs)


def test_several_threads_give_the_same_bits() -> None:
    model, x, y, rule = CASES["wide"]
    bundle = capture(model, "cross_entropy", rule, x.repeat(20, 1), y.repeat(20), counts=(1,))
    inputs = [*bundle.state.values(), x.repeat(20, 1), y.repeat(20)]
    expected = Runner(bundle.step).run(inputs)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = CompiledRunner(bundle.step).run(inputs)
    finally:
        torch.set_num_threads(before)
    assert isinstance(expected, list)
    assert isinstance(found, list)
    assert bits(expected) == bits(found)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sin", "cos"])
def test_functions_in_c_are_those_of_the_reference(name: str) -> None:
    """Every constant and every order of operations, side by side in vectors and one by one."""
    prelude = resources.files("assay.work.compiled").joinpath("prelude.c").read_text()
    loop = "for (long i = 0; i < n; i++)"
    library = build(
        f"{prelude}\nvoid wide(const float *restrict x, float *restrict y, long n) {{\n#pragma omp simd\n"
        f"{loop} y[i] = {name}_(x[i]); }}\n"
        f"void single(const float *x, volatile float *y, long n) {{ {loop} y[i] = {name}_(x[i]); }}\n"
    )
    chance = torch.Generator().manual_seed(5)
    drawn = [torch.randn(1 << 16, generator=chance) * scale for scale in (1e-30, 1e-3, 0.3, 1.0, 4.0, 40.0)]
    edges = torch.tensor([0.0, -0.0, 0.625, 1.0, -1.0, 6.0, -6.0, 20.0, 87.0, -87.0, -88.0, 88.0, 1e-42])
    x = torch.cat([*drawn, edges])
    x = x.abs().clamp_min(1e-38) if name == "log" else x.clamp_max(88.0) if name == "exp" else x
    expected = getattr(elementwise, name)(x)
    for way in ("wide", "single"):
        found = torch.empty_like(x)
        library[way](ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(found.data_ptr()), ctypes.c_long(len(x)))
        assert bits([found]) == bits([expected]), way
