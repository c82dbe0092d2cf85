"""Losses by name: PyTorch's values and gradients, and targets that are left out, which never index anything."""

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.protocol.errors import BadInput
from assay.protocol.sections import LOSSES
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.program import Bundle
from assay.work.walk import Fault

SGD = {"name": "sgd", "lr": 1.0}
CLASSES = 4
NAMED: list[tuple[Any, Any]] = [
    ("cross_entropy", functional.cross_entropy),
    ({"name": "cross_entropy", "smoothing": 0.1}, nn.CrossEntropyLoss(label_smoothing=0.1)),
    ("mse", functional.mse_loss),
    ("l1", functional.l1_loss),
    ("smooth_l1", functional.smooth_l1_loss),
    ({"name": "smooth_l1", "beta": 0.25}, nn.SmoothL1Loss(beta=0.25)),
    ("huber", functional.huber_loss),
    ({"name": "huber", "delta": 0.25}, nn.HuberLoss(delta=0.25)),
    ("bce_with_logits", functional.binary_cross_entropy_with_logits),
    ("kl_div", nn.KLDivLoss(reduction="batchmean")),
    ("nll", functional.nll_loss),
]


class Net(nn.Module):
    """A line, and logarithms of shares where the loss takes those."""

    def __init__(self, logarithms: bool) -> None:
        super().__init__()
        self.line, self.logarithms = nn.Linear(3, CLASSES), logarithms

    def forward(self, x: Tensor) -> Tensor:
        out = self.line(x)
        return out.log_softmax(-1) if self.logarithms else out


def name_of(loss: Any) -> str:
    return loss if isinstance(loss, str) else loss["name"]


def targets(loss: Any, count: int) -> Tensor:
    if name_of(loss) in ("cross_entropy", "nll"):
        return torch.arange(count) % CLASSES
    shares = torch.rand(count, CLASSES)
    return shares / shares.sum(-1, keepdim=True)


def step(bundle: Bundle, *batch: Tensor) -> tuple[list[Tensor], float]:
    """The movement of each parameter in a step of rate one, and the loss."""
    start = list(bundle.state.values())
    result = Runner(bundle.step).run([*start, *batch])
    assert isinstance(result, list), result
    *state, loss = result
    return [old - new for old, new in zip(start, state, strict=True)], float(loss)


def native(model: nn.Module, loss: Any, x: Tensor, y: Tensor) -> tuple[list[Tensor], float]:
    model.zero_grad()
    cost = loss(model(x), y)
    cost.backward()
    return [parameter.grad for parameter in model.parameters()], float(cost.detach())


@pytest.mark.parametrize(("loss", "torchs"), NAMED, ids=lambda each: each if isinstance(each, str) else None)
def test_a_named_loss_is_pytorchs(loss: Any, torchs: Any) -> None:
    torch.manual_seed(2)
    model, x, y = Net(name_of(loss) in ("kl_div", "nll")), torch.randn(6, 3), targets(loss, 6)
    bundle = capture(model, loss, SGD, x, y, counts=[1])
    moved, value = step(bundle, x, y)
    gradients, expected = native(model, torchs, x, y)
    assert value == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(moved, gradients, strict=True))
    measured = Runner(bundle.evaluate).run([*bundle.state.values(), x, y])
    assert isinstance(measured, list)
    if name_of(loss) not in ("cross_entropy", "nll"):
        assert [int(count) for count in measured[:2]] == [0, 6]
        assert float(measured[2]) == pytest.approx(6 * expected, rel=1e-3)


def test_every_named_loss_is_tried() -> None:
    assert {name_of(loss) for loss, _ in NAMED} == set(LOSSES)


@pytest.mark.parametrize("ignore", [-100, -7, 2, 1_000])
@pytest.mark.parametrize(
    "settings", [{"name": "cross_entropy"}, {"name": "cross_entropy", "smoothing": 0.2}, {"name": "nll"}]
)
def test_targets_are_left_out_whatever_the_batch_at_capture_had(settings: dict[str, Any], ignore: int) -> None:
    torch.manual_seed(2)
    model, x, y = Net(settings["name"] == "nll"), torch.randn(6, 3), torch.tensor([0, 1, 3, 0, 1, 3])
    bundle = capture(model, {**settings, "ignore": ignore}, SGD, x, y, counts=[1])
    smoothing = settings.get("smoothing", 0.0)

    def torchs(output: Tensor, target: Tensor) -> Tensor:
        if settings["name"] == "nll":
            return functional.nll_loss(output, target, ignore_index=ignore)
        return functional.cross_entropy(output, target, ignore_index=ignore, label_smoothing=smoothing)

    for left_out in (0, 1, 4):
        some = y.clone()
        some[:left_out] = ignore
        moved, value = step(bundle, x, some)
        gradients, expected = native(model, torchs, x, some)
        assert value == pytest.approx(expected, rel=1e-3)
        assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(moved, gradients, strict=True))
        # When measured, neither they nor padding count.
        some[-1] = -1
        correct, counted, loss_sum = Runner(bundle.evaluate).run([*bundle.state.values(), x, some])
        kept = (some >= 0) & (some != ignore)
        assert int(counted) == int(kept.sum())
        scores = model(x).detach()[kept]
        assert int(correct) == int((scores.argmax(-1) == some[kept]).sum())
        assert float(loss_sum) == pytest.approx(
            float(functional.cross_entropy(scores, some[kept], reduction="sum")), rel=1e-3
        )
    moved, value = step(bundle, x, torch.full((6,), ignore))
    assert value == 0.0
    assert not any(tensor.any() for tensor in moved)


@pytest.mark.parametrize(
    "loss", [{"name": "cross_entropy", "ignore": 2}, {"name": "cross_entropy", "smoothing": 0.1}, "nll"]
)
def test_other_odd_classes_are_faults(loss: Any) -> None:
    model, x, y = Net(loss == "nll"), torch.randn(4, 3), torch.tensor([0, 1, 3, 0])
    bundle = capture(model, loss, SGD, x, y, counts=[1])
    for odd in (-100, -1, CLASSES):
        y[1] = odd
        fault = Runner(bundle.step).run([*bundle.state.values(), x, y])
        assert isinstance(fault, Fault)
        assert fault.operator == "pick"


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("hinge", "hinge"),
        ({"name": "hinge"}, "hinge"),
        ({"name": "mse", "smoothing": 0.1}, "mse has no smoothing"),
        ({"name": "cross_entropy", "smoothing": 1.5}, "smoothing"),
        ({"name": "cross_entropy", "weight": 2}, "weight"),
        ({"smoothing": 0.1}, "name"),
        ("l1", "compares with numbers"),
        ("mse", "mse compares with numbers of the output's shape .float32., and y is int64"),
        ("huber", "y is int64"),
    ],
)
def test_odd_losses_are_refused(loss: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        capture(Net(False), loss, SGD, torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), counts=[1])
    with pytest.raises(BadInput, match="class numbers"):
        capture(Net(False), "nll", SGD, torch.zeros(4, 3), torch.zeros(4, CLASSES), counts=[1])
