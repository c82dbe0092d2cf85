"""Lowerings of pools over images, forward and backward."""

from collections.abc import Sequence
from typing import Any

import torch

from assay.work.lower import Ref, refuse, rule
from assay.work.lower_layers import windows
from assay.work.normal import Graph


def pair(sizes: Sequence[int], default: Sequence[int]) -> tuple[int, int]:
    """Two sizes from one, two or none."""
    chosen = list(sizes) or list(default)
    return (chosen[0], chosen[-1])


def refuse_pool(dilation: Sequence[int], ceil_mode: bool) -> None:
    """Refuse the pools that have no lowering yet."""
    if any(each != 1 for each in dilation) or ceil_mode:
        raise refuse("a pool with dilation or ceil_mode", "choose sizes that divide")


LOWEST = -3.4028234663852886e38
"""The most negative finite float32: what padding is to a maximum."""


def max_windows(g: Graph, x: int, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> int:
    """[N, OH, OW, C, KH * KW]; padding holds the lowest float."""
    patches = windows(g, x, kernel, stride, pad, (1, 1))
    count = kernel[0] * kernel[1]
    rows = g.reshape(patches, (*g.shape(patches)[:4], count))
    if not any(pad):
        return rows
    ones = g.expand(g.scalar(1.0), (1, 1, *g.shape(x)[2:]))
    inside = windows(g, ones, kernel, stride, pad, (1, 1))
    inside = g.reshape(inside, (*g.shape(inside)[:4], count))
    return g.map("where", g.compare("gt", inside, g.scalar(0.0)), rows, g.scalar(LOWEST))


@rule("max_pool2d_with_indices.default")
def lower_max_pool(
    g: Graph, x: int, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil_mode: bool = False
) -> tuple[Ref, Ref]:
    refuse_pool(dilation, ceil_mode)
    rows = max_windows(g, x, pair(kernel, kernel), pair(stride, kernel), pair(padding, (0,)))
    shape = g.shape(rows)[:4]
    places = g.put("argmax", (rows,), shape=shape, dtype="I64")
    largest = g.put("pick", (rows, places), shape=shape, dtype="F32")
    return Ref(g.permute(largest, (0, 3, 1, 2))), Ref(places)


def spread(
    g: Graph, parts: int, shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> int:
    """The sum over windows [N, OH, OW, C, KH, KW] at the places they were taken from, as [N, C, H, W] of `shape`."""
    size_n, out_h, out_w, size_c = g.shape(parts)[:4]
    wide = (shape[2] + 2 * pad[0], shape[3] + 2 * pad[1])
    if kernel == stride:
        tiles = g.reshape(g.permute(parts, (0, 3, 1, 4, 2, 5)), (size_n, size_c, out_h * kernel[0], out_w * kernel[1]))
        image = g.pad(tiles, (0, 0, 0, 0), (0, 0, wide[0] - out_h * kernel[0], wide[1] - out_w * kernel[1]))
        return g.cut(g.cut(image, 2, pad[0], shape[2]), 3, pad[1], shape[3])
    layers = []
    for down in range(kernel[0]):
        for right in range(kernel[1]):
            cell = g.cut(g.cut(parts, 4, down, 1), 5, right, 1)
            image = g.permute(g.reshape(cell, (size_n, out_h, out_w, size_c)), (0, 3, 1, 2))
            below = wide[0] - 1 - (out_h - 1) * stride[0] - down
            beside = wide[1] - 1 - (out_w - 1) * stride[1] - right
            placed = g.unfold(image, (1, 1, 1, 1, down, below, right, beside, 1, 1, *stride))
            layers.append(g.reshape(placed, (*g.shape(placed)[:4], 1)))
    total = g.permute(g.sum(g.concat(layers, 4), (4,)), (0, 3, 1, 2))
    return g.cut(g.cut(total, 2, pad[0], shape[2]), 3, pad[1], shape[3])


@rule("max_pool2d_with_indices_backward.default")
def lower_max_pool_backward(
    g: Graph, grad: int, x: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, places: int
) -> int:
    refuse_pool(dilation, ceil_mode)
    sizes, steps = pair(kernel, kernel), pair(stride, kernel)
    count = sizes[0] * sizes[1]
    shape = g.shape(places)
    chosen = g.compare("eq", g.reshape(places, (*shape, 1)), g.iota((count,), 0))
    by_window = g.reshape(g.permute(grad, (0, 2, 3, 1)), (*shape, 1))
    routed = g.map("where", chosen, by_window, g.scalar(0.0))
    return spread(g, g.reshape(routed, (*shape, *sizes)), g.shape(x), sizes, steps, pair(padding, (0,)))


def window_sizes(
    g: Graph, shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int],
    include_pad: bool, divisor: int | None,
) -> int:  # fmt: skip
    """What an average pool over images of `shape` divides by: a number, or one per window [OH, OW]."""
    if not any(pad) or include_pad or divisor:
        return g.scalar(float(divisor or kernel[0] * kernel[1]))
    counts = []
    for size, width, step, before in zip(shape[2:], kernel, stride, pad, strict=True):
        starts = torch.arange((size + 2 * before - width) // step + 1) * step - before
        counts.append((starts + width).clamp(max=size) - starts.clamp(min=0))
    return g.constant((counts[0][:, None] * counts[1]).float())


@rule("avg_pool2d.default")
def lower_avg_pool(
    g: Graph, x: int, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False,
    include_pad: bool = True, divisor: int | None = None,
) -> int:  # fmt: skip
    refuse_pool((1,), ceil_mode)
    sizes, pad = pair(kernel, kernel), pair(padding, (0,))
    patches = windows(g, x, sizes, pair(stride, kernel), pad, (1, 1))
    total = g.sum(g.reshape(patches, (*g.shape(patches)[:4], sizes[0] * sizes[1])), (4,))
    count = window_sizes(g, g.shape(x), sizes, pair(stride, kernel), pad, include_pad, divisor)
    column = g.reshape(count, (*g.shape(count), 1)) if g.shape(count) else count
    return g.permute(g.map("div", total, column), (0, 3, 1, 2))


@rule("avg_pool2d_backward.default")
def lower_avg_pool_backward(
    g: Graph, grad: int, x: int, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include_pad: bool,
    divisor: int | None,
) -> int:  # fmt: skip
    refuse_pool((1,), ceil_mode)
    sizes, steps, pad = pair(kernel, kernel), pair(stride, kernel), pair(padding, (0,))
    share = g.map("div", grad, window_sizes(g, g.shape(x), sizes, steps, pad, include_pad, divisor))
    by_window = g.permute(share, (0, 2, 3, 1))
    shape = g.shape(by_window)
    wide = g.expand(g.reshape(by_window, (*shape, 1, 1)), (*shape, *sizes))
    return spread(g, wide, g.shape(x), sizes, steps, pad)


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each of `count` windows that adapt to `size`, as PyTorch chooses them; they may overlap."""
    return [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]


def adaptive_sum(g: Graph, x: int, axis: int, count: int) -> int:
    """Sums over the windows along an axis."""
    parts = [g.sum(g.cut(x, axis, low, high - low), (axis,), True) for low, high in bounds(g.shape(x)[axis], count)]
    return g.concat(parts, axis)


def adaptive_spread(g: Graph, grad: int, axis: int, size: int) -> int:
    """Each window's value at all its places along an axis of `size`, summed where windows overlap."""
    layers = []
    shape = g.shape(grad)
    for place, (low, high) in enumerate(bounds(size, shape[axis])):
        wide = g.expand(g.cut(grad, axis, place, 1), (*shape[:axis], high - low, *shape[axis + 1 :]))
        before = tuple(low if at == axis else 0 for at in range(len(shape)))
        after = tuple(size - high if at == axis else 0 for at in range(len(shape)))
        padded = g.pad(wide, before, after)
        layers.append(g.reshape(padded, (*g.shape(padded), 1)))
    return g.sum(g.concat(layers, len(shape)), (len(shape),))


def adaptive_counts(g: Graph, shape: tuple[int, ...], wanted: Sequence[int]) -> int:
    """How many places each window [OH, OW] covers."""
    high, wide = (
        torch.tensor([end - start for start, end in bounds(size, count)])
        for size, count in zip(shape[-2:], wanted, strict=True)
    )
    return g.constant((high[:, None] * wide).float())


@rule("_adaptive_avg_pool2d.default")
def lower_adaptive_avg_pool(g: Graph, x: int, wanted: Sequence[int]) -> int:
    rank = len(g.shape(x))
    total = adaptive_sum(g, adaptive_sum(g, x, rank - 2, wanted[0]), rank - 1, wanted[1])
    return g.map("div", total, adaptive_counts(g, g.shape(x), wanted))


@rule("_adaptive_avg_pool2d_backward.default")
def lower_adaptive_avg_pool_backward(g: Graph, grad: int, x: int) -> int:
    shape = g.shape(x)
    share = g.map("div", grad, adaptive_counts(g, shape, g.shape(grad)[-2:]))
    rank = len(shape)
    return adaptive_spread(g, adaptive_spread(g, share, rank - 1, shape[-1]), rank - 2, shape[-2])


def even_kernel(g: Graph, x: int, wanted: Sequence[int]) -> tuple[int, int]:
    """The size of windows that divide the image. Errors: `Unsupported` where they do not."""
    sizes = g.shape(x)[-2:]
    if any(size % count for size, count in zip(sizes, wanted, strict=True)):
        raise refuse("an adaptive maximum pool that does not divide its image", "choose sizes that divide")
    return sizes[0] // wanted[0], sizes[1] // wanted[1]


@rule("adaptive_max_pool2d.default")
def lower_adaptive_max_pool(g: Graph, x: int, wanted: Sequence[int]) -> tuple[Ref, Ref]:
    return lower_max_pool(g, x, even_kernel(g, x, wanted))


@rule("adaptive_max_pool2d_backward.default")
def lower_adaptive_max_pool_backward(g: Graph, grad: int, x: int, places: int) -> int:
    kernel = even_kernel(g, x, g.shape(grad)[-2:])
    return lower_max_pool_backward(g, grad, x, kernel, kernel, (0,), (1,), False, places)
