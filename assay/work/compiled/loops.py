"""Loop nests: the C function of what is stored, packed or reduced.

The innermost loop is the one along which most of what is read lies next to each other. Sums and maxima are of integers,
or of whole numbers in binary64 that stay below 2^53, so that their order is the compiler's to choose.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

from assay.exact.primitives import mask_axes
from assay.exact.quantise import carry
from assay.protocol.errors import Unsupported
from assay.work.compiled.index import Index, Place, Split, counted, linear
from assay.work.compiled.layout import Layout
from assay.work.compiled.writer import Text, Writer

CHUNK = 256
"""Accumulators side by side, so that they stay in the nearest cache."""
SPLITS_MAX = 64
PARALLEL_ELEMENTS = 1 << 15
"""From so many on a nest is spread over threads, where there are several."""
SIMD = '_Pragma("omp simd reduction(|:bad)")'
PARALLEL = '_Pragma("omp parallel for num_threads(THREADS) reduction(|:bad)")'
PARALLEL_SIMD = '_Pragma("omp parallel for simd num_threads(THREADS) reduction(|:bad)")'
Loop = tuple[str, int]


@dataclass
class Kernel:
    """A C function. `targets` are what it writes, `pointers` what it reads; `checked`: watched values it looked at."""

    text: str
    targets: tuple[int, ...]
    pointers: frozenset[int]
    checked: frozenset[int]
    stores: bool = False
    """Whether it stores values, each element by itself, so that more of the same shape can join."""
    columns_first: bool = False
    """Of a packed operand: whether its rows lie along the memory, so that it is handed over transposed."""


@dataclass
class Axes:
    """Loop variables per axis; an axis may be split."""

    sizes: tuple[int, ...]
    loops: list[list[Loop]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loops = [[(f"a{axis}", size)] if size != 1 else [] for axis, size in enumerate(self.sizes)]

    def split(self, name: str, inner: int) -> None:
        """Makes one loop two."""
        for axis in self.loops:
            for at, (each, extent) in enumerate(axis):
                if each == name:
                    axis[at : at + 1] = [(f"{name}o", extent // inner), (f"{name}i", inner)]
                    return
        raise AssertionError(f"no loop {name}")

    @property
    def place(self) -> Place:
        """One index per axis."""
        return tuple(counted(axis) if axis else Index(1, digits=()) for axis in self.loops)

    def of(self, axes: Sequence[int]) -> list[Loop]:
        """The loops of some axes, outer first."""
        return [loop for axis in axes for loop in self.loops[axis]]


def attempt(axes: Axes, write: Callable[[Axes], Kernel]) -> Kernel:
    """Writes a nest, splitting loops as it asks for it."""
    for _ in range(SPLITS_MAX):
        try:
            return write(axes)
        except Split as wanted:
            axes.split(wanted.variable, wanted.inner)
    raise Unsupported("loops that are split too often to compile", hint="compiled=False")


def innermost(loops: Sequence[Loop], writer: Writer, default: str | None) -> str | None:
    """The loop along which what is read lies closest."""
    best, best_weight = default, -1.0
    for name, extent in loops:
        weight = 0.0
        for index, size_bytes in writer.reads:
            factors = [factor for symbol, factor in index.terms if symbol == name]
            if factors == [1]:
                weight += size_bytes * min(extent, 16) / 16
            elif factors:
                weight -= size_bytes / 4 if abs(factors[0]) > 2 else 0
        if weight > best_weight:
            best, best_weight = name, weight
    return best


def merged(loops: list[Loop], lines: list[str], indices: Sequence[Index]) -> tuple[list[Loop], list[str]]:
    """Neighbouring loops that count through memory as one do become one: the outer stands still, the inner goes on.

    `indices` are the linear forms that stand in brackets in the lines; a loop that is named elsewhere stays.
    """
    rest = "\n".join(lines)
    for text in sorted({index.text for index in indices}, key=len, reverse=True):
        rest = rest.replace(f"[{text}]", "[]").replace(f"[{text} + ", "[ + ")
    named = set(re.findall(r"[a-z]\w*", rest))
    forms = [dict(index.terms) for index in indices]
    if any(not symbol.isidentifier() for form in forms for symbol in form):
        return loops, lines
    found: list[Loop] = []
    for name, extent in reversed(loops):
        inner = found[-1] if found else None
        if (
            inner
            and not {name, inner[0]} & named
            and all(form.get(name, 0) == inner[1] * form.get(inner[0], 0) for form in forms)
        ):
            found[-1] = (inner[0], inner[1] * extent)
            lines = [re.sub(rf"\b{name}\b", "0L", line) for line in lines]
        else:
            found.append((name, extent))
    return found[::-1], lines


def opened(loops: Sequence[Loop]) -> list[str]:
    """The heads of nested loops."""
    return [f"for (long {name} = 0; {name} < {extent}L; {name}++) {{" for name, extent in loops]


def spread(loops: list[Loop], lines: list[str], indices: Sequence[Index]) -> list[str]:
    """A nest whose turns do not depend on each other, over all threads if it is worth it."""
    loops, lines = merged(loops, lines, indices)
    heads = opened(loops)
    if not heads:
        return lines
    if prod(extent for _, extent in loops) >= PARALLEL_ELEMENTS:
        heads[0] = f"{PARALLEL_SIMD if len(heads) == 1 else PARALLEL}\n{heads[0]}"
    if len(heads) > 1 or not heads[0].startswith("_Pragma"):
        heads[-1] = f"{SIMD}\n{heads[-1]}"
    return [*heads, *lines, "}" * len(heads)]


def assembled(name: str, writer: Writer, targets: dict[int, str], body: list[str]) -> str:
    """A C function over the table of pointers."""
    layout = writer.layout
    lines = [f"static int {name}(void *const *p) {{", "int bad = 0;"]
    products = {pointer: value for value, pointer in layout.products.items()}
    for value in sorted(writer.pointers - set(targets)):
        if value in products:
            kind = "int32_t" if layout.slices(products[value]) else "double"
        else:
            kind = layout.c_type(value)
        lines.append(f"const {kind} *restrict p{value} = p[{value}];")
    lines += [f"{kind} *restrict p{value} = p[{value}];" for value, kind in targets.items()]
    return "\n".join([*lines, *body, "return bad;", "}"])


def store(layout: Layout, watched: frozenset[int], name: str, values: Sequence[int]) -> Kernel:
    """Stores values of one shape, each computed once."""

    def write(axes: Axes) -> Kernel:
        writer, place = Writer(layout, watched), axes.place
        body: list[str] = []
        for value in values:
            text = writer.keep(value, writer.compute(value, place, True, False), True)
            kind = layout.c_type(value)
            if layout.names[value] == "quantise":
                text = Text(f"(int32_t){text.c}", "int32_t")
            offset = linear(place, layout.type_of(value).shape)
            writer.reads.append((offset, 2 * layout.type_of(value).size_bytes))
            writer.lines.append(f"p{value}[{offset.text}] = {text.to(kind)};")
            writer.remember(value, place, text)
        loops = axes.of(range(len(axes.sizes)))
        inner = innermost(loops, writer, loops[-1][0] if loops else None)
        ordered = [loop for loop in loops if loop[0] != inner] + [loop for loop in loops if loop[0] == inner]
        body = spread(ordered, writer.lines, [index for index, _ in writer.reads])
        targets = {value: layout.c_type(value) for value in values}
        made = assembled(name, writer, targets, body)
        return Kernel(made, tuple(values), frozenset(writer.pointers), frozenset(writer.checked), stores=True)

    return attempt(Axes(layout.type_of(values[0]).shape), write)


def pack(layout: Layout, watched: frozenset[int], name: str, value: int, pointer: int, slices: int) -> Kernel:
    """An operand [B, R, K] of a contraction: int8 slices, high ones before low ones, or binary64; along whichever of
    rows and length the memory of what is read goes. `pointer` is where it is put."""
    batches, rows, length = layout.type_of(value).shape

    def write(axes: Axes) -> Kernel:
        writer, place = Writer(layout, watched), axes.place
        text = writer.element(value, place)
        loops = {part: axes.of((axis,)) for axis, part in enumerate("brk")}
        inner = innermost(loops["r"][-1:] + loops["k"][-1:], writer, None)
        flipped = bool(loops["r"]) and inner == loops["r"][-1][0] and inner not in [name for name, _ in loops["k"]]
        b, r, k = place
        wide = max(slices, 1)
        if flipped:
            at, other = linear((b, k, r), (batches, length, wide * rows)), rows
        else:
            at, other = linear((b, r, k), (batches, wide * rows, length)), rows * length
        # Batches are packed one after another.
        if slices == 1:
            writer.lines.append(f"p{pointer}[{at.text}] = (int8_t)(int32_t)({text.c});")
        elif slices:
            writer.lines.append(f"int32_t q = (int32_t)({text.c}), h = (q + 64) >> 7;")
            writer.lines.append(f"p{pointer}[{at.text}] = (int8_t)h;")
            writer.lines.append(f"p{pointer}[{at.text} + {other}L] = (int8_t)(q - h * 128);")
        else:
            writer.lines.append(f"p{pointer}[{at.text}] = (double)({text.c});")
        ordered = loops["b"] + (loops["k"] + loops["r"] if flipped else loops["r"] + loops["k"])
        kind = "int8_t" if slices else "double"
        body = spread(ordered, writer.lines, [at, *(index for index, _ in writer.reads)])
        made = assembled(name, writer, {pointer: kind}, body)
        return Kernel(made, (pointer,), frozenset(writer.pointers), frozenset(writer.checked), columns_first=flipped)

    return attempt(Axes(layout.type_of(value).shape), write)


@dataclass(frozen=True)
class Fold:
    """A reduction: accumulators (C type, first value), how an element enters, and what is stored."""

    kinds: tuple[tuple[str, str], ...]
    enter: Callable[[Text, list[str], Index], str]
    leave: Callable[[list[str]], str]
    pragma: str


def fold_of(layout: Layout, value: int) -> Fold:
    """How a reduction is done."""
    name = layout.names[value]
    if name == "exponent":
        _, bits, limit = layout.attributes_of(value)
        addend = carry(bits, limit)
        return Fold(
            (("uint32_t", "0u"),),
            lambda x, acc, _: f"uint32_t z = size_bits({x.c}); {acc[0]} = z > {acc[0]} ? z : {acc[0]};",
            lambda acc: f"exponent_of({acc[0]}, {addend}LL)",
            "reduction(max:{0})",
        )
    if name == "integer_sum":
        kind = "double" if value in layout.counted else "int64_t"
        return Fold(
            ((kind, "0"),), lambda x, acc, _: f"{acc[0]} += {x.to(kind)};", lambda acc: acc[0], "reduction(+:{0})"
        )
    if name == "amax":
        return Fold(
            (("float", "-INFINITY"),),
            lambda x, acc, _: f"{acc[0]} = {x.c} > {acc[0]} ? {x.c} : {acc[0]};",
            lambda acc: f"{acc[0]} + 0.0f",
            "reduction(max:{0})",
        )
    return Fold(
        (("float", "-INFINITY"), ("int64_t", "0")),
        lambda x, acc, at: (
            f"int w = {x.c} > {acc[0]}; {acc[1]} = w ? (int64_t)({at.text}) : {acc[1]};"
            f" {acc[0]} = w ? {x.c} : {acc[0]};"
        ),
        lambda acc: acc[1],
        "",
    )


def reduce(layout: Layout, watched: frozenset[int], name: str, value: int) -> Kernel:
    """A maximum or a sum over axes of a value."""
    (source,) = layout.inputs_of(value)
    shape = layout.type_of(source).shape
    axes_reduced = mask_axes(layout.attributes_of(value)[0]) if layout.names[value] == "exponent" else (len(shape) - 1,)
    axes_kept = [axis for axis in range(len(shape)) if axis not in axes_reduced]
    fold = fold_of(layout, value)

    def write(axes: Axes) -> Kernel:
        writer, place = Writer(layout, watched), axes.place
        text = writer.element(source, place)
        kept, reduced = axes.of(axes_kept), axes.of(axes_reduced)
        last = innermost(reduced[-1:] + kept, writer, (reduced or kept or [("", 0)])[-1][0])
        result = tuple(place[axis] for axis in axes_kept)
        offset = linear(result, tuple(shape[axis] for axis in axes_kept)).text
        at = place[axes_reduced[-1]]
        if last in [loop for loop, _ in kept] and reduced:
            body = beside(writer, fold, text, at, kept, reduced, last, f"p{value}[{offset}]")
        else:
            body = along(writer, fold, text, at, kept, reduced, f"p{value}[{offset}]")
        made = assembled(name, writer, {value: layout.c_type(value)}, body)
        return Kernel(made, (value,), frozenset(writer.pointers), frozenset(writer.checked))

    return attempt(Axes(shape), write)


def along(
    writer: Writer, fold: Fold, text: Text, at: Index, kept: list[Loop], reduced: list[Loop], target: str
) -> list[str]:
    """One group after another, each along the memory."""
    names = [f"s{each}" for each in range(len(fold.kinds))]
    whole = prod(extent for _, extent in (*kept, *reduced))
    lines = [*writer.lines, fold.enter(text, names, at)]
    reduced, lines = merged(reduced, lines, [index for index, _ in writer.reads])
    heads, inner = opened(kept), opened(reduced)
    if heads and whole >= PARALLEL_ELEMENTS:
        heads[0] = f"{PARALLEL}\n{heads[0]}"
    if inner and fold.pragma:
        inner[-1] = f'_Pragma("omp simd reduction(|:bad) {fold.pragma.format(*names)}")\n' + inner[-1]
    start = [f"{kind} {each} = {first};" for each, (kind, first) in zip(names, fold.kinds, strict=True)]
    inside = [*inner, *lines, "}" * len(inner)]
    return [*heads, *start, *inside, f"{target} = {fold.leave(names)};", "}" * len(heads)]


def beside(
    writer: Writer,
    fold: Fold,
    text: Text,
    at: Index,
    kept: list[Loop],
    reduced: list[Loop],
    last: str,
    target: str,
) -> list[str]:
    """Groups that lie side by side together, in chunks."""
    extent = dict(kept)[last]
    chunk = min(extent, CHUNK)
    outer = opened([loop for loop in kept if loop[0] != last])
    names = [f"s{each}[{last} - first]" for each in range(len(fold.kinds))]
    step = f"for (long {last} = first; {last} < until; {last}++) {{"
    head = [
        f"for (long first = 0; first < {extent}L; first += {chunk}L) {{",
        f"long until = first + {chunk}L < {extent}L ? first + {chunk}L : {extent}L;",
    ]
    for each, (kind, first) in enumerate(fold.kinds):
        head += [f"{kind} s{each}[{chunk}];", f"for (long i = 0; i < {chunk}L; i++) s{each}[i] = {first};"]
    lines = [*writer.lines, fold.enter(text, names, at)]
    if prod(size for _, size in (*kept, *reduced)) >= PARALLEL_ELEMENTS:
        nest = outer or head
        nest[0] = f"{PARALLEL}\n{nest[0]}"
    middle = [*opened(reduced), f"{SIMD}\n{step}", *lines, "}", "}" * len(reduced)]
    tail = [step, f"{target} = {fold.leave(names)};", "}"]
    return [*outer, *head, *middle, *tail, "}", "}" * len(outer)]


def check(layout: Layout, name: str, value: int) -> Kernel:
    """Whether a value in memory is finite."""
    size = prod(layout.type_of(value).shape)
    loop = f"for (long i = 0; i < {size}L; i++) bad |= size_bits(p{value}[i]) >= 0x7f800000u;"
    body = [SIMD, loop]
    writer = Writer(layout, frozenset(), pointers={value})
    return Kernel(assembled(name, writer, {}, body), (), frozenset({value}), frozenset({value}))
