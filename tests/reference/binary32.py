"""IEEE 754 binary32 in plain integers: a value is its 32-bit pattern, a result is rounded once to nearest even.

Section 2 of docs/reference/exact-arithmetic.md. Nothing here is infinite or not a number: `NotFinite` in their place.
"""

from math import isqrt

SIGN = 0x8000_0000
SIZE = 0x7FFF_FFFF
ONE = 0x3F80_0000
INFINITE = 0x7F80_0000
LEAST = -149
"""The exponent of the smallest subnormal, 2^-149."""


class NotFinite(Exception):
    """A result that overflows or does not exist."""


def shift_even(magnitude: int, shift: int) -> int:
    """magnitude * 2^shift for a magnitude >= 0, rounded to the nearest integer, ties to even."""
    if shift >= 0:
        return magnitude << shift
    if -shift > magnitude.bit_length():
        return 0
    whole = magnitude >> -shift
    rest, half = magnitude - (whole << -shift), 1 << (-shift - 1)
    return whole + (rest > half or (rest == half and whole & 1))


def pack(sign: int, magnitude: int, exponent: int) -> int:
    """The binary32 nearest to magnitude * 2^exponent, with a sign of 0 or `SIGN`, which an underflow to zero keeps."""
    if not magnitude:
        return sign
    unit = max(exponent + magnitude.bit_length() - 24, LEAST)
    mantissa = shift_even(magnitude, exponent - unit)
    # A mantissa of 2^23 and more carries its leading bit into the exponent's field; a subnormal one leaves it zero.
    pattern = ((unit - LEAST) << 23) + mantissa
    if pattern >= INFINITE:
        raise NotFinite("not finite")
    return sign | pattern


def parts(pattern: int) -> tuple[int, int]:
    """(magnitude, exponent) of a finite pattern: its size is magnitude * 2^exponent."""
    field, fraction = pattern >> 23 & 0xFF, pattern & 0x7F_FFFF
    return (fraction | 0x80_0000, field - 150) if field else (fraction, LEAST)


def signed(pattern: int) -> tuple[int, int]:
    """(signed magnitude, exponent)."""
    magnitude, exponent = parts(pattern)
    return (-magnitude if pattern & SIGN else magnitude), exponent


def is_finite(pattern: int) -> bool:
    """Neither infinite nor a NaN."""
    return pattern & INFINITE != INFINITE


def add(a: int, b: int) -> int:
    """a + b. Zeros of both signs add to +0, and so does x + -x."""
    if not a & SIZE:
        return b if b & SIZE else a & b
    if not b & SIZE:
        return a
    left, left_exponent = signed(a)
    right, right_exponent = signed(b)
    exponent = min(left_exponent, right_exponent)
    total = (left << (left_exponent - exponent)) + (right << (right_exponent - exponent))
    if not total:
        return 0
    return pack(SIGN if total < 0 else 0, abs(total), exponent)


def sub(a: int, b: int) -> int:
    """a - b."""
    return add(a, b ^ SIGN)


def mul(a: int, b: int) -> int:
    """a * b; the sign is the product of signs, also of a zero."""
    left, left_exponent = parts(a)
    right, right_exponent = parts(b)
    return pack((a ^ b) & SIGN, left * right, left_exponent + right_exponent)


def div(a: int, b: int) -> int:
    """a / b; not finite for b = 0."""
    if not b & SIZE:
        raise NotFinite("not finite")
    left, left_exponent = parts(a)
    right, right_exponent = parts(b)
    # 64 more bits than asked for and one that says whether anything is left: enough to round once.
    quotient, rest = divmod(left << 64, right)
    return pack((a ^ b) & SIGN, quotient << 1 | (rest > 0), left_exponent - right_exponent - 65)


def sqrt(a: int) -> int:
    """The square root; -0 for -0, not finite below zero."""
    if not a & SIZE:
        return a
    if a & SIGN:
        raise NotFinite("not finite")
    magnitude, exponent = parts(a)
    shift = 80 + exponent % 2
    root = isqrt(magnitude << shift)
    inexact = root * root != magnitude << shift
    return pack(0, root << 1 | inexact, (exponent - shift) // 2 - 1)


def order(pattern: int) -> int:
    """An integer that compares as the value does; both zeros are 0."""
    return -(pattern & SIZE) if pattern & SIGN else pattern


def neg(a: int) -> int:
    """-a, also of a zero."""
    return a ^ SIGN


def absolute(a: int) -> int:
    """|a|."""
    return a & SIZE


def maximum(a: int, b: int) -> int:
    """a where a > b, else b."""
    return a if order(a) > order(b) else b


def minimum(a: int, b: int) -> int:
    """a where a < b, else b."""
    return a if order(a) < order(b) else b


def from_integer(value: int) -> int:
    """The nearest binary32 to an integer; +0 for 0."""
    return pack(SIGN if value < 0 else 0, abs(value), 0)


def scaled(value: int, exponent: int) -> int:
    """The nearest binary32 to value * 2^exponent; +0 for 0, -0 where a negative value underflows."""
    return pack(SIGN if value < 0 else 0, abs(value), exponent)


def round_to_integer(a: int) -> int:
    """The nearest integer to a, ties to even."""
    value, exponent = signed(a)
    return shift_even(value, exponent) if value >= 0 else -shift_even(-value, exponent)
