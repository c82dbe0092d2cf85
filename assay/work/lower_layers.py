"""Lowerings of products and convolutions, forward and backward."""

from collections.abc import Sequence
from typing import Any

from assay.work.lower import Ref, refuse, rule
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


def windows(
    g: Graph, value: int, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Any
) -> int:
    """Windows [N, OH, OW, C, KH, KW]."""
    pads = (pad[0], pad[0], pad[1], pad[1])
    return g.unfold(value, (*kernel, *stride, *pads, *dilation, 1, 1))


def convolve(g: Graph, x: int, weight: int, stride: Any, padding: Any, dilation: Any) -> int:
    """[N, C, H, W] by [O, C, KH, KW]: one exponent per sample and per output channel."""
    size_o, size_c, kernel_h, kernel_w = g.shape(weight)
    length = size_c * kernel_h * kernel_w
    x_q, x_e = g.quantise(x, (1, 2, 3))
    patches = windows(g, x_q, (kernel_h, kernel_w), stride, padding, dilation)
    size_n, out_h, out_w = g.shape(patches)[:3]
    w_q, w_e = g.quantise(g.reshape(weight, (size_o, length)), (1,))
    sums = g.contract(g.reshape(patches, (1, size_n * out_h * out_w, length)), g.reshape(w_q, (1, size_o, length)))
    by_sample = g.reshape_sums(sums, (size_n, out_h * out_w, size_o))
    scales = (g.reshape(x_e, (size_n, 1, 1)), g.reshape(w_e, (1, 1, size_o)))
    out = g.permute(g.rescale_sums(by_sample, scales), (0, 2, 1))
    return g.reshape(out, (size_n, size_o, out_h, out_w))


def input_gradient(
    g: Graph, grad: int, shape: tuple[int, ...], weight: int, stride: Any, padding: Any, dilation: Any
) -> int:
    """The contraction over the zero-dilated, padded output gradient with flipped weights, for an input of `shape`."""
    size_o, size_c, kernel_h, kernel_w = g.shape(weight)
    size_n, _, size_h, size_w = shape
    reaches = (dilation[0] * (kernel_h - 1), dilation[1] * (kernel_w - 1))
    if any(pad > reach for pad, reach in zip(padding, reaches, strict=True)):
        wide = (size_n, size_c, size_h + 2 * padding[0], size_w + 2 * padding[1])
        padded = input_gradient(g, grad, wide, weight, stride, (0, 0), dilation)
        return g.cut(g.cut(padded, 2, padding[0], size_h), 3, padding[1], size_w)
    length = size_o * kernel_h * kernel_w
    pads: list[int] = []
    for axis, (kernel, size) in enumerate(((kernel_h, size_h), (kernel_w, size_w))):
        reach = dilation[axis] * (kernel - 1)
        before = reach - padding[axis]
        after = size - 1 - (g.shape(grad)[2 + axis] - 1) * stride[axis] + reach - before
        if after < 0:
            raise refuse("a convolution whose windows differ from its output")
        pads += [before, after]
    grad_q, grad_e = g.quantise(grad, (1, 2, 3))
    patches = g.unfold(grad_q, (kernel_h, kernel_w, 1, 1, *pads, *dilation, *stride))
    turned = g.permute(g.flip(weight, (2, 3)), (1, 0, 2, 3))
    w_q, w_e = g.quantise(g.reshape(turned, (size_c, length)), (1,))
    sums = g.contract(g.reshape(patches, (1, size_n * size_h * size_w, length)), g.reshape(w_q, (1, size_c, length)))
    scales = (g.reshape(grad_e, (size_n, 1, 1)), g.reshape(w_e, (1, 1, size_c)))
    out = g.rescale_sums(g.reshape_sums(sums, (size_n, size_h * size_w, size_c)), scales)
    return g.reshape(g.permute(out, (0, 2, 1)), shape)


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
    out = g.rescale_sums(g.reshape_sums(sums, (size_o, size_c, kernel_h * kernel_w)), scales)
    return g.reshape(out, g.shape(weight))


def as_images(g: Graph, x: int, weight: int, sizes: Sequence[Sequence[int]]) -> tuple[int, int, list[tuple[int, int]]]:
    """x, weight and [stride, padding, dilation] of a convolution over one axis as one over images of height 1."""
    if len(g.shape(x)) == 4:
        return x, weight, [(each[0], each[-1]) for each in sizes]
    if len(g.shape(x)) != 3:
        raise refuse("a convolution over volumes", "fold an axis into the batch or the channels")
    stride, padding, dilation = (each[0] for each in sizes)
    return lift(g, x), lift(g, weight), [(1, stride), (0, padding), (1, dilation)]


def lift(g: Graph, value: int) -> int:
    """[A, B, L] as [A, B, 1, L]."""
    shape = g.shape(value)
    return value if len(shape) == 4 else g.reshape(value, (*shape[:2], 1, shape[2]))


def group_parts(g: Graph, value: int, axis: int, groups: int) -> list[int]:
    """Equal parts along an axis."""
    size = g.shape(value)[axis] // groups
    return [g.cut(value, axis, start * size, size) for start in range(groups)]


def by_group(g: Graph, value: int, groups: int) -> tuple[int, int]:
    """Images [N, C, H, W] as integers of the same shape, one exponent per sample and group: [N, groups, 1]."""
    shape = g.shape(value)
    rows = g.reshape(value, (shape[0], groups, g.types[value].size // (shape[0] * groups)))
    integers, exponents = g.quantise(rows, (2,))
    return g.reshape(integers, shape), exponents


def group_rows(g: Graph, patches: int, groups: int) -> int:
    """Windows [N, OH, OW, C, KH, KW] as operand rows [groups, N * OH * OW, C / groups * KH * KW]."""
    size_n, out_h, out_w, size_c, kernel_h, kernel_w = g.shape(patches)
    length = size_c // groups * kernel_h * kernel_w
    rows = g.reshape(patches, (size_n * out_h * out_w, groups, length))
    return g.permute(rows, (1, 0, 2))


def from_groups(g: Graph, sums: tuple[int, ...], left: int, right: int, shape: tuple[int, ...]) -> int:
    """Sums [groups, N * H * W, O] with exponents [N, groups, 1] and [groups, O, 1] as images of `shape`."""
    groups, _, size_o = g.shape(sums[0])
    size_n, _, size_h, size_w = shape
    by_sample = g.reshape_sums(sums, (groups, size_n, size_h * size_w, size_o))
    samples = g.reshape(g.permute(left, (1, 0, 2)), (groups, size_n, 1, 1))
    out = g.rescale_sums(by_sample, (samples, g.reshape(right, (groups, 1, 1, size_o))))
    return g.reshape(g.permute(out, (1, 0, 3, 2)), shape)


def convolve_groups(g: Graph, x: int, weight: int, sizes: Sequence[tuple[int, int]], groups: int) -> int:
    """`convolve` of many groups as one batch of products."""
    stride, padding, dilation = sizes
    size_o, part_c, kernel_h, kernel_w = g.shape(weight)
    x_q, x_e = by_group(g, x, groups)
    patches = windows(g, x_q, (kernel_h, kernel_w), stride, padding, dilation)
    size_n, out_h, out_w = g.shape(patches)[:3]
    w_q, w_e = g.quantise(g.reshape(weight, (groups, size_o // groups, part_c * kernel_h * kernel_w)), (2,))
    sums = g.contract(group_rows(g, patches, groups), w_q)
    return from_groups(g, sums, x_e, w_e, (size_n, size_o, out_h, out_w))


def group_input_gradient(
    g: Graph, grad: int, shape: tuple[int, ...], weight: int, sizes: Sequence[tuple[int, int]], groups: int
) -> int:
    """`input_gradient` of many groups as one batch of products."""
    stride, padding, dilation = sizes
    size_o, part_c, kernel_h, kernel_w = g.shape(weight)
    pads: list[int] = []
    for axis, kernel in enumerate((kernel_h, kernel_w)):
        reach = dilation[axis] * (kernel - 1)
        before = reach - padding[axis]
        after = shape[2 + axis] - 1 - (g.shape(grad)[2 + axis] - 1) * stride[axis] + reach - before
        if before < 0 or after < 0:
            raise refuse("a convolution of many groups padded by more than its kernel", "pad less")
        pads += [before, after]
    grad_q, grad_e = by_group(g, grad, groups)
    patches = g.unfold(grad_q, (kernel_h, kernel_w, 1, 1, *pads, *dilation, *stride))
    turned = g.reshape(g.flip(weight, (2, 3)), (groups, size_o // groups, part_c, kernel_h * kernel_w))
    length = size_o // groups * kernel_h * kernel_w
    w_q, w_e = g.quantise(g.reshape(g.permute(turned, (0, 2, 1, 3)), (groups, part_c, length)), (2,))
    sums = g.contract(group_rows(g, patches, groups), w_q)
    return from_groups(g, sums, grad_e, w_e, shape)


def group_weight_gradient(
    g: Graph, grad: int, x: int, weight: int, sizes: Sequence[tuple[int, int]], groups: int
) -> int:
    """`weight_gradient` of many groups as one batch of products."""
    stride, padding, dilation = sizes
    size_o, part_c, kernel_h, kernel_w = g.shape(weight)
    size_n, _, out_h, out_w = g.shape(grad)
    length, kernel = size_n * out_h * out_w, kernel_h * kernel_w
    rows = g.reshape(g.permute(grad, (1, 0, 2, 3)), (groups, size_o // groups, length))
    grad_q, grad_e = g.quantise(rows, (2,))
    x_q, x_e = g.quantise(x, (0, 2, 3))
    patches = g.permute(windows(g, x_q, (kernel_h, kernel_w), stride, padding, dilation), (3, 4, 5, 0, 1, 2))
    if g.shape(patches)[4:] != (out_h, out_w):
        raise refuse("a convolution whose windows differ from its output")
    sums = g.contract(grad_q, g.reshape(patches, (groups, part_c * kernel, length)))
    by_channel = g.reshape_sums(sums, (groups, size_o // groups, part_c, kernel))
    scales = (g.reshape(grad_e, (groups, size_o // groups, 1, 1)), g.reshape(x_e, (groups, 1, part_c, 1)))
    return g.reshape(g.rescale_sums(by_channel, scales), g.shape(weight))


def transposed_shape(
    g: Graph, x: int, weight: int, sizes: Sequence[tuple[int, int]], further: Sequence[int]
) -> tuple[int, ...]:
    """What a group of a transposed convolution gives: the input whose convolution would give x."""
    stride, padding, dilation = sizes
    sides = tuple(
        (g.shape(x)[2 + axis] - 1) * stride[axis]
        - 2 * padding[axis]
        + dilation[axis] * (g.shape(weight)[2 + axis] - 1)
        + 1
        + further[axis]
        for axis in range(2)
    )
    return g.shape(x)[0], g.shape(weight)[1], *sides


GROUP_LIMIT = 64
"""Up to so many groups are products of their own, each with nodes of its own; more are one batch of products."""


@rule("convolution.default")
def lower_convolution(
    g: Graph, x: int, weight: int, bias: int | None, stride: Any, padding: Any, dilation: Any, transposed: bool,
    further: Any, groups: int,
) -> int:  # fmt: skip
    rank = len(g.shape(x))
    image, kernel, sizes = as_images(g, x, weight, (stride, padding, dilation))
    if groups > GROUP_LIMIT and transposed:
        raise refuse(f"a transposed convolution with {groups} groups", f"use at most {GROUP_LIMIT}")
    few = groups <= GROUP_LIMIT
    pairs = zip(group_parts(g, image, 1, groups), group_parts(g, kernel, 0, groups), strict=True) if few else ()
    if not few:
        parts = [convolve_groups(g, image, kernel, sizes, groups)]
    elif transposed:
        shape = transposed_shape(g, image, kernel, sizes, (0, further[0]) if rank == 3 else further)
        parts = [input_gradient(g, part, shape, own, *sizes) for part, own in pairs]
    else:
        parts = [convolve(g, part, own, *sizes) for part, own in pairs]
    out = g.concat(parts, 1)
    if bias is not None:
        out = g.map("add", out, g.reshape(bias, (g.types[bias].size, 1, 1)))
    return out if rank == 4 else g.reshape(out, (*g.shape(out)[:2], g.shape(out)[3]))


@rule("convolution_backward.default")
def lower_convolution_backward(
    g: Graph, grad: int, x: int, weight: int, _: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    __: Any, groups: int, wanted: Sequence[bool],
) -> tuple[Ref | None, ...]:  # fmt: skip
    image, kernel, sizes = as_images(g, x, weight, (stride, padding, dilation))
    wide = lift(g, grad)
    if groups > GROUP_LIMIT:
        to_input = to_weight = None
        if wanted[0]:
            to_input = Ref(g.reshape(group_input_gradient(g, wide, g.shape(image), kernel, sizes, groups), g.shape(x)))
        if wanted[1]:
            given = group_weight_gradient(g, wide, image, kernel, sizes, groups)
            to_weight = Ref(g.reshape(given, g.shape(weight)))
        return to_input, to_weight, Ref(g.sum(wide, (0, 2, 3))) if wanted[2] else None
    grads, images = group_parts(g, wide, 1, groups), group_parts(g, image, 1, groups)
    parts = list(zip(grads, images, group_parts(g, kernel, 0, groups), strict=True))
    to_input = to_weight = None
    if wanted[0]:
        if transposed:
            inputs = [convolve(g, part, own, *sizes) for part, _, own in parts]
        else:
            inputs = [input_gradient(g, part, g.shape(image), own, *sizes) for part, image, own in parts]
        to_input = Ref(g.reshape(g.concat(inputs, 1), g.shape(x)))
    if wanted[1]:
        if transposed:
            parts = [(image, part, own) for part, image, own in parts]
        joined = g.concat([weight_gradient(g, *part, *sizes) for part in parts], 0)
        to_weight = Ref(g.reshape(joined, g.shape(weight)))
    return to_input, to_weight, Ref(g.sum(wide, (0, 2, 3))) if wanted[2] else None
