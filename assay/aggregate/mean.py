"""The mean: what every update says counts the same, and one arbitrary update can move it anywhere."""

from dataclasses import dataclass
from typing import ClassVar

from assay.work.normal import Graph


@dataclass(frozen=True)
class Mean:
    """The exact sum of each coordinate divided by the count of updates."""

    name: ClassVar[str] = "mean"

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] their mean [D]."""
        return [graph.mean(stack, (1,)) for stack in stacks]
