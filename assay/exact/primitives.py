"""The one table of normal-form primitives: opcode, version, attributes, arity, type rule, function.

A program is a list of such nodes. Whatever is disputed is one element of one node, so each rule bounds what a judge
must recompute: rank at most 6, reductions of at most 65,536 elements, integers that fit float64 exactly before they
are rescaled. The Solidity enum and the reference page are generated from `PRIMITIVES`.

Type rules see only what a program declares, never a tensor, and raise `Malformed`. Functions take and give tensors of
the declared types; where an index can leave its domain they raise `OutsideDomain`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.exact import contract as contraction
from assay.exact import elementwise, index, quantise, reduce, rules, values
from assay.exact import random as words
from assay.exact.rules import Attributes, Call
from assay.exact.values import Value, require

TypeRule = Callable[[Call], Value]
Function = Callable[[list[Tensor], Attributes, Value], Tensor]


class OutsideDomain(Exception):
    """An index outside its axis: a fault of the program or its inputs, not of the machine."""


@dataclass(frozen=True)
class Primitive:
    """A row of the table. `arity` and `attributes` with -1 or a trailing `*` vary in length; `masks` names the inputs
    whose non-finite elements may leave no trace in the result."""

    opcode: int
    name: str
    summary: str
    arity: int
    attributes: tuple[str, ...]
    infer_type: TypeRule
    apply: Function
    masks: tuple[int, ...] = ()
    version: int = 1

    def infer(self, call: Call) -> Value:
        """The result's type. Errors: `Malformed`."""
        require(self.arity in (-1, len(call.inputs)), f"{self.name} takes {self.arity} inputs, not {len(call.inputs)}")
        varies = bool(self.attributes) and self.attributes[-1].endswith("*")
        require(varies or len(call.attributes) == len(self.attributes), f"{self.name} has other attributes")
        result = self.infer_type(call)
        require(
            (result.dtype, result.shape) == (call.declared.dtype, call.declared.shape),
            f"{self.name} declares {call.declared.dtype}{list(call.declared.shape)}, "
            f"its rule gives {result.dtype}{list(result.shape)}",
        )
        return result


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


def apply_constant(_: list[Tensor], __: Attributes, ___: Value) -> Tensor:
    raise AssertionError("constants are values, not calls")


def one(function: Callable[[Tensor], Tensor]) -> Function:
    """A function of one tensor as a table entry."""
    return lambda args, _, __: function(args[0])


def two(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """A function of two tensors as a table entry."""
    return lambda args, _, __: function(args[0], args[1])


def build_table() -> tuple[Primitive, ...]:
    """All primitives in the order of their opcodes."""
    return (
        Primitive(0x01, "constant", "a tensor given by its bytes", 0, (), rules.constant_rule, apply_constant),
        Primitive(0x02, "iota", "the index along an axis", 0, ("axis",), rules.iota_rule, apply_iota),
        Primitive(0x10, "add", "a + b", 2, (), rules.floats_rule, two(torch.add)),
        Primitive(0x11, "sub", "a - b", 2, (), rules.floats_rule, two(torch.sub)),
        Primitive(0x12, "mul", "a * b", 2, (), rules.floats_rule, two(torch.mul)),
        Primitive(0x13, "div", "a / b", 2, (), rules.floats_rule, two(torch.div), (1,)),
        Primitive(0x14, "neg", "-a", 1, (), rules.floats_rule, one(torch.neg)),
        Primitive(0x15, "abs", "|a|", 1, (), rules.floats_rule, one(torch.abs)),
        Primitive(
            0x16, "sqrt", "square root, rounded to nearest", 1, (), rules.floats_rule, one(elementwise.sqrt), (0,),
        ),
        Primitive(0x17, "maximum", "a where a > b, else b", 2, (), rules.floats_rule, two(elementwise.maximum), (0, 1)),
        Primitive(0x18, "minimum", "a where a < b, else b", 2, (), rules.floats_rule, two(elementwise.minimum), (0, 1)),
        Primitive(0x20, "exp", "exponential", 1, (), rules.floats_rule, one(elementwise.exp), (0,)),
        Primitive(0x21, "log", "natural logarithm", 1, (), rules.floats_rule, one(elementwise.log), (0,)),
        Primitive(0x22, "tanh", "hyperbolic tangent", 1, (), rules.floats_rule, one(elementwise.tanh), (0,)),
        Primitive(0x23, "erf", "error function", 1, (), rules.floats_rule, one(elementwise.erf), (0,)),
        Primitive(0x24, "sin", "sine", 1, (), rules.floats_rule, one(elementwise.sin), (0,)),
        Primitive(0x25, "cos", "cosine", 1, (), rules.floats_rule, one(elementwise.cos), (0,)),
        Primitive(0x30, "eq", "a = b", 2, (), rules.compare_rule, two(torch.eq), (0, 1)),
        Primitive(0x31, "ne", "a != b", 2, (), rules.compare_rule, two(torch.ne), (0, 1)),
        Primitive(0x32, "gt", "a > b", 2, (), rules.compare_rule, two(torch.gt), (0, 1)),
        Primitive(0x33, "ge", "a >= b", 2, (), rules.compare_rule, two(torch.ge), (0, 1)),
        Primitive(0x34, "lt", "a < b", 2, (), rules.compare_rule, two(torch.lt), (0, 1)),
        Primitive(0x35, "le", "a <= b", 2, (), rules.compare_rule, two(torch.le), (0, 1)),
        Primitive(0x36, "and", "a and b", 2, (), rules.logic_rule, two(torch.logical_and)),
        Primitive(0x37, "or", "a or b", 2, (), rules.logic_rule, two(torch.logical_or)),
        Primitive(0x38, "not", "not a", 1, (), rules.logic_rule, one(torch.logical_not)),
        Primitive(
            0x39, "where", "a where the condition holds, else b", 3, (), rules.where_rule,
            lambda a, _, __: torch.where(a[0], a[1], a[2]), (1, 2),
        ),
        Primitive(0x40, "integer_add", "a + b modulo 2^64", 2, (), rules.integers_rule, two(torch.add)),
        Primitive(0x41, "integer_sub", "a - b modulo 2^64", 2, (), rules.integers_rule, two(torch.sub)),
        Primitive(0x42, "integer_mul", "a * b modulo 2^64", 2, (), rules.product_rule, two(torch.mul)),
        Primitive(0x48, "to_float", "the nearest float32", 1, (), rules.to_float_rule, one(Tensor.float)),
        Primitive(0x49, "to_integer", "as a 64-bit integer", 1, (), rules.to_integer_rule, one(Tensor.long)),
        Primitive(
            0x50, "reshape", "the same elements in order", 1, (), rules.reshape_rule,
            lambda a, _, out: a[0].reshape(out.shape),
        ),
        Primitive(
            0x51, "permute", "axes in another order", 1, ("axis*",), rules.permute_rule,
            lambda a, at, _: a[0].permute(at),
        ),
        Primitive(
            0x52, "expand", "repeated along axes", 1, (), rules.expand_rule, lambda a, _, out: a[0].expand(out.shape),
        ),
        Primitive(
            0x53, "slice", "starts, then steps, per axis", 1, ("starts_then_steps*",), rules.slice_rule, apply_slice,
            (0,),
        ),
        Primitive(
            0x54, "pad", "zeros before, then after, per axis", 1, ("before_then_after*",), rules.pad_rule, apply_pad,
        ),
        Primitive(
            0x55, "concat", "joined along an axis", -1, ("axis",), rules.concat_rule,
            lambda a, at, _: torch.cat(a, at[0]),
        ),
        Primitive(
            0x56, "unfold", "windows of an image", 1, index.UNFOLD_ATTRIBUTES, rules.unfold_rule,
            lambda a, at, _: index.unfold(a[0], at), (0,),
        ),
        Primitive(
            0x57, "flip", "reversed along axes", 1, ("axes_mask",), rules.flip_rule,
            lambda a, at, _: a[0].flip(mask_axes(at[0])),
        ),
        Primitive(0x60, "gather", "rows of a table by index", 2, (), rules.gather_rule, apply_gather, (0,)),
        Primitive(0x61, "pick", "one element of each row by index", 2, (), rules.pick_rule, apply_pick, (0,)),
        Primitive(
            0x70, "exponent", "the power of two of each group", 1, ("axes_mask", "bits", "limit"), rules.exponent_rule,
            apply_exponent, (0,),
        ),
        Primitive(
            0x71, "quantise", "integers at a power of two", 2, ("bits",), rules.quantise_rule,
            lambda a, at, out: quantise.quantise(a[0], a[1], at[0]).to(values.TORCH_DTYPES[out.dtype]), (0,),
        ),
        Primitive(
            0x72, "contract", "inner products of integers", 2, (), rules.contract_rule,
            two(contraction.contract_int64),
        ),
        Primitive(
            0x73, "integer_sum", "sum along the last axis", 1, (), rules.integer_sum_rule, one(reduce.integer_sum),
        ),
        Primitive(
            0x74, "rescale", "integers at powers of two, rounded once", -1, ("shift",), rules.rescale_rule,
            lambda a, at, _: quantise.rescale(a[0], a[1:], at[0]),
        ),
        Primitive(
            0x75, "integer_sum_at", "rows added at their index; others vanish", 2, (), rules.sum_at_rule,
            lambda a, _, out: reduce.integer_sum_at(a[0], a[1], out.shape[0]),
        ),
        Primitive(0x78, "amax", "largest along the last axis", 1, (), rules.amax_rule, one(reduce.amax), (0,)),
        Primitive(
            0x79, "argmax", "first place of the largest along the last axis", 1, (), rules.argmax_rule,
            one(reduce.argmax), (0,),
        ),
        Primitive(
            0x80, "random", "Philox 4x32-10 words", 2, ("stream",), rules.random_rule,
            lambda a, at, out: words.random_words(a[0], a[1], at[0], out.shape[0]),
        ),
    )  # fmt: skip


PRIMITIVES = build_table()
BY_NAME = {primitive.name: primitive for primitive in PRIMITIVES}
BY_OPCODE = {primitive.opcode: primitive for primitive in PRIMITIVES}
