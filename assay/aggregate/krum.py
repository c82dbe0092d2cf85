"""Krum and Multi-Krum (Blanchard et al., NeurIPS 2017): whole updates, those among friends."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from assay.aggregate.updates import count_updates, join_updates, part_update
from assay.work.normal import Graph

FAR = -3.0e38
"""Below every score, and every negated distance."""
REACH = 2.0**40
"""How far from zero a coordinate counts in a distance: no update is so far off that no number says how far. The square
of 2 * REACH, times 2^31 coordinates and 2^10 updates, is a float32 still."""


@dataclass(frozen=True)
class Krum:
    """The update nearest to its n - f - 2 nearest neighbours, where `byzantine_count` f of n may be arbitrary.

    Needs n >= 2f + 3.
    """

    byzantine_count: int = 0
    name: ClassVar[str] = "krum"
    setting: ClassVar[str] = ""

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the column [D] of the winner; ties go to the lowest. Errors: `BadInput` for too
        few updates."""
        count_updates(graph, stacks, self.name, self.byzantine_count)
        return merge_best(graph, stacks, self.byzantine_count, 1)


@dataclass(frozen=True)
class MultiKrum:
    """The mean of the m best by Krum's score, where `byzantine_count` f of n may be arbitrary.

    The paper wants 2f + 2 < n - m. So m is n - 2f - 3, the most that it admits of however many updates there are, and
    there have to be 2f + 4 for m to be one at least.
    """

    byzantine_count: int = 0
    name: ClassVar[str] = "multi-krum"
    setting: ClassVar[str] = ""

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the mean [D] of the best; ties go to the lowest. Errors: `BadInput` for too few
        updates."""
        count = count_updates(graph, stacks, self.name, self.byzantine_count)
        return merge_best(graph, stacks, self.byzantine_count, count - 2 * self.byzantine_count - 3)


def merge_best(graph: Graph, stacks: list[int], byzantine_count: int, best_count: int) -> list[int]:
    """Per stack [D, n] the mean [D] of those updates that score best."""
    columns = join_updates(graph, stacks)
    size = graph.shape(columns[0])[0]
    updates = graph.concat([graph.reshape(each, (1, size)) for each in columns], 0)
    scores = score_updates(graph, updates, len(columns) - byzantine_count - 2)
    _, places = take_largest(graph, graph.reshape(scores, (1, len(columns))), best_count)
    chosen = graph.reshape(places, (best_count,))
    best = graph.put("gather", (updates, chosen), shape=(best_count, size), dtype="F32")
    return part_update(graph, stacks, graph.mean(best, (0,)))


def score_updates(graph: Graph, updates: int, neighbours: int) -> int:
    """The negated sum of squared distances to so many nearest others, [n], of the updates [n, D].

    Distances are squared norms of differences, by exact inner products under the profile, of coordinates that are cut
    to `REACH`.
    """
    count, size = graph.shape(updates)
    near = graph.map("maximum", graph.map("minimum", updates, graph.scalar(REACH)), graph.scalar(-REACH))
    rows = []
    for index in range(count - 1):
        others = count - 1 - index
        difference = graph.map("sub", graph.cut(near, 0, index + 1, others), graph.cut(near, 0, index, 1))
        operand = graph.reshape(difference, (others, 1, size))
        distances = graph.reshape(graph.matmul(operand, operand), (1, others))
        rows.append(graph.pad(distances, (0, index + 1), (0, 0)))
    upper = graph.concat([*rows, graph.constant(torch.zeros(1, count))], 0)
    distances = graph.map("add", upper, graph.permute(upper, (1, 0)))
    places = graph.iota((count,), 0)
    itself = graph.compare("eq", graph.reshape(places, (count, 1)), places)
    negated = graph.map("where", itself, graph.scalar(FAR), graph.map("neg", distances))
    return graph.sum(take_largest(graph, negated, neighbours)[0], (1,))


def take_largest(graph: Graph, values: int, taken_count: int) -> tuple[int, int]:
    """The largest values of each row of [R, n], all of them above `FAR`, and their places, [R, taken_count] each; ties
    go to the lowest. They are taken out one by one, so no sort is needed."""
    rows, count = graph.shape(values)
    column, places = (rows, 1), graph.iota((count,), 0)
    taken, at = [], []
    for _ in range(taken_count):
        best = graph.put("argmax", (values,), shape=(rows,), dtype="I64")
        at.append(graph.reshape(best, column))
        taken.append(graph.reshape(graph.put("pick", (values, best), shape=(rows,), dtype="F32"), column))
        values = graph.map("where", graph.compare("eq", at[-1], places), graph.scalar(FAR), values)
    return graph.concat(taken, 1), graph.concat(at, 1)
