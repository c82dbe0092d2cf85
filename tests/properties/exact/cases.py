"""Uses of every primitive, to be drawn: inputs, attributes, and the type and shape of the result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from hypothesis import strategies as st

from assay.exact import index
from tests.properties.exact import drawn
from tests.properties.exact.drawn import ANY, CLOSE_PAIRS, FLOATS, SHAPES, TIED_PAIRS, arrays
from tests.reference import arrays as layout
from tests.reference import groups
from tests.reference.arrays import Array, Shape
from tests.reference.binary32 import SIGN

UNARY = ("neg", "abs", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos")
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
WORDS = drawn.integers(-(1 << 63), (1 << 63) - 1)
BITS = st.integers(0, 1)
SUM_BITS = st.sampled_from([groups.PROFILES["exact8"], groups.PROFILES["exact15"], groups.PROFILES["exact22"]])
OTHERS = st.integers(2, 30).flatmap(
    lambda bits: st.integers(1 << (bits - 2), (1 << (bits - 1)) - 1).map(lambda limit: (bits, limit | 1))
)
"""Whatever else a node may ask for."""


@dataclass(frozen=True)
class Case:
    """A use of a primitive; `dependent` makes the inputs that follow from how the first is laid out."""

    inputs: list[Array]
    attributes: tuple[int, ...]
    dtype: str
    shape: Shape
    dependent: list[Callable[[Array], Array]] = field(default_factory=list)


@st.composite
def shapes(draw: st.DrawFn, rank: int | None = None) -> Shape:
    """A shape; of this rank, if it is given."""
    if rank is None:
        return draw(st.sampled_from(SHAPES))
    return tuple(draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank)))


@st.composite
def narrowed(draw: st.DrawFn, shape: Shape) -> Shape:
    """A shape that broadcasts to this one."""
    kept = tuple(1 if draw(st.integers(0, 3)) == 0 else size for size in shape)
    return kept[draw(st.integers(0, len(kept))) :] if draw(st.booleans()) else kept


@st.composite
def unary(draw: st.DrawFn, elements: st.SearchStrategy[int], taken: str, given_type: str) -> Case:
    shape = draw(shapes())
    return Case([draw(arrays(shape, elements, taken))], (), given_type, shape)


@st.composite
def mapped(draw: st.DrawFn, *operands: tuple[st.SearchStrategy[int], str], dtype: str) -> Case:
    """An elementwise primitive of operands that broadcast."""
    shape = draw(shapes())
    inputs = [draw(arrays(draw(narrowed(shape)), elements, taken)) for elements, taken in operands]
    return Case(inputs, (), dtype, layout.common_shape(*(each.shape for each in inputs)))


@st.composite
def paired(draw: st.DrawFn, dtype: str) -> Case:
    """Two floats an element that tie, cancel or are equal."""
    shape = draw(shapes())
    count = prod(shape)
    equal = FLOATS.map(lambda a: (a, a))
    pairs = draw(st.lists(st.one_of(TIED_PAIRS, CLOSE_PAIRS, equal), min_size=count, max_size=count))
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    return Case([Array("F32", shape, left), Array("F32", shape, right)], (), dtype, shape)


def floats_two(dtype: str) -> st.SearchStrategy[Case]:
    return st.one_of(mapped((FLOATS, "F32"), (FLOATS, "F32"), dtype=dtype), paired(dtype))


def of_any_type(shape: Shape) -> st.SearchStrategy[Array]:
    """What an index map may move."""
    return st.one_of(
        arrays(shape, ANY),
        arrays(shape, WORDS, "I64"),
        arrays(shape, BITS, "BOOL"),
        arrays(shape, drawn.integers(-(1 << 15), (1 << 15) - 1), "I16"),
        arrays(shape, drawn.integers(-(1 << 31), (1 << 31) - 1), "I32"),
    )


@st.composite
def moved(draw: st.DrawFn, name: str) -> Case:
    """An index map of one input."""
    rank = draw(st.integers(1, 5 if name == "expand" else 6))
    shape = draw(shapes(rank))
    source = draw(of_any_type(shape))
    attributes: tuple[int, ...] = ()
    if name == "reshape":
        result: Shape = draw(st.sampled_from([(prod(shape),), (1, prod(shape)), shape[::-1]]))
    elif name == "permute":
        attributes = tuple(draw(st.permutations(range(rank))))
        result = tuple(shape[axis] for axis in attributes)
    elif name == "expand":
        kept = draw(narrowed(shape))
        source = Array(source.dtype, kept, source.items[: prod(kept)])
        result = (2, *shape)
    elif name == "pad":
        amounts = draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank))
        attributes = tuple(amounts)
        result = tuple(low + size + high for low, size, high in zip(amounts, shape, amounts[rank:], strict=False))
    elif name == "flip":
        attributes = (draw(st.integers(1, (1 << rank) - 1)),)
        result = shape
    else:
        starts = tuple(draw(st.integers(0, size - 1)) for size in shape)
        steps = tuple(draw(st.integers(1, size)) for size in shape)
        attributes = starts + steps
        result = tuple(-(-(size - at) // by) for size, at, by in zip(shape, starts, steps, strict=True))
    return Case([source], attributes, source.dtype, result)


@st.composite
def joined(draw: st.DrawFn) -> Case:
    shape = draw(shapes(draw(st.integers(1, 4))))
    axis = draw(st.integers(0, len(shape) - 1))
    first = draw(of_any_type(shape))
    parts = [first]
    for _ in range(draw(st.integers(0, 3))):
        size = draw(st.integers(1, 3))
        other = (*shape[:axis], size, *shape[axis + 1 :])
        items = [first.items[each % len(first.items)] for each in range(prod(other))]
        parts.append(Array(first.dtype, other, items))
    total = sum(part.shape[axis] for part in parts)
    return Case(parts, (axis,), first.dtype, (*shape[:axis], total, *shape[axis + 1 :]))


@st.composite
def unfolded(draw: st.DrawFn) -> Case:
    n, c, h, w = draw(shapes(4))
    small, pads = st.integers(1, 3), st.integers(0, 2)
    kh, kw, sh, sw, dh, dw, wide_h, wide_w = (draw(small) for _ in range(8))
    top, bottom, left, right = (draw(pads) for _ in range(4))
    out_h = index.unfold_size(h, kh, sh, top, bottom, dh, wide_h)
    out_w = index.unfold_size(w, kw, sw, left, right, dw, wide_w)
    if out_h < 1 or out_w < 1:
        kh = kw = 1
        out_h = index.unfold_size(h, kh, sh, top, bottom, dh, wide_h)
        out_w = index.unfold_size(w, kw, sw, left, right, dw, wide_w)
    source = draw(of_any_type((n, c, h, w)))
    attributes = (kh, kw, sh, sw, top, bottom, left, right, dh, dw, wide_h, wide_w)
    return Case([source], attributes, source.dtype, (n, out_h, out_w, c, kh, kw))


@st.composite
def looked_up(draw: st.DrawFn, name: str) -> Case:
    """Indices of a table; now and then one of them outside."""
    table = draw(of_any_type(draw(shapes(draw(st.integers(1, 3))))))
    rows = table.shape[:-1] if name == "pick" else draw(st.sampled_from([(), (1,), (7,), (2, 3)]))
    limit = table.shape[-1] if name == "pick" else table.shape[0]
    outside = draw(st.integers(0, 5)) == 0
    places = st.integers(-1, limit) if outside else st.integers(0, limit - 1)
    shape = rows if name == "pick" else rows + table.shape[1:]
    return Case([table, draw(arrays(rows, places, "I64"))], (), table.dtype, shape)


@st.composite
def grouped(draw: st.DrawFn, name: str) -> Case:
    """Groups of floats under a profile, or of a sum; of one size, so that ties decide the exponent."""
    shape = draw(shapes(draw(st.integers(1, 4))))
    bits, limit = draw(st.one_of(SUM_BITS, st.sampled_from([1, 2, 33, 65_536]).map(groups.sum_profile), OTHERS))
    mask = draw(st.integers(1, (1 << len(shape)) - 1))
    scale = 2.0 ** draw(st.integers(-64, 64))
    near = [drawn.pattern_of((limit + half / 2) * scale) + offset for half in (-1, 0, 1) for offset in (-1, 0, 1)]
    alike = st.sampled_from([*near, *(each | SIGN for each in near), 0])
    elements = draw(st.sampled_from([alike, alike, FLOATS, ANY, drawn.HALVES]))
    source = draw(arrays(shape, elements))
    kept = tuple(1 if mask >> axis & 1 else size for axis, size in enumerate(shape))
    if name == "exponent":
        return Case([source], (mask, bits, limit), "I16", kept)
    dtype = "I16" if limit < 1 << 15 else "I32"
    return Case([source], (bits,), dtype, shape, [lambda laid: groups.exponent(laid, mask, bits, limit)])


@st.composite
def contracted(draw: st.DrawFn) -> Case:
    batch, rows, columns = draw(st.integers(1, 2)), draw(st.integers(0, 4)), draw(st.integers(0, 4))
    length = draw(st.integers(0, 20))
    limit, dtype = draw(st.sampled_from([(127, "I16"), (16319, "I16"), ((1 << 21) - 1, "I32")]))
    elements = drawn.integers(-limit, limit)
    left, right = (draw(arrays((batch, size, length), elements, dtype)) for size in (rows, columns))
    return Case([left, right], (), "I64", (batch, rows, columns))


@st.composite
def summed(draw: st.DrawFn) -> Case:
    shape = draw(st.one_of(shapes(1), shapes(3), st.just((3, 0))))
    source = draw(of_any_type(shape).filter(lambda array: array.dtype != "F32"))
    return Case([source], (), "I64", shape[:-1])


@st.composite
def summed_at(draw: st.DrawFn) -> Case:
    rows, width, count = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dtype, most = draw(st.sampled_from([("I16", (1 << 15) - 1), ("I32", (1 << 31) - 1)]))
    values = draw(arrays((rows, width), drawn.integers(-most, most), dtype))
    indices = draw(arrays((rows,), st.one_of(st.integers(-2, count + 1), WORDS), "I64"))
    return Case([values, indices], (), "I64", (count, width))


@st.composite
def rescaled(draw: st.DrawFn) -> Case:
    """Integers to 2^53 at one or two exponents, down to subnormals, their ties, and beyond the largest float."""
    shape = draw(shapes())
    ties = st.builds(lambda m, low: (2 * m + 1) << low, st.integers(1 << 23, 1 << 24), st.integers(0, 28))
    wide = drawn.integers(-(1 << 53), 1 << 53)
    sums = draw(arrays(shape, st.one_of(wide, ties, ties.map(int.__neg__), st.integers(-3, 3)), "I64"))
    exponents = [
        draw(arrays(draw(narrowed(shape)), drawn.integers(-160, 160), "I16")) for _ in range(draw(st.integers(1, 2)))
    ]
    return Case([sums, *exponents], (draw(drawn.integers(-64, 64)),), "F32", shape)


@st.composite
def underflowing(draw: st.DrawFn) -> Case:
    """Integers at a tie between two subnormals, and next to it by less than a float32 keeps: what is rounded twice
    goes wrong."""
    low = draw(st.integers(25, 30))
    ties = st.builds(lambda m, offset, sign: sign * (((2 * m + 1) << low) + offset), *UNDERFLOWS)
    sums = draw(arrays((17,), ties, "I64"))
    exponents = [Array("I16", (), [-100]), Array("I16", (1,), [-low])]
    return Case([sums, *exponents], (-50,), "F32", (17,))


UNDERFLOWS = (st.integers(0, 1 << 20), st.integers(-1, 1), st.sampled_from([-1, 1]))


@st.composite
def ranked(draw: st.DrawFn, dtype: str) -> Case:
    shape = draw(st.sampled_from([(1,), (2,), (33,), (3, 7), (2, 2, 17)]))
    few = draw(st.lists(FLOATS, min_size=1, max_size=3))
    zeros = st.sampled_from([0, 0x8000_0000])
    elements = draw(st.sampled_from([FLOATS, st.sampled_from(few), zeros]))
    return Case([draw(arrays(shape, elements))], (), dtype, shape[:-1])


@st.composite
def random(draw: st.DrawFn) -> Case:
    key, step = draw(arrays((2,), WORDS, "I64")), draw(arrays((), WORDS, "I64"))
    return Case([key, step], (draw(drawn.integers(0, (1 << 32) - 1)),), "I64", (draw(st.integers(0, 70)),))


@st.composite
def counted(draw: st.DrawFn) -> Case:
    shape = draw(shapes(draw(st.integers(1, 6))))
    return Case([], (draw(st.integers(0, len(shape) - 1)),), "I64", shape)


CASES: dict[str, st.SearchStrategy[Case]] = {
    "iota": counted(),
    **{name: unary(FLOATS, "F32", "F32") for name in UNARY},
    **{name: floats_two("F32") for name in BINARY},
    **{
        name: st.one_of(floats_two("BOOL"), mapped((WORDS, "I64"), (st.integers(-2, 2), "I64"), dtype="BOOL"))
        for name in COMPARISONS
    },
    "and": mapped((BITS, "BOOL"), (BITS, "BOOL"), dtype="BOOL"),
    "or": mapped((BITS, "BOOL"), (BITS, "BOOL"), dtype="BOOL"),
    "not": unary(BITS, "BOOL", "BOOL"),
    "where": st.one_of(
        mapped((BITS, "BOOL"), (FLOATS, "F32"), (FLOATS, "F32"), dtype="F32"),
        mapped((BITS, "BOOL"), (WORDS, "I64"), (WORDS, "I64"), dtype="I64"),
    ),
    **{f"integer_{name}": mapped((WORDS, "I64"), (WORDS, "I64"), dtype="I64") for name in ("add", "sub", "mul")},
    "to_float": st.one_of(
        unary(st.one_of(WORDS, st.integers(-40, 40).map(lambda n: (1 << 25) + n)), "I64", "F32"),
        unary(BITS, "BOOL", "F32"),
    ),
    "to_integer": st.one_of(
        unary(BITS, "BOOL", "I64"),
        unary(drawn.integers(-(1 << 15), (1 << 15) - 1), "I16", "I64"),
        unary(drawn.integers(-(1 << 31), (1 << 31) - 1), "I32", "I64"),
    ),
    **{name: moved(name) for name in ("reshape", "permute", "expand", "slice", "pad", "flip")},
    "concat": joined(),
    "unfold": unfolded(),
    "gather": looked_up("gather"),
    "pick": looked_up("pick"),
    "exponent": grouped("exponent"),
    "quantise": grouped("quantise"),
    "contract": contracted(),
    "integer_sum": summed(),
    "integer_sum_at": summed_at(),
    "rescale": st.one_of(rescaled(), underflowing()),
    "amax": ranked("F32"),
    "argmax": ranked("I64"),
    "random": random(),
}
