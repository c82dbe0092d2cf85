"""Norm bound: no update moves the mean by more than its share of a length that is agreed (Sun et al., 2019)."""

import math
import struct
from dataclasses import dataclass
from typing import ClassVar

from assay.aggregate.updates import count_updates, join_updates
from assay.protocol.errors import BadInput
from assay.work.normal import Graph


@dataclass(frozen=True)
class NormBound:
    """The mean of updates of which each is cut to the length `norm_max`, over all parameters together.

    Needs n >= f + 1. It bears Byzantine updates in this sense alone: f of them move the mean by f / n of `norm_max`.
    """

    byzantine_count: int = 0
    norm_max: float = 1.0
    name: ClassVar[str] = "norm-bound"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.norm_max) and 1e-9 <= self.norm_max <= 1e9):
            raise BadInput(f"no length that updates are cut to: {self.norm_max}", hint="from 1e-9 to 1e9, like 1.0")

    @property
    def setting(self) -> str:
        """The length, as a float32 has it."""
        return f" within {struct.unpack('<f', struct.pack('<f', self.norm_max))[0]:.9g}"

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the mean [D] of what they are cut to. Errors: `BadInput` for too few updates."""
        count = count_updates(graph, stacks, self.name, self.byzantine_count)
        factors = graph.reshape(self._factors(graph, join_updates(graph, stacks)), (1, count))
        return [graph.mean(graph.map("mul", stack, factors), (1,)) for stack in stacks]

    def _factors(self, graph: Graph, columns: list[int]) -> int:
        """min(1, norm_max / length) of each update, [n]: exactly 1 for those that are short enough.

        An update is divided by its largest coordinate, or by `norm_max` if that is larger, before it is squared: so
        none is too long for its length to be a number, and nothing is divided by zero.
        """
        limit = graph.scalar(self.norm_max)
        scales, sums = [], []
        for column in columns:
            row = graph.reshape(column, (1, graph.shape(column)[0]))
            largest = graph.put("amax", (graph.map("abs", row),), shape=(1,), dtype="F32")
            scales.append(graph.map("maximum", largest, limit))
            part = graph.map("div", row, graph.reshape(scales[-1], (1, 1)))
            sums.append(graph.sum(graph.map("mul", part, part), (1,)))
        length = graph.map("sqrt", graph.concat(sums, 0))
        share = graph.map("div", limit, graph.concat(scales, 0))
        return graph.map("div", share, graph.map("maximum", length, share))
