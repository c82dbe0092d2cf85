"""Every node of small jobs' programs before the arbiter: a claim that is right stands, one that is not falls."""

import random
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof.evidence import Kind, Question, Ruling
from assay.work.program import Bundle, Program
from assay.work.walk import walk
from tests.conformance.arbiter.rulings import Trial, arbiter, heard, lies, one_node, with_item
from tests.conformance.exact.small_nets import bundle_of, step_inputs
from tests.reference.groups import sum_profile

NETS = ("mlp", "cnn", "gpt", "dropout")
PARTS = ("step", "emit", "evaluate", "predict", "aggregate")


@cache
def made(name: str) -> dict[str, Trial]:
    """A run of each program of a job."""
    bundle: Bundle = bundle_of(name, "exact15")
    start = list(bundle.state.values())
    count = len(start)
    inputs = step_inputs(bundle, start, 1)
    step = run(bundle.step, inputs, (count,))
    end = [step.values[each] for each in bundle.step.outputs[:count]]
    emit = run(bundle.emit, [*start, *end], (count, count))
    update = [emit.values[each] for each in bundle.emit.outputs]
    (updates, aggregate) = next(iter(bundle.aggregate.items()))
    return {
        "step": step,
        "emit": emit,
        "evaluate": run(bundle.evaluate, inputs[: count + 2], (count,)),
        "predict": run(bundle.predict, inputs[: count + 1], (count,)),
        "aggregate": run(aggregate, [*start, *update * updates], (count, *(len(update),) * updates)),
    }


def run(program: Program, inputs: list[Tensor], origins: tuple[int, ...]) -> Trial:
    """A program's run, which has no fault."""
    values: dict[int, Tensor] = {}
    assert walk(program, inputs, lambda value, tensor: values.update({value: tensor.contiguous()})) is None
    return Trial(program, values, origins)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", NETS)
def test_every_node(name: str, part: str) -> None:
    trial = made(name)[part]
    draw = random.Random(f"{name} {part}")
    for node in range(len(trial.program.nodes)):
        true = trial.values[trial.number(node)]
        element, other = draw.randrange(true.numel()), draw.randrange(true.numel())
        claimed = with_item(true, element, draw.choice(lies(true, element)))
        assert trial.settle(node, other) == Ruling.DISMISSED, (node, trial.program.nodes[node])
        assert trial.settle(node, element, claimed) == Ruling.UPHELD, (node, trial.program.nodes[node])
        if element != other and BY_OPCODE[trial.program.nodes[node].opcode].name != "constant":
            # Whoever looks at the wrong place does not find the lie.
            assert trial.settle(node, other, claimed) == Ruling.DISMISSED


def floats(*patterns: int) -> Tensor:
    """A row by its patterns."""
    return torch.tensor(patterns, dtype=torch.int64).to(torch.int32).view(torch.float32)


GROUPS = {
    "mild": floats(0x3F800000, 0xC0490FDB, 0x00000000, 0x3E000001),
    "zeros": floats(0, 0x80000000, 0, 0x80000000),
    "smallest": floats(1, 0, 0x80000000, 1),
    "largest": floats(0x7F7FFFFF, 0xFF7FFFFF, 1, 0x3F800000),
    "exponent 0": floats(0x3F000000, 0xBF400000, 0, 1),
    "ties": floats(0x3F7F8000, 0x3F7F0000, 0xBF7F8000, 0x3F7F7FFF),
}


def exponents(row: Tensor) -> Iterator[Trial]:
    """Programs that take the exponent of one group, which stands beside another."""
    for bits, limit in [(p.bits, p.limit) for p in PROFILES.values()] + [sum_profile(9), (2, 1), (30, 2**29 - 1)]:
        both = torch.stack([torch.full_like(row, 3.0), row])
        yield one_node("exponent", [both], Value("I16", (2, 1)), (2, bits, limit))


@pytest.mark.parametrize("row", GROUPS.values(), ids=GROUPS)
def test_exponents_that_are_claimed(row: Tensor) -> None:
    for trial in exponents(row):
        true = int(trial.values[1][1, 0])
        for said in {true, *range(true - 2, true + 3), -149, -148, -1, 0, 1, 129, 130, -(2**15), 2**15 - 1}:
            claimed = trial.values[1].clone()
            claimed[1, 0] = said
            ruling = trial.settle(0, 1, claimed)
            assert ruling == (Ruling.DISMISSED if said == true else Ruling.UPHELD), (said, true)


@pytest.mark.parametrize("row", GROUPS.values(), ids=GROUPS)
def test_what_shows_an_exponent(row: Tensor) -> None:
    """A false claim survives only if the wrong element is shown; a true one falls by no element of its group."""
    trial = next(exponents(row))
    true = int(trial.values[1][1, 0])
    for said in (true - 1, true, true + 1):
        claimed = trial.values[1].clone()
        claimed[1, 0] = said
        for at in range(4, 8):
            larger = heard(*trial.evidence(Question(0, 1, Kind.LARGER, at), claimed))
            witness = heard(*trial.evidence(Question(0, 1, Kind.WITNESS, at), claimed))
            if true <= said <= 129:
                assert larger == Ruling.DISMISSED
            if said > true:
                assert witness == Ruling.UPHELD
            absent = heard(*trial.evidence(Question(0, 1, Kind.ABSENT, at), claimed))
            zero = float(row[at - 4]) == 0 and said == 0
            assert absent in ((None, Ruling.UPHELD) if zero else (Ruling.WITNESS, Ruling.UPHELD))
        for kind in (Kind.LARGER, Kind.WITNESS):
            # Of the other group, and of none.
            for at in (0, 3):
                assert heard(*trial.evidence(Question(0, 1, kind, at), claimed)) in (None, Ruling.UPHELD)


@pytest.mark.parametrize("row", GROUPS.values(), ids=GROUPS)
def test_largest_elements_that_are_claimed(row: Tensor) -> None:
    trial = one_node("amax", [torch.stack([torch.full_like(row, 9.0), row])], Value("F32", (2,)))
    true = trial.values[1]
    neighbours = [int(true.view(torch.int32)[1]) + 1, int(true.view(torch.int32)[1]) - 1]
    said = [*lies(true, 1), *(int(each).to_bytes(4, "little", signed=True) for each in neighbours)]
    assert trial.settle(0, 1) == Ruling.DISMISSED
    for item in said:
        assert trial.settle(0, 1, with_item(true, 1, item)) == Ruling.UPHELD, item.hex()
    for at in range(4, 8):
        assert trial.ask(Question(0, 1, Kind.LARGER, at)) == Ruling.DISMISSED
    for kind in (Kind.LARGER, Kind.WITNESS):
        assert heard(*trial.evidence(Question(0, 1, kind, 3))) is None


@pytest.mark.parametrize("row", GROUPS.values(), ids=GROUPS)
def test_places_of_the_largest(row: Tensor) -> None:
    trial = one_node("argmax", [torch.stack([torch.full_like(row, 9.0), row])], Value("I64", (2,)))
    true = int(trial.values[1][1])
    for said in (*range(-1, 6), 2**32, 2**63 - 1, -(2**63)):
        claimed = trial.values[1].clone()
        claimed[1] = said
        found = [heard(*trial.evidence(Question(0, 1, at=at), claimed)) for at in range(4, 8)]
        if said == true:
            assert set(found) == {Ruling.DISMISSED}
        else:
            assert found[true] == Ruling.UPHELD
        if 0 <= said < 4:
            assert heard(*trial.evidence(Question(0, 1, at=3), claimed)) is None


def test_it_can_be_deployed() -> None:
    assert arbiter().size_bytes <= 24_576
