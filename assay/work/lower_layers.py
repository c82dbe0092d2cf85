"""Lowerings of products, convolutions and pools, forward and backward."""

from collections.abc import Sequence
from typing import Any

from assay.work.lower import Ref, mean, refuse, rule
from assay.work.normal import Graph


def rows_by_length(g: Graph, value: int) -> int:
    """[K, N] or [B, K, N] as operand rows [B, N, K]."""
    shape = g.shape(value)
    wide = g.reshape(value, (1, *shape)) if len(shape) == 2 else value
    return (
        g.permute(wide, (0, 2, 1)) if len(shape) == 3 else g.reshape(g.permute(value, (1, 0)), (1, shape[1], shape[0]))
    )


@rule("mm.default")
def lower_mm(g: Graph, a: int, b: int) -> int:
    product = g.matmul(g.reshape(a, (1, *g.shape(a))), rows_by_length(g, b))
    return g.reshape(product, g.shape(product)[1:])


@rule("bmm.default")
def lower_bmm(g: Graph, a: int, b: int) -> int:
    return g.matmul(a, rows_by_length(g, b))


@rule("addmm.default")
def lower_addmm(g: Graph, bias: int, a: int, b: int, *, beta: float = 1, alpha: float = 1) -> int:
    if beta != 1 or alpha != 1:
        raise refuse("addmm with beta or alpha", "scale by a multiplication")
    return g.map("add", lower_mm(g, a, b), bias)


def check_convolution(transposed: bool, groups: int, rank: int) -> None:
    """Refuse the convolutions that have no lowering yet."""
    if transposed:
        raise refuse("a transposed convolution", "upsample by repetition and convolve")
    if groups != 1:
        raise refuse("a convolution with groups", "split the channels and concatenate")
    if rank != 4:
        raise refuse("a convolution that is not over images", "reshape [N, C, L] to [N, C, 1, L] and use Conv2d")


def windows(
    g: Graph, value: int, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Any
) -> int:
    """Windows [N, OH, OW, C, KH, KW]."""
    pads = (pad[0], pad[0], pad[1], pad[1])
    return g.unfold(value, (*kernel, *stride, *pads, *dilation, 1, 1))


@rule("convolution.default")
def lower_convolution(
    g: Graph,
    x: int,
    weight: int,
    bias: int | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    _: Any,
    groups: int,
) -> int:
    check_convolution(transposed, groups, len(g.shape(x)))
    size_o, size_c, kernel_h, kernel_w = g.shape(weight)
    length = size_c * kernel_h * kernel_w
    x_q, x_e = g.quantise(x, (1, 2, 3))
    patches = windows(g, x_q, (kernel_h, kernel_w), stride, padding, dilation)
    size_n, out_h, out_w = g.shape(patches)[:3]
    w_q, w_e = g.quantise(g.reshape(weight, (size_o, length)), (1,))
    sums = g.contract(g.reshape(patches, (1, size_n * out_h * out_w, length)), g.reshape(w_q, (1, size_o, length)))
    by_sample = g.reshape(sums, (size_n, out_h * out_w, size_o))
    scales = (g.reshape(x_e, (size_n, 1, 1)), g.reshape(w_e, (1, 1, size_o)))
    out = g.permute(g.rescale(by_sample, scales, g.product_shift), (0, 2, 1))
    out = g.reshape(out, (size_n, size_o, out_h, out_w))
    return out if bias is None else g.map("add", out, g.reshape(bias, (size_o, 1, 1)))


def input_gradient(g: Graph, grad: int, x: int, weight: int, stride: Any, padding: Any, dilation: Any) -> int:
    """The contraction over the zero-dilated, padded output gradient with flipped weights."""
    size_o, size_c, kernel_h, kernel_w = g.shape(weight)
    size_n, _, size_h, size_w = g.shape(x)
    length = size_o * kernel_h * kernel_w
    pads: list[int] = []
    for axis, (kernel, size) in enumerate(((kernel_h, size_h), (kernel_w, size_w))):
        reach = dilation[axis] * (kernel - 1)
        before = reach - padding[axis]
        after = size - 1 - (g.shape(grad)[2 + axis] - 1) * stride[axis] + reach - before
        if before < 0 or after < 0:
            raise refuse("a convolution padded by more than its kernel", "pad less")
        pads += [before, after]
    grad_q, grad_e = g.quantise(grad, (1, 2, 3))
    patches = g.unfold(grad_q, (kernel_h, kernel_w, 1, 1, *pads, *dilation, *stride))
    turned = g.permute(g.flip(weight, (2, 3)), (1, 0, 2, 3))
    w_q, w_e = g.quantise(g.reshape(turned, (size_c, length)), (1,))
    sums = g.contract(g.reshape(patches, (1, size_n * size_h * size_w, length)), g.reshape(w_q, (1, size_c, length)))
    scales = (g.reshape(grad_e, (size_n, 1, 1)), g.reshape(w_e, (1, 1, size_c)))
    out = g.rescale(g.reshape(sums, (size_n, size_h * size_w, size_c)), scales, g.product_shift)
    return g.reshape(g.permute(out, (0, 2, 1)), g.shape(x))


def weight_gradient(g: Graph, grad: int, x: int, weight: int, stride: Any, padding: Any, dilation: Any) -> int:
    """The contraction over samples and places, one exponent per channel."""
    size_o, size_c, kernel_h, kernel_w = g.shape(weight)
    size_n, _, out_h, out_w = g.shape(grad)
    length = size_n * out_h * out_w
    grad_q, grad_e = g.quantise(g.reshape(g.permute(grad, (1, 0, 2, 3)), (1, size_o, length)), (2,))
    x_q, x_e = g.quantise(x, (0, 2, 3))
    patches = g.permute(windows(g, x_q, (kernel_h, kernel_w), stride, padding, dilation), (3, 4, 5, 0, 1, 2))
    used = g.shape(patches)[4:]
    if used != (out_h, out_w):
        raise refuse("a convolution whose windows differ from its output")
    sums = g.contract(grad_q, g.reshape(patches, (1, size_c * kernel_h * kernel_w, length)))
    scales = (g.reshape(grad_e, (size_o, 1, 1)), g.reshape(x_e, (1, size_c, 1)))
    out = g.rescale(g.reshape(sums, (size_o, size_c, kernel_h * kernel_w)), scales, g.product_shift)
    return g.reshape(out, g.shape(weight))


@rule("convolution_backward.default")
def lower_convolution_backward(
    g: Graph, grad: int, x: int, weight: int, _: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    __: Any, groups: int, wanted: Sequence[bool],
) -> tuple[Ref | None, ...]:  # fmt: skip
    check_convolution(transposed, groups, len(g.shape(x)))
    to_input = Ref(input_gradient(g, grad, x, weight, stride, padding, dilation)) if wanted[0] else None
    to_weight = Ref(weight_gradient(g, grad, x, weight, stride, padding, dilation)) if wanted[1] else None
    to_bias = Ref(g.sum(grad, (0, 2, 3))) if wanted[2] else None
    return to_input, to_weight, to_bias


def pair(sizes: Sequence[int], default: Sequence[int]) -> tuple[int, int]:
    """Two sizes from one, two or none."""
    chosen = list(sizes) or list(default)
    return (chosen[0], chosen[-1])


def pool_windows(g: Graph, x: int, kernel: tuple[int, int], stride: tuple[int, int]) -> int:
    """[N, OH, OW, C, KH * KW]."""
    patches = windows(g, x, kernel, stride, (0, 0), (1, 1))
    return g.reshape(patches, (*g.shape(patches)[:4], kernel[0] * kernel[1]))


def check_pool(padding: Sequence[int], dilation: Sequence[int], ceil_mode: bool) -> None:
    """Refuse the pools that have no lowering yet."""
    if any(padding) or any(each != 1 for each in dilation) or ceil_mode:
        raise refuse("a pool with padding, dilation or ceil_mode", "pad before the pool, or choose sizes that divide")


@rule("max_pool2d_with_indices.default")
def lower_max_pool(
    g: Graph, x: int, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil_mode: bool = False
) -> tuple[Ref, Ref]:
    check_pool(padding, dilation, ceil_mode)
    sizes = pair(kernel, kernel)
    rows = pool_windows(g, x, sizes, pair(stride, kernel))
    shape = g.shape(rows)[:4]
    places = g.put("argmax", (rows,), shape=shape, dtype="I64")
    largest = g.put("pick", (rows, places), shape=shape, dtype="F32")
    return Ref(g.permute(largest, (0, 3, 1, 2))), Ref(places)


def spread(g: Graph, parts: int, shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int]) -> int:
    """The sum over windows [N, OH, OW, C, KH, KW] at the places they were taken from, as [N, C, H, W] of `shape`."""
    size_n, out_h, out_w, size_c = g.shape(parts)[:4]
    if kernel == stride:
        tiles = g.reshape(g.permute(parts, (0, 3, 1, 4, 2, 5)), (size_n, size_c, out_h * kernel[0], out_w * kernel[1]))
        rest = (shape[2] - out_h * kernel[0], shape[3] - out_w * kernel[1])
        return g.pad(tiles, (0, 0, 0, 0), (0, 0, *rest))
    layers = []
    for down in range(kernel[0]):
        for right in range(kernel[1]):
            cell = g.cut(g.cut(parts, 4, down, 1), 5, right, 1)
            image = g.permute(g.reshape(cell, (size_n, out_h, out_w, size_c)), (0, 3, 1, 2))
            below = shape[2] - 1 - (out_h - 1) * stride[0] - down
            beside = shape[3] - 1 - (out_w - 1) * stride[1] - right
            placed = g.unfold(image, (1, 1, 1, 1, down, below, right, beside, 1, 1, *stride))
            layers.append(g.reshape(placed, (*g.shape(placed)[:4], 1)))
    return g.permute(g.sum(g.concat(layers, 4), (4,)), (0, 3, 1, 2))


@rule("max_pool2d_with_indices_backward.default")
def lower_max_pool_backward(
    g: Graph, grad: int, x: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, places: int
) -> int:
    check_pool(padding, dilation, ceil_mode)
    sizes, steps = pair(kernel, kernel), pair(stride, kernel)
    count = sizes[0] * sizes[1]
    shape = g.shape(places)
    chosen = g.compare("eq", g.reshape(places, (*shape, 1)), g.iota((count,), 0))
    by_window = g.reshape(g.permute(grad, (0, 2, 3, 1)), (*shape, 1))
    routed = g.map("where", chosen, by_window, g.scalar(0.0))
    return spread(g, g.reshape(routed, (*shape, *sizes)), g.shape(x), sizes, steps)


@rule("avg_pool2d.default")
def lower_avg_pool(
    g: Graph, x: int, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False, *_: Any
) -> int:
    check_pool(padding, (1,), ceil_mode)
    rows = pool_windows(g, x, pair(kernel, kernel), pair(stride, kernel))
    return g.permute(mean(g, rows, (4,)), (0, 3, 1, 2))


@rule("avg_pool2d_backward.default")
def lower_avg_pool_backward(
    g: Graph, grad: int, x: int, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, *_: Any
) -> int:
    check_pool(padding, (1,), ceil_mode)
    sizes, steps = pair(kernel, kernel), pair(stride, kernel)
    share = g.map("div", grad, g.scalar(float(sizes[0] * sizes[1])))
    by_window = g.permute(share, (0, 2, 3, 1))
    shape = g.shape(by_window)
    wide = g.expand(g.reshape(by_window, (*shape, 1, 1)), (*shape, *sizes))
    return spread(g, wide, g.shape(x), sizes, steps)
