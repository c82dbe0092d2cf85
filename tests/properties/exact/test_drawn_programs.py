"""Programs drawn at random: every path gives the bits, or the fault, of the reference run node by node.

A plan holds integers as float64 and exponents as powers of two, and chooses by the operands' forms: what it may mix up
shows only where nodes meet that no captured net puts together.
"""

import random
from collections.abc import Callable
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assay.exact import kernels
from assay.exact.profile import PROFILES
from assay.exact.reduce import sum_bits, sum_limit
from assay.exact.rules import broadcast
from assay.exact.values import TORCH_DTYPES
from assay.protocol.errors import Malformed, Unsupported
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Program
from assay.work.walk import Fault
from tests.properties.exact import drawn
from tests.reference import programs
from tests.reference.arrays import Array

NODES = 25
UNARY = ("neg", "abs", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos")
FAILS = (Malformed, Unsupported)
"""What a use is refused with that the drawn operands do not fit."""


class Maker:
    """A graph that grows by drawn nodes."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.graph = Graph(PROFILES[self.draw.choice(["exact8", "exact15", "exact15", "exact22"])])
        shapes = [(2, 3), (3,), (2, 3, 4), (1, 2, 4, 4), ()]
        self.floats = [self.graph.add_input(f"x{at}", "F32", shape) for at, shape in enumerate(shapes)]
        self.indices = self.graph.add_input("indices", "I64", (2,))
        self.graph.randomness = (self.graph.add_input("key", "I64", (2,)), self.graph.add_input("step", "I64", ()))

    def pick(self, *dtypes: str, rank: int = 0) -> int:
        """A value of one of these types and at least this rank; the newest are likelier."""
        types = self.graph.types
        fit = [value for value in types if types[value].dtype in dtypes and len(types[value].shape) >= rank]
        return self.draw.choice(fit[-6:] if self.draw.random() < 0.6 else fit)

    def partner(self, value: int) -> int:
        """Another value of its type that broadcasts with it to something small, or itself."""
        types = self.graph.types
        fit = [value]
        for other in types:
            try:
                small = prod(broadcast(types[other].shape, types[value].shape)) <= 300
            except Malformed:
                continue
            if types[other].dtype == types[value].dtype and small:
                fit.append(other)
        return self.draw.choice(fit)

    def axes(self, value: int) -> tuple[int, ...]:
        rank = len(self.graph.shape(value))
        return tuple(sorted(self.draw.sample(range(rank), self.draw.randint(1, rank))))

    def elementwise(self) -> None:
        a = self.pick("F32")
        name = self.draw.choice(["add", "sub", "mul", "div", "maximum", "minimum", *UNARY])
        if name in ("sqrt", "log") and self.draw.random() < 0.8:
            a = self.graph.map("abs", a)
        self.graph.map(name, *((a,) if name in UNARY else (a, self.partner(a))))

    def select(self) -> None:
        a = self.pick("F32", "I64")
        b = self.partner(a)
        condition = self.graph.compare(self.draw.choice(["eq", "ne", "gt", "ge", "lt", "le"]), a, b)
        if self.draw.random() < 0.3:
            condition = self.graph.map("not", condition)
        if self.draw.random() < 0.3:
            condition = self.graph.map(self.draw.choice(["and", "or"]), condition, self.partner(condition))
        self.graph.map("where", condition, a, b)

    def move(self) -> None:
        """An index map of anything: floats, integers, exponents, truths."""
        value = self.pick("F32", "I16", "I16", "I32", "I64", "BOOL", rank=1)
        shape, graph = self.graph.shape(value), self.graph
        rank = len(shape)
        kind = self.draw.choice(["permute", "reshape", "expand", "slice", "pad", "flip", "concat", "gather", "pick"])
        if kind == "permute":
            graph.permute(value, tuple(self.draw.sample(range(rank), rank)))
        elif kind == "reshape":
            graph.reshape(value, self.draw.choice([(prod(shape),), shape[::-1], (1, *shape)]))
        elif kind == "expand":
            graph.expand(value, (2, *shape))
        elif kind == "slice":
            axis = self.draw.randrange(rank)
            start = self.draw.randrange(shape[axis])
            graph.cut(value, axis, start, self.draw.randint(1, shape[axis] - start))
        elif kind == "pad":
            amounts = [self.draw.randint(0, 1) for _ in range(2 * rank)]
            graph.pad(value, tuple(amounts[:rank]), tuple(amounts[rank:]))
        elif kind == "flip":
            graph.flip(value, self.axes(value))
        elif kind == "concat":
            other = self.partner(value)
            graph.concat([value, other if graph.shape(other) == shape else value], self.draw.randrange(rank))
        elif kind == "gather":
            graph.put("gather", (value, self.indices), shape=(2, *shape[1:]), dtype=graph.dtype(value))
        elif rank == 2 and shape[0] == 2:
            graph.put("pick", (value, self.indices), shape=(2,), dtype=graph.dtype(value))

    def group(self) -> None:
        """Integers of a drawn value, added or not, and back."""
        graph, value = self.graph, self.pick("F32", rank=1)
        axes = self.axes(value)
        if self.draw.random() < 0.5:
            integers, exponents = graph.quantise(value, axes)
        else:
            bits = sum_bits(graph.types[value].size)
            exponents = graph.exponent(value, axes, bits, sum_limit(bits))
            shape = graph.shape(value)
            integers = graph.put("quantise", (value, exponents), (bits,), shape=shape, dtype="I32")
        if self.draw.random() < 0.5:
            graph.rescale(integers, (exponents,), self.draw.choice([-14, 0, -64, 20]))
        if self.draw.random() < 0.4:
            graph.put("to_integer", (integers,), shape=graph.shape(value), dtype="I64")
        if self.draw.random() < 0.3:
            graph.put("to_integer", (exponents,), shape=graph.shape(exponents), dtype="I64")

    def integers(self) -> None:
        graph = self.graph
        kind = self.draw.choice(["add", "sub", "mul", "sum", "float", "sum_at", "rescale", "contract"])
        if kind in ("add", "sub", "mul"):
            a = self.pick("I64")
            graph.map(f"integer_{kind}", a, self.partner(a))
        elif kind == "sum":
            graph.integer_sum(self.pick("I16", "I32", "I64", "BOOL", rank=1))
        elif kind == "float":
            value = self.pick("I64", "BOOL")
            graph.put("to_float", (value,), shape=graph.shape(value), dtype="F32")
        elif kind == "sum_at":
            value = self.pick("I16", "I32", rank=2)
            shape = (3, graph.shape(value)[1])
            graph.put("integer_sum_at", (value, self.indices), shape=shape, dtype="I64")
        elif kind == "rescale":
            sums, exponents = self.pick("I16", "I32", "I64"), self.pick("I16")
            more = (exponents,) if self.draw.random() < 0.5 else (exponents, self.pick("I16"))
            graph.rescale(sums, more, self.draw.randint(-64, 64))
        else:
            left = self.pick("I16", "I32", rank=3)
            if len(graph.shape(left)) == 3:
                graph.contract(left, self.draw.choice([left, self.partner(left)]))

    def reduce(self) -> None:
        graph, value = self.graph, self.pick("F32", rank=1)
        kind = self.draw.choice(["sum", "mean", "amax", "argmax", "sum_at", "unfold"])
        shape = graph.shape(value)
        if kind in ("sum", "mean"):
            getattr(graph, kind)(value, self.axes(value), self.draw.random() < 0.5)
        elif kind in ("amax", "argmax"):
            graph.put(kind, (value,), shape=shape[:-1], dtype="F32" if kind == "amax" else "I64")
        elif kind == "sum_at" and len(shape) == 2 and shape[0] == 2:
            graph.sum_at(value, self.indices, 3)
        elif kind == "unfold" and len(shape) == 4:
            graph.unfold(value, (2, 2, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2))

    def product(self) -> None:
        graph = self.graph
        value = self.pick("F32", rank=2)
        *rest, rows, length = graph.shape(value)
        left = graph.reshape(value, (prod(rest), rows, length))
        if self.draw.random() < 0.5:
            right = left
        else:
            right = graph.map("mul", left, graph.scalar(self.draw.choice([0.3, 1e-30, 1e5, -0.0])))
        graph.matmul(left, right)

    def words(self) -> None:
        graph = self.graph
        value = graph.random_words(self.draw.randint(1, 9))
        graph.map("integer_add", value, graph.iota(graph.shape(value), 0))

    def finish(self) -> Program:
        """Grown, with outputs of every type."""
        makers: list[Callable[[], None]] = [
            *(self.elementwise, self.select, self.move, self.move, self.move, self.group, self.group),
            *(self.integers, self.integers, self.reduce, self.product, self.words),
        ]
        for _ in range(NODES):
            try:
                self.draw.choice(makers)()
            except (*FAILS, IndexError):
                # Nothing of the type asked for yet, or what is there does not fit: draw another node.
                continue
            if max(value.size for value in self.graph.types.values()) > 2_000:
                break
        count = len(self.graph.types)
        outputs = [*self.draw.sample(range(count), min(count, 6)), count - 1]
        return self.graph.finish(outputs, [f"out{at}" for at in range(len(outputs))])


def inputs_of(program: Program, seed: int) -> list[Tensor]:
    """Mild floats with zeros among them, and indices of which some are outside."""
    draw = random.Random(seed)
    tensors = []
    for value in program.inputs:
        if value.dtype == "F32":
            scale = draw.choice([1.0, 1.0, 1e-3, 1e-38, 1e3])
            items = [draw.choice([draw.uniform(-2, 2) * scale] * 6 + [0.0, -0.0, scale]) for _ in range(value.size)]
        else:
            items = [draw.choice([0, 1, 0, 1, 0, 1, draw.randint(-1, 4)]) for _ in range(value.size)]
        tensors.append(torch.tensor(items, dtype=TORCH_DTYPES[value.dtype]).reshape(value.shape))
    return tensors


def run_all(seed: int) -> tuple[Program, list[Array] | programs.Fault]:
    """The program of a seed, run by the reference and compared with every path."""
    program = Maker(seed).finish()
    tensors = inputs_of(program, seed)
    arrays = [drawn.to_array(tensor, value.dtype) for tensor, value in zip(tensors, program.inputs, strict=True)]
    read = programs.read_program(program.to_bytes())
    assert read.root == program.root
    wanted = programs.run(read, arrays)
    for path in kernels.PATHS:
        if not kernels.agrees(path):
            continue
        got = Runner(program, path).run(tensors)
        if isinstance(wanted, programs.Fault):
            assert isinstance(got, Fault)
            assert (got.node_index, got.operator, got.reason) == (wanted.node_index, wanted.operator, wanted.reason)
            continue
        assert not isinstance(got, Fault), got
        for tensor, array, value in zip(got, wanted, program.outputs, strict=True):
            assert drawn.to_array(tensor, program.values[value].dtype) == array
    return program, wanted


@pytest.fixture(autouse=True)
def _every_size_by_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "INT8_WORK", 2)
    monkeypatch.setattr(kernels, "INT8_SIDE", 2)


@settings(max_examples=250)
@given(st.integers(0, 1 << 32))
def test_drawn_programs(seed: int) -> None:
    run_all(seed)


def test_what_is_drawn_is_mostly_whole_and_of_many_operators() -> None:
    results = [run_all(seed) for seed in range(60)]
    whole = sum(isinstance(wanted, list) for _, wanted in results)
    assert 15 < whole < 60
    names = {programs.PRIMITIVES[node.opcode][0] for program, _ in results for node in program.nodes if node.opcode > 1}
    assert len(names) > 35
