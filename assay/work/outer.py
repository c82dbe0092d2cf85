"""The outer optimizer: what the aggregate does with a merged update (DiLoCo, Douillard et al. 2023).

`none` adds the update; `nesterov` treats it as a negative gradient: velocity = momentum * velocity + update, and the
parameters move by lr * (update + momentum * velocity). The velocity is state, which steps carry along unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.protocol.errors import BadInput
from assay.work.normal import Graph

PREFIX = "outer.velocity."


@dataclass(frozen=True)
class Outer:
    """An outer optimizer and its numbers."""

    name: str = "none"
    lr: float = 1.0
    momentum: float = 0.0

    @classmethod
    def parse(cls, spec: "Outer | Mapping[str, Any] | None") -> "Outer":
        """From a table such as `{name = "nesterov", lr = 0.7, momentum = 0.9}`. Errors: `BadInput`."""
        if spec is None or isinstance(spec, Outer):
            return spec or cls()
        entries = dict(spec)
        unknown = sorted(set(entries) - set(cls.__dataclass_fields__))
        if unknown or entries.get("name") not in ("none", "nesterov"):
            raise BadInput(
                f"not an outer optimizer: {entries}", hint='write { name = "nesterov", lr = 0.7, momentum = 0.9 }'
            )
        return cls(**entries)

    def initial(self, parameters: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
        """The velocities before the first round."""
        if self.name == "none":
            return {}
        return {f"{PREFIX}{name}": torch.zeros_like(parameters[name]) for name in names}

    def move(self, graph: Graph, update: int, velocity: int) -> tuple[int, int]:
        """The movement of a parameter and its new velocity."""
        momentum, rate = graph.scalar(self.momentum), graph.scalar(self.lr)
        velocity = graph.map("add", graph.map("mul", velocity, momentum), update)
        ahead = graph.map("add", update, graph.map("mul", velocity, momentum))
        return graph.map("mul", ahead, rate), velocity
