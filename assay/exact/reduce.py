"""Reductions along the last axis: exact sums, maxima and their places.

A float32 sum is exact: `quantise` at `sum_bits(n)`, add integers, round once (`assay.exact.quantise`). With
`bits = min(30, 53 - ceil(log2 n))` a float64 sum of those integers is exact in any order.
"""

import torch
from torch import Tensor

from assay.exact.quantise import exponent, quantise, rescale


def sum_bits(length: int) -> int:
    """Bits of an addend in an exact sum of `length` values."""
    return min(30, 53 - max(length - 1, 0).bit_length())


def sum_limit(bits: int) -> int:
    """Largest magnitude of an addend's integer."""
    return (1 << (bits - 1)) - 1


def exact_sum(values: Tensor) -> Tensor:
    """Sum of float32 values along the last axis with one rounding at the end; float32."""
    bits = sum_bits(values.shape[-1])
    exponents = exponent(values, (-1,), bits, sum_limit(bits))
    sums = quantise(values, exponents, bits).sum(-1)
    return rescale(sums, [exponents.squeeze(-1)], 1 - bits)


def integer_sum(values: Tensor) -> Tensor:
    """Sum of integers or booleans along the last axis; int64, modulo 2^64."""
    return values.sum(-1, dtype=torch.int64)


def integer_sum_at(values: Tensor, places: Tensor, count: int) -> Tensor:
    """Rows [T, D] of integers added at their index: [count, D], int64, or float64 for float64. Other rows vanish."""
    dtype = values.dtype if values.dtype == torch.float64 else torch.int64
    inside = (places >= 0) & (places < count)
    sums = torch.zeros((count + 1, values.shape[1]), dtype=dtype, device=values.device)
    return sums.index_add_(0, torch.where(inside, places, count), values.to(dtype))[:count]


def amax(values: Tensor) -> Tensor:
    """Largest float32 value along the last axis; a zero maximum is +0."""
    return values.amax(-1) + 0.0


def argmax(values: Tensor) -> Tensor:
    """Place of the largest value along the last axis, ties to the lowest; int64."""
    return values.argmax(-1)
