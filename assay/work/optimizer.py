"""Optimizers as pure functions of tensors, in separate multiplications and additions, so that a capture shows each.

State is a flat, ordered list of named tensors. Powers of the betas are float32 state, one multiplication a step; a
schedule of learning rates is a float32 table indexed by a step counter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.protocol.errors import BadInput

TABLE_LIMIT = 65_536


@dataclass(frozen=True)
class Optimizer:
    """An inner optimizer: `sgd` or `adamw`, and its numbers. `lr` is one rate or one per step (the last stays)."""

    name: str
    lr: float | tuple[float, ...]
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    @classmethod
    def parse(cls, spec: "Optimizer | Mapping[str, Any]") -> "Optimizer":
        """From a table such as `{name = "adamw", lr = 1e-3}`. Errors: `BadInput`."""
        if isinstance(spec, Optimizer):
            return spec
        entries = dict(spec)
        for key in ("lr", "betas"):
            if isinstance(entries.get(key), list):
                entries[key] = tuple(entries[key])
        if entries.get("name") not in ("sgd", "adamw"):
            raise BadInput(f"unknown optimizer {entries.get('name')!r}", hint="choose sgd or adamw")
        unknown = sorted(set(entries) - set(cls.__dataclass_fields__))
        if unknown or "lr" not in entries:
            raise BadInput(f"an optimizer takes lr and perhaps {', '.join(cls.__dataclass_fields__)}; not {unknown}")
        rates = entries["lr"] if isinstance(entries["lr"], tuple) else (entries["lr"],)
        if not 0 < len(rates) <= TABLE_LIMIT or not all(isinstance(rate, int | float) and rate >= 0 for rate in rates):
            raise BadInput("lr must be a number or a list of numbers, not negative")
        return cls(**entries)

    def initial(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state before the first step, in order."""
        state: dict[str, Tensor] = {}
        if isinstance(self.lr, tuple):
            state["optimizer.step"] = torch.zeros((), dtype=torch.int64)
        moments = ["momentum"] if self.name == "sgd" and self.momentum else []
        if self.name == "adamw":
            moments = ["first", "second"]
            state["optimizer.power_1"] = torch.ones((), dtype=torch.float32)
            state["optimizer.power_2"] = torch.ones((), dtype=torch.float32)
        for moment in moments:
            for name, parameter in parameters.items():
                state[f"optimizer.{moment}.{name}"] = torch.zeros_like(parameter)
        return state

    def update(
        self, parameters: Mapping[str, Tensor], gradients: Sequence[Tensor], state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """New parameters and new state."""
        new = dict(state)
        rate: Tensor | float
        if isinstance(self.lr, tuple):
            step = state["optimizer.step"]
            table = torch.tensor(self.lr, dtype=torch.float32)
            place = torch.where(step < len(self.lr), step, len(self.lr) - 1)
            rate = table.index_select(0, place.reshape(1)).reshape(())
            new["optimizer.step"] = step + 1
        else:
            rate = self.lr
        update = self.update_sgd if self.name == "sgd" else self.update_adamw
        return update(parameters, gradients, new, rate), new

    def update_sgd(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        new: dict[str, Tensor],
        rate: Tensor | float,
    ) -> dict[str, Tensor]:
        """Stochastic gradient descent with momentum (Sutskever et al. 2013, as in PyTorch)."""
        results = {}
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            if self.weight_decay:
                gradient = gradient + parameter * self.weight_decay
            if self.momentum:
                velocity = new[f"optimizer.momentum.{name}"] * self.momentum + gradient
                new[f"optimizer.momentum.{name}"] = velocity
                gradient = gradient + velocity * self.momentum if self.nesterov else velocity
            results[name] = parameter - gradient * rate
        return results

    def update_adamw(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        new: dict[str, Tensor],
        rate: Tensor | float,
    ) -> dict[str, Tensor]:
        """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""
        beta_1, beta_2 = self.betas
        power_1 = new["optimizer.power_1"] * beta_1
        power_2 = new["optimizer.power_2"] * beta_2
        new["optimizer.power_1"], new["optimizer.power_2"] = power_1, power_2
        size = rate / (1.0 - power_1)
        root = torch.sqrt(1.0 - power_2)
        results = {}
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            first = new[f"optimizer.first.{name}"] * beta_1 + gradient * (1.0 - beta_1)
            second = new[f"optimizer.second.{name}"] * beta_2 + (gradient * gradient) * (1.0 - beta_2)
            new[f"optimizer.first.{name}"], new[f"optimizer.second.{name}"] = first, second
            if self.weight_decay:
                parameter = parameter - parameter * (rate * self.weight_decay)
            results[name] = parameter - (first / (torch.sqrt(second) / root + self.eps)) * size
        return results
