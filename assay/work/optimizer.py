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
JOINED_LIMIT = 256
"""How many tensors one node joins."""
MOMENTS: dict[str, tuple[str, ...]] = {
    "sgd": ("momentum",),
    "adam": ("first", "second"),
    "adamw": ("first", "second"),
    "adagrad": ("total",),
    "lion": ("first",),
}
"""Optimizers, and what each remembers of every parameter (sgd only with momentum)."""


@dataclass(frozen=True)
class Optimizer:
    """An inner optimizer, one of `MOMENTS`, and its numbers. `lr` is one rate or one per step (the last stays).

    `clip_norm` bounds the length of all gradients together before anything else is done with them.
    """

    name: str
    lr: float | tuple[float, ...]
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip_norm: float | None = None

    @classmethod
    def parse(cls, spec: "Optimizer | Mapping[str, Any]") -> "Optimizer":
        """From a table such as `{name = "adamw", lr = 1e-3}`. Errors: `BadInput`."""
        if isinstance(spec, Optimizer):
            return spec
        entries = dict(spec)
        for key in ("lr", "betas"):
            if isinstance(entries.get(key), list):
                entries[key] = tuple(entries[key])
        if entries.get("name") not in MOMENTS:
            raise BadInput(f"unknown optimizer {entries.get('name')!r}", hint=f"choose one of {', '.join(MOMENTS)}")
        unknown = sorted(set(entries) - set(cls.__dataclass_fields__))
        if unknown or "lr" not in entries:
            raise BadInput(f"an optimizer takes lr and perhaps {', '.join(cls.__dataclass_fields__)}; not {unknown}")
        rates = entries["lr"] if isinstance(entries["lr"], tuple) else (entries["lr"],)
        if not 0 < len(rates) <= TABLE_LIMIT or not all(isinstance(rate, int | float) and rate >= 0 for rate in rates):
            raise BadInput("lr must be a number or a list of numbers, not negative")
        bound = entries.get("clip_norm")
        if bound is not None and not (isinstance(bound, int | float) and bound > 0):
            raise BadInput("clip_norm must be a number above 0")
        return cls(**entries)

    def initial(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state before the first step, in order."""
        state: dict[str, Tensor] = {}
        if isinstance(self.lr, tuple):
            state["optimizer.step"] = torch.zeros((), dtype=torch.int64)
        moments = MOMENTS[self.name] if self.name != "sgd" or self.momentum else ()
        if self.name in ("adam", "adamw"):
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
        if self.clip_norm is not None:
            gradients = clip(gradients, self.clip_norm)
        update = {
            "sgd": self.update_sgd,
            "adam": self.update_adam,
            "adamw": self.update_adam,
            "adagrad": self.update_adagrad,
            "lion": self.update_lion,
        }[self.name]
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

    def update_adam(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        new: dict[str, Tensor],
        rate: Tensor | float,
    ) -> dict[str, Tensor]:
        """Adam (Kingma and Ba, 2015); `adamw` decouples weight decay from it (Loshchilov and Hutter, 2019)."""
        beta_1, beta_2 = self.betas
        power_1 = new["optimizer.power_1"] * beta_1
        power_2 = new["optimizer.power_2"] * beta_2
        new["optimizer.power_1"], new["optimizer.power_2"] = power_1, power_2
        size = rate / (1.0 - power_1)
        root = torch.sqrt(1.0 - power_2)
        results = {}
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            if self.weight_decay and self.name == "adam":
                gradient = gradient + parameter * self.weight_decay
            first = new[f"optimizer.first.{name}"] * beta_1 + gradient * (1.0 - beta_1)
            second = new[f"optimizer.second.{name}"] * beta_2 + (gradient * gradient) * (1.0 - beta_2)
            new[f"optimizer.first.{name}"], new[f"optimizer.second.{name}"] = first, second
            if self.weight_decay and self.name == "adamw":
                parameter = parameter - parameter * (rate * self.weight_decay)
            results[name] = parameter - (first / (torch.sqrt(second) / root + self.eps)) * size
        return results

    def update_adagrad(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        new: dict[str, Tensor],
        rate: Tensor | float,
    ) -> dict[str, Tensor]:
        """Adagrad (Duchi, Hazan and Singer, 2011, as in PyTorch)."""
        results = {}
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            if self.weight_decay:
                gradient = gradient + parameter * self.weight_decay
            total = new[f"optimizer.total.{name}"] + gradient * gradient
            new[f"optimizer.total.{name}"] = total
            results[name] = parameter - (gradient / (torch.sqrt(total) + self.eps)) * rate
        return results

    def update_lion(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        new: dict[str, Tensor],
        rate: Tensor | float,
    ) -> dict[str, Tensor]:
        """Lion, with decoupled weight decay (Chen et al. 2023, algorithm 2)."""
        beta_1, beta_2 = self.betas
        results = {}
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            first = new[f"optimizer.first.{name}"]
            direction = torch.sign(first * beta_1 + gradient * (1.0 - beta_1))
            new[f"optimizer.first.{name}"] = first * beta_2 + gradient * (1.0 - beta_2)
            if self.weight_decay:
                parameter = parameter - parameter * (rate * self.weight_decay)
            results[name] = parameter - direction * rate
        return results


def clip(gradients: Sequence[Tensor], bound: float) -> list[Tensor]:
    """Gradients scaled so that their common length is at most `bound` (as `torch.nn.utils.clip_grad_norm_`)."""
    sums = [(gradient * gradient).sum() for gradient in gradients]
    while len(sums) > 1:
        sums = [torch.stack(sums[at : at + JOINED_LIMIT]).sum() for at in range(0, len(sums), JOINED_LIMIT)]
    share = bound / (torch.sqrt(sums[0]) + 1e-6)
    factor = torch.where(share < 1.0, share, 1.0)
    return [gradient * factor for gradient in gradients]
