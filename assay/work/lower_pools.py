"""Lowerings of pools over images, forward and backward."""

from collections.abc import Sequence
from typing import Any

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


def window_size(kernel: tuple[int, int], pad: tuple[int, int], include_pad: bool, divisor: int | None) -> float:
    """What an average pool divides by. Errors: `Unsupported` where that depends on the place."""
    if any(pad) and not include_pad:
        raise refuse("an average pool that leaves padding out of its count", "set count_include_pad")
    return float(divisor or kernel[0] * kernel[1])


@rule("avg_pool2d.default")
def lower_avg_pool(
    g: Graph, x: int, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False,
    include_pad: bool = True, divisor: int | None = None,
) -> int:  # fmt: skip
    refuse_pool((1,), ceil_mode)
    sizes, pad = pair(kernel, kernel), pair(padding, (0,))
    patches = windows(g, x, sizes, pair(stride, kernel), pad, (1, 1))
    total = g.sum(g.reshape(patches, (*g.shape(patches)[:4], sizes[0] * sizes[1])), (4,))
    share = g.map("div", total, g.scalar(window_size(sizes, pad, include_pad, divisor)))
    return g.permute(share, (0, 3, 1, 2))


@rule("avg_pool2d_backward.default")
def lower_avg_pool_backward(
    g: Graph, grad: int, x: int, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include_pad: bool,
    divisor: int | None,
) -> int:  # fmt: skip
    refuse_pool((1,), ceil_mode)
    sizes, steps, pad = pair(kernel, kernel), pair(stride, kernel), pair(padding, (0,))
    share = g.map("div", grad, g.scalar(window_size(sizes, pad, include_pad, divisor)))
    by_window = g.permute(share, (0, 2, 3, 1))
    shape = g.shape(by_window)
    wide = g.expand(g.reshape(by_window, (*shape, 1, 1)), (*shape, *sizes))
    return spread(g, wide, g.shape(x), sizes, steps, pad)
