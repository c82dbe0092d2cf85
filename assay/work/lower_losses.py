"""Lowerings of losses by element and of classes over images, forward and backward.

`reduction` is ATen's: 0 gives each element's loss, 1 their mean, 2 their sum.
"""

from typing import Any

from assay.work.lower import Ref, as_float, rule, sigmoid
from assay.work.lower_activations import lower_sign, softplus
from assay.work.lower_norms import lower_nll, lower_nll_backward
from assay.work.normal import Graph

SMALLEST = 2.0**-149
"""The smallest positive float32: its logarithm is below the floor that the binary cross-entropy has anyway."""
LOWEST_LOG = -100.0
CLOSEST = 1e-12
"""The least divisor in the gradient of a binary cross-entropy, as in PyTorch."""


def reduce(g: Graph, losses: int, reduction: int) -> int:
    """The losses, their mean or their sum."""
    axes = tuple(range(len(g.shape(losses))))
    return losses if reduction == 0 else g.mean(losses, axes) if reduction == 1 else g.sum(losses, axes)


def shared(g: Graph, grad: int, a: int, reduction: int) -> int:
    """The gradient of each element's loss."""
    return g.map("div", grad, g.scalar(float(g.types[a].size))) if reduction == 1 else grad


def linear_beyond(g: Graph, a: int, b: int, reach: float) -> tuple[int, int, int]:
    """a - b, its magnitude, and whether that is below `reach`."""
    delta = g.map("sub", a, b)
    size = g.map("abs", delta)
    return delta, size, g.compare("lt", size, g.scalar(reach))


@rule("smooth_l1_loss.default")
def lower_smooth_l1(g: Graph, a: int, b: int, reduction: int = 1, beta: float = 1.0) -> int:
    _, size, near = linear_beyond(g, a, b, beta)
    curved = g.map("mul", g.map("mul", size, size), g.scalar(0.5 / beta))
    return reduce(g, g.map("where", near, curved, g.map("sub", size, g.scalar(0.5 * beta))), reduction)


@rule("smooth_l1_loss_backward.default")
def lower_smooth_l1_backward(g: Graph, grad: int, a: int, b: int, reduction: int, beta: float) -> int:
    delta, _, near = linear_beyond(g, a, b, beta)
    slope = g.map("where", near, g.map("div", delta, g.scalar(beta)), lower_sign(g, delta))
    return g.map("mul", slope, shared(g, grad, delta, reduction))


@rule("huber_loss.default")
def lower_huber(g: Graph, a: int, b: int, reduction: int = 1, reach: float = 1.0) -> int:
    _, size, near = linear_beyond(g, a, b, reach)
    curved = g.map("mul", g.map("mul", size, size), g.scalar(0.5))
    straight = g.map("mul", g.map("sub", size, g.scalar(0.5 * reach)), g.scalar(reach))
    return reduce(g, g.map("where", near, curved, straight), reduction)


@rule("huber_loss_backward.default")
def lower_huber_backward(g: Graph, grad: int, a: int, b: int, reduction: int, reach: float) -> int:
    delta, _, near = linear_beyond(g, a, b, reach)
    slope = g.map("where", near, delta, g.map("mul", lower_sign(g, delta), g.scalar(reach)))
    return g.map("mul", slope, shared(g, grad, delta, reduction))


def bounded_log(g: Graph, a: int) -> int:
    """log(a), at least -100; -100 for 0."""
    return g.map("maximum", g.map("log", g.map("maximum", a, g.scalar(SMALLEST))), g.scalar(LOWEST_LOG))


@rule("binary_cross_entropy.default")
def lower_bce(g: Graph, a: int, y: int, weight: int | None = None, reduction: int = 1) -> int:
    other, absent = g.map("sub", g.scalar(1.0), a), g.map("sub", g.scalar(1.0), y)
    likely = g.map("add", g.map("mul", y, bounded_log(g, a)), g.map("mul", absent, bounded_log(g, other)))
    losses = g.map("neg", likely)
    return reduce(g, losses if weight is None else g.map("mul", losses, weight), reduction)


@rule("binary_cross_entropy_backward.default")
def lower_bce_backward(
    g: Graph, grad: int, a: int, y: int, weight: int | None = None, reduction: int = 1
) -> int:  # fmt: skip
    spread = g.map("maximum", g.map("mul", g.map("sub", g.scalar(1.0), a), a), g.scalar(CLOSEST))
    slope = g.map("div", g.map("sub", a, y), spread)
    slope = slope if weight is None else g.map("mul", slope, weight)
    return g.map("mul", slope, shared(g, grad, slope, reduction))


@rule("soft_margin_loss.default")
def lower_soft_margin(g: Graph, a: int, y: int, reduction: int = 1) -> int:
    return reduce(g, softplus(g, g.map("neg", g.map("mul", y, a))), reduction)


@rule("soft_margin_loss_backward.default")
def lower_soft_margin_backward(g: Graph, grad: int, a: int, y: int, reduction: int) -> int:
    turned = g.map("neg", y)
    slope = g.map("mul", turned, sigmoid(g, g.map("mul", turned, a)))
    return g.map("mul", slope, shared(g, grad, slope, reduction))


@rule("xlogy.Tensor", "xlogy.Scalar_Self")
def lower_xlogy(g: Graph, a: Any, b: int) -> int:
    left = as_float(g, a)
    nothing = g.compare("eq", left, g.scalar(0.0))
    safe = g.map("where", nothing, g.scalar(1.0), b)
    return g.map("where", nothing, g.scalar(0.0), g.map("mul", left, g.map("log", safe)))


def pixel_rows(g: Graph, logs: int, y: int) -> tuple[int, int]:
    """Class scores [N, C, H, W] and targets [N, H, W] as rows."""
    size_n, size_c, size_h, size_w = g.shape(logs)
    count = size_n * size_h * size_w
    return g.reshape(g.permute(logs, (0, 2, 3, 1)), (count, size_c)), g.reshape(y, (count,))


@rule("nll_loss2d_forward.default")
def lower_nll_2d(g: Graph, logs: int, y: int, weight: Any, reduction: int, ignored: int) -> tuple[Ref, Ref]:
    loss, total = lower_nll(g, *pixel_rows(g, logs, y), weight, reduction, ignored)
    return Ref(g.reshape(loss, g.shape(y))) if reduction == 0 else loss, total


@rule("nll_loss2d_backward.default")
def lower_nll_2d_backward(
    g: Graph, grad: int, logs: int, y: int, weight: Any, reduction: int, ignored: int, total: int
) -> int:
    size_n, size_c, size_h, size_w = g.shape(logs)
    rows, places = pixel_rows(g, logs, y)
    flat = g.reshape(grad, g.shape(places)) if reduction == 0 else grad
    result = lower_nll_backward(g, flat, rows, places, weight, reduction, ignored, total)
    return g.permute(g.reshape(result, (size_n, size_h, size_w, size_c)), (0, 3, 1, 2))
