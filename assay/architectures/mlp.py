"""A multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with relu between. x float32 [B, ...] is flattened; logits float32 [B, classes]."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = x.flatten(1)
        *inner, last = self.layers
        for layer in inner:
            x = layer(x).relu()
        logits: Tensor = last(x)
        return logits


def mlp(inputs: int = 64, hidden: Sequence[int] = (64,), classes: int = 10) -> MLP:
    """An MLP; the defaults fit the digits data set (8 x 8 images, ten classes)."""
    return MLP([inputs, *hidden, classes])
