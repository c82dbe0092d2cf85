"""What the properties of primitives draw: floats of every kind, arrays, and tensors of every layout."""

import struct

import torch
from hypothesis import strategies as st
from torch import Tensor

from assay.exact.values import TORCH_DTYPES
from tests.reference.arrays import Array, Shape, cut, expand
from tests.reference.binary32 import INFINITE, SIGN, SIZE
from tests.reference.programs import read_elements, write_elements

LAYOUTS = ("contiguous", "transposed", "strided", "offset", "expanded")
SHAPES: tuple[Shape, ...] = ((), (1,), (3,), (17,), (33,), (4, 5), (2, 1, 9), (2, 3, 2, 3))


def pattern_of(value: float) -> int:
    """The 32-bit pattern of the nearest float32."""
    (pattern,) = struct.unpack("<I", struct.pack("<f", value))
    return pattern


EDGES = [
    0, 1, 2, 3, 0x7F_FFFF, 0x80_0000, 0x80_0001, 0xFF_FFFF, 0x100_0000, INFINITE - 1, INFINITE - 2,
    *map(pattern_of, (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 6.0, 20.0, 40.0, 87.0, 88.72284, 89.0, 90.0, 0.625, 0.70710677)),
    *map(pattern_of, (2.0**-114, 2.0**-126, 2.0**-60, 2.0**60, 2.0**23, 2.0**24, 2.0**126, 1.2676506e30, 16319.5)),
    *(0x3F35_04F3 + (power << 23) for power in (-126, -20, -3, 1, 2, 9, 100)),
    *map(pattern_of, (0.7853982, 1.5707964, 3.1415927, 0.34657359, 1.0397208, 1e4, 3e5)),
]  # fmt: skip
"""Where a definition changes its branch, and the ends of every range; neighbours are drawn with them."""


def finite(word: int) -> int:
    """A word as the pattern of a finite float."""
    return word ^ 0x2000_0000 if word & INFINITE == INFINITE else word


def near_edge(edge: int, offset: int, sign: int) -> int:
    """A neighbour of an edge."""
    return min(max(edge + offset, 0), INFINITE - 1) | sign


SIGNS = st.sampled_from([0, SIGN])
ANY = st.integers(0, 0xFFFF_FFFF).map(finite)
NEAR = st.builds(near_edge, st.sampled_from(EDGES), st.integers(-2, 2), SIGNS)
HALVES = st.integers(-70_000, 70_000).map(lambda n: pattern_of(n / 2))
SHORT = st.builds(lambda e, m, s: s | e << 23 | m << 11, st.integers(0, 254), st.integers(0, 0xFFF), SIGNS)
"""Mantissas of 12 bits, whose products are ties; quotients and products of small ones are ties of subnormals."""
MILD = st.floats(-100.0, 100.0, width=32).map(pattern_of)
FLOATS = st.one_of(ANY, NEAR, HALVES, SHORT, MILD)


def tied(a: int, offset: int, sign: int) -> int:
    """A value whose sum with `a` is a tie or next to one: half a unit of a's last place."""
    field = a >> 23 & 0xFF
    half = (field - 24) << 23 if field > 24 else 1 << max(field - 2, 0)
    return max(half + offset, 0) | sign


TIED_PAIRS = ANY.flatmap(lambda a: st.tuples(st.just(a), st.builds(tied, st.just(a), st.integers(-1, 1), SIGNS)))
CLOSE_PAIRS = ANY.flatmap(
    lambda a: st.tuples(
        st.just(a),
        st.integers(-2, 2).map(lambda offset: min(max((a & SIZE) + offset, 0), INFINITE - 1) | (~a & SIGN)),
    )
)
"""Values and nearly their negatives: what cancels."""


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers, often at the ends."""
    return st.one_of(st.integers(low, high), st.sampled_from([low, high, low + 1, high - 1, 0]))


def size_of(shape: Shape) -> int:
    """Elements of a shape."""
    count = 1
    for size in shape:
        count *= size
    return count


@st.composite
def arrays(draw: st.DrawFn, shape: Shape, elements: st.SearchStrategy[int], dtype: str = "F32") -> Array:
    """An array of drawn elements."""
    count = size_of(shape)
    return Array(dtype, shape, draw(st.lists(elements, min_size=count, max_size=count)))


def to_tensor(array: Array) -> Tensor:
    """As a contiguous tensor."""
    flat = torch.frombuffer(bytearray(write_elements(array)) or bytearray(8), dtype=TORCH_DTYPES[array.dtype])
    return flat[: len(array.items)].reshape(array.shape)


def to_array(tensor: Tensor, dtype: str) -> Array:
    """From a tensor of whatever layout."""
    assert tensor.dtype == TORCH_DTYPES[dtype]
    return read_elements(dtype, tuple(tensor.shape), tensor.contiguous().numpy().tobytes())


def lay(array: Array, layout: str) -> tuple[Array, Tensor]:
    """A tensor of this layout, and what it holds: the array, but with one row repeated where it is expanded."""
    tensor = to_tensor(array)
    rank = len(array.shape)
    if not rank or layout == "contiguous":
        return array, tensor
    if layout == "transposed":
        back = tuple(reversed(range(rank)))
        return array, tensor.permute(back).contiguous().permute(back)
    if layout == "strided":
        wide = torch.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=tensor.dtype)
        wide[..., ::2] = tensor
        return array, wide[..., ::2]
    if layout == "offset":
        wide = torch.ones((array.shape[0] + 1, *array.shape[1:]), dtype=tensor.dtype)
        wide[1:] = tensor
        return array, wide[1:]
    assert layout == "expanded"
    row = (1, *array.shape[1:])
    if array.shape[0] == 0:
        return array, tensor
    return expand(cut(array, (0,) * rank, (1,) * rank, row), array.shape), tensor[:1].expand(array.shape)
