"""The C text of a value's element at a place, reading through everything that has no memory of its own."""

import struct
from dataclasses import dataclass, field

from assay.exact.primitives import mask_axes
from assay.exact.values import Value
from assay.protocol.errors import Unsupported
from assay.work.compiled.index import TEXT_MAX_CHARS, Index, Place, fitted, linear, reshaped, scaled, unfolded
from assay.work.compiled.layout import PARTIAL, Layout

BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "integer_add": "+", "integer_sub": "-", "integer_mul": "*"}
COMPARE = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
FUNCTIONS = {"exp": "exp_", "log": "log_", "tanh": "tanh_", "erf": "erf_", "sin": "sin_", "cos": "cos_", "abs": "fabsf"}
FLOAT_BITS = 23
"""Operands of so many bits are quantised in binary32."""
LITERAL_ELEMENTS = 1


@dataclass
class Text:
    """An expression and its C type."""

    c: str
    kind: str

    def to(self, kind: str) -> str:
        """As another C type."""
        return self.c if self.kind == kind else f"({kind})({self.c})"


KNOWN_MAX = 4_096
"""Elements of one loop. Shifted copies of a mask can be read at twice as many places at each link of a chain."""


@dataclass
class Writer:
    """One loop body. `lines` come first; `pointers` are values read, `reads` where their elements are."""

    layout: Layout
    watched: frozenset[int]
    lines: list[str] = field(default_factory=list)
    pointers: set[int] = field(default_factory=set)
    reads: list[tuple[Index, int]] = field(default_factory=list)
    checked: set[int] = field(default_factory=set)
    """Watched values of which every element is looked at here."""
    _known: dict[tuple[int, Place, bool], Text] = field(default_factory=dict)

    def element(self, value: int, place: Place, *, whole: bool = True, inline: bool = False) -> Text:
        """An element of a value. `whole`: a loop over all places reads every element; `inline`: inside a condition,
        where nothing may be read ahead. Errors: `Split`."""
        key = (value, place, inline)
        if key in self._known:
            return self._known[key]
        text = self._read(value, place) if self._is_held(value) else self.compute(value, place, whole, inline)
        if len(text.c) > TEXT_MAX_CHARS or len(self._known) > KNOWN_MAX:
            raise Unsupported("a loop that is too long to compile", hint="compiled=False")
        if not inline:
            text = self.keep(value, text, whole)
        self._known[key] = text
        return text

    def keep(self, value: int, text: Text, whole: bool) -> Text:
        """Names an expression, and looks whether it is finite where that is asked for."""
        if not text.c.isidentifier() and not text.c.replace(".", "").isalnum():
            name = f"t{len(self.lines)}"
            self.lines.append(f"{text.kind} {name} = {text.c};")
            text = Text(name, text.kind)
        if whole and value in self.watched and value not in self.checked and text.kind == "float":
            self.checked.add(value)
            self.lines.append(f"bad |= size_bits({text.c}) >= 0x7f800000u;")
        return text

    def remember(self, value: int, place: Place, text: Text) -> None:
        """What is stored here need not be read again."""
        self._known[value, place, False] = text

    def _is_held(self, value: int) -> bool:
        name = self.layout.names[value]
        return value in self.layout.held or name == "input" or self._is_table(value)

    def _is_table(self, value: int) -> bool:
        return self.layout.names[value] == "constant" and self.layout.type_of(value).size > LITERAL_ELEMENTS

    # memory

    def _read(self, value: int, place: Place) -> Text:
        layout, shape = self.layout, self.layout.type_of(value).shape
        self.pointers.add(value)
        offset = linear(place, shape)
        self.reads.append((offset, layout.type_of(value).size_bytes))
        kind = layout.c_type(value)
        widened = {"int16_t": "int32_t", "uint8_t": "int"}.get(kind, kind)
        if layout.names[value] == "quantise":
            widened = "float" if self._quantise_bits(value) <= FLOAT_BITS else "double"
        return Text(f"p{value}[{offset.text}]" if widened == kind else f"({widened})p{value}[{offset.text}]", widened)

    def _read_product(self, value: int, place: Place) -> Text:
        at = self.layout.products[value]
        self.pointers.add(at)
        batches, rows, columns = self.layout.type_of(value).shape
        b, m, n = place
        if value in self.layout.turned:
            rows, columns, m, n = columns, rows, n, m
        slices = self.layout.slices(value)
        if slices == 1:
            offset = linear((m, n), (rows, columns))
            self.reads.append((offset, 4 * rows * columns))
            return Text(f"(double)p{at}[{offset.text}]", "double")
        if not slices:
            offset = linear((b, m, n), (batches, rows, columns))
            self.reads.append((offset, 8 * batches * rows * columns))
            return Text(f"(p{at}[{offset.text}] + 0.0)", "double")
        corner = linear((m, n), (2 * rows, 2 * columns))
        self.reads.append((corner, 16 * rows * columns))
        spot, below = corner.text, 2 * columns * rows
        high, low = f"p{at}[{spot}]", f"p{at}[{spot} + {below + columns}L]"
        cross = f"(double)(p{at}[{spot} + {columns}L] + p{at}[{spot} + {below}L])"
        return Text(f"((double){high} * 16384.0 + {cross} * 128.0 + (double){low})", "double")

    # what is computed where it is read

    def compute(self, value: int, place: Place, whole: bool, inline: bool) -> Text:
        """A node's own expression."""
        layout = self.layout
        name, inputs, kind = layout.names[value], layout.inputs_of(value), layout.type_of(value)
        if name == "constant":
            return self._literal(value)
        if name == "contract":
            return self._read_product(value, place)
        if name == "iota":
            (axis,) = layout.attributes_of(value)
            return Text(f"(int64_t)({place[axis].text})", "int64_t")
        if name in ("reshape", "permute", "expand", "slice", "pad", "unfold", "flip"):
            return self._map(name, value, place, whole, inline)
        if name in ("pick", "gather"):
            return self._look_up(name, value, place, inline)
        shapes = [layout.type_of(each).shape for each in inputs]
        at = [fitted(place, shape) for shape in shapes]
        args = [self.element(each, spot, whole=whole, inline=inline) for each, spot in zip(inputs, at, strict=True)]
        if name == "quantise":
            return self._quantise(value, args)
        if name == "rescale":
            return self._rescale(value, args)
        return self._elementwise(name, value, kind, args)

    def _literal(self, value: int) -> Text:
        node = self.layout.program.nodes[value - len(self.layout.program.inputs)]
        if node.dtype == "F32":
            (bits,) = struct.unpack("<I", node.payload)
            return Text(f"float_of({bits}u)", "float")
        if node.dtype == "I64":
            (number,) = struct.unpack("<q", node.payload)
            return Text(f"((int64_t){number}LL)" if number != -(1 << 63) else "INT64_MIN", "int64_t")
        return Text(str(node.payload[0]), "int")

    def _elementwise(self, name: str, value: int, kind: Value, args: list[Text]) -> Text:
        counted = value in self.layout.counted
        if name in BINARY:
            whole = "float" if kind.dtype == "F32" else "double" if counted else "int64_t"
            left, right = (arg.to(whole) for arg in args)
            if whole == "int64_t":  # modulo 2^64
                return Text(f"(int64_t)((uint64_t){left} {BINARY[name]} (uint64_t){right})", whole)
            return Text(f"({left} {BINARY[name]} {right})", whole)
        if name in COMPARE:
            whole = "float" if args[0].kind == "float" and args[1].kind == "float" else "int64_t"
            return Text(f"({args[0].to(whole)} {COMPARE[name]} {args[1].to(whole)})", "int")
        if name in ("maximum", "minimum"):
            a, b = args[0].c, args[1].c
            return Text(f"({a} {'>' if name == 'maximum' else '<'} {b} ? {a} : {b})", "float")
        if name in FUNCTIONS:
            return Text(f"{FUNCTIONS[name]}({args[0].c})", "float")
        if name == "where":
            whole = "float" if kind.dtype == "F32" else "int64_t"
            return Text(f"({args[0].c} ? {args[1].to(whole)} : {args[2].to(whole)})", whole)
        single = {
            "neg": ("(-{})", "float"),
            "sqrt": ("sqrtf({})", "float"),
            "and": ("({} && {})", "int"),
            "or": ("({} || {})", "int"),
            "not": ("(!{})", "int"),
        }
        if name in single:
            form, whole = single[name]
            return Text(form.format(*(arg.c for arg in args)), whole)
        if name == "to_float":
            return Text(f"(float)({args[0].c})", "float")
        assert name == "to_integer", name
        return Text(f"(int64_t)({args[0].c})", "int64_t")

    def _quantise_bits(self, value: int) -> int:
        return self.layout.attributes_of(value)[0]

    def _quantise(self, value: int, args: list[Text]) -> Text:
        bits = self._quantise_bits(value)
        power = f"{bits - 1} - {args[1].c}"
        if bits <= FLOAT_BITS:
            return Text(f"quantised({args[0].c}, {power})", "float")
        return Text(f"quantised_wide({args[0].c}, {power})", "double")

    def _rescale(self, value: int, args: list[Text]) -> Text:
        (shift,) = self.layout.attributes_of(value)
        exponents = " + ".join(arg.to("int64_t") for arg in args[1:])
        return Text(f"(float)(({args[0].to('double')} + 0.0) * power(bounded({exponents} + {shift})))", "float")

    # index maps

    def _map(self, name: str, value: int, place: Place, whole: bool, inline: bool) -> Text:
        (source,) = self.layout.inputs_of(value)
        shape, attributes = self.layout.type_of(source).shape, self.layout.attributes_of(value)
        inside: list[str] = []
        if name == "reshape":
            place = reshaped(place, shape)
        elif name == "permute":
            moved = list(place)
            for axis, came in enumerate(attributes):
                moved[came] = place[axis]
            place = tuple(moved)
        elif name == "expand":
            place = fitted(place, shape)
        elif name == "flip":
            axes = mask_axes(attributes[0])
            place = tuple(
                scaled(each, -1, size - 1, size) if axis in axes else each
                for axis, (each, size) in enumerate(zip(place, shape, strict=True))
            )
        elif name == "slice":
            rank = len(shape)
            place = tuple(
                scaled(each, step, start, size)
                for each, start, step, size in zip(place, attributes[:rank], attributes[rank:], shape, strict=True)
            )
        elif name == "pad":
            before = attributes[: len(shape)]
            out = self.layout.type_of(value).shape
            for each, low, size, wide in zip(place, before, shape, out, strict=True):
                inside += [f"({each.text}) >= {low}L"] if low else []
                inside += [f"({each.text}) < {low + size}L"] if low + size < wide else []
            place = tuple(scaled(each, 1, -low, size) for each, low, size in zip(place, before, shape, strict=True))
        else:
            place, inside = unfolded(place, shape, attributes)
        whole = whole and name not in PARTIAL
        if not inside:
            return self.element(source, place, whole=whole, inline=inline)
        text = self.element(source, place, whole=False, inline=True)
        return Text(f"({' && '.join(inside)} ? {text.c} : 0)", text.kind)

    def _look_up(self, name: str, value: int, place: Place, inline: bool) -> Text:
        table, places = self.layout.inputs_of(value)
        shape, rank = self.layout.type_of(table).shape, len(self.layout.type_of(places).shape)
        size = shape[-1] if name == "pick" else shape[0]
        at = self.element(places, place[:rank] if name == "gather" else place, whole=False)
        spot = f"i{len(self.lines)}"
        self.lines.append(f"int64_t {spot} = {at.to('int64_t')};")
        self.lines.append(
            f"int o{spot} = {spot} < 0 || {spot} >= {size}L; bad |= o{spot}; {spot} = o{spot} ? 0 : {spot};"
        )
        index = Index(size, ((spot, 1),)) if size > 1 else Index(1, digits=())
        inner = (*place, index) if name == "pick" else (index, *place[rank:])
        return self.element(table, inner, whole=False, inline=inline)
