"""Elementwise functions with one answer: IEEE basic operations in a fixed sequence, constants as written.

`torch.sqrt` is 1 ulp off on some vector lengths, so the root is taken in float64 (24 bits of result from 53 of
intermediate are rounded correctly: Figueroa, "When is double rounding innocuous?", 1995). Maxima of signed zeros
depend on the lane in vendors' code, so max and min are comparisons with a tie rule. exp, log, tanh, erf, sin and cos
are polynomials after Cody-Waite reduction, by separate multiplications and additions in binary32 (coefficients:
Moshier, Cephes, single precision; erf beyond 1: Abramowitz and Stegun 7.1.26).
"""

import torch
from torch import Tensor

LOG2_E = 1.44269504
LN2_HIGH = 0.693359375
LN2_LOW = -2.12194440e-4
EXP_TERMS = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
LOG_TERMS = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
TANH_TERMS = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
ERF_TERMS = (
    7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2,
    1.128358514861418e-1, -3.761262582423300e-1, 1.128379165726710e0,
)  # fmt: skip
ERF_TAIL_TERMS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
ERF_TAIL_SLOPE = 0.3275911
TWO_OVER_PI = 0.636619772
HALF_PI_PARTS = (1.5703125, 4.83751297e-4, 7.54978942e-8)
SIN_TERMS = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS_TERMS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def polynomial(x: Tensor, terms: tuple[float, ...]) -> Tensor:
    """Horner's rule, highest term first, a multiplication and an addition per step, each rounded to float32."""
    total = x * terms[0] + terms[1]
    for term in terms[2:]:
        total.mul_(x).add_(term)
    return total


def sqrt(x: Tensor) -> Tensor:
    """Correctly rounded square root."""
    return x.double().sqrt_().float()


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """`a` where a > b, else `b` (so b at ties and for signed zeros)."""
    return torch.where(a > b, a, b)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """`a` where a < b, else `b`."""
    return torch.where(a < b, a, b)


def exp(x: Tensor) -> Tensor:
    """exp(x) within 1 ulp or so; +0 below -87, overflows to infinity above 88.72."""
    clamped = torch.where(x < 89.0, x, 89.0)
    clamped = torch.where(clamped > -90.0, clamped, -90.0)
    n = (clamped * LOG2_E).round_()
    r = clamped - n * LN2_HIGH
    r.sub_(n * LN2_LOW)
    y = polynomial(r, EXP_TERMS).mul_(r * r).add_(r).add_(1.0)
    whole = n.to(torch.int32)
    half = whole >> 1
    y.mul_(((half + 127) << 23).view(torch.float32)).mul_(((whole - half + 127) << 23).view(torch.float32))
    return torch.where(x < -87.0, 0.0, y)


def log(x: Tensor) -> Tensor:
    """log(x) within 1 ulp or so; not finite for x <= 0, which is a fault."""
    bits = x.double().view(torch.int64)
    field = (bits >> 52) - 1022
    m = ((bits & ((1 << 52) - 1)) | (1022 << 52)).view(torch.float64).float()
    small = m < 0.70710678118654752440
    n = torch.where(small, field - 1, field).float()
    m = torch.where(small, m + m, m) - 1.0
    z = m * m
    y = polynomial(m, LOG_TERMS).mul_(m).mul_(z)
    y.add_(n * LN2_LOW).sub_(z * 0.5)
    result = (m + y).add_(n * LN2_HIGH)
    return torch.where(x > 0.0, result, float("nan"))


def tanh(x: Tensor) -> Tensor:
    """tanh(x): a polynomial below 0.625, else 1 - 2 / (exp(2|x|) + 1)."""
    size = x.abs()
    z = x * x
    near = polynomial(z, TANH_TERMS).mul_(z).mul_(x).add_(x)
    doubled = torch.where(size < 20.0, size + size, 40.0)
    far = 1.0 - torch.full_like(x, 2.0) / (exp(doubled) + 1.0)
    far = torch.where(x < 0.0, -far, far)
    return torch.where(size < 0.625, near, far)


def erf(x: Tensor) -> Tensor:
    """erf(x), absolute error below 3e-7: a polynomial below 1, else 1 - t * P(t) * exp(-x^2)."""
    size = torch.where(x < 0.0, -x, x)
    bounded = torch.where(size < 6.0, size, 6.0)
    z = bounded * bounded
    near = polynomial(z, ERF_TERMS).mul_(x)
    t = torch.ones_like(x) / (bounded * ERF_TAIL_SLOPE + 1.0)
    far = 1.0 - polynomial(t, ERF_TAIL_TERMS).mul_(t).mul_(exp(-z))
    far = torch.where(x < 0.0, -far, far)
    return torch.where(size < 1.0, near, far)


def reduce_quadrant(x: Tensor) -> tuple[Tensor, Tensor]:
    """x = n * pi/2 + r: n modulo 4 and r, both float32; accurate while |x| stays below some ten thousand."""
    n = (x * TWO_OVER_PI).round_()
    r = x - n * HALF_PI_PARTS[0]
    r.sub_(n * HALF_PI_PARTS[1]).sub_(n * HALF_PI_PARTS[2])
    return n - (n * 0.25).floor_() * 4.0, r


def wave(quadrant: Tensor, r: Tensor) -> Tensor:
    """sin(r) turned by the quadrant: 0 sin, 1 cos, 2 -sin, 3 -cos."""
    z = r * r
    sine = polynomial(z, SIN_TERMS).mul_(z).mul_(r).add_(r)
    cosine = polynomial(z, COS_TERMS).mul_(z).mul_(z).sub_(z * 0.5).add_(1.0)
    odd = (quadrant == 1.0) | (quadrant == 3.0)
    result = torch.where(odd, cosine, sine)
    return torch.where(quadrant > 1.5, -result, result)


def sin(x: Tensor) -> Tensor:
    """sin(x)."""
    quadrant, r = reduce_quadrant(x)
    return wave(quadrant, r)


def cos(x: Tensor) -> Tensor:
    """cos(x) = sin(x + pi/2), by the next quadrant."""
    quadrant, r = reduce_quadrant(x)
    turned = quadrant + 1.0
    return wave(torch.where(turned > 3.5, turned - 4.0, turned), r)
