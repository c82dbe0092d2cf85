"""Lowerings of norms, softmax and losses, forward and backward."""

from collections.abc import Sequence
from typing import Any

from assay.work.lower import Ref, refuse, row_max, rule
from assay.work.normal import MASKED, Graph

DEFAULT_IGNORED = -100
"""The target that PyTorch leaves out of a loss where a user names none."""


def norm_axes(g: Graph, x: int, shape: Sequence[int]) -> tuple[int, ...]:
    """The last axes that a layer norm normalises."""
    rank = len(g.shape(x))
    return tuple(range(rank - len(shape), rank))


@rule("native_layer_norm.default")
def lower_layer_norm(g: Graph, x: int, shape: Any, weight: int | None, bias: int | None, eps: float) -> tuple[Ref, ...]:
    axes = norm_axes(g, x, shape)
    center = g.mean(x, axes, True)
    delta = g.map("sub", x, center)
    variance = g.mean(g.map("mul", delta, delta), axes, True)
    rate = g.map("div", g.scalar(1.0), g.map("sqrt", g.map("add", variance, g.scalar(eps))))
    out = g.map("mul", delta, rate)
    if weight is not None:
        out = g.map("mul", out, weight)
    if bias is not None:
        out = g.map("add", out, bias)
    return Ref(out), Ref(center), Ref(rate)


@rule("native_layer_norm_backward.default")
def lower_layer_norm_backward(
    g: Graph, grad: int, x: int, shape: Any, center: int, rate: int, weight: int | None, bias: int | None, wanted: Any
) -> tuple[Ref | None, ...]:
    axes = norm_axes(g, x, shape)
    outer = tuple(range(len(g.shape(x)) - len(shape)))
    unit = g.map("mul", g.map("sub", x, center), rate)
    scaled = grad if weight is None else g.map("mul", grad, weight)
    inner = g.map("add", g.mean(scaled, axes, True), g.map("mul", unit, g.mean(g.map("mul", scaled, unit), axes, True)))
    to_input = Ref(g.map("mul", g.map("sub", scaled, inner), rate)) if wanted[0] else None
    to_weight = Ref(g.sum(g.map("mul", grad, unit), outer)) if wanted[1] and weight is not None else None
    to_bias = Ref(g.sum(grad, outer)) if wanted[2] and bias is not None else None
    return to_input, to_weight, to_bias


def channel_axes(g: Graph, x: int) -> tuple[int, ...]:
    """All axes but the channels'."""
    return tuple(axis for axis in range(len(g.shape(x))) if axis != 1)


def by_channel(g: Graph, values: int, x: int) -> int:
    """A vector of channels as it broadcasts over x."""
    return g.reshape(values, (g.types[values].size, *(1,) * (len(g.shape(x)) - 2)))


@rule("native_batch_norm.default")
def lower_batch_norm(
    g: Graph, x: int, weight: int | None, bias: int | None, running_mean: int | None, running_var: int | None,
    training: bool, momentum: float, eps: float,
) -> tuple[Ref, ...]:  # fmt: skip
    """Output, mean, rate; in training also the new running mean and variance, which the tracer hides."""
    axes = channel_axes(g, x)
    size_c = g.shape(x)[1]
    count = g.types[x].size // size_c
    news: tuple[Ref, ...] = ()
    if training:
        center = g.reshape(g.mean(x, axes), (size_c,))
        delta = g.map("sub", x, by_channel(g, center, x))
        variance = g.mean(g.map("mul", delta, delta), axes)
        if running_mean is not None and running_var is not None:
            unbiased = g.map("mul", variance, g.scalar(count / max(count - 1, 1)))
            news = tuple(
                Ref(g.map("add", g.map("mul", old, g.scalar(1 - momentum)), g.map("mul", new, g.scalar(momentum))))
                for old, new in ((running_mean, center), (running_var, unbiased))
            )
    else:
        if running_mean is None or running_var is None:
            raise refuse("batch norm without statistics outside training")
        center, variance = running_mean, running_var
        delta = g.map("sub", x, by_channel(g, center, x))
    rate = g.map("div", g.scalar(1.0), g.map("sqrt", g.map("add", variance, g.scalar(eps))))
    out = g.map("mul", delta, by_channel(g, rate, x))
    out = out if weight is None else g.map("mul", out, by_channel(g, weight, x))
    out = out if bias is None else g.map("add", out, by_channel(g, bias, x))
    return Ref(out), Ref(center), Ref(rate), *news


@rule("native_batch_norm_backward.default")
def lower_batch_norm_backward(
    g: Graph, grad: int, x: int, weight: int | None, _: Any, __: Any, center: int, rate: int, training: bool,
    ___: float, wanted: Any,
) -> tuple[Ref | None, ...]:  # fmt: skip
    axes = channel_axes(g, x)
    wide_rate = by_channel(g, rate, x)
    unit = g.map("mul", g.map("sub", x, by_channel(g, center, x)), wide_rate)
    total = g.sum(grad, axes)
    aligned = g.sum(g.map("mul", grad, unit), axes)
    to_input = None
    if wanted[0]:
        inner = grad
        if training:
            size = g.scalar(float(g.types[x].size // g.shape(x)[1]))
            shift = by_channel(g, g.map("div", total, size), x)
            turn = g.map("mul", unit, by_channel(g, g.map("div", aligned, size), x))
            inner = g.map("sub", g.map("sub", grad, shift), turn)
        inner = g.map("mul", inner, wide_rate)
        to_input = Ref(inner if weight is None else g.map("mul", inner, by_channel(g, weight, x)))
    has_weight = weight is not None
    return (
        to_input,
        Ref(aligned) if wanted[1] and has_weight else None,
        Ref(total) if wanted[2] and has_weight else None,
    )


def shifted(g: Graph, x: int, axis: int) -> tuple[int, int]:
    """x less its largest along the axis, and the exact sum of exponentials of that."""
    z = g.map("sub", x, row_max(g, x, axis, True))
    return z, g.sum(g.map("exp", z), (axis,), True)


@rule("_log_softmax.default")
def lower_log_softmax(g: Graph, x: int, dim: int, _: bool) -> int:
    z, total = shifted(g, x, dim % len(g.shape(x)))
    return g.map("sub", z, g.map("log", total))


@rule("_log_softmax_backward_data.default")
def lower_log_softmax_backward(g: Graph, grad: int, out: int, dim: int, _: Any) -> int:
    total = g.sum(grad, (dim % len(g.shape(out)),), True)
    return g.map("sub", grad, g.map("mul", g.map("exp", out), total))


@rule("_softmax.default", "_safe_softmax.default")
def lower_softmax(g: Graph, x: int, dim: int, *_: Any) -> int:
    axis = dim % len(g.shape(x))
    z, total = shifted(g, x, axis)
    share = g.map("div", g.map("exp", z), total)
    if not g.floored:
        return share
    return g.map("where", g.compare("gt", row_max(g, x, axis, True), g.scalar(MASKED)), share, g.scalar(0.0))


@rule("_softmax_backward_data.default")
def lower_softmax_backward(g: Graph, grad: int, out: int, dim: int, _: Any) -> int:
    product = g.map("mul", grad, out)
    return g.map("sub", product, g.map("mul", out, g.sum(product, (dim % len(g.shape(out)),), True)))


def leaves_out(g: Graph, ignored: int) -> bool:
    """Whether targets of this class number are left out of a loss. -100, which PyTorch says where a user says nothing,
    is only where the batch at capture has such targets; elsewhere a -100 is a fault, as any odd class is."""
    return ignored != DEFAULT_IGNORED or g.ignores


def shares(g: Graph, y: int, weight: int | None, ignored: int) -> tuple[int, int]:
    """Targets that are classes for certain, and what each counts: its class's weight, 0 where it is left out."""
    ones = g.expand(g.scalar(1.0), g.shape(y))
    if not leaves_out(g, ignored):
        assert weight is not None
        return y, g.put("gather", (weight, y), shape=g.shape(y), dtype="F32")
    kept = g.compare("ne", y, g.integer(ignored))
    safe = g.map("where", kept, y, g.integer(0))
    counts = ones if weight is None else g.put("gather", (weight, safe), shape=g.shape(y), dtype="F32")
    return safe, g.map("where", kept, counts, g.scalar(0.0))


def divisor(g: Graph, total: int) -> int:
    """A sum of what targets count; 1 for 0: a batch whose targets are all left out costs 0 (in PyTorch, NaN)."""
    return g.map("where", g.compare("gt", total, g.scalar(0.0)), total, g.scalar(1.0))


@rule("nll_loss_forward.default")
def lower_nll(g: Graph, logs: int, y: int, weight: int | None, reduction: int, ignored: int) -> tuple[Ref, Ref]:
    size = g.shape(y)[0]
    if weight is None and not leaves_out(g, ignored):
        losses = g.map("neg", g.put("pick", (logs, y), shape=g.shape(y), dtype="F32"))
        count = g.scalar(float(size))
    else:
        y, counts = shares(g, y, weight, ignored)
        losses = g.map("mul", g.map("neg", g.put("pick", (logs, y), shape=g.shape(y), dtype="F32")), counts)
        count = divisor(g, g.sum(counts, (0,)))
    if reduction == 0:
        return Ref(losses), Ref(count)
    total = g.sum(losses, (0,))
    return Ref(g.map("div", total, count) if reduction == 1 else total), Ref(count)


@rule("nll_loss_backward.default")
def lower_nll_backward(
    g: Graph, grad: int, logs: int, y: int, weight: int | None, reduction: int, ignored: int, total: int
) -> int:
    size, classes = g.shape(logs)
    share = g.map("neg", g.map("div", grad, total) if reduction == 1 else grad)
    if weight is not None or leaves_out(g, ignored):
        y, counts = shares(g, y, weight, ignored)
        share = g.reshape(g.map("mul", share, counts), (size, 1))
    elif reduction == 0:
        share = g.reshape(share, (size, 1))
    hit = g.compare("eq", g.reshape(y, (size, 1)), g.iota((classes,), 0))
    return g.expand(g.map("where", hit, share, g.scalar(0.0)), (size, classes))


@rule("mse_loss.default")
def lower_mse(g: Graph, a: int, b: int, reduction: int = 1) -> int:
    delta = g.map("sub", a, b)
    square = g.map("mul", delta, delta)
    axes = tuple(range(len(g.shape(square))))
    return square if reduction == 0 else g.mean(square, axes) if reduction == 1 else g.sum(square, axes)


@rule("mse_loss_backward.default")
def lower_mse_backward(g: Graph, grad: int, a: int, b: int, reduction: int) -> int:
    scale = 2.0 / g.types[a].size if reduction == 1 else 2.0
    return g.map("mul", g.map("mul", g.map("sub", a, b), g.scalar(scale)), grad)
