"""Running programs: plan once, then one or a few tensor operations per node, with the reference's bits.

Integers of exact groups travel as float64, powers of two in place of exponents (`Form`); that is a choice of the plan
and never changes a bit of what a node's result is said to be. Non-finite results are faults, found cheaply: only values
that an operator may hide (a comparison, a maximum, a quotient, ...) and outputs are summed, and one look at all sums at
the end says whether to run again node by node for the first fault. The rerun decides, so a fault is the same node on
every machine; programs from outside run no code and open no file.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors

from assay.exact import elementwise, index, kernels, quantise, reduce
from assay.exact.primitives import BY_OPCODE, OutsideDomain, Primitive, mask_axes
from assay.exact.values import EXACT_INTEGER, TORCH_DTYPES, Value
from assay.protocol.errors import BadInput
from assay.work.limits import Allowance
from assay.work.node import Node
from assay.work.program import Program
from assay.work.walk import Fault, read_constant, walk

INDEX_MAPS = frozenset({"reshape", "permute", "expand", "slice", "pad", "concat", "unfold", "flip"})
LONG_UNFOLD = 1 << 14
"""Elements from which windows are copied by offset; smaller ones stay in cache either way."""
CALL_WORK, UNTIMED_WORK = 1 << 12, 1 << 20
"""What a call costs beside its elements, and how much is done between two looks at the time: about a millisecond."""
RESHAPING = frozenset({"reshape", "permute", "expand"})
"""Index maps under which no power of two is padded with zeros or lost."""


DIRECT: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "abs": torch.abs,
    "sqrt": elementwise.sqrt,
    "maximum": elementwise.maximum,
    "minimum": elementwise.minimum,
    "exp": elementwise.exp,
    "log": elementwise.log,
    "tanh": elementwise.tanh,
    "erf": elementwise.erf,
    "sin": elementwise.sin,
    "cos": elementwise.cos,
    "eq": torch.eq,
    "ne": torch.ne,
    "gt": torch.gt,
    "ge": torch.ge,
    "lt": torch.lt,
    "le": torch.le,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "where": torch.where,
    "amax": reduce.amax,
    "argmax": reduce.argmax,
}
"""The table's functions of these primitives, where operands are as declared: called without what the table adds."""
CHECKED_AT_ONCE, CHECKED_ALONE = 64, 1 << 12
"""Watched values that are summed together, and the elements from which one is summed by itself: a sum of little costs
its call."""


class Form(Enum):
    """How a value is held while running."""

    NATIVE = "native"
    """As declared."""
    WIDE = "wide"
    """Integers as float64; a zero may be negative."""
    POWER = "power"
    """Exponents as 2^(e-1) in float64 (`quantise.powers`)."""


@dataclass(frozen=True)
class Call:
    """A planned node: `results[out] = run(results[inputs]...)`, then forget `dead`. `timed`: first look at the time."""

    out: int
    inputs: tuple[int, ...]
    run: Callable[..., Tensor]
    dead: tuple[int, ...]
    timed: bool


Operation = Callable[..., Tensor]
Pick = Callable[[list[Any]], Any]
Row = tuple[Operation, Pick, bool, int, tuple[int, ...], int]
"""A call, ready to run: its function, what takes its operands from all values (one, or a tuple of several), whether
they are one, its result's place, what it forgets, and how the result is watched."""
UNWATCHED, TOGETHER, ALONE = range(3)


class Runner:
    """A planned program. `path` is how inner products are computed: `float64`, `int8` or the reference `int64`.

    Every path gives the same bits. Without one it is `kernels.sure_path`; a process that has a clock may choose by it.
    `allowance` stops a run between two operators: a program within all limits may still run for days.

    Errors: `Unsupported` where this process cannot give the bits.
    """

    def __init__(self, program: Program, path: str | None = None, allowance: Allowance | None = None) -> None:
        kernels.require_subnormals()
        self.allowance = allowance
        self.program = program
        self.path = path or kernels.sure_path()
        self.count = len(program.inputs)
        self.forms: list[Form] = [Form.NATIVE] * self.count
        self.constants: dict[int, Tensor] = {}
        self.watched = self.find_watched()
        self.calls: list[Call] = []
        self.untimed = 0
        reference = self.path == "int64"
        for position, node in enumerate(program.nodes):
            self.plan(position, node, reference)

    # planning

    def find_watched(self) -> list[int]:
        """Float values whose non-finite elements might leave no trace in an output."""
        values = self.program.values
        watched = set(range(self.count)) | set(self.program.outputs)
        used: set[int] = set(self.program.outputs)
        for node in self.program.nodes:
            used.update(node.inputs)
            primitive = BY_OPCODE[node.opcode]
            watched.update(node.inputs[place] for place in primitive.masks)
        watched.update(value for value in range(len(values)) if value not in used)
        return sorted(value for value in watched if values[value].dtype == "F32" and not self.is_constant(value))

    def is_constant(self, value: int) -> bool:
        """Whether a value is a constant node: constants were found finite when the program was read."""
        return value >= self.count and BY_OPCODE[self.program.nodes[value - self.count].opcode].name == "constant"

    def plan(self, position: int, node: Node, reference: bool) -> None:
        """Choose how a node runs and in which form its result is held."""
        primitive = BY_OPCODE[node.opcode]
        value = self.count + position
        if primitive.name in ("constant", "iota"):
            self.constants[value] = read_constant(node) if primitive.name == "constant" else apply(primitive, node)
            self.forms.append(Form.NATIVE)
            return
        run, form = (None, Form.NATIVE) if reference else self.plan_fast(primitive, node, self.program.values[value])
        self.forms.append(form)
        if run is None:
            run = self.plan_reference(primitive, node, self.program.values[value])
        last = self.program.last_uses
        candidates = {value, *node.inputs}
        dead = tuple(each for each in candidates if last[each] == position and each not in self.constants)
        self.untimed += CALL_WORK + self.work(node, value)
        timed = self.untimed > UNTIMED_WORK
        self.untimed = 0 if timed else self.untimed
        self.calls.append(Call(value, node.inputs, run, dead, timed))

    def work(self, node: Node, value: int) -> int:
        """Multiplications of a node, or elements of its operands and its result."""
        values = self.program.values
        inner = values[node.inputs[0]].shape[-1] if BY_OPCODE[node.opcode].name == "contract" else 1
        return values[value].size * inner + sum(values[each].size for each in node.inputs)

    def plan_reference(self, primitive: Primitive, node: Node, value: Value) -> Operation:
        """The table's function, on declared types."""
        function, attributes = primitive.apply, node.attributes
        converts = [
            (place, self.to_native(each)) for place, each in enumerate(node.inputs) if self.forms[each] != Form.NATIVE
        ]
        if not converts:
            return lambda *args: function(list(args), attributes, value)

        def run(*args: Tensor) -> Tensor:
            known = list(args)
            for place, convert in converts:
                known[place] = convert(known[place])
            return function(known, attributes, value)

        return run

    def to_native(self, value: int) -> Operation:
        """From the form a value is held in to its declared type."""
        if self.forms[value] == Form.POWER:
            return quantise.powers_to_exponents
        dtype = TORCH_DTYPES[self.program.values[value].dtype]
        return lambda tensor: tensor.to(dtype)

    def plan_fast(self, primitive: Primitive, node: Node, value: Value) -> tuple[Operation | None, Form]:
        """A faster operation with the same bits and the form of its result, where there is one."""
        name, attributes = primitive.name, node.attributes
        forms = [self.forms[each] for each in node.inputs]
        if all(form == Form.NATIVE for form in forms):
            direct = self.plan_direct(primitive, node, value)
            if direct is not None:
                return direct, Form.NATIVE
        if name in INDEX_MAPS and forms[0] != Form.NATIVE and len(set(forms)) == 1:
            if forms[0] == Form.POWER and name not in RESHAPING:
                return None, Form.NATIVE
            if name == "unfold" and value.size >= LONG_UNFOLD:
                return lambda x: unfold_by_offset(x, attributes), forms[0]
            if name in RESHAPING:
                return self.plan_direct(primitive, node, value), forms[0]
            function = primitive.apply
            return lambda *args: function(list(args), attributes, value), forms[0]
        if name == "exponent":
            axes, bits, limit = mask_axes(attributes[0]), attributes[1], attributes[2]
            return lambda x: quantise.powers(x, axes, bits, limit), Form.POWER
        if name == "quantise" and forms[1] == Form.POWER:
            scale = torch.tensor(2.0 ** (attributes[0] - 2), dtype=torch.float64)
            return lambda x, power: torch.mul(x, scale / power).round_(), Form.WIDE
        if name == "contract" and forms == [Form.WIDE, Form.WIDE]:
            size = self.program.values[node.inputs[0]]
            bound = max(self.program.values[each].bound for each in node.inputs)
            return kernels.contraction(self.path, size.shape, value.shape[2], bound), Form.WIDE
        if name == "integer_sum" and forms == [Form.WIDE] and value.bound <= EXACT_INTEGER:
            return lambda x: x.sum(-1), Form.WIDE
        if name == "integer_sum_at" and forms[0] == Form.WIDE and value.bound <= EXACT_INTEGER:
            rows = value.shape[0]
            return lambda x, places: reduce.integer_sum_at(x, places, rows), Form.WIDE
        if name == "integer_add" and forms == [Form.WIDE, Form.WIDE] and value.bound <= EXACT_INTEGER:
            return torch.add, Form.WIDE
        if name == "rescale" and forms[0] == Form.WIDE and all(form == Form.POWER for form in forms[1:]):
            return plan_rescale(attributes[0] + len(forms) - 1), Form.NATIVE
        return None, Form.NATIVE

    def plan_direct(self, primitive: Primitive, node: Node, value: Value) -> Operation | None:
        """The table's own operation on operands as declared, without a call around it, where that is known."""
        shape, attributes = value.shape, node.attributes
        if primitive.name == "reshape":
            return lambda x: x.reshape(shape)
        if primitive.name == "permute":
            return lambda x: x.permute(attributes)
        if primitive.name == "expand":
            return lambda x: x.expand(shape)
        return DIRECT.get(primitive.name)

    # running

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        """Outputs, contiguous and of the declared types, or the first `Fault`.

        Errors: `BadInput` for other inputs, `LimitExceeded` where the allowance is spent.
        """
        self.check_inputs(inputs)
        with torch.no_grad():
            try:
                held, sums = self.run_calls(inputs)
            except OutsideDomain:
                fault = self.locate(inputs)
                assert fault is not None, "an index left its domain on one path only"
                return fault
            if not self.are_finite(sums):
                fault = self.locate(inputs)
                if fault is not None:
                    return fault
            foreign = self.own_memory | {tensor.untyped_storage().data_ptr() for tensor in inputs}
            return [self.finish(held[value], value, foreign) for value in self.program.outputs]

    def run_calls(self, inputs: Sequence[Tensor]) -> tuple[list[Any], list[Tensor]]:
        """All values that live to the end, and some numbers of which one is not finite if a watched value is not."""
        held: list[Any] = [*inputs, *self.prepared]
        sums = [inputs[value].sum() for value in self.watched if value < self.count]
        few: list[Tensor] = []
        bounded = self.bounded()
        for rows in self.stretches:
            if bounded:
                bounded.check()
            for run, pick, single, out, dead, kind in rows:
                held[out] = result = run(pick(held)) if single else run(*pick(held))
                if kind:
                    if kind == ALONE:
                        sums.append(result.sum())
                    else:
                        few.append(result)
                        if len(few) == CHECKED_AT_ONCE:
                            sums.append(sum_together(few))
                            few = []
                for value in dead:
                    held[value] = None
        if few:
            sums.append(sum_together(few))
        return held, sums

    @cached_property
    def prepared(self) -> list[Tensor | None]:
        """Values of the nodes before a run: constants, or nothing yet."""
        return [self.constants.get(self.count + place) for place in range(len(self.program.nodes))]

    @cached_property
    def stretches(self) -> list[list[Row]]:
        """All calls, ready to run; before each stretch the time is looked at."""
        watched, held = set(self.watched), [value.size for value in self.program.values]
        rows: list[list[Row]] = [[]]
        for call in self.calls:
            if call.timed:
                rows.append([])
            if BY_OPCODE[self.program.nodes[call.out - self.count].opcode].name in INDEX_MAPS:
                # It may be a view, and whoever keeps it keeps all that it is a view of.
                held[call.out] = max(held[call.out], *(held[value] for value in call.inputs))
            alone = ALONE if held[call.out] >= CHECKED_ALONE else TOGETHER
            kind = alone if call.out in watched else UNWATCHED
            single = len(call.inputs) == 1
            rows[-1].append((call.run, itemgetter(*call.inputs), single, call.out, call.dead, kind))
        return rows

    @cached_property
    def own_memory(self) -> set[int]:
        """Where constants lie."""
        return {tensor.untyped_storage().data_ptr() for tensor in self.constants.values()}

    @cached_property
    def expected(self) -> list[tuple[torch.dtype, torch.Size]]:
        """Types of the inputs, as tensors have them."""
        return [(TORCH_DTYPES[value.dtype], torch.Size(value.shape)) for value in self.program.inputs]

    def bounded(self) -> Allowance | None:
        """The allowance, if there is an end to it."""
        return self.allowance if self.allowance is not None and self.allowance.until_s < math.inf else None

    def are_finite(self, sums: list[Tensor]) -> bool:
        """Whether every watched value is surely finite; a sum that overflows says no as well."""
        return not sums or math.isfinite(float(torch.stack(sums).abs().max()))

    def finish(self, tensor: Tensor, value: int, foreign: set[int]) -> Tensor:
        """An output as declared, contiguous, never in the memory of an input or a constant."""
        if self.forms[value] != Form.NATIVE:
            tensor = self.to_native(value)(tensor)
        tensor = tensor.contiguous()
        return tensor.clone() if tensor.untyped_storage().data_ptr() in foreign else tensor

    def check_inputs(self, inputs: Sequence[Tensor]) -> None:
        """Inputs have the declared types. Errors: `BadInput`."""
        if len(inputs) != self.count:
            raise BadInput(f"the program takes {self.count} inputs, not {len(inputs)}")
        for place, (tensor, (dtype, shape)) in enumerate(zip(inputs, self.expected, strict=True)):
            if tensor.dtype != dtype or tensor.shape != shape:
                value = self.program.inputs[place]
                names = self.program.side.input_names
                name = names[place] if place < len(names) else str(place)
                expected = f"{value.dtype}{list(value.shape)}"
                raise BadInput(f"input {name} is {tensor.dtype}{list(tensor.shape)}, the program takes {expected}")

    def locate(self, inputs: Sequence[Tensor]) -> Fault | None:
        """The first fault, by running node by node on declared types; None when there is none."""
        return walk(self.program, inputs, lambda *_: None, constants=self.constants, allowance=self.bounded())


def sum_together(tensors: list[Tensor]) -> Tensor:
    """The sum of all elements of small float32 tensors."""
    joined: Tensor = _flatten_dense_tensors(tensors)  # type: ignore[no-untyped-call]
    return joined.sum()


def unfold_by_offset(values: Tensor, attributes: tuple[int, ...]) -> Tensor:
    """Windows held as [C, KH, KW, N, OH, OW]: copied in long runs, and both reshapes to operands are views."""
    order = (3, 4, 5, 0, 1, 2)
    return index.unfold(values, attributes).permute(order).contiguous().permute(order)


def plan_rescale(shift: int) -> Operation:
    """Rescale on float64 integers and powers 2^(e-1); `shift` has one added per exponent."""
    scale = torch.tensor(2.0**shift, dtype=torch.float64)

    def run(sums: Tensor, first: Tensor, *rest: Tensor) -> Tensor:
        result = (sums + 0.0).mul_(first * scale)
        for power in rest:
            result.mul_(power)
        return result.float()

    return run


def apply(primitive: Primitive, node: Node) -> Tensor:
    """A node without inputs."""
    return primitive.apply([], node.attributes, Value(node.dtype, node.shape))
