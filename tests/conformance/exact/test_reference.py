"""The reference itself: it needs nothing but Python, and it rounds as fractions say."""

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import binary32, groups
from tests.reference.binary32 import INFINITE, SIGN, NotFinite

ROOT = Path(__file__).parents[3]
MODULES = sorted(path.stem for path in (ROOT / "tests/reference").glob("*.py"))
PATTERNS = st.integers(0, 0xFFFF_FFFF).filter(binary32.is_finite)
SAME = settings(deadline=None, derandomize=True, max_examples=150)
"""The same examples everywhere."""
LARGEST = Fraction((1 << 24) - 1) * Fraction(2) ** 104


def test_it_needs_neither_torch_nor_numpy_nor_assay() -> None:
    names = ", ".join(f"tests.reference.{name}" for name in MODULES)
    code = f"import sys, {names}; print(sorted({{'torch', 'numpy', 'assay'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert len(MODULES) >= 6


def value_of(pattern: int) -> Fraction:
    """What a pattern stands for, by the standard's definition."""
    sign, field, fraction = -1 if pattern >> 31 else 1, pattern >> 23 & 0xFF, pattern & 0x7F_FFFF
    if field:
        return sign * (1 + Fraction(fraction, 1 << 23)) * Fraction(2) ** (field - 127)
    return sign * Fraction(fraction, 1 << 23) * Fraction(2) ** -126


def nearest(value: Fraction, zero: int) -> int | None:
    """The pattern nearest to a value, ties to the even one, by comparison with its neighbours; None beyond the range.

    `zero` is the pattern of an exact or underflowing zero.
    """
    size = abs(value)
    low, high = 0, INFINITE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value_of(middle) <= size else (low, middle)
    above = LARGEST + Fraction(2) ** 104 if high == INFINITE else value_of(high)
    below = value_of(low)
    up = size - below > above - size or (size - below == above - size and low % 2)
    pattern = high if up else low
    if pattern == INFINITE:
        return None
    return pattern | (SIGN if value < 0 else 0) if pattern else zero


def result_of(function: Callable[..., int], *items: int) -> int | None:
    try:
        return function(*items)
    except NotFinite:
        return None


@SAME
@given(PATTERNS, PATTERNS)
def test_basic_operations_round_to_nearest_even(a: int, b: int) -> None:
    left, right = value_of(a), value_of(b)
    signs = (a ^ b) & SIGN
    both = a & b & SIGN if not left and not right else 0
    assert result_of(binary32.add, a, b) == nearest(left + right, both)
    both = a & ~b & SIGN if not left and not right else 0
    assert result_of(binary32.sub, a, b) == nearest(left - right, both)
    assert result_of(binary32.mul, a, b) == nearest(left * right, signs)
    assert result_of(binary32.div, a, b) == (nearest(left / right, signs) if right else None)
    assert (binary32.order(a) > binary32.order(b)) == (left > right)
    assert (binary32.order(a) == binary32.order(b)) == (left == right)


@pytest.mark.parametrize("seed", range(4))
def test_near_and_tiny_operands_round_to_nearest_even(seed: int) -> None:
    """Exponents close to each other and to the bottom, short mantissas: where sums and products tie."""
    draw = random.Random(seed)
    for _ in range(300):
        field = draw.choice([0, 1, 2, 12, 25, 63, 64, 65, 100, 127, 190, 191, 253, 254])
        a, b = (
            draw.getrandbits(1) << 31
            | min(max(field + draw.choice([0, 0, 1, -1, -24, -25, 24]), 0), 254) << 23
            | draw.getrandbits(23) & draw.choice([0x7F_FFFF, 0x7F_F800, 0x40_0000, 0x00_0001, 0])
            for _ in range(2)
        )
        left, right = value_of(a), value_of(b)
        if left + right:
            assert result_of(binary32.add, a, b) == nearest(left + right, 0)
        assert result_of(binary32.mul, a, b) == nearest(left * right, (a ^ b) & SIGN)
        if right:
            assert result_of(binary32.div, a, b) == nearest(left / right, (a ^ b) & SIGN)


@SAME
@given(PATTERNS)
def test_a_root_is_the_nearest(a: int) -> None:
    if a & SIGN and a != SIGN:
        assert result_of(binary32.sqrt, a) is None
        return
    value = value_of(a)
    # 400 bits behind the point: no root of 24 bits is so near a tie without being one.
    close = Fraction(isqrt(int(value * Fraction(2) ** 800)), 1 << 400)
    assert binary32.sqrt(a) == nearest(close, a)


@SAME
@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-250, 70))
def test_integers_round_once(value: int, exponent: int) -> None:
    zero = SIGN if value < 0 else 0
    assert result_of(binary32.scaled, value, exponent) == nearest(value * Fraction(2) ** exponent, zero)
    assert binary32.from_integer(value) == nearest(Fraction(value), 0)


@SAME
@given(st.floats(-(2.0**100), 2.0**100, allow_nan=False))
def test_rounding_agrees_with_the_machine(value: float) -> None:
    (pattern,) = struct.unpack("<I", struct.pack("<f", value))
    assert nearest(Fraction(value), pattern) == pattern


@SAME
@given(PATTERNS, st.sampled_from([*groups.PROFILES.values(), groups.sum_profile(2), groups.sum_profile(65_536)]))
def test_an_exponent_is_the_smallest(pattern: int, profile: groups.Profile) -> None:
    """By Python's own rounding of fractions, which takes ties to even."""
    bits, limit = profile
    size = abs(value_of(pattern))
    e = groups.group_exponent(pattern & 0x7FFF_FFFF, bits, limit)
    if not size:
        assert e == 0
        return
    assert round(size * Fraction(2) ** (bits - 1 - e)) <= limit < round(size * Fraction(2) ** (bits - e))
    assert groups.quantise_one(pattern, e, bits) == round(value_of(pattern) * Fraction(2) ** (bits - 1 - e))
    assert -148 <= e <= 129
