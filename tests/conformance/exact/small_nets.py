"""Nets so small that plain Python runs their training steps, and what they are trained on."""

from functools import cache

import torch
from torch import Tensor, nn

from assay.architectures import cnn, gpt, mlp
from assay.exact.values import TORCH_DTYPES
from assay.work.capture import capture
from assay.work.program import Bundle
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


def step_inputs(bundle: Bundle, state: list[Tensor], step: int) -> list[Tensor]:
    """State, batch and, where the step is random, its key and number."""
    x, y = bundle.step.inputs[len(state) : len(state) + 2]
    draw = torch.Generator().manual_seed(step)
    classes = torch.randint(10, y.shape, generator=draw)
    batch = torch.randint(17, x.shape, generator=draw) if x.dtype == "I64" else torch.randn(x.shape, generator=draw)
    randomness = [torch.tensor([5, -(1 << 40) + 6]), torch.tensor(step + (7 << 33))]
    return [*state, batch, classes, *(randomness if bundle.is_random else [])]
