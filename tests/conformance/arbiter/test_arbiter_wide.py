"""Values of many leaves before the arbiter, sums that are ruled on part by part, runs that begin with many tensors."""

import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from assay.exact.contract import contract_int64
from assay.exact.primitives import BY_NAME
from assay.exact.profile import PROFILES
from assay.exact.values import TORCH_DTYPES, Value
from assay.proof.evidence import Kind, Question, Ruling
from assay.work.node import Node
from assay.work.program import Program
from assay.work.state import DTYPE_NAMES, content_of
from tests.conformance.arbiter import rulings
from tests.conformance.arbiter.rulings import Trial, heard, lies, one_node, with_item

PLACINGS = ("rows", "origin", "output")
"""Leaves of 1 KiB, of 4 KiB, and the result's of 4 KiB."""


def drawn(dtype: str, shape: Sequence[int], most: int, seed: int = 0) -> Tensor:
    """Integers up to a size, or floats."""
    draw = torch.Generator().manual_seed(seed)
    if dtype == "F32":
        return torch.randn(tuple(shape), generator=draw)
    # What is drawn lies below the second number.
    high = min(most, 2**63 - 2) + 1
    return torch.randint(-most, high, tuple(shape), generator=draw).to(TORCH_DTYPES[dtype])


def placed(
    name: str,
    inputs: list[Tensor],
    declared: Value,
    attributes: Sequence[int] = (),
    *,
    placing: str,
    result: Tensor | None = None,
) -> Trial:
    """A program of one node, its values placed somehow."""
    origins = (len(inputs),) if placing == "origin" else ()
    return one_node(name, inputs, declared, attributes, result=result, is_output=placing == "output", origins=origins)


def check(trial: Trial, elements: Sequence[int]) -> None:
    """Claims of some elements, right and wrong."""
    draw = random.Random(len(elements))
    true = trial.values[len(trial.program.inputs)]
    for element in elements:
        assert trial.settle(0, element) == Ruling.DISMISSED, element
        claimed = with_item(true, element, draw.choice(lies(true, element)))
        assert trial.settle(0, element, claimed) == Ruling.UPHELD, element


@pytest.mark.parametrize("placing", PLACINGS)
@pytest.mark.parametrize("dtype", ["I16", "I32"])
@pytest.mark.parametrize("length", [1, 255, 256, 257, 1000, 65_536])
def test_contract(dtype: str, length: int, placing: str) -> None:
    if length > 1000 and placing == "output":
        return
    most = min(int((2**53 / length) ** 0.5), 16_319 if dtype == "I16" else 2**21)
    rows = 3 if length <= 1000 else 1
    left, right = drawn(dtype, (1, rows, length), most), drawn(dtype, (1, 2, length), most, 1)
    trial = placed(
        "contract", [left, right], Value("I64", (1, rows, 2)), placing=placing, result=contract_int64(left, right)
    )
    check(trial, range(2 * rows) if length <= 1000 else [1])


def test_integers_of_every_size_are_summed_exactly() -> None:
    """A part is a number, a sum is taken modulo 2^64."""
    for dtype, least in (("I16", -(2**15)), ("I32", -(2**31))):
        row = torch.full((1, 1, 256), least, dtype=TORCH_DTYPES[dtype])
        total = least * least * 256
        trial = one_node("contract", [row, row], Value("I64", (1, 1, 1)))
        assert int(trial.values[2]) == total % 2**64
        assert trial.settle(0, 0) == Ruling.DISMISSED
        for said, ruling in ((total, Ruling.DISMISSED), (total - 1, Ruling.UPHELD), (total + 2**64, Ruling.UPHELD)):
            assert trial.ask(Question(0, 0, Kind.PART, 0, 256, said)) == ruling
        assert trial.ask(Question(0, 0, Kind.PART, 255, 1, least * least)) == Ruling.DISMISSED


@pytest.mark.parametrize("placing", PLACINGS)
@pytest.mark.parametrize("dtype", ["I16", "I32", "I64", "BOOL"])
def test_integer_sum(dtype: str, placing: str) -> None:
    for length in (1, 256, 257, 1300):
        most = {"I16": 2**15 - 1, "I32": 2**31 - 1, "I64": 2**63 - 1, "BOOL": 1}[dtype]
        rows = drawn("I64", (3, length), most).bool() if dtype == "BOOL" else drawn(dtype, (3, length), most)
        trial = placed("integer_sum", [rows], Value("I64", (3,)), placing=placing)
        check(trial, range(3))
        for count in {1, min(length, 255), min(length, 256)}:
            at = (length - count) // 2
            part = sum(trial.addends(0, 1)[at : at + count])
            for said in (part, part - 1, part + 2**64):
                ruling = trial.ask(Question(0, 1, Kind.PART, at, count, said))
                assert ruling == (Ruling.DISMISSED if said == part else Ruling.UPHELD)


@pytest.mark.parametrize("placing", PLACINGS)
@pytest.mark.parametrize("count", [1, 4, 5, 1024])
def test_sums_by_index(count: int, placing: str) -> None:
    rows = drawn("I32", (count, 5), 2**20)
    places = torch.randint(-1, 4, (count,), generator=torch.Generator().manual_seed(count))
    trial = placed("integer_sum_at", [rows, places], Value("I64", (3, 5)), placing=placing)
    check(trial, [0, 7, 14])
    addends = trial.addends(0, 7)
    for at in range(0, count, 4)[:3]:
        for size in {1, min(4, count - at)}:
            part = sum(addends[at : at + size])
            assert trial.ask(Question(0, 7, Kind.PART, at, size, part)) == Ruling.DISMISSED
            assert trial.ask(Question(0, 7, Kind.PART, at, size, part + 1)) == Ruling.UPHELD


@pytest.mark.parametrize("placing", PLACINGS)
def test_elements_at_the_borders_of_leaves(placing: str) -> None:
    """Three leaves of 4 KiB or twelve of 1 KiB, the last of them short."""
    a, b = drawn("F32", (3000,), 1, 1), drawn("F32", (3000,), 1, 2)
    borders = [0, 255, 256, 1023, 1024, 2047, 2048, 2815, 2816, 2999]
    check(placed("add", [a, b], Value("F32", (3000,)), placing=placing), borders)
    check(placed("flip", [a], Value("F32", (3000,)), (1,), placing=placing), borders)
    check(placed("gt", [a, b], Value("BOOL", (3000,)), placing=placing), [0, 1023, 1024, 2999])
    table, places = drawn("I64", (300, 17), 2**62), torch.tensor([0, 7, 30, 60, 299])
    check(placed("gather", [table, places], Value("I64", (5, 17)), placing=placing), range(0, 85, 7))
    row = drawn("F32", (3, 700), 1)
    check(placed("amax", [row], Value("F32", (3,)), placing=placing), range(3))
    check(placed("argmax", [row], Value("I64", (3,)), placing=placing), range(3))
    check(placed("exponent", [row], Value("I16", (1, 700)), (1, 15, 16_319), placing=placing), [0, 255, 256, 699])
    exponents = placed("exponent", [row], Value("I16", (3, 1)), (2, 15, 16_319), placing=placing).values[1]
    check(placed("quantise", [row, exponents], Value("I16", (3, 700)), (15,), placing=placing), [0, 511, 512, 2099])


@pytest.mark.parametrize("origins", [(), (70,), (35, 35)])
def test_many_inputs_are_joined(origins: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    # Each input's type is shown, of a state's tensor with up to 63 roots of its neighbours.
    monkeypatch.setattr(rulings, "GAS_LIMIT", 3_500_000 if origins else 1_600_000)
    inputs = [drawn("F32", (2, 1 + at % 3), 1, at) for at in range(70)]
    width = sum(each.shape[1] for each in inputs)
    trial = one_node("concat", inputs, Value("F32", (2, width)), (1,), origins=origins)
    check(trial, [0, width - 1, width, 2 * width - 1, 57])


@pytest.mark.parametrize("count", [1, 64, 65, 130])
def test_states_of_many_tensors(count: int) -> None:
    tensors = [drawn("F32", (7,), 1, at) for at in range(2 * count)]
    batch = [drawn("F32", (7,), 1, -1)]
    for origins in ((count,), (count, count)):
        inputs = tensors[: sum(origins)] + batch
        for which in {0, count - 1, 64 % count, len(inputs) - 2}:
            trial = one_node(
                "sub",
                inputs,
                Value("F32", (7,)),
                origins=origins,
                uses=(which, len(inputs) - 1),
                result=(inputs[which] - batch[0]),
            )
            check(trial, [0, 6])


@pytest.mark.parametrize("is_output", [False, True])
@pytest.mark.parametrize("dtype", ["F32", "I64", "BOOL"])
@pytest.mark.parametrize("size", [1, 3000])
def test_constants(dtype: str, size: int, is_output: bool) -> None:
    value = drawn("I64", (size,), 1).bool() if dtype == "BOOL" else drawn(dtype, (size,), 2**62)
    node = Node(BY_NAME["constant"].opcode, 1, DTYPE_NAMES[value.dtype], (size,), payload=bytes(content_of(value)))
    trial = Trial(Program(PROFILES["exact15"], (), (node,), (0,) if is_output else ()), {0: value})
    check(trial, sorted({0, size // 2, size - 1}))
    if size > 1 and is_output:
        # Another leaf of the payload than the element is in.
        run, evidence = trial.evidence(Question(0, 0))
        other = trial.evidence(Question(0, size - 1))[1][5][1]
        assert heard(run, (*evidence[:5], [evidence[5][0], other], *evidence[6:])) is None
