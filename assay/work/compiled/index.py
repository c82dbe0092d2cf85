"""Where an element of a value comes from: index maps as linear forms of loop variables.

A loop nest runs over the axes of a result. Reading through reshapes, permutations, slices and windows, an index of the
value that is read is a linear form of loop variables, so that a compiler sees strides. A reshape that cuts an axis asks
for that loop to be split in two (`Split`), and the nest is written again; what cannot be split is divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from assay.exact.index import unfold_size
from assay.protocol.errors import Unsupported

TEXT_MAX_CHARS = 16_384
"""Of one expression. A chain of reshapes that divide, or of conditions, can double it at each link."""


class Split(Exception):
    """A loop variable has to be two, the inner of which counts to `inner`."""

    def __init__(self, variable: str, inner: int) -> None:
        super().__init__(variable, inner)
        self.variable, self.inner = variable, inner


@dataclass(frozen=True)
class Index:
    """A linear form: `const + sum(coefficient * symbol)`, of values in 0..extent-1. A symbol is a loop variable or an
    expression. `digits` are the loop variables that it counts in mixed radix, if it is nothing else."""

    extent: int
    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0
    digits: tuple[tuple[str, int], ...] | None = None

    @property
    def text(self) -> str:
        """In C."""
        parts = [symbol if factor == 1 else f"{symbol} * {factor}L" for symbol, factor in self.terms]
        if self.const or not parts:
            parts.append(f"{self.const}L")
        return " + ".join(parts)


Place = tuple[Index, ...]
"""One index per axis."""


def variable(name: str, extent: int) -> Index:
    """A loop variable."""
    return Index(0 + extent, ((name, 1),), 0, ((name, extent),)) if extent != 1 else Index(1, digits=())


def counted(digits: Sequence[tuple[str, int]]) -> Index:
    """Loop variables in mixed radix, the last the fastest."""
    terms, stride = [], 1
    for name, extent in reversed(digits):
        terms.append((name, stride))
        stride *= extent
    return Index(stride, tuple(reversed(terms)), 0, tuple(digits))


def scaled(index: Index, factor: int, const: int, extent: int) -> Index:
    """`factor * index + const`."""
    terms = tuple((symbol, factor * each) for symbol, each in index.terms)
    digits = index.digits if factor == 1 and const == 0 and extent == index.extent else None
    return Index(extent, terms, factor * index.const + const, digits)


def total(parts: Sequence[tuple[Index, int]], extent: int) -> Index:
    """A sum of indices, each times a factor."""
    terms: dict[str, int] = {}
    const = 0
    for index, factor in parts:
        const += factor * index.const
        for symbol, each in index.terms:
            terms[symbol] = terms.get(symbol, 0) + factor * each
    return Index(extent, tuple((symbol, each) for symbol, each in terms.items() if each), const)


def linear(place: Place, shape: tuple[int, ...]) -> Index:
    """The offset of an element in a contiguous tensor."""
    parts, stride = [], 1
    for index, size in zip(reversed(place), reversed(shape), strict=True):
        parts.append((index, stride))
        stride *= size
    return total(parts[::-1], prod(shape))


def fitted(place: Place, shape: tuple[int, ...]) -> Place:
    """The place in an operand that is broadcast to where `place` is."""
    inner = place[len(place) - len(shape) :]
    return tuple(Index(1, digits=()) if size == 1 else index for index, size in zip(inner, shape, strict=True))


def reshaped(place: Place, source: tuple[int, ...]) -> Place:
    """The place in the value that was reshaped. Errors: `Split`."""
    items: list[Index] = []
    for index in place:
        if index.digits is None:
            items.append(index)
        else:
            items.extend(variable(name, extent) for name, extent in index.digits)
    items = [item for item in items if item.extent != 1]
    found: list[Index] = []
    for size in reversed(source):
        parts: list[Index] = []
        held = 1
        while held < size:
            item = items.pop()
            needed = size // held
            if size % held or (item.extent > needed and item.extent % needed) or needed % min(item.extent, needed):
                return _divided(place, source)
            if item.extent > needed:
                if item.digits:
                    raise Split(item.digits[0][0], needed)
                symbol = f"({item.text})"
                if len(symbol) > TEXT_MAX_CHARS:
                    raise Unsupported("indices that are too long to compile", hint="compiled=False")
                items.append(Index(item.extent // needed, ((f"({symbol} / {needed}L)", 1),)))
                item = Index(needed, ((f"({symbol} % {needed}L)", 1),))
            parts.insert(0, item)
            held *= item.extent
        found.append(_joined(parts, size))
    return tuple(reversed(found))


def _joined(parts: list[Index], size: int) -> Index:
    if all(part.digits is not None for part in parts):
        return counted([digit for part in parts for digit in part.digits or ()])
    weighed, stride = [], 1
    for part in reversed(parts):
        weighed.append((part, stride))
        stride *= part.extent
    return total(weighed[::-1], size)


def _divided(place: Place, source: tuple[int, ...]) -> Place:
    """By division, where axes do not divide each other."""
    flat = f"({linear(place, tuple(index.extent for index in place)).text})"
    # Every axis has it in its text, so that a chain of such reshapes doubles it again and again.
    if len(flat) > TEXT_MAX_CHARS:
        raise Unsupported("indices that are too long to compile", hint="compiled=False")
    found, stride = [], prod(source)
    for size in source:
        stride //= max(size, 1)
        found.append(Index(size, ((f"({flat} / {stride}L % {size}L)", 1),)) if size > 1 else Index(1, digits=()))
    return tuple(found)


def unfolded(place: Place, source: tuple[int, ...], attributes: tuple[int, ...]) -> tuple[Place, list[str]]:
    """The place in an image from which a window's element comes, and the conditions that it is inside."""
    kernel_h, kernel_w, stride_h, stride_w, top, bottom, left, right, step_h, step_w, wide_h, wide_w = attributes
    n, out_h, out_w, c, at_h, at_w = place
    inside: list[str] = []
    axes = []
    for out, at, size, kernel, stride, before, after, step, wide in (
        (out_h, at_h, source[2], kernel_h, stride_h, top, bottom, step_h, wide_h),
        (out_w, at_w, source[3], kernel_w, stride_w, left, right, step_w, wide_w),
    ):
        assert unfold_size(size, kernel, stride, before, after, step, wide) == out.extent
        index = total([(out, stride), (at, step), (Index(1, (), -before), 1)], size)
        if wide != 1:
            inside.append(f"({index.text}) % {wide}L == 0")
            inside.append(f"({index.text}) >= 0L")
            inside.append(f"({index.text}) < {(size - 1) * wide + 1}L")
            index = Index(size, ((f"(({index.text}) / {wide}L)", 1),))
        elif before or after:
            inside.append(f"({index.text}) >= 0L")
            inside.append(f"({index.text}) < {size}L")
        axes.append(index)
    return (n, c, *axes), inside
