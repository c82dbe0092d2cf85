"""Exact groups: exponents, integers, inner products and sums, and back with one rounding.

Sections 7 and 8 of docs/reference/exact-arithmetic.md.
"""

from math import prod
from operator import mul
from typing import NamedTuple

from tests.reference.arrays import Array, Shape, apply_map, common_shape, expand, rows_of
from tests.reference.binary32 import SIZE, order, parts, scaled, shift_even, signed


class Profile(NamedTuple):
    """Bits of an operand and the largest magnitude of its integers."""

    bits: int
    limit: int


PROFILES = {
    "exact8": Profile(8, 127),
    "exact15": Profile(15, 127 * 128 + 63),
    "exact22": Profile(22, (1 << 21) - 1),
}


def sum_profile(length: int) -> Profile:
    """Of the addends of an exact sum."""
    bits = min(30, 53 - (length - 1).bit_length())
    return Profile(bits, (1 << (bits - 1)) - 1)


def wrap(value: int) -> int:
    """Modulo 2^64, from -2^63."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def group_exponent(size: int, bits: int, limit: int) -> int:
    """The smallest e with RNE(size * 2^(bits-1-e)) <= limit; 0 for a zero. `size` is a pattern without its sign."""
    magnitude, unit = parts(size)
    if not magnitude:
        return 0
    e = unit + magnitude.bit_length() - 1
    assert shift_even(magnitude, unit + bits - 1 - e) > limit, "a smaller exponent would do"
    while shift_even(magnitude, unit + bits - 1 - e) > limit:
        e += 1
    return e


def exponent(array: Array, mask: int, bits: int, limit: int) -> Array:
    """The exponent of each group over the axes whose bits are set, which stay with size 1."""
    shape = tuple(1 if mask >> axis & 1 else size for axis, size in enumerate(array.shape))
    owner = expand(Array("I64", shape, list(range(prod(shape)))), array.shape).items
    largest = [0] * prod(shape)
    for group, pattern in zip(owner, array.items, strict=True):
        if pattern & SIZE > largest[group]:
            largest[group] = pattern & SIZE
    return Array("I16", shape, [group_exponent(size, bits, limit) for size in largest])


def quantise_one(pattern: int, e: int, bits: int) -> int:
    """RNE(a * 2^(bits-1-e))."""
    value, unit = signed(pattern)
    shift = unit + bits - 1 - e
    return shift_even(value, shift) if value >= 0 else -shift_even(-value, shift)


def quantise(array: Array, exponents: Array, bits: int, dtype: str) -> Array:
    """Each element at its group's exponent."""
    return apply_map(lambda a, e: quantise_one(a, e, bits), dtype, array, exponents)


def contract(left: Array, right: Array) -> Array:
    """[B, M, K] x [B, N, K] -> [B, M, N]."""
    batch, rows, length = left.shape
    columns = right.shape[1]
    if not length:
        return Array("I64", (batch, rows, columns), [0] * (batch * rows * columns))
    lefts, rights = rows_of(left), rows_of(right)
    items = [
        sum(map(mul, row, column))
        for b in range(batch)
        for row in lefts[b * rows : (b + 1) * rows]
        for column in rights[b * columns : (b + 1) * columns]
    ]
    return Array("I64", (batch, rows, columns), items)


def integer_sum(array: Array) -> Array:
    """Along the last axis, modulo 2^64."""
    return Array("I64", array.shape[:-1], [wrap(sum(row)) for row in rows_of(array)])


def integer_sum_at(array: Array, indices: Array, shape: Shape) -> Array:
    """Rows added at their index; those whose index is outside vanish."""
    count, width = shape
    sums = [[0] * width for _ in range(count)]
    for index, row in zip(indices.items, rows_of(array), strict=True):
        if 0 <= index < count:
            sums[index] = [a + b for a, b in zip(sums[index], row, strict=True)]
    return Array("I64", shape, [item for row in sums for item in row])


def rescale(sums: Array, exponents: list[Array], shift: int) -> Array:
    """RN32(c * 2^(sum of exponents + shift))."""
    assert common_shape(*(each.shape for each in (sums, *exponents))) == sums.shape
    return apply_map(lambda c, *es: scaled(c, sum(es) + shift), "F32", sums, *exponents)


def amax(array: Array) -> Array:
    """The largest of each row; a zero is +0."""
    largest = [max(row, key=order) for row in rows_of(array)]
    return Array("F32", array.shape[:-1], [each if each & SIZE else 0 for each in largest])


def argmax(array: Array) -> Array:
    """The first place of the largest of each row."""
    keys = [[order(each) for each in row] for row in rows_of(array)]
    return Array("I64", array.shape[:-1], [row.index(max(row)) for row in keys])
