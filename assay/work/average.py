"""An exponential moving average of the weights, as state (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

The state holds how far the average lies from each trained parameter, which is 0 at first. With average a, weights w
before and w' after a step, and decay d:

    a' = d * a + (1 - d) * w'        so that        (a' - w') = ((a - w) + (w - w')) * d

An aggregate merges these distances by the job's rule, as it merges the weights: under the mean, the average of the
merged model is the mean of the averages. What evaluates and predicts takes w + (a - w), one rounded addition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.protocol.errors import BadInput

PREFIX = "average."


@dataclass(frozen=True)
class Average:
    """What a step keeps of the average, above 0 and below 1; None for no average."""

    decay: float | None = None

    def __post_init__(self) -> None:
        if self.decay is not None and not 0 < self.decay < 1:
            raise BadInput(f"average is {self.decay}", hint="give a number above 0 and below 1, like 0.999")

    def initial(self, parameters: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
        """The distances before the first step."""
        if self.decay is None:
            return {}
        return {f"{PREFIX}{name}": torch.zeros_like(parameters[name]) for name in names}

    def move(
        self, before: Mapping[str, Tensor], after: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The distances after a step that moved the parameters."""
        if self.decay is None:
            return {}
        moved = {name: state[f"{PREFIX}{name}"] + (before[name] - after[name]) for name in after}
        return {f"{PREFIX}{name}": distance * self.decay for name, distance in moved.items()}


def averaged(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of these names, averaged where the state has an average of them."""
    return {
        name: state[name] + state[f"{PREFIX}{name}"] if f"{PREFIX}{name}" in state else state[name] for name in names
    }
