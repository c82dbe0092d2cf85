"""The quantise law against fractions, and exact sums and products against Python integers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.exact import contract, quantise, reduce
from assay.exact.profile import EXACT8, EXACT15, EXACT22

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.lists(FLOATS, min_size=1, max_size=12)


def round_even(value: Fraction) -> int:
    return round(value)


def exponent_of(row: list[float], bits: int, limit: int) -> int:
    """The definition, by search."""
    largest = max(abs(Fraction(value)) for value in row)
    if largest == 0:
        return 0
    e = -160
    while round_even(largest * Fraction(2) ** (bits - 1 - e)) > limit:
        e += 1
    return e


def nearest_float32(value: Fraction) -> float:
    """The nearest float32, ties to even, by numpy's conversion of an exact float64 where it is exact."""
    if value == 0:
        return 0.0
    top = abs(value)
    e = -149
    while top >= Fraction(2) ** (e + 24):
        e += 1
    integer = round_even(value / Fraction(2) ** e)
    result = float(integer * Fraction(2) ** e) if integer else float("-0.0" if value < 0 else "0.0")
    return float(np.float32(result))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from([EXACT8, EXACT15, EXACT22]))
def test_exponent_and_integers_follow_the_definition(row: list[float], profile) -> None:
    values = torch.tensor([row], dtype=torch.float32)
    e = quantise.exponent(values, (1,), profile.bits, profile.limit)
    expected = exponent_of(row, profile.bits, profile.limit)
    assert e.dtype == torch.int16
    assert int(e) == expected
    q = quantise.quantise(values, e, profile.bits)
    scale = Fraction(2) ** (profile.bits - 1 - expected)
    assert [int(each) for each in q[0]] == [round_even(Fraction(value) * scale) for value in row]
    assert q.abs().max() <= profile.limit


@pytest.mark.parametrize("profile", [EXACT8, EXACT15, EXACT22])
def test_a_tie_above_the_limit_takes_the_next_power(profile) -> None:
    below = (2 * profile.limit + 1) * 0.5 ** (profile.bits)
    values = torch.tensor([[below], [below * (1 - 2**-20)]], dtype=torch.float32)
    e = quantise.exponent(values, (1,), profile.bits, profile.limit)
    assert e.flatten().tolist() == [1, 0]


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_exact_sum_rounds_once(row: list[float]) -> None:
    bits = reduce.sum_bits(len(row))
    e = exponent_of(row, bits, reduce.sum_limit(bits))
    total = sum(round_even(Fraction(value) * Fraction(2) ** (bits - 1 - e)) for value in row)
    exact = total * Fraction(2) ** (e - bits + 1)
    result = float(reduce.exact_sum(torch.tensor([row]))[0])
    if abs(exact) < Fraction(2) ** 128 - Fraction(2) ** 103:
        assert result == nearest_float32(exact)


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**53), 2**53), st.integers(-250, 200))
def test_rescale_rounds_integers_once_down_to_subnormals(c: int, shift: int) -> None:
    e = torch.tensor([shift - 30], dtype=torch.int16)
    result = float(quantise.rescale(torch.tensor([c]), [e], 30)[0])
    exact = c * Fraction(2) ** shift
    if abs(exact) < Fraction(2) ** 128 - Fraction(2) ** 103:
        expected = nearest_float32(exact)
        assert result == expected
        assert np.signbit(result) == (c < 0)


def test_a_zero_product_is_positive_and_a_negative_underflow_is_not() -> None:
    e = torch.tensor([-148], dtype=torch.int16)
    result = quantise.rescale(torch.tensor([0, -1]), [e, e], -28)
    assert torch.signbit(result).tolist() == [False, True]
    assert (result == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**31))
def test_contraction_is_the_integer_inner_product(batch: int, rows: int, columns: int, length: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    limit = EXACT15.limit
    left = draw.integers(-limit, limit + 1, (batch, rows, length))
    right = draw.integers(-limit, limit + 1, (batch, columns, length))
    expected = [
        [[sum(int(x) * int(y) for x, y in zip(a, b, strict=True)) for b in right[n]] for a in left[n]]
        for n in range(batch)
    ]
    wide = torch.tensor(left).double(), torch.tensor(right).double()
    assert contract.contract_int64(*wide).tolist() == expected
    assert contract.contract_float64(*wide).long().tolist() == expected


def test_slices_restore_the_integers() -> None:
    values = torch.arange(-EXACT15.limit, EXACT15.limit + 1).reshape(1, -1)
    high, low = contract.split(values).long()
    assert torch.equal(high * 128 + low, values[0])
    assert high.abs().max() <= 127
    assert low.min() >= -64
    assert low.max() <= 63


def test_the_error_of_a_product_is_small() -> None:
    generator = torch.Generator().manual_seed(5)
    a, b = torch.randn(64, 256, generator=generator), torch.randn(64, 256, generator=generator)
    bits, limit = EXACT15.bits, EXACT15.limit
    a_e, b_e = quantise.exponent(a, (1,), bits, limit), quantise.exponent(b, (1,), bits, limit)
    sums = contract.contract_float64(quantise.quantise(a, a_e, bits)[None], quantise.quantise(b, b_e, bits)[None])[0]
    product = quantise.rescale(sums, [a_e, b_e.t()], -2 * (bits - 1))
    exact = a.double() @ b.double().t()
    assert float((product - exact).norm() / exact.norm()) < 2e-4
