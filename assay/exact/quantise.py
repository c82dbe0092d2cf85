"""Float32 vectors as integers at one power of two, and back with one rounding.

For a group with largest magnitude m the exponent e is the smallest integer with `RNE(m * 2^(bits-1-e)) <= limit`, and
`q = RNE(a * 2^(bits-1-e))`. Nothing is clamped. A zero group has e = 0 and q = 0. Since `limit` is odd, a tie at
limit + 1/2 rounds up, so with m = f * 2^x, 1/2 <= f < 1:  e = x + (f * 2^(bits-1) >= limit + 1/2); no smaller e can do,
because f * 2^bits >= 2^(bits-1) > limit. In the bits of float64 that is one addition whose carry is the comparison.

Powers of two are built from bits or by exact multiplication: `ldexp` is not exact everywhere, and a float32 scale
overflows below 2^-114.
"""

import torch
from torch import Tensor

MANTISSA_BITS = 52
BIAS = 1023
FIELD_MASK = 0x7FF << MANTISSA_BITS
ZERO_GROUP = 0.5
"""What a zero group's largest magnitude is taken for: its exponent is 0, whatever integers it is used for."""
SCALE_LIMIT = 400
"""|c| < 2^63 times 2^-400 rounds to zero in float32, times 2^400 overflows unless c = 0: more changes nothing."""


def carry(bits: int, limit: int) -> int:
    """The addend to float64 bits that carries into the exponent when the mantissa needs a larger e."""
    threshold = (2 * limit + 1 - (1 << (bits - 1))) << (MANTISSA_BITS - bits + 1)
    return (1 << MANTISSA_BITS) - threshold


def powers(values: Tensor, axes: tuple[int, ...], bits: int, limit: int) -> Tensor:
    """`2^(e-1)` per group over `axes` (kept as size 1), float64. Of a group that is not finite nothing is said."""
    largest = torch.threshold_(values.abs().amax(axes, keepdim=True).double(), 0.0, ZERO_GROUP)
    return ((largest.view(torch.int64) + carry(bits, limit)) & FIELD_MASK).view(torch.float64)


def powers_to_exponents(scales: Tensor) -> Tensor:
    """Exponents (int16) of what `powers` returned."""
    return ((scales.view(torch.int64) >> MANTISSA_BITS) - (BIAS - 1)).to(torch.int16)


def exponent(values: Tensor, axes: tuple[int, ...], bits: int, limit: int) -> Tensor:
    """Exponents (int16) of the groups over `axes`, which are kept as size 1."""
    return powers_to_exponents(powers(values, axes, bits, limit))


def power_of_two(exponents: Tensor) -> Tensor:
    """`2^e` as float64, from bits; e within the normal range of float64."""
    return ((exponents.to(torch.int64) + BIAS) << MANTISSA_BITS).view(torch.float64)


def quantise(values: Tensor, exponents: Tensor, bits: int) -> Tensor:
    """`RNE(a * 2^(bits-1-e))` as float64 integers; `exponents` broadcast over `values`."""
    return (values * power_of_two(bits - 1 - exponents.to(torch.int64))).round_()


def rescale(sums: Tensor, exponents: list[Tensor], shift: int) -> Tensor:
    """`RN32(c * 2^(e_1 + ... + shift))` with one rounding; |c| <= 2^53. c = 0 gives +0, a negative underflow -0."""
    total = exponents[0].to(torch.int64) + shift
    for other in exponents[1:]:
        total = total + other.to(torch.int64)
    return ((sums.double() + 0.0) * power_of_two(total.clamp(-SCALE_LIMIT, SCALE_LIMIT))).float()
