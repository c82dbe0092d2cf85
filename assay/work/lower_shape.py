"""Lowerings of ATen's shape and creation operators to index maps and constants."""

from collections.abc import Sequence
from typing import Any

import torch

from assay.work.lower import RULES, Allocation, Ref, as_float, refuse, rule
from assay.work.normal import Graph

NO_DTYPE: torch.dtype | None = None

for each in ("detach.default", "alias.default", "clone.default", "contiguous.default", "lift_fresh_copy.default"):
    RULES[each] = lambda _, a, **__: a


@rule("view.default", "_unsafe_view.default", "reshape.default")
def lower_view(g: Graph, a: int, shape: Sequence[int]) -> int:
    sizes = list(shape)
    if -1 in sizes:
        known = 1
        for size in sizes:
            known *= size if size != -1 else 1
        sizes[sizes.index(-1)] = g.types[a].size // known
    return g.reshape(a, tuple(sizes))


@rule("t.default")
def lower_t(g: Graph, a: int) -> int:
    return g.permute(a, tuple(reversed(range(len(g.shape(a))))))


@rule("transpose.int")
def lower_transpose(g: Graph, a: int, first: int, second: int) -> int:
    rank = len(g.shape(a))
    axes = list(range(rank))
    axes[first % rank], axes[second % rank] = axes[second % rank], axes[first % rank]
    return g.permute(a, tuple(axes))


@rule("permute.default")
def lower_permute(g: Graph, a: int, dims: Sequence[int]) -> int:
    return g.permute(a, tuple(dim % len(dims) for dim in dims))


@rule("expand.default")
def lower_expand(g: Graph, a: int, shape: Sequence[int], **_: Any) -> int:
    source = (1,) * (len(shape) - len(g.shape(a))) + g.shape(a)
    sizes = tuple(own if size == -1 else size for size, own in zip(shape, source, strict=True))
    return g.expand(a, sizes)


@rule("unsqueeze.default")
def lower_unsqueeze(g: Graph, a: int, dim: int) -> int:
    shape = list(g.shape(a))
    shape.insert(dim % (len(shape) + 1), 1)
    return g.reshape(a, tuple(shape))


@rule("squeeze.dim", "squeeze.dims", "squeeze.default")
def lower_squeeze(g: Graph, a: int, dims: Any = None) -> int:
    shape = g.shape(a)
    chosen = range(len(shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    drop = {dim % len(shape) for dim in chosen}
    return g.reshape(a, tuple(size for axis, size in enumerate(shape) if axis not in drop or size != 1))


@rule("slice.Tensor")
def lower_slice(g: Graph, a: int, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> int:
    shape = g.shape(a)
    axis = dim % len(shape)
    first, last, _ = slice(start, end).indices(shape[axis])
    if last <= first:
        raise refuse("an empty slice", "leave it out")
    starts = tuple(first if at == axis else 0 for at in range(len(shape)))
    steps = tuple(step if at == axis else 1 for at in range(len(shape)))
    return g.slice(a, starts, steps, (*shape[:axis], (last - first + step - 1) // step, *shape[axis + 1 :]))


@rule("select.int")
def lower_select(g: Graph, a: int, dim: int, at: int) -> int:
    shape = g.shape(a)
    axis = dim % len(shape)
    return g.reshape(g.cut(a, axis, at % shape[axis], 1), shape[:axis] + shape[axis + 1 :])


def spaced(g: Graph, a: int, axis: int, step: int) -> int:
    """`step - 1` zeros after each element of an axis."""
    shape = g.shape(a)
    column = g.reshape(a, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    after = tuple(step - 1 if at == axis + 1 else 0 for at in range(len(shape) + 1))
    wide = g.pad(column, (0,) * (len(shape) + 1), after)
    return g.reshape(wide, (*shape[:axis], shape[axis] * step, *shape[axis + 1 :]))


@rule("slice_backward.default")
def lower_slice_backward(g: Graph, grad: int, sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> int:
    axis = dim % len(sizes)
    if step != 1:
        size = g.shape(grad)[axis]
        grad = g.cut(spaced(g, grad, axis, step), axis, 0, (size - 1) * step + 1)
    first = slice(start, end).indices(sizes[axis])[0]
    rank = len(sizes)
    before = tuple(first if at == axis else 0 for at in range(rank))
    after = tuple(sizes[axis] - first - g.shape(grad)[axis] if at == axis else 0 for at in range(rank))
    return g.pad(grad, before, after)


@rule("select_backward.default")
def lower_select_backward(g: Graph, grad: int, sizes: Sequence[int], dim: int, at: int) -> int:
    axis = dim % len(sizes)
    place = at % sizes[axis]
    wide = lower_unsqueeze(g, grad, axis)
    return lower_slice_backward(g, wide, sizes, axis, place, place + 1, 1)


@rule("cat.default")
def lower_cat(g: Graph, parts: Sequence[int], dim: int = 0) -> int:
    return g.concat(list(parts), dim % len(g.shape(parts[0])))


@rule("stack.default")
def lower_stack(g: Graph, parts: Sequence[int], dim: int = 0) -> int:
    return g.concat([lower_unsqueeze(g, part, dim) for part in parts], dim % (len(g.shape(parts[0])) + 1))


@rule("split.Tensor", "split_with_sizes.default")
def lower_split(g: Graph, a: int, sizes: Any, dim: int = 0) -> tuple[Ref, ...]:
    axis = dim % len(g.shape(a))
    length = g.shape(a)[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, length - start) for start in range(0, length, sizes)]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return tuple(Ref(g.cut(a, axis, start, size)) for start, size in zip(starts, sizes, strict=True))


def fill(g: Graph, shape: Sequence[int], number: Any, dtype: torch.dtype | None) -> int:
    """A repeated scalar."""
    if dtype == torch.int64 or (dtype is None and isinstance(number, int) and not isinstance(number, bool)):
        return g.expand(g.integer(int(number)), tuple(shape))
    if dtype in (None, torch.float32):
        return g.expand(as_float(g, float(number)), tuple(shape))
    if dtype == torch.bool:
        return g.expand(g.constant(torch.tensor(bool(number))), tuple(shape))
    raise refuse(f"a constant of {dtype}", "programs compute in float32, int64 and bool")


TORCH_OF = {"F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool}


@rule("ones_like.default", "zeros_like.default", "full_like.default")
def lower_full_like(g: Graph, a: int, number: Any = 0, dtype: torch.dtype | None = NO_DTYPE, **_: Any) -> int:
    return fill(g, g.shape(a), number, dtype or TORCH_OF[g.dtype(a)])


RULES["ones_like.default"] = lambda g, a, dtype=None, **_: lower_full_like(g, a, 1, dtype)
RULES["zeros_like.default"] = lambda g, a, dtype=None, **_: lower_full_like(g, a, 0, dtype)


@rule("fill.Scalar")
def lower_fill(g: Graph, a: Any, number: Any) -> int:
    shape, dtype = (a.shape, a.dtype) if isinstance(a, Allocation) else (g.shape(a), TORCH_OF[g.dtype(a)])
    return fill(g, shape, number, dtype)


@rule("full.default")
def lower_full(g: Graph, shape: Sequence[int], number: Any, dtype: torch.dtype | None = NO_DTYPE, **_: Any) -> int:
    return fill(g, shape, number, dtype)


RULES["ones.default"] = lambda g, shape, dtype=None, **_: fill(g, shape, 1.0, dtype)
RULES["zeros.default"] = lambda g, shape, dtype=None, **_: fill(g, shape, 0.0, dtype)
RULES["new_zeros.default"] = lambda g, a, shape, dtype=None, **_: fill(g, shape, 0, dtype or TORCH_OF[g.dtype(a)])
RULES["new_ones.default"] = lambda g, a, shape, dtype=None, **_: fill(g, shape, 1, dtype or TORCH_OF[g.dtype(a)])
RULES["scalar_tensor.default"] = lambda g, number, dtype=None, **_: fill(g, (), number, dtype)


@rule("arange.default", "arange.start", "arange.start_step")
def lower_arange(g: Graph, *bounds: Any, dtype: torch.dtype | None = NO_DTYPE, **_: Any) -> int:
    if not all(float(bound).is_integer() for bound in bounds) or dtype not in (None, torch.int64, torch.float32):
        raise refuse("arange of floats", "use integers and convert")
    if dtype == torch.float32 or any(isinstance(bound, float) for bound in bounds):
        return as_float(g, Ref(lower_arange(g, *(int(bound) for bound in bounds))))
    numbers = range(*bounds)
    steps = g.iota((len(numbers),), 0)
    if numbers.step != 1:
        steps = g.map("integer_mul", steps, g.integer(numbers.step))
    return g.map("integer_add", steps, g.integer(numbers.start)) if numbers.start else steps
