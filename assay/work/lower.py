"""From traced ATen operators to normal form: the table of lowerings and the basic rules.

A rule takes a `Graph` and the operator's arguments, with traced tensors as `Ref` (an int that is a value), and gives a
value or a tuple of values. Composite backward operators are kept by the tracer and lowered here, by our own
definitions, so that a torch release cannot change a program's meaning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from assay.protocol.errors import Unsupported
from assay.work.normal import DTYPE_NAMES, Graph


class Ref(int):
    """A value of the graph among Python scalars."""


@dataclass(frozen=True)
class Allocation:
    """A tensor without values yet."""

    shape: tuple[int, ...]
    dtype: torch.dtype


Rule = Callable[..., Any]
"""Gives a value, or a tuple of values and None."""
RULES: dict[str, Rule] = {}
AnyRule = TypeVar("AnyRule", bound=Rule)


def rule(*names: str) -> Callable[[AnyRule], AnyRule]:
    """Register a lowering for ATen overloads, by names such as `add.Tensor`."""

    def register(function: AnyRule) -> AnyRule:
        for name in names:
            RULES[name] = function
        return function

    return register


def refuse(message: str, hint: str = "") -> Unsupported:
    """The refusal of a form that has no lowering."""
    return Unsupported(message, hint=hint)


def as_float(g: Graph, value: Any) -> int:
    """A float32 value from a value or a Python number; minus infinity is a finite floor."""
    if not isinstance(value, Ref):
        return g.floor() if value == float("-inf") else g.scalar(float(value))
    return value if g.dtype(value) == "F32" else g.map("to_float", value, dtype="F32")


def as_integer(g: Graph, value: Any) -> int:
    """An int64 value from a value or a Python integer."""
    if not isinstance(value, Ref):
        return g.integer(int(value))
    return value if g.dtype(value) == "I64" else g.map("to_integer", value, dtype="I64")


def are_integers(g: Graph, *inputs: Any) -> bool:
    """Whether PyTorch's promotion keeps these integers."""
    return all(g.dtype(each) != "F32" if isinstance(each, Ref) else isinstance(each, int) for each in inputs)


def arithmetic(name: str, integer_name: str) -> Callable[..., int]:
    """A lowering of `a op alpha * b`."""

    def lower(g: Graph, a: Any, b: Any, alpha: float = 1) -> int:
        if are_integers(g, a, b):
            right = as_integer(g, b)
            if alpha != 1:
                right = g.map("integer_mul", right, g.integer(int(alpha)))
            return g.map(integer_name, as_integer(g, a), right)
        right = as_float(g, b)
        if alpha != 1:
            right = g.map("mul", right, g.scalar(alpha))
        return g.map(name, as_float(g, a), right)

    return lower


subtract = arithmetic("sub", "integer_sub")
RULES["add.Tensor"] = RULES["add.Scalar"] = arithmetic("add", "integer_add")
RULES["sub.Tensor"] = RULES["sub.Scalar"] = subtract
RULES["mul.Tensor"] = RULES["mul.Scalar"] = arithmetic("mul", "integer_mul")


@rule("rsub.Scalar", "rsub.Tensor")
def lower_rsub(g: Graph, a: Any, b: Any, alpha: float = 1) -> int:
    return subtract(g, b, a, alpha)


@rule("div.Tensor", "div.Scalar")
def lower_div(g: Graph, a: Any, b: Any) -> int:
    return g.map("div", as_float(g, a), as_float(g, b))


def unary(name: str) -> Rule:
    """A lowering to one primitive."""
    return lambda g, a: g.map(name, as_float(g, a))


for each in ("neg", "abs", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos"):
    RULES[f"{each}.default"] = unary(each)


@rule("rsqrt.default")
def lower_rsqrt(g: Graph, a: int) -> int:
    return g.map("div", g.scalar(1.0), g.map("sqrt", a))


@rule("reciprocal.default")
def lower_reciprocal(g: Graph, a: int) -> int:
    return g.map("div", g.scalar(1.0), a)


@rule("pow.Tensor_Scalar")
def lower_pow(g: Graph, a: int, power: float) -> int:
    if power == 0.5:
        return g.map("sqrt", a)
    if power == -0.5:
        return lower_rsqrt(g, a)
    if power in (-1, -2, -3, -4, -1.5, -2.5):
        return lower_reciprocal(g, lower_pow(g, a, -power))
    if power in (1.5, 2.5):
        return g.map("mul", g.map("sqrt", a), lower_pow(g, a, power - 0.5))
    if power not in (1, 2, 3, 4):
        raise refuse(f"pow with exponent {power}", "use whole exponents from -4 to 4, or halves from -2.5 to 2.5")
    result = a
    for _ in range(int(power) - 1):
        result = g.map("mul", result, a)
    return result


@rule("relu.default")
def lower_relu(g: Graph, a: int) -> int:
    return g.map("maximum", a, g.scalar(0.0))


@rule("threshold_backward.default")
def lower_threshold_backward(g: Graph, grad: int, a: int, threshold: float) -> int:
    return g.map("where", g.compare("gt", a, g.scalar(threshold)), grad, g.scalar(0.0))


def sigmoid(g: Graph, a: int) -> int:
    """1 / (1 + exp(-a)), with -a bounded above so that exp stays finite."""
    turned = g.map("minimum", g.map("neg", a), g.scalar(80.0))
    return g.map("div", g.scalar(1.0), g.map("add", g.map("exp", turned), g.scalar(1.0)))


@rule("sigmoid.default")
def lower_sigmoid(g: Graph, a: int) -> int:
    return sigmoid(g, a)


@rule("sigmoid_backward.default")
def lower_sigmoid_backward(g: Graph, grad: int, y: int) -> int:
    return g.map("mul", grad, g.map("mul", y, g.map("sub", g.scalar(1.0), y)))


@rule("tanh_backward.default")
def lower_tanh_backward(g: Graph, grad: int, y: int) -> int:
    return g.map("mul", grad, g.map("sub", g.scalar(1.0), g.map("mul", y, y)))


@rule("silu.default")
def lower_silu(g: Graph, a: int) -> int:
    return g.map("mul", a, sigmoid(g, a))


@rule("silu_backward.default")
def lower_silu_backward(g: Graph, grad: int, a: int) -> int:
    s = sigmoid(g, a)
    slope = g.map("add", g.map("mul", a, g.map("sub", g.scalar(1.0), s)), g.scalar(1.0))
    return g.map("mul", grad, g.map("mul", s, slope))


GELU_SCALE = 0.7978845608028654
GELU_CUBE = 0.044715


def gelu_inner(g: Graph, a: int) -> int:
    """The argument of tanh in the approximate gelu."""
    cube = g.map("mul", g.map("mul", g.map("mul", a, a), a), g.scalar(GELU_CUBE))
    return g.map("mul", g.map("add", a, cube), g.scalar(GELU_SCALE))


def gelu_share(g: Graph, a: int, approximate: str) -> int:
    """The share of `a` that gelu lets through: (1 + erf(a / sqrt 2)) / 2 or its approximation."""
    if approximate == "tanh":
        turned = g.map("tanh", gelu_inner(g, a))
    else:
        turned = g.map("erf", g.map("mul", a, g.scalar(0.7071067811865476)))
    return g.map("mul", g.map("add", turned, g.scalar(1.0)), g.scalar(0.5))


@rule("gelu.default")
def lower_gelu(g: Graph, a: int, approximate: str = "none") -> int:
    return g.map("mul", a, gelu_share(g, a, approximate))


@rule("gelu_backward.default")
def lower_gelu_backward(g: Graph, grad: int, a: int, approximate: str = "none") -> int:
    share = gelu_share(g, a, approximate)
    square = g.map("mul", a, a)
    if approximate == "tanh":
        t = g.map("tanh", gelu_inner(g, a))
        inner = g.map("add", g.map("mul", square, g.scalar(3.0 * GELU_CUBE)), g.scalar(1.0))
        inner = g.map("mul", inner, g.scalar(GELU_SCALE * 0.5))
        density = g.map("mul", g.map("sub", g.scalar(1.0), g.map("mul", t, t)), inner)
    else:
        density = g.map("exp", g.map("mul", square, g.scalar(-0.5)))
        density = g.map("mul", density, g.scalar(0.3989422804014327))
    return g.map("mul", grad, g.map("add", share, g.map("mul", a, density)))


@rule("clamp.default", "clamp_min.default", "clamp_max.default")
def lower_clamp(g: Graph, a: int, low: float | None = None, high: float | None = None) -> int:
    if low is not None:
        a = g.map("maximum", a, g.scalar(low))
    return a if high is None else g.map("minimum", a, g.scalar(high))


RULES["clamp_max.default"] = lambda g, a, high: lower_clamp(g, a, None, high)


def comparison(name: str) -> Rule:
    """A lowering of a comparison with PyTorch's promotion."""

    def lower(g: Graph, a: Any, b: Any) -> int:
        convert = as_integer if are_integers(g, a, b) else as_float
        return g.compare(name, convert(g, a), convert(g, b))

    return lower


for each in ("eq", "ne", "gt", "ge", "lt", "le"):
    RULES[f"{each}.Tensor"] = RULES[f"{each}.Scalar"] = comparison(each)

RULES["logical_and.default"] = RULES["bitwise_and.Tensor"] = lambda g, a, b: g.map("and", a, b)
RULES["logical_or.default"] = RULES["bitwise_or.Tensor"] = lambda g, a, b: g.map("or", a, b)
RULES["logical_not.default"] = RULES["bitwise_not.default"] = lambda g, a: g.map("not", a)


@rule("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def lower_where(g: Graph, condition: int, a: Any, b: Any) -> int:
    convert = as_integer if are_integers(g, a, b) else as_float
    return g.map("where", condition, convert(g, a), convert(g, b))


@rule("masked_fill.Scalar", "masked_fill.Tensor")
def lower_masked_fill(g: Graph, a: int, mask: int, value: Any) -> int:
    return lower_where(g, mask, value, Ref(a))


def axes_of(g: Graph, value: int, dims: Sequence[int] | int | None) -> tuple[int, ...]:
    """Non-negative axes; all of them for none."""
    rank = len(g.shape(value))
    if dims is None or (isinstance(dims, Sequence) and not dims):
        return tuple(range(rank))
    each_dim = [dims] if isinstance(dims, int) else dims
    return tuple(sorted(dim % rank for dim in each_dim))


@rule("sum.dim_IntList", "sum.default")
def lower_sum(g: Graph, a: int, dims: Any = None, keepdim: bool = False, **_: Any) -> int:
    axes = axes_of(g, a, dims)
    if g.dtype(a) == "F32":
        return g.sum(a, axes, keepdim)
    shape = g.shape(a)
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    size = 1
    for axis in axes:
        size *= shape[axis]
    rows = g.reshape(g.permute(a, kept + axes), (*(shape[axis] for axis in kept), size))
    result = g.integer_sum(rows)
    return g.reshape(result, tuple(1 if at in axes else n for at, n in enumerate(shape))) if keepdim else result


@rule("mean.dim", "mean.default")
def lower_mean(g: Graph, a: int, dims: Any = None, keepdim: bool = False, **_: Any) -> int:
    return g.mean(a, axes_of(g, a, dims), keepdim)


@rule("argmax.default")
def lower_argmax(g: Graph, a: int, dim: int | None = None, keepdim: bool = False) -> int:
    shape = g.shape(a)
    if dim is None:
        a, shape, dim = g.reshape(a, (g.types[a].size,)), (g.types[a].size,), 0
    axis = dim % len(shape)
    order = tuple(at for at in range(len(shape)) if at != axis)
    rows = g.permute(a, (*order, axis))
    result = g.put("argmax", (rows,), shape=tuple(shape[at] for at in order), dtype="I64")
    return g.reshape(result, tuple(1 if at == axis else n for at, n in enumerate(shape))) if keepdim else result


@rule("amax.default")
def lower_amax(g: Graph, a: int, dims: Any = (), keepdim: bool = False) -> int:
    axes = axes_of(g, a, dims)
    if len(axes) != 1:
        raise refuse("amax over several axes", "flatten them first")
    return row_max(g, a, axes[0], keepdim)


def row_max(g: Graph, a: int, axis: int, keep: bool) -> int:
    """Largest along an axis."""
    shape = g.shape(a)
    order = tuple(at for at in range(len(shape)) if at != axis)
    result = g.put("amax", (g.permute(a, (*order, axis)),), shape=tuple(shape[at] for at in order), dtype="F32")
    return g.reshape(result, tuple(1 if at == axis else n for at, n in enumerate(shape))) if keep else result


@rule("_to_copy.default")
def lower_to_copy(g: Graph, a: int, dtype: torch.dtype | None = None, **_: Any) -> int:
    if dtype is None or DTYPE_NAMES.get(dtype) == g.dtype(a):
        return a
    if dtype == torch.float32:
        return as_float(g, Ref(a))
    if dtype == torch.int64 and g.dtype(a) == "BOOL":
        return as_integer(g, Ref(a))
    if dtype == torch.bool:
        return g.compare("ne", a, g.scalar(0.0) if g.dtype(a) == "F32" else g.integer(0))
    raise refuse(f"conversion of {g.dtype(a)} to {dtype}", "programs compute in float32, int64 and bool")
