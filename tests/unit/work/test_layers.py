"""Layers beyond MLP and CNN: transformers, batch norm, pools, dropout, against PyTorch's own gradients."""

import copy

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.architectures import gpt
from assay.exact.primitives import BY_OPCODE
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.program import Bundle, Program

SGD = {"name": "sgd", "lr": 0.1}


class Net(nn.Module):
    """Layers over images, then a linear head."""

    def __init__(self, layers: nn.Module, width: int) -> None:
        super().__init__()
        self.layers = layers
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).flatten(1))


class Activations(nn.Module):
    """A sum of smooth functions."""

    def forward(self, x: Tensor) -> Tensor:
        smooth = (
            functional.gelu(x) + functional.gelu(x, approximate="tanh") + functional.silu(x) + x.tanh() + x.sigmoid()
        )
        return smooth + (x * x + 1.0).sqrt() + torch.where(x > 0, x, x.exp()) + x.clamp(-0.5, 0.5) + x.sin() * x.cos()


NETS = {
    "strided": (nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Conv2d(3, 4, (2, 2), dilation=(1, 2))), 24),
    "overlapping max pool": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(3, 1)), 48),
    "average pool": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(2)), 27),
    "uneven pool": (nn.Sequential(nn.Conv2d(2, 3, 2), nn.MaxPool2d(2)), 27),
    "padded max pool": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(3, 2, padding=1)), 27),
    "padded tiles": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2, padding=1)), 27),
    "groups": (nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(4, 4, 3, groups=4, bias=False)), 64),
    "one axis": (nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 3, 5, stride=2, padding=1)), 93),
    "global mean": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1)), 3),
    "batch norm": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()), 108),
    "layer norm": (nn.Sequential(nn.Flatten(), nn.LayerNorm(128)), 128),
    "activations": (nn.Sequential(nn.Conv2d(2, 3, 3), Activations()), 108),
}


def step_once(program: Program, state: list[Tensor], *inputs: Tensor) -> list[Tensor]:
    fast, reference = Runner(program).run([*state, *inputs]), Runner(program, "int64").run([*state, *inputs])
    assert isinstance(fast, list), fast
    assert isinstance(reference, list), reference
    assert all(torch.equal(a, b) for a, b in zip(fast, reference, strict=True))
    return fast


def compare_with_native(model: nn.Module, x: Tensor, y: Tensor) -> None:
    bundle = capture(model, "cross_entropy", SGD, x, y, counts=[1])
    native = copy.deepcopy(model).train()
    *state, loss = step_once(bundle.step, list(bundle.state.values()), x, y)
    expected = functional.cross_entropy(native(x), y)
    expected.backward()
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-3)
    for name, new in zip(bundle.state_names, state, strict=True):
        parameter = dict(native.named_parameters()).get(name)
        if parameter is None:
            assert torch.allclose(new, dict(native.named_buffers())[name], rtol=1e-3, atol=1e-4), name
            continue
        moved = (bundle.state[name] - new) / 0.1
        assert parameter.grad is not None
        assert float((moved - parameter.grad).norm()) <= 2e-3 * float(parameter.grad.norm()) + 1e-5, name


@pytest.mark.parametrize("name", NETS)
def test_gradients_agree_with_pytorch(name: str) -> None:
    torch.manual_seed(2)
    layers, width = NETS[name]
    model = Net(copy.deepcopy(layers), width)
    for layer in model.modules():
        # Drawn here and not at import: where two pooled values nearly tie, a rounding decides whose gradient it is.
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    compare_with_native(model, torch.randn(6, 2, 8, 8), torch.arange(6) % 5)


def test_a_transformer_agrees_with_pytorch() -> None:
    torch.manual_seed(3)
    compare_with_native(gpt(17, 6, 16, 2, 2), torch.randint(0, 17, (3, 6)), torch.randint(0, 17, (18,)))


def test_batch_norm_answers_from_its_running_statistics() -> None:
    torch.manual_seed(5)
    layers, width = NETS["batch norm"]
    model = Net(copy.deepcopy(layers), width)
    x, y = torch.randn(6, 2, 8, 8), torch.arange(6) % 5
    bundle = capture(model, "cross_entropy", SGD, x, y, counts=[2])
    assert "layers.1.running_mean" in bundle.state
    output, _ = step_once(bundle.predict, list(bundle.state.values()), x)
    assert torch.allclose(output, model.eval()(x).detach(), atol=1e-3)
    ends = step_once(bundle.step, list(bundle.state.values()), x, y)[:-1]
    update = step_once(bundle.emit, list(bundle.state.values()), *ends)
    merged = step_once(bundle.aggregate[2], list(bundle.state.values()), *update, *update)
    place = list(bundle.state).index("layers.1.running_mean")
    assert torch.allclose(merged[place], ends[place], atol=1e-6)


def dropout_bundle() -> Bundle:
    model = Net(nn.Sequential(nn.Flatten(), nn.Dropout(0.25)), 128)
    return capture(model, "cross_entropy", SGD, torch.ones(6, 2, 8, 8), torch.arange(6) % 5, init="seed:1", counts=[1])


def test_dropout_draws_from_key_and_step() -> None:
    bundle = dropout_bundle()
    assert bundle.is_random
    assert bundle.step.side.input_names[-4:] == ("x", "y", "key", "step")
    assert Bundle.from_bytes(bundle.to_bytes()).is_random
    state = list(bundle.state.values())
    x, y = torch.ones(6, 2, 8, 8), torch.arange(6) % 5
    key = torch.tensor([1, 2])
    first = step_once(bundle.step, state, x, y, key, torch.tensor(0))
    again = step_once(bundle.step, state, x, y, key, torch.tensor(0))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[-1], step_once(bundle.step, state, x, y, key, torch.tensor(1))[-1])
    assert not torch.equal(first[-1], step_once(bundle.step, state, x, y, torch.tensor([1, 3]), torch.tensor(0))[-1])


def test_dropout_keeps_what_it_says() -> None:
    model = Net(nn.Sequential(nn.Flatten(), nn.Dropout(0.25)), 128)
    x, y = torch.ones(6, 2, 8, 8), torch.arange(6) % 5
    bundle = capture(model, "cross_entropy", SGD, x, y, counts=[1])
    state = [torch.zeros_like(each) for each in bundle.state.values()]
    weight, *_ = step_once(bundle.step, state, x, y, torch.tensor([1, 2]), torch.tensor(0))
    gradient = weight[0] / weight[0].abs().max()
    assert 0.6 < float((gradient != 0).double().mean()) <= 1.0
    assert len(gradient.unique()) > 2
    answer, _ = step_once(bundle.predict, list(bundle.state.values()), x)
    assert torch.allclose(answer, model.eval()(x).detach(), atol=1e-3)


def test_long_reductions_are_split() -> None:
    torch.manual_seed(6)
    model = Net(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), 2)
    x, y = torch.randn(110, 1, 25, 25), torch.arange(110) % 5
    bundle = capture(model, "cross_entropy", SGD, x, y, counts=[1])
    names = [BY_OPCODE[node.opcode].name for node in bundle.step.nodes]
    assert names.count("integer_add") >= 2
    compare_with_native(model, x, y)


@pytest.mark.parametrize(("profile", "tolerance"), [("exact8", 0.05), ("exact22", 1e-5)])
def test_other_profiles_capture(profile: str, tolerance: float) -> None:
    torch.manual_seed(7)
    layers, width = NETS["strided"]
    model = Net(copy.deepcopy(layers), width)
    x, y = torch.randn(6, 2, 8, 8), torch.arange(6) % 5
    bundle = capture(model, "cross_entropy", SGD, x, y, profile, counts=[1])
    assert Bundle.from_bytes(bundle.to_bytes()).step.profile.name == profile
    *_, loss = step_once(bundle.step, list(bundle.state.values()), x, y)
    assert float(loss) == pytest.approx(float(functional.cross_entropy(model(x), y).detach()), rel=tolerance)
