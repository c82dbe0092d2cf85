"""A program, compiled: fused loops between integer products, all memory planned once.

What is watched for being finite is looked at where it is computed. If anything was not, the reference runs again node
by node and says what the fault is.
"""

import ctypes
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib import resources
from math import prod

import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE, OutsideDomain
from assay.exact.values import TORCH_DTYPES
from assay.protocol.errors import Unsupported
from assay.work.compiled import loops
from assay.work.compiled.layout import Layout
from assay.work.compiled.loops import Kernel
from assay.work.compiled.toolchain import COMPILE_S, build
from assay.work.interpret import Runner
from assay.work.limits import Allowance
from assay.work.program import Program
from assay.work.walk import Fault

C_DTYPES = {
    "float": torch.float32, "double": torch.float64, "int64_t": torch.int64, "int32_t": torch.int32,
    "int16_t": torch.int16, "uint8_t": torch.bool, "int8_t": torch.int8,
}  # fmt: skip
Call = Callable[[dict[int, Tensor]], int]
"""Takes the tensors that the run holds; not zero where a value is not finite."""
STORED_AT_ONCE = 8
"""Values of one shape that one loop stores, at most."""


@dataclass
class Step:
    """What is done next: a C function, or a tensor operation. `writes` and `reads` are buffers by number."""

    writes: tuple[int, ...]
    reads: frozenset[int]
    kernel: Kernel | None = None
    run: Callable[[], None] | None = None


@dataclass
class Plan:
    """Steps in order, and what every buffer is: (C type, shape)."""

    layout: Layout
    watched: frozenset[int]
    steps: list[Step] = field(default_factory=list)
    buffers: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    checked: set[int] = field(default_factory=set)
    packed: dict[tuple[int, int], tuple[int, bool]] = field(default_factory=dict)
    products: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """By step, the contraction and where its operands are packed."""
    unseen: set[int] = field(default_factory=set)
    """Watched values of which no loop looks at every element: they want memory of their own."""
    count: int = 0

    def __post_init__(self) -> None:
        self.next = len(self.layout.names)
        for value in range(len(self.layout.program.inputs), len(self.layout.names)):
            self._plan(value)
        held = set(range(len(self.layout.program.inputs))) | self.layout.held
        for value in sorted(self._todo()):
            source = self.layout.viewed(value)
            if source in self.checked or self.layout.names[source] == "constant":
                continue
            if source in held:
                self._add(loops.check(self.layout, f"k{self.count}", source))
                self.checked.add(source)
            else:
                self.unseen.add(source)

    def _kernel(self, write: Callable[[str], Kernel]) -> Kernel:
        return self._add(write(f"k{self.count}"))

    def _add(self, kernel: Kernel) -> Kernel:
        self.count += 1
        self.checked |= kernel.checked
        self.steps.append(Step(kernel.targets, kernel.pointers, kernel))
        return kernel

    def _todo(self) -> frozenset[int]:
        return frozenset(self.watched - self.checked)

    def _plan(self, value: int) -> None:
        layout, name = self.layout, self.layout.names[value]
        if value in layout.held:
            self.buffers[value] = (layout.c_type(value), layout.type_of(value).shape)
        if name == "contract":
            self._contract(value)
        elif value in layout.outside:
            self.steps.append(Step((value,), frozenset(layout.inputs_of(value))))
        elif value not in layout.held:
            return
        elif name in ("exponent", "integer_sum", "amax", "argmax"):
            self._kernel(lambda c: loops.reduce(layout, self._todo(), c, value))
        else:
            self._store(value)

    def _store(self, value: int) -> None:
        """Alone, or in the loop that stores what it reads at the same places, if nothing came between."""
        layout, shape = self.layout, self.layout.type_of(value).shape
        last = self.steps[-1].kernel if self.steps else None
        joins = last and last.stores and len(last.targets) < STORED_AT_ONCE
        if last and joins and layout.type_of(last.targets[0]).shape == shape:
            todo = self._todo() | (last.checked & self.watched)
            merged = loops.store(layout, todo, f"k{self.count}", [*last.targets, value])
            if not merged.pointers & set(last.targets):
                self.steps.pop()
                self._add(merged)
                return
        self._add(loops.store(layout, self._todo(), f"k{self.count}", [value]))

    def _contract(self, value: int) -> None:
        layout = self.layout
        left, right = layout.inputs_of(value)
        batches, rows, columns = layout.type_of(value).shape
        slices = layout.slices(value)
        operands = [self._pack(each, slices) for each in (left, right)]
        if operands[0][1] and not operands[1][1]:
            # The vendors' products read one operand along its length faster, and write along the other.
            layout.turned.add(value)
            operands, rows, columns = operands[::-1], columns, rows
        pointer, self.next = self.next, self.next + 1
        layout.products[value] = pointer
        if slices:
            self.buffers[pointer] = ("int32_t", (slices * rows, slices * columns))
        else:
            self.buffers[pointer] = ("double", (batches, rows, columns))
        self.products[len(self.steps)] = (value, operands[0][0], operands[1][0])
        self.steps.append(Step((pointer,), frozenset(each for each, _ in operands)))
        if value in layout.held:
            self._store(value)

    def _pack(self, value: int, slices: int) -> tuple[int, bool]:
        key = (value, slices)
        if key not in self.packed:
            pointer, self.next = self.next, self.next + 1
            kernel = self._kernel(lambda name: loops.pack(self.layout, self._todo(), name, value, pointer, slices))
            batches, rows, length = self.layout.type_of(value).shape
            wide = max(slices, 1) * rows
            shape = (batches, length, wide) if kernel.columns_first else (batches, wide, length)
            self.buffers[pointer] = ("int8_t" if slices else "double", shape)
            self.packed[key] = (pointer, kernel.columns_first)
        return self.packed[key]


class CompiledRunner:
    """A compiled program with the interface and the bits of `Runner`. `path` is for the inner products.

    The first run is compared with the reference: a compiler that breaks a rule is found before its results are used.
    Errors: `Unsupported` where this machine has no C compiler, or one that gives other bits, and for a program that is
    too deep or makes too much C.
    """

    def __init__(
        self,
        program: Program,
        path: str | None = None,
        allowance: Allowance | None = None,
        *,
        reference: Runner | None = None,
        compile_s: float = COMPILE_S,
    ) -> None:
        self.reference = reference or Runner(program, path, allowance)
        self.program, self.path = program, self.reference.path
        try:
            self.layout, self.plan = _plan(program, self.path, frozenset(self.reference.watched))
        except RecursionError:
            raise Unsupported("the program is too deep to compile", hint="compiled=False") from None
        self._pieces, self._places = self._allot()
        self._pointers = (ctypes.c_void_p * self.plan.next)()
        self._constants = {
            value: tensor.contiguous()
            for value, tensor in self.reference.constants.items()
            if self.layout.names[value] == "constant" or value in self.layout.held
        }
        for value, tensor in self._constants.items():
            self._pointers[value] = tensor.data_ptr()
        self._own_memory = {tensor.untyped_storage().data_ptr() for tensor in self._constants.values()}
        self._runs: list[list[str] | int] = []
        self._library = self._compile(compile_s)
        self._memory: dict[int, Tensor] = {}
        self._calls: list[Call] = []
        self._is_proven = False

    @property
    def memory_bytes(self) -> int:
        """What a run takes for values between inputs and outputs."""
        return sum(self._pieces)

    def twin(self, reference: Runner) -> "CompiledRunner":
        """The same loops for another who has a runner of this program, in memory of its own."""
        other = copy(self)
        other.reference = reference
        other._pointers = type(self._pointers).from_buffer_copy(self._pointers)
        other.release()
        return other

    def release(self) -> None:
        """Gives that memory back until the next run."""
        self._memory, self._calls = {}, []

    # planning

    def _allot(self) -> tuple[list[int], dict[int, int]]:
        """Bytes of pieces of memory, and the piece of every buffer but the outputs: one is used again once nobody reads
        what is in it."""
        plan, outputs = self.plan, set(self.program.outputs)
        last: dict[int, int] = {}
        for at, step in enumerate(plan.steps):
            for value in (*step.reads, *step.writes):
                last[value] = at
        pieces: list[int] = []
        places: dict[int, int] = {}
        free: set[int] = set()
        for at, step in enumerate(plan.steps):
            for value in step.writes:
                if value in outputs or value not in plan.buffers:
                    continue
                needed = max(self._bytes_of(value), 64)
                fits = [each for each in free if needed <= pieces[each] <= 2 * needed]
                if not fits:
                    pieces.append(needed)
                places[value] = min(fits, key=lambda each: (pieces[each], each)) if fits else len(pieces) - 1
                free.discard(places[value])
            for value in {*step.reads, *step.writes}:
                if last[value] == at and value in places:
                    free.add(places[value])
        return pieces, places

    def _bytes_of(self, value: int) -> int:
        kind, shape = self.plan.buffers[value]
        return prod(shape) * C_DTYPES[kind].itemsize

    def _compile(self, compile_s: float) -> ctypes.CDLL:
        """Runs of C functions as one function each, between tensor operations."""
        texts = []
        for at, step in enumerate(self.plan.steps):
            if step.kernel is None:
                self._runs.append(at)
                continue
            texts.append(step.kernel.text)
            if not self._runs or isinstance(self._runs[-1], int):
                self._runs.append([])
            last = self._runs[-1]
            assert isinstance(last, list)
            last.append(step.kernel.text.split("(", 1)[0].split()[-1])
        prelude = resources.files("assay.work.compiled").joinpath("prelude.c").read_text()
        for number, run in enumerate(self._runs):
            if isinstance(run, list):
                body = "\n".join(f"bad |= {name}(p);" for name in run)
                texts.append(f"int run{number}(void *const *p) {{ int bad = 0;\n{body}\nreturn bad; }}")
        return build(prelude + "\n\n" + "\n\n".join(texts), torch.get_num_threads(), compile_s)

    def _bind(self) -> None:
        """Takes memory, and makes the calls that work on it."""
        with torch.inference_mode(False):
            pieces = [torch.empty(size, dtype=torch.uint8) for size in self._pieces]
        for value, place in self._places.items():
            kind, shape = self.plan.buffers[value]
            part = pieces[place][: self._bytes_of(value)]
            self._memory[value] = part.view(C_DTYPES[kind]).reshape(shape)
            self._pointers[value] = part.data_ptr()
        for number, run in enumerate(self._runs):
            if isinstance(run, list):
                function = self._library[f"run{number}"]
                function.restype, function.argtypes = ctypes.c_int, [ctypes.c_void_p]
                self._calls.append(self._loops(function))
            elif run in self.plan.products:
                self._calls.append(self._product(*self.plan.products[run]))
            else:
                self._calls.append(self._outside(self.plan.steps[run].writes[0]))

    def _loops(self, function: Callable[[object], int]) -> Call:
        """A run of C functions."""
        return lambda _: function(self._pointers)

    def _product(self, value: int, left: int, right: int) -> Call:
        """The integer product of two packed operands."""
        flipped = dict(self.plan.packed.values())
        a, b, out = (self._memory[each] for each in (left, right, self.layout.products[value]))
        a = a.transpose(1, 2) if flipped[left] else a
        b = b if flipped[right] else b.transpose(1, 2)
        if self.layout.slices(value):
            a, b = a[0], b[0]

            def run(_: dict[int, Tensor]) -> int:
                torch._int_mm(a, b, out=out)
                return 0

            return run
        if a.shape[0] == 1:
            a, b, out = a[0], b[0], out[0]

            def run_one(_: dict[int, Tensor]) -> int:
                torch.mm(a, b, out=out)
                return 0

            return run_one

        def run_all(_: dict[int, Tensor]) -> int:
            torch.bmm(a, b, out=out)
            return 0

        return run_all

    def _outside(self, value: int) -> Call:
        """What the reference does with tensors."""
        node = self.program.nodes[value - len(self.program.inputs)]
        primitive, kind = BY_OPCODE[node.opcode], self.program.values[value]

        def run(held: dict[int, Tensor]) -> int:
            result = primitive.apply([held[each] for each in node.inputs], node.attributes, kind)
            held[value].copy_(result)
            return int(value in self.reference.watched and not bool(torch.isfinite(result).all()))

        return run

    # running

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        """As `Runner.run`."""
        self.reference.check_inputs(inputs)
        results = self._run(inputs)
        if not self._is_proven and isinstance(results, list):
            expected = self.reference.run(inputs)
            if not isinstance(expected, list) or not all(map(_is_same, results, expected)):
                raise Unsupported("compiled loops give other bits here", hint="compiled=False, and report the compiler")
            self._is_proven = True
        return results

    def _run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        with torch.no_grad():
            if not self._calls:
                self._bind()
            held = dict(self._memory)
            held.update(self._constants)
            for value, tensor in enumerate(inputs):
                held[value] = tensor.contiguous()
                self._pointers[value] = held[value].data_ptr()
            for value in self.program.outputs:
                if value in self.plan.buffers:
                    kind = self.program.values[value]
                    held[value] = torch.empty(kind.shape, dtype=TORCH_DTYPES[kind.dtype])
                    self._pointers[value] = held[value].data_ptr()
            bad, bounded = 0, self.reference.bounded()
            try:
                for call in self._calls:
                    bad |= call(held)
                    if bounded:
                        bounded.check()
            except OutsideDomain:
                bad = 1
            if bad:
                return self.reference.run(inputs)
            foreign = self._own_memory | {tensor.untyped_storage().data_ptr() for tensor in inputs}
            return [self._own(held[value], foreign) for value in self.program.outputs]

    def _own(self, tensor: Tensor, foreign: set[int]) -> Tensor:
        return tensor.clone() if tensor.untyped_storage().data_ptr() in foreign else tensor


def _plan(program: Program, path: str, watched: frozenset[int]) -> tuple[Layout, Plan]:
    layout = Layout(program, path)
    plan = Plan(layout, watched)
    if plan.unseen:
        layout = Layout(program, path, frozenset(plan.unseen))
        plan = Plan(layout, watched)
        assert not plan.unseen, "a watched value is not looked at"
    return layout, plan


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether every bit is the same; numpy compares bytes, which zeros of both signs differ in."""
    return one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()
