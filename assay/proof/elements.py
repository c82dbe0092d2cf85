"""Single elements of a node's value: what they are the sum of, what they are the largest of, and which one is none."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE, mask_axes
from assay.exact.values import Value
from assay.proof.places import flat, spread
from assay.work.node import Node


def largest(name: str, node: Node, source: Tensor, element: int) -> int:
    """Place in the input of the largest element of a group or row."""
    if name != "exponent":
        length = source.shape[-1]
        row = source.reshape(-1)[element * length : (element + 1) * length]
        return element * length + int((row == row.max()).nonzero()[0])
    axes = mask_axes(node.attributes[0])
    at = spread(element, node.shape)
    group = source[tuple(slice(None) if axis in axes else at[axis] for axis in range(source.dim()))]
    inside = spread(int(group.reshape(-1).abs().argmax()), tuple(group.shape))
    for axis, place in zip(axes, inside, strict=True):
        at[axis] = place
    return flat(at, tuple(source.shape))


def addends_of(name: str, node: Node, values: Mapping[int, Tensor], element: int) -> Tensor:
    """What an element of a sum is the sum of, int64."""
    first = values[node.inputs[0]]
    if name == "integer_sum":
        length = first.shape[-1]
        return first.reshape(-1)[element * length : (element + 1) * length].long()
    if name == "contract":
        second = values[node.inputs[1]]
        group, row, column = spread(element, node.shape)
        return first[group, row].long() * second[group, column].long()
    target, column = spread(element, node.shape)
    return torch.where(values[node.inputs[1]] == target, first[:, column].long(), 0)


def sums_of(addends: Tensor, size: int) -> list[int]:
    """Exact sums of stretches. An addend may take all 64 bits, so they are added as halves."""
    stretches = range(0, len(addends), size)
    low, high = addends & 0xFFFF_FFFF, addends >> 32
    return [int(low[at : at + size].sum()) + (int(high[at : at + size].sum()) << 32) for at in stretches]


def faulty_element(node: Node, values: Mapping[int, Tensor]) -> int:
    """An element that a node cannot give: not finite, or its index outside."""
    arguments = [values[each] for each in node.inputs]
    name = BY_OPCODE[node.opcode].name
    if name in ("gather", "pick"):
        table, places = arguments
        limit = table.shape[0 if name == "gather" else -1]
        place = int(((places < 0) | (places >= limit)).reshape(-1).nonzero()[0])
        return place * (prod(table.shape[1:]) if name == "gather" else 1)
    result = BY_OPCODE[node.opcode].apply(arguments, node.attributes, Value(node.dtype, node.shape))
    return int((~torch.isfinite(result)).reshape(-1).nonzero()[0])
