"""The programs that ship with Assay, captured once so that their roots do not depend on the installed PyTorch.

python -m assay.architectures [NAME...]    capture and write `NAME.bin` into the package
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import torch
from torch import nn

from assay.architectures.cnn import cnn
from assay.architectures.gpt import gpt
from assay.architectures.mlp import mlp
from assay.protocol.errors import BadInput
from assay.work.capture import capture
from assay.work.program import Bundle

SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
ADAMW = {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01}
MNIST_SGD = {
    "name": "sgd",
    "lr": [round(0.1 - 0.0015 * step, 4) for step in range(64)],
    "momentum": 0.9,
    "weight_decay": 1e-3,
}
"""The learning rate falls within each round, so that the slots' states are close enough to average."""
COUNTS = range(1, 9)
GPT_TINY = {"vocabulary": 32, "length": 16, "width": 32, "layers": 2, "heads": 2}


@dataclass(frozen=True)
class Shipped:
    """What a shipped bundle was captured from."""

    architecture: Callable[..., nn.Module]
    options: dict[str, Any]
    size: int
    batch_size: int = 64
    optimizer: dict[str, Any] = field(default_factory=lambda: SGD)
    reads_tokens: bool = False

    def capture(self) -> Bundle:
        """Capture it here: images [B, 1, size, size] and classes [B], or tokens [B, size] and the next [B * size]."""
        x = torch.zeros(self.batch_size, 1, self.size, self.size)
        y = torch.zeros(self.batch_size, dtype=torch.int64)
        if self.reads_tokens:
            x = torch.zeros(self.batch_size, self.size, dtype=torch.int64)
            y = torch.zeros(self.batch_size * self.size, dtype=torch.int64)
        model = self.architecture(**self.options)
        return capture(model, "cross_entropy", self.optimizer, x, y, init="seed:7", counts=COUNTS)


SHIPPED = {
    "digits-mlp": Shipped(mlp, {}, 8),
    "digits-mlp-adamw": Shipped(mlp, {}, 8, optimizer=ADAMW),
    "digits-cnn": Shipped(cnn, {}, 8),
    "digits-cnn-adamw": Shipped(cnn, {}, 8, optimizer=ADAMW),
    "mnist-mlp": Shipped(mlp, {"inputs": 784, "hidden": (128,)}, 28),
    "mnist-cnn": Shipped(cnn, {"size": 28}, 28, 32, MNIST_SGD),
    "gpt-tiny": Shipped(gpt, GPT_TINY, 16, batch_size=8, optimizer=ADAMW, reads_tokens=True),
}


def load_shipped(name: str) -> Bundle:
    """A shipped bundle. Errors: `BadInput` for a name that is none."""
    if name not in SHIPPED:
        raise BadInput(f"no program {name!r} is shipped", hint=f"choose one of {', '.join(SHIPPED)}")
    return Bundle.from_bytes(resources.files("assay.architectures").joinpath(f"{name}.bin").read_bytes())
