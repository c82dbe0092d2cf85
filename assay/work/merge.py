"""Aggregation rules as parts of a program: columns of updates into one update, disputable like any other node.

A rule takes a `Graph`, per parameter the coordinate-major stack [D, n] of n updates, and how many may be Byzantine,
and gives per parameter a merged update [D]. So that a rule can see whole updates, it gets all parameters at once.
"""

from collections.abc import Callable

from assay.protocol.errors import BadInput
from assay.work.normal import Graph

Merge = Callable[[Graph, list[int], int], list[int]]


def merge_mean(graph: Graph, stacks: list[int], _: int) -> list[int]:
    """The exact sum of each coordinate divided by n."""
    results = []
    for stack in stacks:
        size = graph.shape(stack)[1]
        total = graph.sum(stack, (1,))
        results.append(total if size == 1 else graph.map("div", total, graph.scalar(float(size))))
    return results


def merge_krum(graph: Graph, stacks: list[int], byzantine_count: int) -> list[int]:
    """The update nearest to its n - f - 2 nearest neighbours (Blanchard et al., NeurIPS 2017); ties to the lowest.

    Distances are squared norms of differences, by exact inner products under the profile. The smallest are taken out
    one by one by argmax of negated values, so no sort is needed. Needs n >= 2f + 3.
    """
    count = graph.shape(stacks[0])[1]
    if count < 2 * byzantine_count + 3:
        raise BadInput(
            f"krum needs at least {2 * byzantine_count + 3} updates for {byzantine_count} Byzantine, not {count}"
        )
    rows = [graph.permute(stack, (1, 0)) for stack in stacks]
    flat = graph.concat(rows, 1)
    size = graph.shape(flat)[1]
    distances = []
    for index in range(count):
        difference = graph.map("sub", flat, graph.cut(flat, 0, index, 1))
        operand = graph.reshape(difference, (count, 1, size))
        distances.append(graph.reshape(graph.matmul(operand, operand), (1, count)))
    near = graph.map("neg", graph.concat(distances, 0))
    places = graph.iota((count,), 0)
    itself = graph.compare("eq", graph.reshape(places, (count, 1)), places)
    floor = graph.scalar(-3.0e38)
    near = graph.map("where", itself, floor, near)
    taken = []
    for _ in range(count - byzantine_count - 2):
        best = graph.put("argmax", (near,), shape=(count,), dtype="I64")
        taken.append(graph.reshape(graph.put("pick", (near, best), shape=(count,), dtype="F32"), (count, 1)))
        hit = graph.compare("eq", graph.reshape(best, (count, 1)), places)
        near = graph.map("where", hit, floor, near)
    scores = graph.sum(graph.concat(taken, 1), (1,))
    winner = graph.put("argmax", (graph.reshape(scores, (1, count)),), shape=(1,), dtype="I64")
    results = []
    for row in rows:
        shape = (1, graph.shape(row)[1])
        results.append(graph.reshape(graph.put("gather", (row, winner), shape=shape, dtype="F32"), shape[1:]))
    return results


MERGES: dict[str, Merge] = {"mean": merge_mean, "krum": merge_krum}
