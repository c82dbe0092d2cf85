"""Where an element of a node's value comes from, one at a time: what a contract works out, in plain integers.

`docs/reference/exact-arithmetic.md`, sections 4, 7, 8 and 9. Places are flat and row-major. A program has passed its
rules by now, so nothing is checked again.
"""

from collections.abc import Sequence
from math import prod

from assay.exact.primitives import mask_axes

Shape = Sequence[int]
MAPS = ("reshape", "permute", "expand", "slice", "pad", "unfold", "flip")
"""Index maps of one input."""


def spread(place: int, shape: Shape) -> list[int]:
    """Coordinates of a flat place."""
    coordinates = []
    for size in reversed(shape):
        place, at = divmod(place, size)
        coordinates.append(at)
    return coordinates[::-1]


def flat(coordinates: Sequence[int], shape: Shape) -> int:
    """The flat place of coordinates."""
    place = 0
    for at, size in zip(coordinates, shape, strict=True):
        place = place * size + at
    return place


def broadcast(source: Shape, shape: Shape, element: int) -> int:
    """Place in an operand whose axes of size 1, and missing ones, are repeated."""
    if not source:
        return 0
    coordinates = spread(element, shape)[-len(source) :]
    return flat([at if size > 1 else 0 for at, size in zip(coordinates, source, strict=True)], source)


def moved(name: str, source: Shape, shape: Shape, attributes: Sequence[int], element: int) -> int | None:
    """Place in the input of an index map, other than `concat`; None for a zero."""
    if name == "reshape":
        return element
    if name == "expand":
        return broadcast(source, shape, element)
    at, rank = spread(element, shape), len(source)
    if name == "permute":
        origin = [0] * rank
        for axis, coordinate in zip(attributes, at, strict=True):
            origin[axis] = coordinate
    elif name == "slice":
        origin = [
            start + each * step for each, start, step in zip(at, attributes[:rank], attributes[rank:], strict=True)
        ]
    elif name == "pad":
        origin = [each - before for each, before in zip(at, attributes[:rank], strict=True)]
    elif name == "flip":
        mirrored = mask_axes(attributes[0])
        origin = [shape[axis] - 1 - each if axis in mirrored else each for axis, each in enumerate(at)]
    else:
        return _unfolded(source, attributes, at)
    inside = all(0 <= each < size for each, size in zip(origin, source, strict=True))
    return flat(origin, source) if inside else None


def _unfolded(source: Shape, attributes: Sequence[int], at: Sequence[int]) -> int | None:
    _, _, stride_h, stride_w, top, _, left, _, dilation_h, dilation_w, wide_h, wide_w = attributes
    image, y, x, channel, i, j = at
    row, row_between = divmod(y * stride_h + i * dilation_h - top, wide_h)
    column, column_between = divmod(x * stride_w + j * dilation_w - left, wide_w)
    if row_between or column_between or not (0 <= row < source[2] and 0 <= column < source[3]):
        return None
    return flat((image, channel, row, column), source)


def joined(sources: Sequence[Shape], shape: Shape, axis: int, element: int) -> tuple[int, int]:
    """Which input of `concat`, and the place in it."""
    at = spread(element, shape)
    for which, source in enumerate(sources):
        if at[axis] < source[axis]:
            return which, flat(at, source)
        at[axis] -= source[axis]
    raise IndexError(element)


def looked_up(name: str, table: Shape, element: int) -> int:
    """Place of the index of an element of `gather` or `pick`."""
    return element // prod(table[1:]) if name == "gather" else element


def selected(name: str, table: Shape, element: int, index: int) -> int:
    """Place in the table of an element of `gather` or `pick`, by its index."""
    if name == "pick":
        return element * table[-1] + index
    run = prod(table[1:])
    return index * run + element % run


def contracted(left: Shape, right: Shape, element: int) -> tuple[int, int, int]:
    """First places of the two rows of an element of `contract`, and their length."""
    group, row, column = spread(element, (left[0], left[1], right[1]))
    return (group * left[1] + row) * left[2], (group * right[1] + column) * right[2], left[2]
