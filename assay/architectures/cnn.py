"""A small convolutional net."""

import torch.nn.functional as functional
from torch import Tensor, nn


class CNN(nn.Module):
    """Two convolutions with relu and pools, then a linear layer. x float32 [B, C, H, W]; logits [B, classes]."""

    def __init__(self, channels: int, size: int, widths: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.second = nn.Conv2d(widths[0], widths[1], 3, padding=1)
        self.head = nn.Linear(widths[1] * (size // 4) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = functional.max_pool2d(self.first(x).relu(), 2)
        x = functional.max_pool2d(self.second(x).relu(), 2)
        logits: Tensor = self.head(x.flatten(1))
        return logits


def cnn(channels: int = 1, size: int = 8, widths: tuple[int, int] = (8, 16), classes: int = 10) -> CNN:
    """A CNN; the defaults fit the digits data set (8 x 8 images, ten classes)."""
    return CNN(channels, size, widths, classes)
