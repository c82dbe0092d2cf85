"""Tensors as flat lists, row-major, and the index maps: sections 4 and 9 of docs/reference/exact-arithmetic.md.

Elements are integers: of an F32 the 32-bit pattern, of a BOOL 0 or 1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Array:
    """Element type, shape and elements in row-major order."""

    dtype: str
    shape: Shape
    items: list[int]

    def __post_init__(self) -> None:
        assert len(self.items) == prod(self.shape), (self.shape, len(self.items))


class OutsideDomain(Exception):
    """An index outside its axis."""


def strides(shape: Shape) -> list[int]:
    """How far apart neighbours of each axis lie."""
    result, step = [], 1
    for size in reversed(shape):
        result.append(step)
        step *= size
    return result[::-1]


def places(shape: Shape, steps: Sequence[int], start: int = 0) -> list[int]:
    """start + sum of index * step over all indices of a shape, in row-major order."""
    rows = [start]
    for size, step in zip(shape, steps, strict=True):
        rows = [row + offset for row in rows for offset in range(0, size * step, step)] if step else [
            row for row in rows for _ in range(size)
        ]  # fmt: skip
    return rows


def pick_all(array: Array, shape: Shape, at: list[int]) -> Array:
    """The elements at flat places."""
    return Array(array.dtype, shape, [array.items[place] for place in at])


def expand(array: Array, shape: Shape) -> Array:
    """Repeated along axes of size 1 and new leading axes."""
    if array.shape == shape:
        return array
    extra = len(shape) - len(array.shape)
    steps = [0] * extra + [
        0 if size == 1 else step for size, step in zip(array.shape, strides(array.shape), strict=True)
    ]
    return pick_all(array, shape, places(shape, steps))


def common_shape(*shapes: Shape) -> Shape:
    """The shape that all broadcast to."""
    rank = max(map(len, shapes))
    wide = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*wide, strict=True))


def apply_map(function: Callable[..., int], dtype: str, *arrays: Array) -> Array:
    """An elementwise function of arrays that broadcast."""
    shape = common_shape(*(array.shape for array in arrays))
    columns = [expand(array, shape).items for array in arrays]
    return Array(dtype, shape, list(map(function, *columns)))


def reshape(array: Array, shape: Shape) -> Array:
    """The same elements in order."""
    return Array(array.dtype, shape, array.items)


def permute(array: Array, axes: Sequence[int]) -> Array:
    """Axis i of the result is axis axes[i] of the input."""
    steps = strides(array.shape)
    shape = tuple(array.shape[axis] for axis in axes)
    return pick_all(array, shape, places(shape, [steps[axis] for axis in axes]))


def cut(array: Array, starts: Sequence[int], by: Sequence[int], shape: Shape) -> Array:
    """out[i...] = in[start + i * step ...]."""
    steps = strides(array.shape)
    first = sum(start * step for start, step in zip(starts, steps, strict=True))
    return pick_all(array, shape, places(shape, [each * step for each, step in zip(by, steps, strict=True)], first))


def pad(array: Array, before: Sequence[int], after: Sequence[int]) -> Array:
    """Zeros around."""
    shape = tuple(low + size + high for low, size, high in zip(before, array.shape, after, strict=True))
    steps = strides(shape)
    first = sum(low * step for low, step in zip(before, steps, strict=True))
    items = [0] * prod(shape)
    for place, item in zip(places(array.shape, steps, first), array.items, strict=True):
        items[place] = item
    return Array(array.dtype, shape, items)


def concat(arrays: Sequence[Array], axis: int) -> Array:
    """Joined along an axis."""
    first = arrays[0].shape
    shape = (*first[:axis], sum(array.shape[axis] for array in arrays), *first[axis + 1 :])
    items: list[int] = []
    for outer in range(prod(first[:axis])):
        for array in arrays:
            run = prod(array.shape[axis:])
            items += array.items[outer * run : (outer + 1) * run]
    return Array(arrays[0].dtype, shape, items)


def flip(array: Array, mask: int) -> Array:
    """Reversed along the axes whose bits are set."""
    steps, first = strides(array.shape), 0
    for axis, size in enumerate(array.shape):
        if mask >> axis & 1:
            first += (size - 1) * steps[axis]
            steps[axis] = -steps[axis]
    return pick_all(array, array.shape, places(array.shape, steps, first))


def iota(shape: Shape, axis: int) -> Array:
    """The index along an axis."""
    return Array("I64", shape, places(shape, [int(each == axis) for each in range(len(shape))]))


def unfold(array: Array, attributes: Sequence[int], shape: Shape) -> Array:
    """Windows [N, OH, OW, C, KH, KW] of the dilated and padded [N, C, H, W]."""
    _, _, stride_h, stride_w, top, _, left, _, step_h, step_w, wide_h, wide_w = attributes
    size_n, size_c, size_h, size_w = array.shape
    _, out_h, out_w, _, kernel_h, kernel_w = shape
    items = array.items

    def along(size: int, wide: int, out: int, stride: int, before: int, kernel: int, step: int) -> Iterator[list[int]]:
        """Per window the place of each kernel element along one axis, or -1 for a zero."""
        for window in range(out):
            at = [window * stride + offset * step - before for offset in range(kernel)]
            yield [each // wide if each % wide == 0 and 0 <= each // wide < size else -1 for each in at]

    rows = list(along(size_h, wide_h, out_h, stride_h, top, kernel_h, step_h))
    columns = list(along(size_w, wide_w, out_w, stride_w, left, kernel_w, step_w))
    result: list[int] = []
    for n, row, column, c in product(range(size_n), rows, columns, range(size_c)):
        base = (n * size_c + c) * size_h
        for h in row:
            result += [items[(base + h) * size_w + w] if h >= 0 and w >= 0 else 0 for w in column]
    return Array(array.dtype, shape, result)


def check_index(index: int, size: int) -> int:
    """The index, if it is inside."""
    if not 0 <= index < size:
        raise OutsideDomain(f"an index is outside 0..{size - 1}")
    return index


def gather(table: Array, indices: Array) -> Array:
    """Rows of a table, of whatever rank."""
    run = prod(table.shape[1:])
    starts = [check_index(index, table.shape[0]) * run for index in indices.items]
    items = [item for start in starts for item in table.items[start : start + run]]
    return Array(table.dtype, indices.shape + table.shape[1:], items)


def pick(table: Array, indices: Array) -> Array:
    """One element of each row along the last axis."""
    size = table.shape[-1]
    at = [row * size + check_index(index, size) for row, index in enumerate(indices.items)]
    return pick_all(table, indices.shape, at)


def rows_of(array: Array) -> list[list[int]]:
    """The rows along the last axis."""
    size = array.shape[-1]
    return [array.items[row * size : (row + 1) * size] for row in range(prod(array.shape[:-1]))]
