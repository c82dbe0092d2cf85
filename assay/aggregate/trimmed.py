"""Per coordinate, without the extremes: the trimmed mean and the median (Yin et al., ICML 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from assay.aggregate.network import trimming
from assay.aggregate.updates import count_updates, join_updates, part_update
from assay.work.normal import Graph


@dataclass(frozen=True)
class TrimmedMean:
    """Of each coordinate the mean without the f smallest and the f largest. Needs n >= 2f + 1.

    With f = 0 it is the mean, and bears as much.
    """

    byzantine_count: int = 0
    name: ClassVar[str] = "trimmed-mean"
    setting: ClassVar[str] = ""

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the trimmed mean [D]. Errors: `BadInput` for too few updates."""
        count_updates(graph, stacks, self.name, self.byzantine_count)
        return merge_middle(graph, stacks, self.byzantine_count)


@dataclass(frozen=True)
class Median:
    """Of each coordinate the middle value; of an even number the mean of both. Needs n >= 2f + 1."""

    byzantine_count: int = 0
    name: ClassVar[str] = "median"
    setting: ClassVar[str] = ""

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the median [D]. Errors: `BadInput` for too few updates."""
        count = count_updates(graph, stacks, self.name, self.byzantine_count)
        return merge_middle(graph, stacks, (count - 1) // 2)


def merge_middle(graph: Graph, stacks: list[int], dropped: int) -> list[int]:
    """Per stack [D, n] the exact sum without the `dropped` smallest and largest of each coordinate, rounded once and
    divided by how many are left. A zero is +0, whichever zero came through.

    Values are told apart by comparisons alone and none is made up on the way: at a tie the two change places.
    """
    columns = join_updates(graph, stacks)
    for low, high in trimming(len(columns), dropped):
        first, second = columns[low], columns[high]
        columns[low], columns[high] = graph.map("minimum", first, second), graph.map("maximum", second, first)
    kept = columns[dropped : len(columns) - dropped]
    size = graph.shape(kept[0])[0]
    mean = graph.mean(graph.concat([graph.reshape(each, (size, 1)) for each in kept], 1), (1,))
    return part_update(graph, stacks, graph.map("add", mean, graph.scalar(0.0)))
