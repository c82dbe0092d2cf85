"""Exact integer inner products, by three paths that give the same integers.

    left [B, M, K], right [B, N, K], integers  ->  sums [B, M, N], c = sum_k left * right

`int64` multiplies as integers and is the reference. `float64` uses the vendor's GEMM on integers, exact in any order
while K * limit^2 <= 2^53. `int8` splits q = 128 * high + low, both int8, and multiplies once by `torch._int_mm`:
[high; low] x [high; low]' holds all four partial products; the two cross terms are added in int32, exact to
K = 132,096. oneDNN's int8 product saturates on processors without VNNI, so the path is used only where it passes
known answers (`assay.exact.kernels`).
"""

import torch
from torch import Tensor

INT8_LENGTH = 132_096
"""Largest K for which the sum of both cross terms, each at most K * 127 * 64, fits an int32."""


def contract_int64(left: Tensor, right: Tensor) -> Tensor:
    """Inner products by integer multiplication; int64."""
    return torch.bmm(left.to(torch.int64), right.to(torch.int64).transpose(1, 2))


def contract_float64(left: Tensor, right: Tensor) -> Tensor:
    """Inner products of float64 integers by GEMM; float64 without negative zeros.

    The product of a long operand by a narrow one is computed with the narrow one first, which vendors run faster.
    """
    if left.shape[0] == 1 and left.shape[1] > 4 * right.shape[1]:
        return torch.mm(right[0], left[0].t()).add_(0.0).t().unsqueeze(0)
    if left.shape[0] == 1:
        return torch.mm(left[0], right[0].t()).add_(0.0).unsqueeze(0)
    return torch.bmm(left, right.transpose(1, 2)).add_(0.0)


def split(values: Tensor) -> Tensor:
    """Integers [R, K] as int8 slices [2R, K]: all high parts, then all low parts; -64 <= low <= 63."""
    wide = values.to(torch.int16)
    rows, length = wide.shape
    slices = torch.empty((2 * rows, length), dtype=torch.int8, device=wide.device)
    high = (wide + 64) >> 7
    slices[:rows] = high
    slices[rows:] = wide - (high << 7)
    return slices


def contract_int8(left: Tensor, right: Tensor) -> Tensor:
    """Inner products by one int8 matrix product per batch; float64. |q| <= 16319, K <= 132,096."""
    rows, columns = left.shape[1], right.shape[1]
    results = []
    for a, b in zip(left, right, strict=True):
        products = torch._int_mm(split(a), split(b).t())
        high = products[:rows, :columns].double()
        cross = (products[:rows, columns:] + products[rows:, :columns]).double()
        results.append(high.mul_(16384.0).add_(cross.mul_(128.0)).add_(products[rows:, columns:]))
    return torch.stack(results)
