"""Updates as rules take them: enough of them, each as one column of all parameters; and what is merged, apart again."""

from assay.exact.primitives import BY_NAME
from assay.protocol.errors import BadInput
from assay.protocol.job import reports_needed
from assay.work.normal import Graph


def count_updates(graph: Graph, stacks: list[int], name: str, byzantine_count: int) -> int:
    """How many updates the stacks [D, n] are of. Errors: `BadInput` for fewer than the rule of this name needs."""
    count, needed = graph.shape(stacks[0])[1], reports_needed(name, byzantine_count)
    if count < needed:
        raise BadInput(
            f"{name} needs at least {needed} updates for {byzantine_count} Byzantine, not {count}",
            hint="capture aggregates of that many updates or more, or lower byzantine_max",
        )
    return count


def join_updates(graph: Graph, stacks: list[int]) -> list[int]:
    """Per update all its parameters behind one another, [D], from the stacks of all parameters, [D, n] each.

    One value for all parameters, so that a rule is as many nodes for a net of many layers as for one of few.
    """
    parts = [columns_of(graph, stack) for stack in stacks]
    return [graph.concat(list(update), 0) for update in zip(*parts, strict=True)]


def columns_of(graph: Graph, stack: int) -> list[int]:
    """The columns [D] of a stack [D, n]: what it was joined of, where it was, so that nothing is copied there and
    back."""
    size, count = graph.shape(stack)
    if count == 1:
        return [graph.reshape(stack, (size,))]
    node = graph.node_of(stack)
    if node is not None and node.opcode == BY_NAME["concat"].opcode and node.attributes == (1,):
        return [column for part in node.inputs for column in columns_of(graph, part)]
    return [graph.reshape(graph.cut(stack, 1, index, 1), (size,)) for index in range(count)]


def part_update(graph: Graph, stacks: list[int], merged: int) -> list[int]:
    """Per parameter its part [D] of what was merged of all parameters as one."""
    parts, start = [], 0
    for stack in stacks:
        size = graph.shape(stack)[0]
        parts.append(graph.cut(merged, 0, start, size))
        start += size
    return parts
