"""One function per primitive, by opcode: section 5 of docs/reference/exact-arithmetic.md.

A function takes the inputs, the attributes, and the declared element type and shape of the result.
"""

from collections.abc import Callable, Sequence

from tests.reference import arrays, binary32, functions, groups, philox
from tests.reference.arrays import Array, Shape, apply_map

Function = Callable[[Sequence[Array], Sequence[int], str, Shape], Array]


def maps(function: Callable[..., int], dtype: str = "F32") -> Function:
    """An elementwise primitive."""
    return lambda args, _, __, ___: apply_map(function, dtype, *args)


def compares(relation: Callable[[int, int], bool]) -> Function:
    """A comparison of two F32 or two I64."""

    def run(args: Sequence[Array], _: Sequence[int], __: str, ___: Shape) -> Array:
        key = binary32.order if args[0].dtype == "F32" else int
        return apply_map(lambda a, b: int(relation(key(a), key(b))), "BOOL", *args)

    return run


def where(args: Sequence[Array], _: Sequence[int], dtype: str, __: Shape) -> Array:
    """a where the condition holds, else b."""
    return apply_map(lambda condition, a, b: a if condition else b, dtype, *args)


def wraps(function: Callable[[int, int], int]) -> Function:
    """An operation on I64 modulo 2^64."""
    return maps(lambda a, b: groups.wrap(function(a, b)), "I64")


PRIMITIVES: dict[int, tuple[str, Function]] = {
    0x02: ("iota", lambda _, at, __, shape: arrays.iota(shape, at[0])),
    0x10: ("add", maps(binary32.add)),
    0x11: ("sub", maps(binary32.sub)),
    0x12: ("mul", maps(binary32.mul)),
    0x13: ("div", maps(binary32.div)),
    0x14: ("neg", maps(binary32.neg)),
    0x15: ("abs", maps(binary32.absolute)),
    0x16: ("sqrt", maps(binary32.sqrt)),
    0x17: ("maximum", maps(binary32.maximum)),
    0x18: ("minimum", maps(binary32.minimum)),
    0x20: ("exp", maps(functions.exp)),
    0x21: ("log", maps(functions.log)),
    0x22: ("tanh", maps(functions.tanh)),
    0x23: ("erf", maps(functions.erf)),
    0x24: ("sin", maps(functions.sin)),
    0x25: ("cos", maps(functions.cos)),
    0x30: ("eq", compares(lambda a, b: a == b)),
    0x31: ("ne", compares(lambda a, b: a != b)),
    0x32: ("gt", compares(lambda a, b: a > b)),
    0x33: ("ge", compares(lambda a, b: a >= b)),
    0x34: ("lt", compares(lambda a, b: a < b)),
    0x35: ("le", compares(lambda a, b: a <= b)),
    0x36: ("and", maps(lambda a, b: a & b, "BOOL")),
    0x37: ("or", maps(lambda a, b: a | b, "BOOL")),
    0x38: ("not", maps(lambda a: 1 - a, "BOOL")),
    0x39: ("where", where),
    0x40: ("integer_add", wraps(lambda a, b: a + b)),
    0x41: ("integer_sub", wraps(lambda a, b: a - b)),
    0x42: ("integer_mul", wraps(lambda a, b: a * b)),
    0x48: ("to_float", maps(binary32.from_integer)),
    0x49: ("to_integer", maps(int, "I64")),
    0x50: ("reshape", lambda args, _, __, shape: arrays.reshape(args[0], shape)),
    0x51: ("permute", lambda args, at, _, __: arrays.permute(args[0], at)),
    0x52: ("expand", lambda args, _, __, shape: arrays.expand(args[0], shape)),
    0x53: ("slice", lambda args, at, _, s: arrays.cut(args[0], at[: len(s)], at[len(s) :], s)),
    0x54: ("pad", lambda args, at, _, s: arrays.pad(args[0], at[: len(s)], at[len(s) :])),
    0x55: ("concat", lambda args, at, _, __: arrays.concat(args, at[0])),
    0x56: ("unfold", lambda args, at, _, shape: arrays.unfold(args[0], at, shape)),
    0x57: ("flip", lambda args, at, _, __: arrays.flip(args[0], at[0])),
    0x60: ("gather", lambda args, _, __, ___: arrays.gather(*args)),
    0x61: ("pick", lambda args, _, __, ___: arrays.pick(*args)),
    0x70: ("exponent", lambda args, at, _, __: groups.exponent(args[0], *at)),
    0x71: ("quantise", lambda args, at, dtype, _: groups.quantise(*args, at[0], dtype)),
    0x72: ("contract", lambda args, _, __, ___: groups.contract(*args)),
    0x73: ("integer_sum", lambda args, _, __, ___: groups.integer_sum(args[0])),
    0x74: ("rescale", lambda args, at, _, __: groups.rescale(args[0], list(args[1:]), at[0])),
    0x75: ("integer_sum_at", lambda args, _, __, shape: groups.integer_sum_at(*args, shape)),
    0x78: ("amax", lambda args, _, __, ___: groups.amax(args[0])),
    0x79: ("argmax", lambda args, _, __, ___: groups.argmax(args[0])),
    0x80: ("random", lambda args, at, _, shape: philox.random_words(*args, at[0], shape[0])),
}
"""Name and function by opcode; `constant` (0x01) has its value in its bytes."""
