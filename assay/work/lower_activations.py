"""Lowerings of activations beyond relu, gelu, silu and sigmoid, forward and backward.

Each is written so that no intermediate overflows where the result does not: exponentials are taken of what is bounded
above.
"""

import math
from typing import Any

from assay.work.lower import Ref, as_float, lower_clamp, refuse, rule, sigmoid
from assay.work.normal import Graph


def positive(g: Graph, a: int, taken: int, other: int) -> int:
    """`taken` where a > 0, else `other`."""
    return g.map("where", g.compare("gt", a, g.scalar(0.0)), taken, other)


def between(g: Graph, a: int, low: float, high: float) -> int:
    """Whether low < a < high."""
    return g.map("and", g.compare("gt", a, g.scalar(low)), g.compare("lt", a, g.scalar(high)))


def scaled(g: Graph, a: int, factor: float) -> int:
    """a * factor; a itself for 1."""
    return a if factor == 1 else g.map("mul", a, g.scalar(factor))


def log1p(g: Graph, a: int) -> int:
    """log(1 + a), accurate near 0: log(u) * a / (u - 1) for u = 1 + a rounded (Kahan; Goldberg 1991, theorem 4)."""
    u = g.map("add", a, g.scalar(1.0))
    same = g.compare("eq", u, g.scalar(1.0))
    less = g.map("where", same, g.scalar(1.0), g.map("sub", u, g.scalar(1.0)))
    return g.map("where", same, a, g.map("mul", g.map("log", u), g.map("div", a, less)))


def expm1(g: Graph, a: int) -> int:
    """exp(a) - 1, accurate near 0: tanh(a / 2) * (exp(a) + 1)."""
    half = g.map("tanh", g.map("mul", a, g.scalar(0.5)))
    return g.map("mul", half, g.map("add", g.map("exp", a), g.scalar(1.0)))


def softplus(g: Graph, a: int) -> int:
    """log(1 + exp(a)) as max(a, 0) + log(1 + exp(-|a|))."""
    small = g.map("exp", g.map("neg", g.map("abs", a)))
    return g.map("add", g.map("maximum", a, g.scalar(0.0)), log1p(g, small))


@rule("log1p.default")
def lower_log1p(g: Graph, a: int) -> int:
    return log1p(g, as_float(g, a))


@rule("expm1.default")
def lower_expm1(g: Graph, a: int) -> int:
    return expm1(g, as_float(g, a))


@rule("exp2.default")
def lower_exp2(g: Graph, a: int) -> int:
    return g.map("exp", g.map("mul", as_float(g, a), g.scalar(math.log(2))))


@rule("log2.default")
def lower_log2(g: Graph, a: int) -> int:
    return g.map("mul", g.map("log", as_float(g, a)), g.scalar(1 / math.log(2)))


@rule("pow.Scalar")
def lower_scalar_pow(g: Graph, base: float, a: int) -> int:
    """base^a as exp(a * log base), for the frequencies of rotary embeddings."""
    if base <= 0:
        raise refuse("a power of a number that is not positive", "write it as products")
    return g.map("exp", g.map("mul", as_float(g, a), g.scalar(math.log(base))))


@rule("sign.default", "sgn.default")
def lower_sign(g: Graph, a: int) -> int:
    below = g.map("where", g.compare("lt", a, g.scalar(0.0)), g.scalar(-1.0), g.scalar(0.0))
    return positive(g, a, g.scalar(1.0), below)


@rule("softplus.default")
def lower_softplus(g: Graph, a: int, beta: float = 1, threshold: float = 20) -> int:
    wide = scaled(g, a, beta)
    soft = softplus(g, wide)
    soft = soft if beta == 1 else g.map("div", soft, g.scalar(beta))
    return g.map("where", g.compare("gt", wide, g.scalar(threshold)), a, soft)


@rule("softplus_backward.default")
def lower_softplus_backward(g: Graph, grad: int, a: int, beta: float, threshold: float) -> int:
    wide = scaled(g, a, beta)
    slope = g.map("mul", grad, sigmoid(g, wide))
    return g.map("where", g.compare("gt", wide, g.scalar(threshold)), grad, slope)


@rule("log_sigmoid_forward.default")
def lower_log_sigmoid(g: Graph, a: int) -> tuple[Ref, Ref]:
    out = Ref(g.map("neg", softplus(g, g.map("neg", a))))
    return out, out


@rule("log_sigmoid_backward.default")
def lower_log_sigmoid_backward(g: Graph, grad: int, a: int, _: Any) -> int:
    return g.map("mul", grad, sigmoid(g, g.map("neg", a)))


@rule("mish.default")
def lower_mish(g: Graph, a: int) -> int:
    return g.map("mul", a, g.map("tanh", softplus(g, a)))


@rule("mish_backward.default")
def lower_mish_backward(g: Graph, grad: int, a: int) -> int:
    turned = g.map("tanh", softplus(g, a))
    bend = g.map("mul", sigmoid(g, a), g.map("sub", g.scalar(1.0), g.map("mul", turned, turned)))
    return g.map("mul", grad, g.map("add", turned, g.map("mul", a, bend)))


@rule("elu.default")
def lower_elu(g: Graph, a: int, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> int:
    low = g.map("minimum", scaled(g, a, input_scale), g.scalar(0.0))
    return positive(g, a, scaled(g, a, scale), scaled(g, expm1(g, low), alpha * scale))


@rule("elu_backward.default")
def lower_elu_backward(
    g: Graph, grad: int, alpha: float, scale: float, input_scale: float, is_result: bool, a: int
) -> int:
    if is_result:
        slope = scaled(g, g.map("add", a, g.scalar(alpha * scale)), input_scale)
    else:
        low = g.map("minimum", scaled(g, a, input_scale), g.scalar(0.0))
        slope = scaled(g, g.map("exp", low), alpha * scale * input_scale)
    return positive(g, a, scaled(g, grad, scale), g.map("mul", grad, slope))


@rule("celu.default")
def lower_celu(g: Graph, a: int, alpha: float = 1.0) -> int:
    return lower_elu(g, a, alpha, 1.0, 1.0 / alpha)


@rule("leaky_relu.default")
def lower_leaky_relu(g: Graph, a: int, slope: float = 0.01) -> int:
    return positive(g, a, a, scaled(g, a, slope))


@rule("leaky_relu_backward.default")
def lower_leaky_relu_backward(g: Graph, grad: int, a: int, slope: float, _: bool) -> int:
    return positive(g, a, grad, scaled(g, grad, slope))


@rule("_prelu_kernel.default")
def lower_prelu(g: Graph, a: int, weight: int) -> int:
    return positive(g, a, a, g.map("mul", a, weight))


@rule("_prelu_kernel_backward.default")
def lower_prelu_backward(g: Graph, grad: int, a: int, weight: int) -> tuple[Ref, Ref]:
    to_weight = positive(g, a, g.scalar(0.0), g.map("mul", grad, a))
    return Ref(positive(g, a, grad, g.map("mul", grad, weight))), Ref(to_weight)


@rule("hardtanh.default")
def lower_hardtanh(g: Graph, a: int, low: float = -1.0, high: float = 1.0) -> int:
    return lower_clamp(g, a, low, high)


@rule("hardtanh_backward.default")
def lower_hardtanh_backward(g: Graph, grad: int, a: int, low: float, high: float) -> int:
    return g.map("where", between(g, a, low, high), grad, g.scalar(0.0))


@rule("hardsigmoid.default")
def lower_hardsigmoid(g: Graph, a: int) -> int:
    return g.map("div", lower_clamp(g, g.map("add", a, g.scalar(3.0)), 0.0, 6.0), g.scalar(6.0))


@rule("hardsigmoid_backward.default")
def lower_hardsigmoid_backward(g: Graph, grad: int, a: int) -> int:
    return g.map("where", between(g, a, -3.0, 3.0), g.map("div", grad, g.scalar(6.0)), g.scalar(0.0))


@rule("hardswish.default")
def lower_hardswish(g: Graph, a: int) -> int:
    return g.map("mul", a, lower_hardsigmoid(g, a))


@rule("hardswish_backward.default")
def lower_hardswish_backward(g: Graph, grad: int, a: int) -> int:
    slope = g.map("add", g.map("div", a, g.scalar(3.0)), g.scalar(0.5))
    inside = g.map("where", between(g, a, -3.0, 3.0), g.map("mul", grad, slope), g.scalar(0.0))
    return g.map("where", g.compare("ge", a, g.scalar(3.0)), grad, inside)


@rule("threshold.default")
def lower_threshold(g: Graph, a: int, threshold: float, value: float) -> int:
    return g.map("where", g.compare("gt", a, g.scalar(threshold)), a, g.scalar(value))


def outside(g: Graph, a: int, reach: float) -> int:
    """Whether |a| > reach."""
    return g.compare("gt", g.map("abs", a), g.scalar(reach))


@rule("hardshrink.default")
def lower_hardshrink(g: Graph, a: int, reach: float = 0.5) -> int:
    return g.map("where", outside(g, a, reach), a, g.scalar(0.0))


@rule("hardshrink_backward.default", "softshrink_backward.default")
def lower_shrink_backward(g: Graph, grad: int, a: int, reach: float) -> int:
    return g.map("where", outside(g, a, reach), grad, g.scalar(0.0))


@rule("softshrink.default")
def lower_softshrink(g: Graph, a: int, reach: float = 0.5) -> int:
    toward = g.map("mul", lower_sign(g, a), g.scalar(reach))
    return g.map("where", outside(g, a, reach), g.map("sub", a, toward), g.scalar(0.0))


def halves(g: Graph, a: int, dim: int) -> tuple[int, int, int]:
    """The axis and the two halves of a along it."""
    axis = dim % len(g.shape(a))
    size = g.shape(a)[axis] // 2
    return axis, g.cut(a, axis, 0, size), g.cut(a, axis, size, size)


@rule("glu.default")
def lower_glu(g: Graph, a: int, dim: int = -1) -> int:
    _, kept, gate = halves(g, a, dim)
    return g.map("mul", kept, sigmoid(g, gate))


@rule("glu_backward.default")
def lower_glu_backward(g: Graph, grad: int, a: int, dim: int) -> int:
    axis, kept, gate = halves(g, a, dim)
    share = sigmoid(g, gate)
    slope = g.map("mul", share, g.map("sub", g.scalar(1.0), share))
    return g.concat([g.map("mul", grad, share), g.map("mul", g.map("mul", grad, kept), slope)], axis)
