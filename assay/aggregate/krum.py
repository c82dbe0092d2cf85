"""Krum (Blanchard et al., NeurIPS 2017): one whole update, the one among friends."""

from dataclasses import dataclass
from typing import ClassVar

from assay.protocol.errors import BadInput
from assay.protocol.job import reports_needed
from assay.work.normal import Graph

FAR = -3.0e38
"""Below every negated distance that is finite."""


@dataclass(frozen=True)
class Krum:
    """The update nearest to its n - f - 2 nearest neighbours, where `byzantine_count` f of n may be arbitrary.

    Needs n >= 2f + 3.
    """

    byzantine_count: int = 0
    name: ClassVar[str] = "krum"

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] the column [D] of the winner; ties go to the lowest.

        Distances are squared norms of differences, by exact inner products under the profile. The smallest are taken
        out one by one by argmax of negated values, so no sort is needed. Errors: `BadInput` for too few updates.
        """
        count, needed = graph.shape(stacks[0])[1], reports_needed(self.name, self.byzantine_count)
        if count < needed:
            raise BadInput(
                f"krum needs at least {needed} updates for {self.byzantine_count} Byzantine, not {count}",
                hint="capture aggregates of that many updates or more, or lower byzantine_max",
            )
        rows = [graph.permute(stack, (1, 0)) for stack in stacks]
        winner = self._winner(graph, graph.concat(rows, 1), count)
        results = []
        for row in rows:
            shape = (1, graph.shape(row)[1])
            results.append(graph.reshape(graph.put("gather", (row, winner), shape=shape, dtype="F32"), shape[1:]))
        return results

    def _winner(self, graph: Graph, flat: int, count: int) -> int:
        """Index [1] of the winner among whole updates [n, D]."""
        size = graph.shape(flat)[1]
        distances = []
        for index in range(count):
            difference = graph.map("sub", flat, graph.cut(flat, 0, index, 1))
            operand = graph.reshape(difference, (count, 1, size))
            distances.append(graph.reshape(graph.matmul(operand, operand), (1, count)))
        near = graph.map("neg", graph.concat(distances, 0))
        places = graph.iota((count,), 0)
        itself = graph.compare("eq", graph.reshape(places, (count, 1)), places)
        floor = graph.scalar(FAR)
        near = graph.map("where", itself, floor, near)
        taken = []
        for _ in range(count - self.byzantine_count - 2):
            best = graph.put("argmax", (near,), shape=(count,), dtype="I64")
            taken.append(graph.reshape(graph.put("pick", (near, best), shape=(count,), dtype="F32"), (count, 1)))
            hit = graph.compare("eq", graph.reshape(best, (count, 1)), places)
            near = graph.map("where", hit, floor, near)
        scores = graph.sum(graph.concat(taken, 1), (1,))
        return graph.put("argmax", (graph.reshape(scores, (1, count)),), shape=(1,), dtype="I64")
