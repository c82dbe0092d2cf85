"""exp, log, tanh, erf, sin and cos of binary32: section 6 of docs/reference/exact-arithmetic.md, step by step.

Only the branch that a value takes is computed: in it every operation that overflows makes the result not finite.
"""

from tests.reference.binary32 import (
    ONE,
    SIGN,
    NotFinite,
    absolute,
    add,
    div,
    from_integer,
    mul,
    order,
    pack,
    parts,
    round_to_integer,
    sub,
)

HALF, TWO = 0x3F00_0000, 0x4000_0000
LOG2_E = 0x3FB8_AA3B
LN2_HIGH, LN2_LOW = 0x3F31_8000, 0xB95E_8083
EXP_TOP, EXP_BOTTOM, EXP_ZERO = 0x42B2_0000, 0xC2B4_0000, 0xC2AE_0000
EXP_TERMS = (0x39506967, 0x3AB743CE, 0x3C088908, 0x3D2AA9C1, 0x3E2AAAAA, 0x3F000000)
ROOT_HALF = 0x3F35_04F3
LOG_TERMS = (
    0x3D9021BB, 0xBDEBD1B8, 0x3DEF251A, 0xBDFE5D4F, 0x3E11E9BF, 0xBE2AAE50, 0x3E4CCEAC, 0xBE7FFFFC, 0x3EAAAAAA,
)  # fmt: skip
TANH_NEAR, TANH_FAR, TANH_TOP = 0x3F20_0000, 0x41A0_0000, 0x4220_0000
TANH_TERMS = (0xBBBAF0EA, 0x3CA9134E, 0xBD5C1E2D, 0x3E088393, 0xBEAAAA99)
ERF_TOP, ERF_SLOPE = 0x40C0_0000, 0x3EA7_BA05
ERF_TERMS = (0x38A4B519, 0xBA51FB80, 0x3BAA02D9, 0xBCDBFC87, 0x3DE7167C, 0xBEC0939F, 0x3F906EBA)
ERF_TAIL_TERMS = (0x3F87DC22, 0xBFBA00E3, 0x3FB5F0E3, 0xBE91A98E, 0x3E827906)
TWO_OVER_PI = 0x3F22_F983
HALF_PI_PARTS = (0x3FC90000, 0x39FDA000, 0x33A22168)
SIN_TERMS = (0xB94CA1F9, 0x3C08839E, 0xBE2AAAA3)
COS_TERMS = (0x37CCF5CE, 0xBAB6061A, 0x3D2AAAA5)


def polynomial(x: int, terms: tuple[int, ...]) -> int:
    """Horner's rule from the first term, a rounded product and a rounded sum per step."""
    total = terms[0]
    for term in terms[1:]:
        total = add(mul(total, x), term)
    return total


def power_of_two(exponent: int) -> int:
    """2^exponent, a normal number."""
    return (exponent + 127) << 23


def nearest_whole(x: int) -> int:
    """x rounded to an integer as a binary32, ties to even; a zero keeps the sign of x."""
    return from_integer(round_to_integer(x)) | x & SIGN


def exp(x: int) -> int:
    """exp(x); +0 below -87."""
    if order(x) < order(EXP_ZERO):
        return 0
    x = x if order(x) < order(EXP_TOP) else EXP_TOP
    n = nearest_whole(mul(x, LOG2_E))
    r = sub(sub(x, mul(n, LN2_HIGH)), mul(n, LN2_LOW))
    y = add(add(mul(polynomial(r, EXP_TERMS), mul(r, r)), r), ONE)
    whole = round_to_integer(n)
    half = whole >> 1
    return mul(mul(y, power_of_two(half)), power_of_two(whole - half))


def log(x: int) -> int:
    """log(x); not finite for x <= 0."""
    if order(x) <= 0:
        raise NotFinite("not finite")
    magnitude, exponent = parts(x)
    length = magnitude.bit_length()
    m, n = pack(0, magnitude, -length), exponent + length
    if order(m) < order(ROOT_HALF):
        m, n = add(m, m), n - 1
    m, whole = sub(m, ONE), from_integer(n)
    z = mul(m, m)
    y = mul(mul(polynomial(m, LOG_TERMS), m), z)
    y = sub(add(y, mul(whole, LN2_LOW)), mul(z, HALF))
    return add(add(m, y), mul(whole, LN2_HIGH))


def tanh(x: int) -> int:
    """tanh(x)."""
    size = absolute(x)
    if size < TANH_NEAR:
        z = mul(x, x)
        return add(mul(mul(polynomial(z, TANH_TERMS), z), x), x)
    doubled = add(size, size) if size < TANH_FAR else TANH_TOP
    return sub(ONE, div(TWO, add(exp(doubled), ONE))) | x & SIGN


def erf(x: int) -> int:
    """erf(x)."""
    bounded = min(absolute(x), ERF_TOP)
    z = mul(bounded, bounded)
    if bounded < ONE:
        return mul(polynomial(z, ERF_TERMS), x)
    t = div(ONE, add(mul(bounded, ERF_SLOPE), ONE))
    far = sub(ONE, mul(mul(polynomial(t, ERF_TAIL_TERMS), t), exp(z | SIGN)))
    return far | x & SIGN


def reduce_quadrant(x: int) -> tuple[int, int]:
    """(n modulo 4, r) with x = n * pi / 2 + r."""
    n = nearest_whole(mul(x, TWO_OVER_PI))
    r = x
    for part in HALF_PI_PARTS:
        r = sub(r, mul(n, part))
    return round_to_integer(n) % 4, r


def wave(quadrant: int, r: int) -> int:
    """sin(r) in quadrant 0, cos(r) in 1, -sin(r) in 2, -cos(r) in 3."""
    z = mul(r, r)
    if quadrant % 2:
        result = add(sub(mul(mul(polynomial(z, COS_TERMS), z), z), mul(z, HALF)), ONE)
    else:
        result = add(mul(mul(polynomial(z, SIN_TERMS), z), r), r)
    return result ^ SIGN if quadrant >= 2 else result


def sin(x: int) -> int:
    """sin(x)."""
    return wave(*reduce_quadrant(x))


def cos(x: int) -> int:
    """cos(x), by the next quadrant."""
    quadrant, r = reduce_quadrant(x)
    return wave((quadrant + 1) % 4, r)
