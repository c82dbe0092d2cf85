"""Attacks on the arbiter from both sides: evidence that is not quite sound decides nothing."""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from assay.exact.primitives import BY_NAME
from assay.exact.values import Value
from assay.proof.evidence import Kind, Question, Ruling
from tests.conformance.arbiter.harness import Halted
from tests.conformance.arbiter.rulings import Trial, heard, judge, lies, one_node, with_item
from tests.conformance.arbiter.test_arbiter import made
from tests.conformance.arbiter.test_arbiter_wide import drawn

MOST = 2**256 - 1
QUESTION = {(0,), (4,), (6,), (7,), (8,)}
"""Kind, element, part: what is asked, not what is shown."""
Path = tuple[int, ...]


@cache
def cases() -> dict[str, tuple[Trial, Question]]:
    """Of each kind of ruling one, with values of several leaves and proofs of every kind."""
    floats = [drawn("F32", (3, 300), 1, at) for at in range(3)]
    long = [drawn("I32", (1, rows, 700), 2**21, rows) for rows in (3, 2)]
    short = [each[:, :, :201].contiguous() for each in long]
    groups = Value("I16", (3, 1))
    exponents = BY_NAME["exponent"].apply([floats[0]], (2, 15, 16_319), groups)
    sums = drawn("I64", (3, 300), 2**53)
    best = int(floats[0][1].abs().argmax()) + 300
    largest = int(floats[0][1].argmax()) + 300
    picked = torch.tensor([0, -1, 2, 1, 2])
    hit = torch.full((4,), 2)
    part = sum(one_node("contract", long, Value("I64", (1, 3, 2))).addends(0, 3)[300:556])
    at = Question(0, 400)
    return {
        "contract": (one_node("contract", short, Value("I64", (1, 3, 2))), Question(0, 3)),
        "contract of outputs": (one_node("contract", short, Value("I64", (1, 3, 2)), is_output=True), Question(0, 3)),
        "part": (one_node("contract", long, Value("I64", (1, 3, 2))), Question(0, 3, Kind.PART, 300, 256, part)),
        "parts": (one_node("contract", long, Value("I64", (1, 3, 2))), Question(0, 3)),
        "integer_sum": (one_node("integer_sum", [sums[:, :256].contiguous()], Value("I64", (3,))), Question(0, 2)),
        "integer_sum_at": (
            one_node("integer_sum_at", [drawn("I32", (4, 300), 99), hit], Value("I64", (3, 300))),
            Question(0, 650),
        ),
        "add": (one_node("add", floats[:2], Value("F32", (3, 300)), origins=(1,)), at),
        "where": (one_node("where", [floats[2] > 0, *floats[:2]], Value("F32", (3, 300)), origins=(1, 2)), at),
        "rescale": (one_node("rescale", [sums, exponents, exponents], Value("F32", (3, 300)), (-28,)), at),
        "quantise": (one_node("quantise", [floats[0], exponents], Value("I16", (3, 300)), (15,)), at),
        "flip": (one_node("flip", floats[:1], Value("F32", (3, 300)), (3,), is_output=True, origins=(1,)), at),
        "concat": (one_node("concat", floats, Value("F32", (9, 300)), (0,), origins=(2,)), Question(0, 1200)),
        "gather": (
            one_node("gather", [floats[0], picked.abs()], Value("F32", (5, 300)), uses=(0, 1)),
            Question(0, 1000),
        ),
        "random": (
            one_node("random", [torch.tensor([5, -6]), torch.tensor(7)], Value("I64", (9,)), (3,)),
            Question(0, 6),
        ),
        "iota": (one_node("iota", [], Value("I64", (3, 300)), (1,)), at),
        "exponent": (
            one_node("exponent", floats[:1], groups, (2, 15, 16_319)),
            Question(0, 1, Kind.WITNESS, best),
        ),
        "exponent that may be larger": (
            one_node("exponent", floats[:1], groups, (2, 15, 16_319)),
            Question(0, 1, Kind.LARGER, best),
        ),
        "amax": (one_node("amax", floats[:1], Value("F32", (3,))), Question(0, 1, Kind.WITNESS, largest)),
        "amax that may be larger": (
            one_node("amax", floats[:1], Value("F32", (3,))),
            Question(0, 1, Kind.LARGER, largest),
        ),
        "argmax": (one_node("argmax", floats[:1], Value("I64", (3,))), Question(0, 1, at=largest)),
    }


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """A part of the evidence, changed in one place; of bytes each in turn is."""
    if isinstance(value, int):
        yield from (("number", each) for each in (0, 1, value + 1, value - 1, value ^ 128, MOST) if each != value)
    elif isinstance(value, bytes):
        for at in sorted({*range(min(len(value), 80)), len(value) - 1, len(value) // 2}):
            if 0 <= at < len(value):
                yield "bytes", value[:at] + bytes([value[at] ^ 1 << at % 8]) + value[at + 1 :]
        if len(value) != 32:
            yield from (("bytes", value + b"\0"), ("bytes", value[:-1]), ("bytes", b""))
    else:
        for at, each in enumerate(value):
            yield "drop", [*value[:at], *value[at + 1 :]]
            yield "twice", [*value[:at], each, *value[at:]]
            if at and value[at - 1] != each:
                yield "swap", [*value[: at - 1], each, value[at - 1], *value[at + 1 :]]


def mutations(whole: Any, path: Path = ()) -> Iterator[tuple[Path, str, Any]]:
    """(where, what, the whole with that one change)."""
    if path in QUESTION:
        return
    if not isinstance(whole, tuple):
        # A tuple is a struct, which has its fields.
        for what, other in changed(whole):
            yield path, what, other
    if isinstance(whole, tuple | list):
        for at, each in enumerate(whole):
            for where, what, other in mutations(each, (*path, at)):
                yield where, what, type(whole)([*whole[:at], other, *whole[at + 1 :]])


def fits(path: Path, whole: Any) -> bool:
    """Whether a number is one of its type, so that the call can be made at all."""
    for at in path:
        whole = whole[at]
    if not isinstance(whole, int):
        return True
    # Tag and type are a byte each, all others 32.
    return 0 <= whole < (256 if len(path) == 4 and path[-1] < 2 and path[0] == 5 and path[2] == 0 else 2**256)


def unread(evidence: Any, path: Path) -> bool:
    """Whether a place is in a window of which nothing has to be shown."""
    return len(path) > 2 and path[2] == 2 and not evidence[5][path[1]][2][1]


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize("name", cases())
def test_evidence_that_is_changed_decides_nothing(name: str, lying: bool) -> None:
    trial, question = cases()[name]
    draw = random.Random(name)
    claimed = None
    if lying:
        true = trial.values[len(trial.program.inputs)]
        claimed = with_item(true, question.element, lies(true, question.element)[0])
        if question.kind == Kind.PART:
            question, claimed = replace(question, claimed=question.claimed + 1), None
    run, evidence = trial.evidence(question, claimed)
    ruling = judge(run, evidence)
    assert ruling in (Ruling.DISMISSED, Ruling.UPHELD, Ruling.PARTS)
    found = [each for each in mutations(evidence) if fits(each[0], each[2])]
    for path, what, other in draw.sample(found, min(len(found), 160)):
        after = heard(run, other)
        if what in ("number", "bytes") and not unread(evidence, path):
            assert after is None, (path, what)
        assert after in (None, ruling), (path, what)


RUN = ("nodes", "nodeCount", "inputCount", "rowsFrom", "rows")


@pytest.mark.parametrize("part", ["step", "emit"])
def test_evidence_is_of_one_run(part: str) -> None:
    """Another root, another count, another beginning: nothing is decided, or the same."""
    trial = made("mlp")[part]
    draw = random.Random(part)
    for node in draw.sample(range(len(trial.program.nodes)), 3):
        true = trial.values[trial.number(node)]
        element = draw.randrange(true.numel())
        for claimed in (None, with_item(true, element, lies(true, element)[0])):
            run, evidence = trial.evidence(Question(node, element, at=element), claimed)
            ruling = heard(run, evidence)
            if ruling is None:
                continue
            *fields, origins = run
            for at, field in enumerate(fields):
                for _, other in changed(field):
                    if isinstance(other, int) and not 0 <= other < 2**200:
                        continue
                    after = judge_or_halt([*fields[:at], other, *fields[at + 1 :], origins], evidence)
                    assert after in (None, ruling), RUN[at]
                    assert isinstance(field, int) or after is None
            for at, (root, count) in enumerate(origins):
                others = [(root, count + 1), (root, count - 1), (root, 0), (root, MOST), (bytes(32), count)]
                for other in others:
                    after = judge_or_halt([*fields, [*origins[:at], other, *origins[at + 1 :]]], evidence)
                    assert after in (None, ruling)


def judge_or_halt(run: Any, evidence: Any) -> Ruling | None:
    """The ruling; None also where counts are so far off that the compiler's checks stop it."""
    try:
        return judge(run, evidence)
    except Halted:
        return None


def test_a_node_is_shown_by_its_own_leaf() -> None:
    trial = made("mlp")["step"]
    run, evidence = trial.evidence(Question(10, 0))
    assert judge(run, evidence) == Ruling.DISMISSED
    for other in (0, 11, 12):
        its = trial.evidence(Question(other, 0, at=0))[1]
        assert heard(run, (*evidence[:1], other, *evidence[2:])) is None
        assert heard(run, (*evidence[:2], *its[2:4], *evidence[4:])) is None
        assert heard(run, (*evidence[:5], [its[5][0], *evidence[5][1:]], *evidence[6:])) is None
        for at in range(1, len(evidence[5])):
            operands = [*evidence[5][:at], its[5][0], *evidence[5][at + 1 :]]
            assert heard(run, (*evidence[:5], operands, *evidence[6:])) is None


@pytest.mark.parametrize("name", cases())
def test_questions_beyond_the_values(name: str) -> None:
    """Elements, places and parts that do not exist, and kinds that do not fit: there may be a ruling, never a panic."""
    trial, question = cases()[name]
    run, evidence = trial.evidence(question)
    size = trial.values[len(trial.program.inputs)].numel()
    for element in (size, size + 1, MOST, MOST - 1, 2**255, 2**64):
        assert heard(run, (*evidence[:4], element, *evidence[5:])) is None
    # Of the kinds that one side cannot use against the other: `Fault` is a defender's, about its own claim.
    for kind in set(Kind) - {Kind.FAULT}:
        if name.startswith(("exponent", "amax")) or kind in (Kind.ELEMENT, Kind.PART):
            assert heard(run, (int(kind), *evidence[1:])) != Ruling.JOB_FAULT
        else:
            assert heard(run, (int(kind), *evidence[1:])) is None
    for start, count in ((0, 0), (0, MOST), (MOST, 1), (MOST, MOST), (700, 1), (1, 700), (2**255, 2**255), (699, 2)):
        after = heard(run, (int(Kind.PART), *evidence[1:6], start, count, 0))
        assert after is None
        for kind in (Kind.LARGER, Kind.WITNESS):
            if start > 2000:
                assert heard(run, (int(kind), *evidence[1:6], start, count, 0)) is None
