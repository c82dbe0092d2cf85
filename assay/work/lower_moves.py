"""Lowerings of ATen's further index maps: repetition, triangles, padding, turning, selection by indices."""

from collections.abc import Sequence
from typing import Any

from assay.work.lower import Ref, as_integer, lower_masked_fill, refuse, rule
from assay.work.lower_shape import lower_select, lower_split, lower_unsqueeze
from assay.work.normal import Graph


@rule("repeat.default")
def lower_repeat(g: Graph, a: int, counts: Sequence[int]) -> int:
    shape = (1,) * (len(counts) - len(g.shape(a))) + g.shape(a)
    result = g.reshape(a, shape)
    for axis, count in enumerate(counts):
        if count != 1:
            result = g.concat([result] * count, axis)
    return result


@rule("unbind.int")
def lower_unbind(g: Graph, a: int, dim: int = 0) -> tuple[Ref, ...]:
    return tuple(Ref(lower_select(g, a, dim, at)) for at in range(g.shape(a)[dim]))


@rule("unsafe_split.Tensor", "unsafe_split_with_sizes.default")
def lower_unsafe_split(g: Graph, a: int, sizes: Any, dim: int = 0) -> tuple[Ref, ...]:
    return lower_split(g, a, sizes, dim)


def triangle(g: Graph, a: int, below: bool, diagonal: int) -> int:
    """The part of the last two axes at and below, or at and above, a diagonal; zeros elsewhere."""
    rows, columns = g.shape(a)[-2:]
    edge = g.iota((rows, 1), 0)
    if diagonal:
        edge = g.map("integer_add", edge, g.integer(diagonal))
    kept = g.compare("ge" if below else "le", edge, g.iota((columns,), 0))
    if g.dtype(a) == "BOOL":
        return g.map("and", kept, a)
    return g.map("where", kept, a, g.scalar(0.0) if g.dtype(a) == "F32" else g.integer(0))


@rule("tril.default")
def lower_tril(g: Graph, a: int, diagonal: int = 0) -> int:
    return triangle(g, a, True, diagonal)


@rule("triu.default")
def lower_triu(g: Graph, a: int, diagonal: int = 0) -> int:
    return triangle(g, a, False, diagonal)


@rule("constant_pad_nd.default")
def lower_constant_pad(g: Graph, a: int, amounts: Sequence[int], value: float = 0) -> int:
    """Amounts are pairs from the last axis on; negative ones crop."""
    rank = len(g.shape(a))
    pairs = {rank - 1 - place // 2: (amounts[place], amounts[place + 1]) for place in range(0, len(amounts), 2)}
    for axis, (low, high) in pairs.items():
        size = g.shape(a)[axis] + min(low, 0) + min(high, 0)
        if size <= 0:
            raise refuse("padding that crops all", "crop less")
        a = g.cut(a, axis, max(-low, 0), size)
    before = tuple(max(pairs.get(axis, (0, 0))[0], 0) for axis in range(rank))
    after = tuple(max(pairs.get(axis, (0, 0))[1], 0) for axis in range(rank))
    wide = g.pad(a, before, after)
    if not value or wide == a:
        return wide
    ones = g.expand(g.constant_true(), g.shape(a))
    return lower_masked_fill(g, wide, g.map("not", g.pad(ones, before, after)), value)


@rule("flip.default")
def lower_flip(g: Graph, a: int, dims: Sequence[int]) -> int:
    rank = len(g.shape(a))
    return g.flip(a, tuple(dim % rank for dim in dims)) if dims else a


@rule("roll.default")
def lower_roll(g: Graph, a: int, shifts: Sequence[int], dims: Sequence[int] = ()) -> int:
    if not dims:
        flat = lower_roll(g, g.reshape(a, (g.types[a].size,)), shifts, (0,))
        return g.reshape(flat, g.shape(a))
    for shift, dim in zip(shifts, dims, strict=True):
        axis = dim % len(g.shape(a))
        size = g.shape(a)[axis]
        split = -shift % size
        if split:
            a = g.concat([g.cut(a, axis, split, size - split), g.cut(a, axis, 0, split)], axis)
    return a


@rule("copy.default")
def lower_copy(g: Graph, base: int, a: int, *_: Any) -> int:
    return g.expand(a, g.shape(base))


@rule("slice_scatter.default")
def lower_slice_scatter(
    g: Graph, base: int, part: int, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> int:
    shape = g.shape(base)
    axis = dim % len(shape)
    if step != 1:
        raise refuse("assignment to a slice with a step", "stack the parts and reshape")
    first, last, _ = slice(start, end).indices(shape[axis])
    parts = [g.cut(base, axis, 0, first)] if first else []
    parts.append(part)
    if last < shape[axis]:
        parts.append(g.cut(base, axis, last, shape[axis] - last))
    return g.concat(parts, axis)


@rule("select_scatter.default")
def lower_select_scatter(g: Graph, base: int, part: int, dim: int, at: int) -> int:
    axis = dim % len(g.shape(base))
    place = at % g.shape(base)[axis]
    return lower_slice_scatter(g, base, lower_unsqueeze(g, part, axis), axis, place, place + 1)


def to_front(g: Graph, a: int, axis: int) -> int:
    """An axis moved to the front."""
    return g.permute(a, (axis, *(at for at in range(len(g.shape(a))) if at != axis)))


def from_front(g: Graph, a: int, axis: int) -> int:
    """The first axis moved to `axis`."""
    return g.permute(a, (*range(1, axis + 1), 0, *range(axis + 1, len(g.shape(a)))))


def take(g: Graph, a: int, axis: int, places: int) -> int:
    """The parts of an axis at the indices [T]."""
    rows = to_front(g, a, axis)
    shape = (*g.shape(places), *g.shape(rows)[1:])
    return from_front(g, g.put("gather", (rows, places), shape=shape, dtype=g.dtype(a)), axis)


def add_at(g: Graph, sizes: Sequence[int], axis: int, places: int, parts: int) -> int:
    """Zeros of `sizes` with the parts of an axis added, exactly, at the indices [T]."""
    rows = to_front(g, parts, axis)
    flat = g.reshape(rows, (g.shape(rows)[0], g.types[rows].size // g.shape(rows)[0]))
    total = g.sum_at(flat, places, sizes[axis])
    return from_front(g, g.reshape(total, (sizes[axis], *g.shape(rows)[1:])), axis)


def only_index(g: Graph, indices: Sequence[Any]) -> tuple[int, int]:
    """The axis and the indices of `a[..., indices, ...]`, not negative. Errors: `Unsupported` for other forms."""
    given = [(axis, each) for axis, each in enumerate(indices) if each is not None]
    if len(given) != 1 or g.dtype(given[0][1]) != "I64":
        raise refuse("index by several tensors or by a mask", "select by arange, slices or torch.where")
    return given[0]


def wrapped(g: Graph, places: int, size: int) -> int:
    """Flat indices with the negative ones counted from the end."""
    flat = g.reshape(places, (g.types[places].size,))
    turned = g.map("integer_add", flat, g.integer(size))
    return g.map("where", g.compare("lt", flat, g.integer(0)), turned, flat)


@rule("index.Tensor")
def lower_index(g: Graph, a: int, indices: Sequence[Any]) -> int:
    axis, places = only_index(g, indices)
    shape = g.shape(a)
    taken = take(g, a, axis, wrapped(g, places, shape[axis]))
    return g.reshape(taken, (*shape[:axis], *g.shape(places), *shape[axis + 1 :]))


@rule("index_select.default")
def lower_index_select(g: Graph, a: int, dim: int, places: int) -> int:
    return take(g, a, dim % len(g.shape(a)), places)


@rule("index_put.default", "_unsafe_index_put.default")
def lower_index_put(g: Graph, base: int, indices: Sequence[Any], parts: int, accumulate: bool = False) -> int:
    axis, places = only_index(g, indices)
    if not accumulate:
        raise refuse("assignment to a list of indices", "select by torch.where")
    shape = g.shape(base)
    flat = wrapped(g, places, shape[axis])
    wide = g.reshape(parts, (*shape[:axis], g.types[flat].size, *shape[axis + 1 :]))
    return g.map("add", base, add_at(g, shape, axis, flat, wide))


@rule("index_add.default")
def lower_index_add(g: Graph, base: int, dim: int, places: int, parts: int) -> int:
    axis = dim % len(g.shape(base))
    return g.map("add", base, add_at(g, g.shape(base), axis, places, parts))


def at_place(g: Graph, shape: Sequence[int], dim: int, places: int) -> int:
    """Where an axis's index is the one of `places`, whose axis has size 1."""
    axis = dim % len(shape)
    if g.shape(places) != (*shape[:axis], 1, *shape[axis + 1 :]):
        raise refuse("scatter other than one element along its axis", "use it as scatter(dim, index[..., None], ...)")
    rank = len(shape)
    own = g.iota(tuple(shape[axis] if at == axis else 1 for at in range(rank)), axis)
    return g.compare("eq", as_integer(g, Ref(places)), own)


@rule("scatter.src", "scatter.value")
def lower_scatter(g: Graph, base: int, dim: int, places: int, part: Any) -> int:
    value = part if isinstance(part, Ref) else g.scalar(part) if g.dtype(base) == "F32" else g.integer(part)
    return g.map("where", at_place(g, g.shape(base), dim, places), value, base)


@rule("scatter_add.default")
def lower_scatter_add(g: Graph, base: int, dim: int, places: int, part: int) -> int:
    routed = g.map("where", at_place(g, g.shape(base), dim, places), part, g.scalar(0.0))
    return g.map("add", base, routed)


@rule("pixel_shuffle.default")
def lower_pixel_shuffle(g: Graph, a: int, factor: int) -> int:
    size_n, size_c, size_h, size_w = g.shape(a)
    cells = g.reshape(a, (size_n, size_c // factor**2, factor, factor, size_h, size_w))
    return g.reshape(
        g.permute(cells, (0, 1, 4, 2, 5, 3)), (size_n, size_c // factor**2, size_h * factor, size_w * factor)
    )


@rule("pixel_unshuffle.default")
def lower_pixel_unshuffle(g: Graph, a: int, factor: int) -> int:
    size_n, size_c, size_h, size_w = g.shape(a)
    high, wide = size_h // factor, size_w // factor
    cells = g.reshape(a, (size_n, size_c, high, factor, wide, factor))
    return g.reshape(g.permute(cells, (0, 1, 3, 5, 2, 4)), (size_n, size_c * factor**2, high, wide))


def nearest_factors(given: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """How often each place is repeated. Errors: `Unsupported` unless a whole number of times."""
    if any(size % own for own, size in zip(given, wanted, strict=True)):
        raise refuse("upsampling by a factor that is not whole", "choose sizes that are multiples")
    return tuple(size // own for own, size in zip(given, wanted, strict=True))


@rule("upsample_nearest1d.default", "upsample_nearest2d.default")
def lower_upsample(g: Graph, a: int, wanted: Sequence[int], *_: Any) -> int:
    for axis, factor in enumerate(nearest_factors(g.shape(a)[2:], wanted), 2):
        shape = g.shape(a)
        column = g.reshape(a, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        wide = g.expand(column, (*shape[: axis + 1], factor, *shape[axis + 1 :]))
        a = g.reshape(wide, (*shape[:axis], shape[axis] * factor, *shape[axis + 1 :]))
    return a


@rule("upsample_nearest1d_backward.default", "upsample_nearest2d_backward.default")
def lower_upsample_backward(g: Graph, grad: int, wanted: Sequence[int], given: Sequence[int], *_: Any) -> int:
    factors = nearest_factors(given[2:], wanted)
    shape = list(given[:2])
    for size, factor in zip(given[2:], factors, strict=True):
        shape += [size, factor]
    return g.sum(g.reshape(grad, tuple(shape)), tuple(range(3, len(shape), 2)))
