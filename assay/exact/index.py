"""Index maps: results whose every element is an element of the input, or zero. Any element type, rank at most 6."""

import torch
import torch.nn.functional as functional
from torch import Tensor

UNFOLD_ATTRIBUTES = (
    "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_bottom", "pad_left", "pad_right",
    "dilation_h", "dilation_w", "input_dilation_h", "input_dilation_w",
)  # fmt: skip


def slice_steps(values: Tensor, starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """`out[i..] = values[start + i * step ..]`, `shape` elements; steps are positive."""
    for axis, (start, step, size) in enumerate(zip(starts, steps, shape, strict=True)):
        values = values[(slice(None),) * axis + (slice(start, start + (size - 1) * step + 1, step),)]
    return values


def pad(values: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> Tensor:
    """Zeros before and after each axis."""
    amounts: list[int] = []
    for low, high in zip(reversed(before), reversed(after), strict=True):
        amounts += [low, high]
    return functional.pad(values, amounts)


def dilate(values: Tensor, step_h: int, step_w: int) -> Tensor:
    """[N, C, H, W] with step - 1 zeros between neighbours of the last two axes."""
    if step_h == step_w == 1:
        return values
    size_n, size_c, size_h, size_w = values.shape
    shape = (size_n, size_c, (size_h - 1) * step_h + 1, (size_w - 1) * step_w + 1)
    wide = torch.zeros(shape, dtype=values.dtype, device=values.device)
    wide[:, :, ::step_h, ::step_w] = values
    return wide


def unfold_size(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int, input_dilation: int
) -> int:
    """Windows along one axis; not positive when the kernel does not fit."""
    padded = (size - 1) * input_dilation + 1 + before + after
    return (padded - dilation * (kernel - 1) - 1) // stride + 1


def unfold(values: Tensor, attributes: tuple[int, ...]) -> Tensor:
    """[N, C, H, W] -> windows [N, OH, OW, C, KH, KW] of the dilated and zero-padded input (`UNFOLD_ATTRIBUTES`)."""
    kernel_h, kernel_w, stride_h, stride_w, top, bottom, left, right, step_h, step_w, wide_h, wide_w = attributes
    values = dilate(values, wide_h, wide_w)
    if top or bottom or left or right:
        values = functional.pad(values, (left, right, top, bottom))
    size_n, size_c, size_h, size_w = values.shape
    out_h = (size_h - step_h * (kernel_h - 1) - 1) // stride_h + 1
    out_w = (size_w - step_w * (kernel_w - 1) - 1) // stride_w + 1
    by_n, by_c, by_h, by_w = values.stride()
    return values.as_strided(
        (size_n, out_h, out_w, size_c, kernel_h, kernel_w),
        (by_n, by_h * stride_h, by_w * stride_w, by_c, by_h * step_h, by_w * step_w),
    )
