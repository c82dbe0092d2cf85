"""The one table of normal-form primitives: opcode, version, attributes, arity, type rule, function.

A program is a list of such nodes. Whatever is disputed is one element of one node, so each rule bounds what a judge must
recompute: rank at most 6, reductions of at most 65,536 elements, integers that fit float64 exactly before they
are rescaled. The Solidity enum and the reference page are generated from `PRIMITIVES`.

Type rules see only what a program declares, never a tensor, and raise `Malformed`. Functions take and give tensors of the
declared types; where an index can leave its domain they raise `OutsideDomain`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assay.exact import contract as contraction
from assay.exact import elementwise, index, quantise, reduce, values
from assay.exact import random as words
from assay.exact.values import ANY_INTEGER, EXACT_INTEGER, INTEGER_TYPES, REDUCTION_LIMIT, Value, require

Attributes = tuple[int, ...]
TypeRule = Callable[["Call"], Value]
Function = Callable[[list[Tensor], Attributes, Value], Tensor]


class OutsideDomain(Exception):
    """An index outside its axis: a fault of the program or its inputs, not of the machine."""


@dataclass(frozen=True)
class Call:
    """One use of a primitive: input ids and types, attributes, and the declared type."""

    inputs: tuple[int, ...]
    types: tuple[Value, ...]
    attributes: Attributes
    declared: Value


@dataclass(frozen=True)
class Primitive:
    """A row of the table. `arity` and `attributes` with -1 or a trailing `*` vary in length; `masks` names the inputs
    whose non-finite elements may leave no trace in the result."""

    opcode: int
    name: str
    summary: str
    arity: int
    attributes: tuple[str, ...]
    rule: TypeRule
    apply: Function
    masks: tuple[int, ...] = ()
    version: int = 1

    def infer(self, call: Call) -> Value:
        """The result's type. Errors: `Malformed`."""
        require(self.arity in (-1, len(call.inputs)), f"{self.name} takes {self.arity} inputs, not {len(call.inputs)}")
        varies = bool(self.attributes) and self.attributes[-1].endswith("*")
        require(varies or len(call.attributes) == len(self.attributes), f"{self.name} has other attributes")
        result = self.rule(call)
        require(
            (result.dtype, result.shape) == (call.declared.dtype, call.declared.shape),
            f"{self.name} declares {call.declared.dtype}{list(call.declared.shape)}, "
            f"its rule gives {result.dtype}{list(result.shape)}",
        )
        return result


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape, numpy's rule."""
    rank = max(map(len, shapes))
    wide = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*wide, strict=True):
        size = max(sizes)
        require(all(each in (1, size) for each in sizes), f"shapes {shapes} do not broadcast")
        result.append(size)
    return tuple(result)


def all_are(call: Call, *dtypes: str) -> None:
    """Inputs are of these types, and all of the same."""
    require(all(each.dtype in dtypes for each in call.types), f"inputs must be {' or '.join(dtypes)}")
    require(len({each.dtype for each in call.types}) == 1, "inputs must have one element type")


def floats_rule(call: Call) -> Value:
    all_are(call, "F32")
    return Value("F32", broadcast(*(each.shape for each in call.types)))


def compare_rule(call: Call) -> Value:
    all_are(call, "F32", "I64")
    return Value("BOOL", broadcast(*(each.shape for each in call.types)), 1)


def logic_rule(call: Call) -> Value:
    all_are(call, "BOOL")
    return Value("BOOL", broadcast(*(each.shape for each in call.types)), 1)


def where_rule(call: Call) -> Value:
    condition, left, right = call.types
    require(condition.dtype == "BOOL" and left.dtype == right.dtype, "where takes a boolean and two values of one type")
    require(left.dtype in ("F32", "I64"), "where selects F32 or I64")
    return Value(left.dtype, broadcast(condition.shape, left.shape, right.shape), max(left.bound, right.bound))


def integers_rule(call: Call) -> Value:
    all_are(call, "I64")
    bound = sum(each.bound for each in call.types)
    return Value("I64", broadcast(*(each.shape for each in call.types)), min(bound, ANY_INTEGER))


def product_rule(call: Call) -> Value:
    all_are(call, "I64")
    bound = call.types[0].bound * call.types[1].bound
    return Value("I64", broadcast(*(each.shape for each in call.types)), min(bound, ANY_INTEGER))


def to_float_rule(call: Call) -> Value:
    require(call.types[0].dtype in ("BOOL", "I64"), "to_float converts BOOL or I64")
    return Value("F32", call.types[0].shape)


def to_integer_rule(call: Call) -> Value:
    require(call.types[0].dtype in ("BOOL", "I16", "I32"), "to_integer converts BOOL, I16 or I32")
    return Value("I64", call.types[0].shape, call.types[0].bound)


def constant_rule(call: Call) -> Value:
    require(call.declared.dtype in ("F32", "I64", "BOOL"), "constants are F32, I64 or BOOL")
    return call.declared


def iota_rule(call: Call) -> Value:
    (axis,) = call.attributes
    shape = call.declared.shape
    require(0 <= axis < len(shape), "iota's axis is outside its shape")
    return Value("I64", shape, shape[axis] - 1)


def moved(source: Value, shape: tuple[int, ...]) -> Value:
    """The type of an index map of `source`; exponents stay exponents, but no longer of whole groups."""
    origin = None if source.origin is None else (-1, *source.origin[1:])
    return replace(source, shape=shape, origin=origin)


def reshape_rule(call: Call) -> Value:
    require(call.types[0].size == call.declared.size, "reshape keeps the number of elements")
    return moved(call.types[0], call.declared.shape)


def permute_rule(call: Call) -> Value:
    shape = call.types[0].shape
    require(sorted(call.attributes) == list(range(len(shape))), "permute needs each axis once")
    return moved(call.types[0], tuple(shape[axis] for axis in call.attributes))


def expand_rule(call: Call) -> Value:
    require(broadcast(call.types[0].shape, call.declared.shape) == call.declared.shape, "expand does not fit")
    return moved(call.types[0], call.declared.shape)


def slice_rule(call: Call) -> Value:
    source, shape = call.types[0].shape, call.declared.shape
    rank = len(source)
    require(len(call.attributes) == 2 * rank and len(shape) == rank, "slice needs a start and a step per axis")
    for start, step, size, limit in zip(call.attributes[:rank], call.attributes[rank:], shape, source, strict=True):
        require(start >= 0 and step >= 1 and start + (size - 1) * step < limit, "slice leaves its input")
    return moved(call.types[0], shape)


def pad_rule(call: Call) -> Value:
    source = call.types[0].shape
    rank = len(source)
    require(len(call.attributes) == 2 * rank, "pad needs two amounts per axis")
    require(all(0 <= amount < 1 << 24 for amount in call.attributes), "pad amounts are not negative")
    before, after = call.attributes[:rank], call.attributes[rank:]
    shape = tuple(low + size + high for low, size, high in zip(before, source, after, strict=True))
    return moved(call.types[0], shape)


def concat_rule(call: Call) -> Value:
    (axis,) = call.attributes
    first = call.types[0] if call.types else None
    require(first is not None and 1 <= len(call.types) <= 256, "concat takes 1 to 256 inputs")
    assert first is not None
    require(0 <= axis < len(first.shape), "concat's axis is outside the shape")
    rest = [each.shape[:axis] + each.shape[axis + 1 :] for each in call.types]
    require(len({each.dtype for each in call.types}) == 1 and len(set(rest)) == 1, "concat's inputs differ")
    require(all(len(each.shape) == len(first.shape) for each in call.types), "concat's inputs differ in rank")
    shape = first.shape[:axis] + (sum(each.shape[axis] for each in call.types),) + first.shape[axis + 1 :]
    origins = {each.origin is None for each in call.types}
    return replace(
        moved(first, shape),
        bound=max(each.bound for each in call.types),
        origin=(-1, 0, 0) if origins == {False} else None,
    )


def flip_rule(call: Call) -> Value:
    source = call.types[0]
    require(1 <= call.attributes[0] < 1 << len(source.shape), "flip's axes are outside the shape")
    return moved(source, source.shape)


def unfold_rule(call: Call) -> Value:
    require(len(call.types[0].shape) == 4, "unfold takes [N, C, H, W]")
    size_n, size_c, size_h, size_w = call.types[0].shape
    kh, kw, sh, sw, top, bottom, left, right, dh, dw, wide_h, wide_w = call.attributes
    require(
        all(1 <= each < 1 << 16 for each in (kh, kw, sh, sw, dh, dw, wide_h, wide_w)), "unfold's sizes are positive"
    )
    require(all(0 <= each < 1 << 16 for each in (top, bottom, left, right)), "unfold's padding is not negative")
    out_h = index.unfold_size(size_h, kh, sh, top, bottom, dh, wide_h)
    out_w = index.unfold_size(size_w, kw, sw, left, right, dw, wide_w)
    require(out_h > 0 and out_w > 0, "unfold's kernel does not fit")
    return moved(call.types[0], (size_n, out_h, out_w, size_c, kh, kw))


def gather_rule(call: Call) -> Value:
    table, places = call.types
    require(places.dtype == "I64" and len(table.shape) >= 1, "gather takes a table and I64 indices")
    return moved(table, places.shape + table.shape[1:])


def pick_rule(call: Call) -> Value:
    table, places = call.types
    require(places.dtype == "I64" and table.shape[:-1] == places.shape, "pick takes one index per row")
    require(len(table.shape) >= 1, "pick takes rows")
    return moved(table, places.shape)


def exponent_rule(call: Call) -> Value:
    axes, bits, limit = call.attributes
    source = call.types[0]
    rank = len(source.shape)
    require(source.dtype == "F32" and rank >= 1, "exponent takes F32")
    require(1 <= axes < 1 << rank, "exponent's axes are outside the shape")
    require(
        2 <= bits <= 30 and limit % 2 == 1 and (1 << (bits - 1)) > limit >= 1 << (bits - 2), "exponent's bits and limit"
    )
    shape = tuple(1 if axes >> axis & 1 else size for axis, size in enumerate(source.shape))
    return Value("I16", shape, 160, (call.inputs[0], bits, limit))


def quantise_rule(call: Call) -> Value:
    source, exponents = call.types
    require(exponents.origin is not None and exponents.origin[0] == call.inputs[0], "quantise needs its own exponents")
    assert exponents.origin is not None
    _, bits, limit = exponents.origin
    require(call.attributes == (bits,), "quantise's bits differ from its exponents'")
    return Value("I16" if limit < 1 << 15 else "I32", source.shape, limit)


def contract_rule(call: Call) -> Value:
    left, right = call.types
    require(left.dtype == right.dtype and left.dtype in ("I16", "I32"), "contract takes quantised operands")
    require(len(left.shape) == 3 and len(right.shape) == 3, "contract takes [B, M, K] and [B, N, K]")
    require(left.shape[0] == right.shape[0] and left.shape[2] == right.shape[2], "contract's shapes differ")
    length = left.shape[2]
    bound = length * left.bound * right.bound
    require(length <= REDUCTION_LIMIT and bound <= EXACT_INTEGER, "contract is too long: split it and add")
    return Value("I64", (left.shape[0], left.shape[1], right.shape[1]), bound)


def integer_sum_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype in (*INTEGER_TYPES, "BOOL") and len(source.shape) >= 1, "integer_sum takes integers")
    require(source.shape[-1] <= REDUCTION_LIMIT, "integer_sum is too long: sum by a tree")
    return Value("I64", source.shape[:-1], min(source.bound * source.shape[-1], ANY_INTEGER))


def rescale_rule(call: Call) -> Value:
    require(2 <= len(call.types) <= 3, "rescale takes integers and one or two exponents")
    sums, *exponents = call.types
    require(sums.dtype in INTEGER_TYPES and sums.bound <= EXACT_INTEGER, "rescale's integers may exceed 2^53")
    require(all(each.origin is not None for each in exponents), "rescale takes exponents")
    (shift,) = call.attributes
    require(-64 <= shift <= 64, "rescale's shift is outside -64..64")
    shape = broadcast(*(each.shape for each in call.types))
    require(shape == sums.shape, "rescale's exponents broadcast over its integers, not beyond")
    return Value("F32", shape)


def amax_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype == "F32" and len(source.shape) >= 1, "amax takes rows of F32")
    return Value("F32", source.shape[:-1])


def argmax_rule(call: Call) -> Value:
    source = call.types[0]
    require(source.dtype == "F32" and len(source.shape) >= 1, "argmax takes rows of F32")
    return Value("I64", source.shape[:-1], source.shape[-1] - 1)


def random_rule(call: Call) -> Value:
    key, step = call.types
    (stream,) = call.attributes
    require(
        key.dtype == step.dtype == "I64" and key.shape == (2,) and step.shape == (), "random takes a key and a step"
    )
    require(
        0 <= stream < 1 << 32 and len(call.declared.shape) == 1, "random's stream is a 32-bit word, its result a row"
    )
    return Value("I64", call.declared.shape, (1 << 32) - 1)


def checked(places: Tensor, limit: int) -> Tensor:
    """The indices, or `OutsideDomain`."""
    if bool(((places < 0) | (places >= limit)).any()):
        raise OutsideDomain(f"an index is outside 0..{limit - 1}")
    return places


def apply_gather(args: list[Tensor], _: Attributes, out: Value) -> Tensor:
    table, places = args
    return table.index_select(0, checked(places, table.shape[0]).reshape(-1)).reshape(out.shape)


def apply_pick(args: list[Tensor], _: Attributes, __: Value) -> Tensor:
    table, places = args
    return table.gather(-1, checked(places, table.shape[-1]).unsqueeze(-1)).squeeze(-1)


def apply_exponent(args: list[Tensor], attributes: Attributes, _: Value) -> Tensor:
    return quantise.exponent(args[0], mask_axes(attributes[0]), attributes[1], attributes[2])


def mask_axes(mask: int) -> tuple[int, ...]:
    """Axes of a bit mask, lowest first."""
    return tuple(axis for axis in range(values.RANK_LIMIT) if mask >> axis & 1)


def apply_iota(_: list[Tensor], attributes: Attributes, out: Value) -> Tensor:
    (axis,) = attributes
    shape = [size if at == axis else 1 for at, size in enumerate(out.shape)]
    return torch.arange(out.shape[axis], dtype=torch.int64).reshape(shape).expand(out.shape)


def apply_slice(args: list[Tensor], attributes: Attributes, out: Value) -> Tensor:
    rank = len(out.shape)
    return index.slice_steps(args[0], attributes[:rank], attributes[rank:], out.shape)


def apply_pad(args: list[Tensor], attributes: Attributes, out: Value) -> Tensor:
    rank = len(out.shape)
    return index.pad(args[0], attributes[:rank], attributes[rank:])


def apply_constant(args: list[Tensor], _: Attributes, __: Value) -> Tensor:
    raise AssertionError("constants are values, not calls")


def one(function: Callable[[Tensor], Tensor]) -> Function:
    """A function of one tensor as a table entry."""
    return lambda args, _, __: function(args[0])


def two(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """A function of two tensors as a table entry."""
    return lambda args, _, __: function(args[0], args[1])


def build_table() -> tuple[Primitive, ...]:
    """All primitives in the order of their opcodes."""
    lambda_where: Function = lambda args, _, __: torch.where(args[0], args[1], args[2])  # noqa: E731
    return (
        Primitive(0x01, "constant", "a tensor given by its bytes", 0, (), constant_rule, apply_constant),
        Primitive(0x02, "iota", "the index along an axis", 0, ("axis",), iota_rule, apply_iota),
        Primitive(0x10, "add", "a + b", 2, (), floats_rule, two(torch.add)),
        Primitive(0x11, "sub", "a - b", 2, (), floats_rule, two(torch.sub)),
        Primitive(0x12, "mul", "a * b", 2, (), floats_rule, two(torch.mul)),
        Primitive(0x13, "div", "a / b", 2, (), floats_rule, two(torch.div), (1,)),
        Primitive(0x14, "neg", "-a", 1, (), floats_rule, one(torch.neg)),
        Primitive(0x15, "abs", "|a|", 1, (), floats_rule, one(torch.abs)),
        Primitive(0x16, "sqrt", "square root, rounded to nearest", 1, (), floats_rule, one(elementwise.sqrt), (0,)),
        Primitive(0x17, "maximum", "a where a > b, else b", 2, (), floats_rule, two(elementwise.maximum), (0, 1)),
        Primitive(0x18, "minimum", "a where a < b, else b", 2, (), floats_rule, two(elementwise.minimum), (0, 1)),
        Primitive(0x20, "exp", "exponential", 1, (), floats_rule, one(elementwise.exp), (0,)),
        Primitive(0x21, "log", "natural logarithm", 1, (), floats_rule, one(elementwise.log), (0,)),
        Primitive(0x22, "tanh", "hyperbolic tangent", 1, (), floats_rule, one(elementwise.tanh), (0,)),
        Primitive(0x23, "erf", "error function", 1, (), floats_rule, one(elementwise.erf), (0,)),
        Primitive(0x24, "sin", "sine", 1, (), floats_rule, one(elementwise.sin), (0,)),
        Primitive(0x25, "cos", "cosine", 1, (), floats_rule, one(elementwise.cos), (0,)),
        Primitive(0x30, "eq", "a = b", 2, (), compare_rule, two(torch.eq), (0, 1)),
        Primitive(0x31, "ne", "a != b", 2, (), compare_rule, two(torch.ne), (0, 1)),
        Primitive(0x32, "gt", "a > b", 2, (), compare_rule, two(torch.gt), (0, 1)),
        Primitive(0x33, "ge", "a >= b", 2, (), compare_rule, two(torch.ge), (0, 1)),
        Primitive(0x34, "lt", "a < b", 2, (), compare_rule, two(torch.lt), (0, 1)),
        Primitive(0x35, "le", "a <= b", 2, (), compare_rule, two(torch.le), (0, 1)),
        Primitive(0x36, "and", "a and b", 2, (), logic_rule, two(torch.logical_and)),
        Primitive(0x37, "or", "a or b", 2, (), logic_rule, two(torch.logical_or)),
        Primitive(0x38, "not", "not a", 1, (), logic_rule, one(torch.logical_not)),
        Primitive(0x39, "where", "a where the condition holds, else b", 3, (), where_rule, lambda_where, (1, 2)),
        Primitive(0x40, "integer_add", "a + b modulo 2^64", 2, (), integers_rule, two(torch.add)),
        Primitive(0x41, "integer_sub", "a - b modulo 2^64", 2, (), integers_rule, two(torch.sub)),
        Primitive(0x42, "integer_mul", "a * b modulo 2^64", 2, (), product_rule, two(torch.mul)),
        Primitive(0x48, "to_float", "the nearest float32", 1, (), to_float_rule, one(Tensor.float)),
        Primitive(0x49, "to_integer", "as a 64-bit integer", 1, (), to_integer_rule, one(Tensor.long)),
        Primitive(
            0x50, "reshape", "the same elements in order", 1, (), reshape_rule, lambda a, _, out: a[0].reshape(out.shape)
        ),
        Primitive(
            0x51, "permute", "axes in another order", 1, ("axis*",), permute_rule, lambda a, at, _: a[0].permute(at)
        ),
        Primitive(0x52, "expand", "repeated along axes", 1, (), expand_rule, lambda a, _, out: a[0].expand(out.shape)),
        Primitive(0x53, "slice", "starts, then steps, per axis", 1, ("starts_then_steps*",), slice_rule, apply_slice, (0,)),
        Primitive(0x54, "pad", "zeros before, then after, per axis", 1, ("before_then_after*",), pad_rule, apply_pad),
        Primitive(
            0x55, "concat", "joined along an axis", -1, ("axis",), concat_rule, lambda a, at, _: torch.cat(a, at[0])
        ),
        Primitive(
            0x56, "unfold", "windows of an image", 1, index.UNFOLD_ATTRIBUTES, unfold_rule,
            lambda a, at, _: index.unfold(a[0], at), (0,),
        ),
        Primitive(
            0x57, "flip", "reversed along axes", 1, ("axes_mask",), flip_rule, lambda a, at, _: a[0].flip(mask_axes(at[0]))
        ),
        Primitive(0x60, "gather", "rows of a table by index", 2, (), gather_rule, apply_gather, (0,)),
        Primitive(0x61, "pick", "one element of each row by index", 2, (), pick_rule, apply_pick, (0,)),
        Primitive(
            0x70, "exponent", "the power of two of each group", 1, ("axes_mask", "bits", "limit"), exponent_rule,
            apply_exponent, (0,),
        ),
        Primitive(
            0x71, "quantise", "integers at a power of two", 2, ("bits",), quantise_rule,
            lambda a, at, out: quantise.quantise(a[0], a[1], at[0]).to(values.TORCH_DTYPES[out.dtype]), (0,),
        ),
        Primitive(0x72, "contract", "inner products of integers", 2, (), contract_rule, two(contraction.contract_int64)),
        Primitive(0x73, "integer_sum", "sum along the last axis", 1, (), integer_sum_rule, one(reduce.integer_sum)),
        Primitive(
            0x74, "rescale", "integers at powers of two, rounded once", -1, ("shift",), rescale_rule,
            lambda a, at, _: quantise.rescale(a[0], a[1:], at[0]),
        ),
        Primitive(0x78, "amax", "largest along the last axis", 1, (), amax_rule, one(reduce.amax), (0,)),
        Primitive(0x79, "argmax", "first place of the largest along the last axis", 1, (), argmax_rule, one(reduce.argmax), (0,)),
        Primitive(
            0x80, "random", "Philox 4x32-10 words", 2, ("stream",), random_rule,
            lambda a, at, out: words.random_words(a[0], a[1], at[0], out.shape[0]),
        ),
    )  # fmt: skip


PRIMITIVES = build_table()
BY_NAME = {primitive.name: primitive for primitive in PRIMITIVES}
BY_OPCODE = {primitive.opcode: primitive for primitive in PRIMITIVES}
