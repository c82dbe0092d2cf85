"""Building programs: values by position, equal nodes once, needless index maps never, dead nodes left out."""

import struct
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from assay.exact.index import unfold_size
from assay.exact.primitives import BY_NAME
from assay.exact.profile import Profile
from assay.exact.reduce import sum_bits, sum_limit
from assay.exact.rules import Call, broadcast
from assay.exact.values import EXACT_INTEGER, RANK_LIMIT, REDUCTION_LIMIT, TORCH_DTYPES, Value
from assay.protocol.errors import Unsupported
from assay.work.limits import DEFAULT_LIMITS, Limits
from assay.work.node import Node
from assay.work.program import Program, Side
from assay.work.widths import Widths

MASKED = -(2.0**99)
"""At most this is what a mask of minus infinity left: such constants are 2 * MASKED, so that scores and several masks
may be added without an overflow."""
STRETCHES = 256
"""How many parts of an inner product are added after rounding: as many as one node joins."""
JOINED = 8
"""Values that one node joins: whoever shows an element of it to a contract shows the shapes of all of them."""
DTYPE_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}


@dataclass
class Graph:
    """A program under construction. A value is an int; `source` is noted with each new node."""

    profile: Profile
    widths: Widths | None = None
    """Profiles by module, where they differ from `profile`."""
    inputs: list[Value] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    types: dict[int, Value] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    source: str = ""
    seen: dict[Node, int] = field(default_factory=dict)
    randomness: tuple[int, int] | None = None
    """The values of the key and the step number, where the program takes them."""
    streams: int = 0
    ignores: bool = False
    """Whether the targets at capture have some that PyTorch leaves out of a loss."""
    floored: bool = False
    """Whether a constant of minus infinity was asked for: rows of a softmax may be masked whole."""

    def add_input(self, name: str, dtype: str, shape: tuple[int, ...]) -> int:
        """A program input; all inputs come before the first node."""
        assert not self.nodes, "inputs come first"
        check_rank(shape)
        value = Value(dtype, shape)
        self.inputs.append(value)
        self.names.append(name)
        self.types[len(self.inputs) - 1] = value
        return len(self.inputs) - 1

    def shape(self, value: int) -> tuple[int, ...]:
        """Shape of a value."""
        return self.types[value].shape

    def dtype(self, value: int) -> str:
        """Element type of a value."""
        return self.types[value].dtype

    def put(
        self,
        name: str,
        inputs: tuple[int, ...] = (),
        attributes: tuple[int, ...] = (),
        *,
        shape: tuple[int, ...],
        dtype: str,
        payload: bytes = b"",
    ) -> int:
        """A node of this type, or the equal one that is there already."""
        check_rank(shape)
        primitive = BY_NAME[name]
        node = Node(primitive.opcode, primitive.version, dtype, shape, inputs, attributes, payload)
        if node in self.seen:
            return self.seen[node]
        call = Call(inputs, tuple(self.types[each] for each in inputs), attributes, Value(dtype, shape))
        value = len(self.inputs) + len(self.nodes)
        self.types[value] = primitive.infer(call)
        self.nodes.append(node)
        self.sources.append(self.source)
        self.seen[node] = value
        return value

    # constants

    def constant(self, tensor: Tensor) -> int:
        """A constant tensor (float32, int64 or bool)."""
        tensor = tensor.detach().contiguous()
        payload = tensor.numpy().astype(tensor.numpy().dtype.newbyteorder("<")).tobytes()
        return self.put("constant", shape=tuple(tensor.shape), dtype=DTYPE_NAMES[tensor.dtype], payload=payload)

    def scalar(self, number: float) -> int:
        """A float32 constant of shape []."""
        return self.put("constant", shape=(), dtype="F32", payload=struct.pack("<f", number))

    def integer(self, number: int) -> int:
        """An int64 constant of shape []."""
        return self.put("constant", shape=(), dtype="I64", payload=struct.pack("<q", number))

    def constant_true(self) -> int:
        """The boolean constant true of shape []."""
        return self.put("constant", shape=(), dtype="BOOL", payload=b"\x01")

    def floor(self) -> int:
        """What stands for minus infinity: finite, and far below any score. `MASKED` is what is taken for masked."""
        self.floored = True
        return self.scalar(2 * MASKED)

    def iota(self, shape: tuple[int, ...], axis: int) -> int:
        """Indices along an axis."""
        return self.put("iota", (), (axis,), shape=shape, dtype="I64")

    def random_words(self, size: int) -> int:
        """Random 32-bit words as int64 [size], from a stream of their own. Errors: `Unsupported` without a key."""
        if self.randomness is None:
            raise Unsupported("random numbers in a program without a key", hint="only `step` is random")
        self.streams += 1
        return self.put("random", self.randomness, (self.streams - 1,), shape=(size,), dtype="I64")

    # elementwise

    def map(self, name: str, *inputs: int, dtype: str | None = None) -> int:
        """An elementwise primitive with broadcasting; the result has the last input's type unless given."""
        shape = broadcast(*(self.shape(each) for each in inputs))
        return self.put(name, inputs, shape=shape, dtype=dtype or self.dtype(inputs[-1]))

    def compare(self, name: str, left: int, right: int) -> int:
        """A comparison."""
        return self.map(name, left, right, dtype="BOOL")

    # index maps

    def node_of(self, value: int) -> Node | None:
        """The node that gives a value; None for an input."""
        return self.nodes[value - len(self.inputs)] if value >= len(self.inputs) else None

    def reshape(self, value: int, shape: tuple[int, ...]) -> int:
        """The same elements in order."""
        before = self.node_of(value)
        if before is not None and before.opcode == BY_NAME["reshape"].opcode:
            value = before.inputs[0]
        return (
            value if self.shape(value) == shape else self.put("reshape", (value,), shape=shape, dtype=self.dtype(value))
        )

    def permute(self, value: int, axes: tuple[int, ...]) -> int:
        """Axes in another order."""
        if axes == tuple(range(len(axes))):
            return value
        before = self.node_of(value)
        if before is not None and before.opcode == BY_NAME["permute"].opcode:
            return self.permute(before.inputs[0], tuple(before.attributes[axis] for axis in axes))
        source = self.shape(value)
        shape = tuple(source[axis] for axis in axes)
        if [size for size in shape if size > 1] == [size for size in source if size > 1] and sorted(
            axis for axis in axes if source[axis] > 1
        ) == [axis for axis in axes if source[axis] > 1]:
            return self.reshape(value, shape)
        return self.put("permute", (value,), axes, shape=shape, dtype=self.dtype(value))

    def expand(self, value: int, shape: tuple[int, ...]) -> int:
        """Repeated along axes of size 1 and new leading axes."""
        return (
            value if self.shape(value) == shape else self.put("expand", (value,), shape=shape, dtype=self.dtype(value))
        )

    def slice(self, value: int, starts: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]) -> int:
        """A regular part."""
        if self.shape(value) == shape:
            return value
        return self.put("slice", (value,), starts + steps, shape=shape, dtype=self.dtype(value))

    def cut(self, value: int, axis: int, start: int, size: int) -> int:
        """`size` elements along one axis."""
        shape = self.shape(value)
        starts = tuple(start if at == axis else 0 for at in range(len(shape)))
        return self.slice(value, starts, (1,) * len(shape), (*shape[:axis], size, *shape[axis + 1 :]))

    def flip(self, value: int, axes: tuple[int, ...]) -> int:
        """Reversed along axes."""
        mask = sum(1 << axis for axis in axes)
        return self.put("flip", (value,), (mask,), shape=self.shape(value), dtype=self.dtype(value))

    def pad(self, value: int, before: tuple[int, ...], after: tuple[int, ...]) -> int:
        """Zeros around."""
        if not any(before + after):
            return value
        shape = tuple(low + size + high for low, size, high in zip(before, self.shape(value), after, strict=True))
        return self.put("pad", (value,), before + after, shape=shape, dtype=self.dtype(value))

    def concat(self, inputs: list[int], axis: int) -> int:
        """Joined along an axis, a few at a time."""
        while len(inputs) > JOINED:
            groups = [inputs[at : at + JOINED] for at in range(0, len(inputs), JOINED)]
            inputs = [self.concat(group, axis) for group in groups]
        if len(inputs) == 1:
            return inputs[0]
        first = self.shape(inputs[0])
        size = sum(self.shape(each)[axis] for each in inputs)
        shape = (*first[:axis], size, *first[axis + 1 :])
        return self.put("concat", tuple(inputs), (axis,), shape=shape, dtype=self.dtype(inputs[0]))

    def unfold(self, value: int, attributes: tuple[int, ...]) -> int:
        """Windows of [N, C, H, W]: [N, OH, OW, C, KH, KW]."""
        size_n, size_c, size_h, size_w = self.shape(value)
        kh, kw, sh, sw, top, bottom, left, right, dh, dw, wide_h, wide_w = attributes
        out_h = unfold_size(size_h, kh, sh, top, bottom, dh, wide_h)
        out_w = unfold_size(size_w, kw, sw, left, right, dw, wide_w)
        shape = (size_n, out_h, out_w, size_c, kh, kw)
        return self.put("unfold", (value,), attributes, shape=shape, dtype=self.dtype(value))

    # exact groups

    def exponent(self, value: int, axes: tuple[int, ...], bits: int, limit: int) -> int:
        """Exponents of the groups over `axes`."""
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape(value)))
        mask = sum(1 << axis for axis in axes)
        return self.put("exponent", (value,), (mask, bits, limit), shape=shape, dtype="I16")

    def quantise(self, value: int, axes: tuple[int, ...]) -> tuple[int, int]:
        """Integers and exponents of an operand under the profile."""
        profile = self.operand_profile
        exponents = self.exponent(value, axes, profile.bits, profile.limit)
        shape = self.shape(value)
        return self.put("quantise", (value, exponents), (profile.bits,), shape=shape, dtype=profile.dtype), exponents

    @property
    def operand_profile(self) -> Profile:
        """The profile of operands of what is being lowered."""
        return self.profile if self.widths is None else self.widths.at(self.source)

    def contract(self, left: int, right: int) -> tuple[int, ...]:
        """Inner products [B, M, K] x [B, N, K] -> integers [B, M, N], as one value, or as several to be added where
        their sum may exceed 2^53: each is of as long a stretch of K as stays below."""
        size_b, size_m, length = self.shape(left)
        shape = (size_b, size_m, self.shape(right)[1])
        longest = max(1, EXACT_INTEGER // (self.types[left].bound * self.types[right].bound))
        sums = []
        for first in range(0, length, longest):
            total, end = None, min(length, first + longest)
            for start in range(first, end, REDUCTION_LIMIT):
                size = min(REDUCTION_LIMIT, end - start)
                parts = (self.cut(left, 2, start, size), self.cut(right, 2, start, size))
                part = self.put("contract", parts, shape=shape, dtype="I64")
                total = part if total is None else self.map("integer_add", total, part)
            assert total is not None
            sums.append(total)
        return tuple(sums)

    def reshape_sums(self, sums: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """What `contract` gave, in another shape."""
        return tuple(self.reshape(each, shape) for each in sums)

    def rescale_sums(self, sums: tuple[int, ...], exponents: tuple[int, ...]) -> int:
        """What `contract` gave as float32. Where there are several stretches, each is rounded once and they are added
        exactly, relative to the largest; that sum is rounded once more. Errors: `Unsupported` for too many."""
        profile, shape = self.operand_profile, self.shape(sums[0])
        if len(sums) > STRETCHES:
            raise Unsupported(
                f"an inner product of more than {STRETCHES} stretches under {profile.name}", hint="use exact15"
            )
        parts = [self.rescale(each, exponents, -2 * (profile.bits - 1)) for each in sums]
        if len(parts) == 1:
            return parts[0]
        wide = self.concat([self.reshape(each, (*shape, 1)) for each in parts], len(shape))
        return self.sum(wide, (len(shape),))

    def rescale(self, sums: int, exponents: tuple[int, ...], shift: int) -> int:
        """Back to float32 with one rounding."""
        return self.put("rescale", (sums, *exponents), (shift,), shape=self.shape(sums), dtype="F32")

    def integer_sum(self, value: int) -> int:
        """Integers added along the last axis, by a tree where it is longer than one node admits."""
        shape = self.shape(value)
        length = shape[-1]
        if length <= REDUCTION_LIMIT:
            return self.put("integer_sum", (value,), shape=shape[:-1], dtype="I64")
        whole = length // REDUCTION_LIMIT
        axis = len(shape) - 1
        head = self.reshape(self.cut(value, axis, 0, whole * REDUCTION_LIMIT), (*shape[:-1], whole, REDUCTION_LIMIT))
        total = self.integer_sum(self.integer_sum(head))
        if length % REDUCTION_LIMIT:
            rest = self.integer_sum(self.cut(value, axis, whole * REDUCTION_LIMIT, length % REDUCTION_LIMIT))
            total = self.map("integer_add", total, rest)
        return total

    def sum(self, value: int, axes: tuple[int, ...], keep: bool = False) -> int:
        """Exact float32 sums over `axes`."""
        shape = self.shape(value)
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        kept_shape = tuple(shape[axis] for axis in kept)
        length = prod(shape[axis] for axis in axes)
        rows = self.reshape(self.permute(value, kept + tuple(axes)), (*kept_shape, length))
        if length == 1:
            result = self.reshape(rows, kept_shape)
        else:
            bits = sum_bits(length)
            last = len(kept_shape)
            exponents = self.exponent(rows, (last,), bits, sum_limit(bits))
            integers = self.put("quantise", (rows, exponents), (bits,), shape=self.shape(rows), dtype="I32")
            sums = self.integer_sum(integers)
            result = self.rescale(sums, (self.reshape(exponents, kept_shape),), 1 - bits)
        return (
            self.reshape(result, tuple(1 if axis in axes else size for axis, size in enumerate(shape)))
            if keep
            else result
        )

    def mean(self, value: int, axes: tuple[int, ...], keep: bool = False) -> int:
        """Exact float32 sums over `axes`, divided by how many elements each is of."""
        shape = self.shape(value)
        count = prod(shape[axis] for axis in axes)
        total = self.sum(value, axes, keep)
        return total if count == 1 else self.map("div", total, self.scalar(float(count)))

    def sum_at(self, value: int, places: int, count: int) -> int:
        """Exact sums of the float32 rows [T, D] that have the same index: [count, D]; one exponent per column."""
        length, width = self.shape(value)
        bits = sum_bits(length)
        exponents = self.exponent(value, (0,), bits, sum_limit(bits))
        integers = self.put("quantise", (value, exponents), (bits,), shape=(length, width), dtype="I32")
        total = None
        for start in range(0, length, REDUCTION_LIMIT):
            size = min(REDUCTION_LIMIT, length - start)
            parts = (self.cut(integers, 0, start, size), self.cut(places, 0, start, size))
            part = self.put("integer_sum_at", parts, shape=(count, width), dtype="I64")
            total = part if total is None else self.map("integer_add", total, part)
        assert total is not None
        return self.rescale(total, (exponents,), 1 - bits)

    def matmul(self, left: int, right: int) -> int:
        """Exact products of float32 [B, M, K] x [B, N, K] -> [B, M, N]; vectors along K share an exponent."""
        left_q, left_e = self.quantise(left, (2,))
        right_q, right_e = self.quantise(right, (2,))
        columns = self.reshape(right_e, (self.shape(right)[0], 1, self.shape(right)[1]))
        return self.rescale_sums(self.contract(left_q, right_q), (left_e, columns))

    def finish(self, outputs: list[int], output_names: list[str], limits: Limits = DEFAULT_LIMITS) -> Program:
        """The program without dead nodes."""
        count = len(self.inputs)
        needed = set(outputs)
        for position in range(len(self.nodes) - 1, -1, -1):
            if count + position in needed:
                needed.update(self.nodes[position].inputs)
        places = {value: value for value in range(count)}
        kept: list[Node] = []
        sources: list[str] = []
        for position, node in enumerate(self.nodes):
            if count + position not in needed:
                continue
            places[count + position] = count + len(kept)
            inputs = tuple(places[value] for value in node.inputs)
            kept.append(Node(node.opcode, node.version, node.dtype, node.shape, inputs, node.attributes, node.payload))
            sources.append(self.sources[position])
        side = Side(tuple(self.names), tuple(output_names), tuple(sources))
        results = tuple(places[value] for value in outputs)
        return Program(self.profile, tuple(self.inputs), tuple(kept), results, side, limits)


def check_rank(shape: tuple[int, ...]) -> None:
    """Errors: `Unsupported` for more axes than a node can say."""
    if len(shape) > RANK_LIMIT:
        raise Unsupported(f"a tensor of {len(shape)} axes", hint=f"at most {RANK_LIMIT}: reshape it")


def type_of(tensor: torch.Tensor) -> tuple[str, tuple[int, ...]]:
    """Element type and shape of a tensor as a program names them."""
    return DTYPE_NAMES[tensor.dtype], tuple(tensor.shape)
