"""Lowerings of statistics along axes (variances, lengths, group norms, largest elements) and of small products."""

from typing import Any

from assay.work.lower import RULES, Ref, as_float, axes_of, refuse, row_max, rule
from assay.work.lower_layers import lower_bmm, lower_mm
from assay.work.normal import Graph


def variance(g: Graph, a: int, dims: Any, correction: float | None, keep: bool) -> tuple[int, int]:
    """Variance and mean; the sum of squares is divided by the count less the correction (1 for none)."""
    axes = axes_of(g, a, dims)
    count = 1
    for axis in axes:
        count *= g.shape(a)[axis]
    less = count - (1 if correction is None else correction)
    if less <= 0:
        raise refuse("a variance of as many values as its correction", "use unbiased=False")
    delta = g.map("sub", a, g.mean(a, axes, True))
    total = g.sum(g.map("mul", delta, delta), axes, keep)
    return g.map("div", total, g.scalar(float(less))), g.mean(a, axes, keep)


@rule("var.correction")
def lower_var(g: Graph, a: int, dims: Any = None, *, correction: float | None = None, keepdim: bool = False) -> int:
    return variance(g, a, dims, correction, keepdim)[0]


@rule("std.correction")
def lower_std(g: Graph, a: int, dims: Any = None, *, correction: float | None = None, keepdim: bool = False) -> int:
    return g.map("sqrt", variance(g, a, dims, correction, keepdim)[0])


@rule("var_mean.correction")
def lower_var_mean(
    g: Graph, a: int, dims: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Ref, Ref]:
    spread, center = variance(g, a, dims, correction, keepdim)
    return Ref(spread), Ref(center)


@rule("linalg_vector_norm.default")
def lower_norm(g: Graph, a: int, order: float = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> int:
    axes = axes_of(g, a, dims)
    if order == 1:
        return g.sum(g.map("abs", a), axes, keepdim)
    if order != 2:
        raise refuse(f"a norm of order {order}", "use order 1 or 2")
    return g.map("sqrt", g.sum(g.map("mul", a, a), axes, keepdim))


@rule("norm.ScalarOpt_dim", "norm.Scalar", "norm.ScalarOpt_dim_dtype")
def lower_old_norm(g: Graph, a: int, order: float | None = 2, dims: Any = None, keepdim: bool = False) -> int:
    return lower_norm(g, a, 2 if order is None else order, dims, keepdim)


@rule("logsumexp.default")
def lower_logsumexp(g: Graph, a: int, dims: Any, keepdim: bool = False) -> int:
    axes = axes_of(g, a, dims)
    if len(axes) != 1:
        raise refuse("logsumexp over several axes", "flatten them first")
    largest = row_max(g, a, axes[0], True)
    total = g.map("log", g.sum(g.map("exp", g.map("sub", a, largest)), axes, True))
    result = g.map("add", total, largest)
    shape = g.shape(a)
    return result if keepdim else g.reshape(result, shape[: axes[0]] + shape[axes[0] + 1 :])


@rule("maximum.default")
def lower_maximum(g: Graph, a: int, b: int) -> int:
    return g.map("maximum", as_float(g, Ref(a)), as_float(g, Ref(b)))


@rule("minimum.default")
def lower_minimum(g: Graph, a: int, b: int) -> int:
    return g.map("minimum", as_float(g, Ref(a)), as_float(g, Ref(b)))


@rule("clamp_min.Tensor", "clamp.Tensor")
def lower_clamp_tensor(g: Graph, a: int, low: int | None = None, high: int | None = None) -> int:
    if low is not None:
        a = g.map("maximum", a, low)
    return a if high is None else g.map("minimum", a, high)


RULES["clamp_max.Tensor"] = lambda g, a, high: lower_clamp_tensor(g, a, None, high)


def largest(g: Graph, a: int, dim: int, keep: bool) -> tuple[int, int]:
    """The first of the largest elements along an axis, and its place."""
    shape = g.shape(a)
    axis = dim % len(shape)
    order = (*(at for at in range(len(shape)) if at != axis), axis)
    rows = g.permute(a, order)
    kept = g.shape(rows)[:-1]
    places = g.put("argmax", (rows,), shape=kept, dtype="I64")
    values = g.put("pick", (rows, places), shape=kept, dtype="F32")
    if keep:
        wide = (*shape[:axis], 1, *shape[axis + 1 :])
        return g.reshape(values, wide), g.reshape(places, wide)
    return values, places


@rule("max.dim")
def lower_max(g: Graph, a: int, dim: int, keepdim: bool = False) -> tuple[Ref, Ref]:
    values, places = largest(g, a, dim, keepdim)
    return Ref(values), Ref(places)


@rule("min.dim")
def lower_min(g: Graph, a: int, dim: int, keepdim: bool = False) -> tuple[Ref, Ref]:
    values, places = largest(g, g.map("neg", a), dim, keepdim)
    return Ref(g.map("neg", values)), Ref(places)


@rule("amin.default")
def lower_amin(g: Graph, a: int, dims: Any = (), keepdim: bool = False) -> int:
    axes = axes_of(g, a, dims)
    if len(axes) != 1:
        raise refuse("amin over several axes", "flatten them first")
    return g.map("neg", row_max(g, g.map("neg", a), axes[0], keepdim))


@rule("native_group_norm.default")
def lower_group_norm(
    g: Graph, x: int, weight: int | None, bias: int | None, size_n: int, size_c: int, _: int, groups: int, eps: float
) -> tuple[Ref, ...]:
    rows = g.reshape(x, (size_n, groups, g.types[x].size // (size_n * groups)))
    center = g.mean(rows, (2,), True)
    delta = g.map("sub", rows, center)
    spread = g.mean(g.map("mul", delta, delta), (2,), True)
    rate = g.map("div", g.scalar(1.0), g.map("sqrt", g.map("add", spread, g.scalar(eps))))
    out = g.reshape(g.map("mul", delta, rate), g.shape(x))
    column = (size_c, *(1,) * (len(g.shape(x)) - 2))
    out = out if weight is None else g.map("mul", out, g.reshape(weight, column))
    out = out if bias is None else g.map("add", out, g.reshape(bias, column))
    return Ref(out), Ref(g.reshape(center, (size_n, groups))), Ref(g.reshape(rate, (size_n, groups)))


@rule("native_group_norm_backward.default")
def lower_group_norm_backward(
    g: Graph, grad: int, x: int, center: int, rate: int, weight: int | None, size_n: int, size_c: int, _: int,
    groups: int, wanted: Any,
) -> tuple[Ref | None, ...]:  # fmt: skip
    shape = (size_n, groups, g.types[x].size // (size_n * groups))
    wide_rate = g.reshape(rate, (size_n, groups, 1))
    delta = g.map("sub", g.reshape(x, shape), g.reshape(center, (size_n, groups, 1)))
    unit = g.map("mul", delta, wide_rate)
    outer = tuple(axis for axis in range(len(g.shape(x))) if axis != 1)
    to_input = to_weight = None
    if wanted[0]:
        column = (size_c, *(1,) * (len(g.shape(x)) - 2))
        scaled = g.reshape(grad if weight is None else g.map("mul", grad, g.reshape(weight, column)), shape)
        turn = g.map("mul", unit, g.mean(g.map("mul", scaled, unit), (2,), True))
        inner = g.map("add", g.mean(scaled, (2,), True), turn)
        to_input = Ref(g.reshape(g.map("mul", g.map("sub", scaled, inner), wide_rate), g.shape(x)))
    if wanted[1]:
        to_weight = Ref(g.sum(g.map("mul", grad, g.reshape(unit, g.shape(x))), outer))
    return to_input, to_weight, Ref(g.sum(grad, outer)) if wanted[2] else None


@rule("mv.default")
def lower_mv(g: Graph, a: int, b: int) -> int:
    rows, length = g.shape(a)
    return g.reshape(lower_mm(g, a, g.reshape(b, (length, 1))), (rows,))


@rule("dot.default", "vdot.default")
def lower_dot(g: Graph, a: int, b: int) -> int:
    length = g.types[a].size
    return g.reshape(lower_mm(g, g.reshape(a, (1, length)), g.reshape(b, (length, 1))), ())


@rule("baddbmm.default")
def lower_baddbmm(g: Graph, base: int, a: int, b: int, *, beta: float = 1, alpha: float = 1) -> int:
    product = lower_bmm(g, a, b)
    product = product if alpha == 1 else g.map("mul", product, g.scalar(alpha))
    if beta == 0:
        return product
    return g.map("add", product, base if beta == 1 else g.map("mul", base, g.scalar(beta)))


@rule("addcmul.default")
def lower_addcmul(g: Graph, base: int, a: int, b: int, *, value: float = 1) -> int:
    product = g.map("mul", a, b)
    return g.map("add", base, product if value == 1 else g.map("mul", product, g.scalar(value)))


@rule("addcdiv.default")
def lower_addcdiv(g: Graph, base: int, a: int, b: int, *, value: float = 1) -> int:
    share = g.map("div", a, b)
    return g.map("add", base, share if value == 1 else g.map("mul", share, g.scalar(value)))


@rule("lerp.Scalar", "lerp.Tensor")
def lower_lerp(g: Graph, a: int, b: int, weight: Any) -> int:
    return g.map("add", a, g.map("mul", g.map("sub", b, a), as_float(g, weight)))
