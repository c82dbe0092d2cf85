"""Attacks on the arbiter from both sides: evidence that is not quite sound decides nothing, claims that are of no value
fall, and no node of a hostile program brings it down."""

import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof.evidence import Kind, Question, Ruling
from assay.protocol.merkle import (
    EMPTY,
    LEAF_BYTES,
    VALUE_LEAF_BYTES,
    leaf_hash,
    leaf_hashes,
    levels,
    merkle_root,
    node_hash,
    siblings,
    tensor_header,
)
from assay.work.node import Node
from assay.work.state import DTYPE_NAMES, content_of
from tests.conformance.arbiter.rulings import Halted, Trial, Unchecked, heard, judge, lies, one_node, with_item
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
    for kind in Kind:
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


# ---------------------------------------------------------------- claims


def claimed_as(trial: Trial, header: tuple[int, str, tuple[int, ...]], content: bytes, hashes: Any = None) -> Any:
    """(run, evidence) about element 0 of a claim with any header, over bytes in leaves as its tag says or as given."""
    tag, dtype, shape = header
    tree = hashes or levels(leaf_hashes(content, LEAF_BYTES if tag == 3 else VALUE_LEAF_BYTES))
    code = tensor_header(tag, dtype, ())[1]
    sizes = b"".join((size % 2**64).to_bytes(8, "big") for size in shape)
    root = sha256(bytes([tag, code, len(shape) % 256]) + sizes + tree[-1][0]).digest()
    exhibitor = trial.exhibitor(0, root)
    shown = exhibitor.show(Question(0), trial.values, trial.values[len(trial.program.inputs)])
    first = (tag, code, list(shape), tree[-1][0]), list(exhibitor.prove(len(trial.program.inputs))), shown[5][0][2]
    return exhibitor.run, (*shown[:5], [first, *shown[5][1:]], *shown[6:])


@pytest.mark.parametrize("is_output", [False, True])
def test_claims_of_another_type(is_output: bool) -> None:
    """The right bytes under any other header are another value."""
    trial = one_node("neg", [drawn("F32", (2, 3), 1)], Value("F32", (2, 3)), is_output=is_output)
    content = bytes(content_of(trial.values[1]))
    tag = 3 if is_output else 4
    assert judge(*claimed_as(trial, (tag, "F32", (2, 3)), content)) == Ruling.DISMISSED
    others: list[tuple[int, str, tuple[int, ...]]] = [
        (7 - tag, "F32", (2, 3)), (0, "F32", (2, 3)), (2, "F32", (2, 3)), (5, "F32", (2, 3)), (255, "F32", (2, 3)),
        *((tag, dtype, (2, 3)) for dtype in ("F64", "I8", "I16", "I32", "I64", "U8", "BOOL")),
        *((tag, "F32", shape) for shape in ((3, 2), (6,), (1, 2, 3), (2, 3, 1), (), (0,), (2, 0), (2, 3, 0))),
        *((tag, "F32", shape) for shape in ((2**32, 3), (2, 2**63), (2, 2**64 - 1), (1,) * 7, (2, 3) + (1,) * 300)),
    ]  # fmt: skip
    for header in others:
        assert heard(*claimed_as(trial, header, content)) == Ruling.UPHELD, header
    # A size that the root cannot tell from another one is refused.
    assert heard(*claimed_as(trial, (tag, "F32", (2 + 2**64, 3)), content)) is None


@pytest.mark.parametrize("is_output", [False, True])
@pytest.mark.parametrize("leaves", [2, 3, 4, 5, 6, 7, 9])
def test_nothing_stands_beyond_a_claims_leaves(leaves: int, is_output: bool) -> None:
    """A claim of the right bytes whose tree has something in the place of an empty node has another root, and so the
    state that is made of it. The last leaf tells."""
    count = (leaves * (4096 if is_output else 1024) - 40) // 4
    trial = one_node("neg", [drawn("F32", (count,), 1)], Value("F32", (count,)), is_output=is_output)
    content = bytes(content_of(trial.values[1]))
    honest = levels(leaf_hashes(content, LEAF_BYTES if is_output else VALUE_LEAF_BYTES))
    odd = [at for at, row in enumerate(honest[:-1]) if len(row) % 2]
    for leaf in range(leaves):
        assert trial.settle(0, min(leaf * len(content) // leaves // 4 + 9, count - 1)) == Ruling.DISMISSED
    for level in odd:
        rows = [list(row) for row in honest[: level + 1]]
        rows[-1].append(leaf_hash(b"anything"))
        while len(rows[-1]) > 1:
            row = rows[-1] + [EMPTY] * (len(rows[-1]) % 2)
            rows.append([node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)])
        tag = 3 if is_output else 4
        root = sha256(tensor_header(tag, "F32", (count,)) + rows[-1][0]).digest()
        exhibitor = trial.exhibitor(0, root)
        run, shown = exhibitor.run, exhibitor.show(Question(0, count - 1), trial.values, trial.values[1])
        (_, _, (first, last, _)), *inputs = shown[5]
        operand = ((tag, 1, [count], rows[-1][0]), list(exhibitor.prove(1)), (first, last, siblings(rows, leaves - 1)))
        assert judge(run, (*shown[:5], [operand, *inputs], *shown[6:])) == Ruling.UPHELD
    assert bool(odd) == (leaves not in (2, 4))


def test_claims_of_too_many_or_too_few_bytes() -> None:
    """What such a claim has in its last leaf can be shown to nobody: whoever claims it is asked for it."""
    trial = one_node("neg", [drawn("F32", (300,), 1)], Value("F32", (300,)))
    content = bytes(content_of(trial.values[1]))
    for other in (content + b"\0", content[:-1], content[:1024]):
        root = sha256(tensor_header(4, "F32", (300,)) + merkle_root(leaf_hashes(other, 1024))).digest()
        exhibitor = trial.exhibitor(0, root)
        shown = exhibitor.show(Question(0, 299), trial.values, trial.values[1])
        tree = levels(leaf_hashes(other, 1024))
        last = len(tree[0]) - 1
        window = (last, other[1024 * last :], siblings(tree, last))
        operand = ((4, 1, [300], tree[-1][0]), list(exhibitor.prove(1)), window)
        assert heard(exhibitor.run, (*shown[:5], [operand, *shown[5][1:]], *shown[6:])) is None


# ---------------------------------------------------------------- nodes of hostile programs


def ruling_on(leaf: bytes, trial: Trial) -> Ruling | None:
    """The ruling on a program's only node if its leaf were another."""
    run, evidence = trial.evidence(Question(0))
    return heard((leaf_hash(leaf), *run[1:]), (*evidence[:2], leaf, *evidence[3:]))


def test_leaves_that_are_no_node() -> None:
    trial = one_node(
        "slice", [drawn("F32", (4, 5), 1)], Value("F32", (2, 3)), (1, 0, 2, 2), result=drawn("F32", (2, 3), 1)
    )
    trial = Trial(trial.program, {**trial.values, 1: trial.values[0][1::2, ::2].contiguous()})
    (leaf,) = trial.program.leaves[2]
    assert ruling_on(leaf, trial) == Ruling.DISMISSED
    for opcode in [*range(256), 256, 0x153, 0x5300, 0xFFFF]:
        if opcode not in BY_OPCODE:
            assert ruling_on(opcode.to_bytes(2, "big") + leaf[2:], trial) == Ruling.JOB_FAULT
    for length in range(len(leaf)):
        assert ruling_on(leaf[:length], trial) == Ruling.JOB_FAULT
    for more in (b"\0", bytes(8), bytes(32), bytes(4000)):
        assert ruling_on(leaf + more, trial) == Ruling.JOB_FAULT

    def at(place: int, content: bytes) -> bytes:
        return leaf[:place] + content + leaf[place + len(content) :]

    broken = [
        *(at(2, bytes([version])) for version in (0, 2, 255)),
        *(at(3, bytes([code])) for code in (0, 2, 3, 7, 9, 255)),
        *(at(4, bytes([rank])) for rank in (3, 6, 7, 255)),
        *(at(6, struct.pack(">H", count)) for count in (0, 2, 3, 0xFFFF)),
        *(at(8, struct.pack(">H", count)) for count in (0, 3, 5, 0xFFFF)),
        *(at(12, struct.pack(">I", size)) for size in (1, 32, 2**32 - 1)),
        *(at(16, struct.pack(">2I", *sizes)) for sizes in ((0, 3), (2, 0))),
        *(at(40, struct.pack(">I", value)) for value in (1, 2, 2**32 - 1)),
    ]
    for other in broken:
        assert ruling_on(other, trial) == Ruling.JOB_FAULT
    # These could be, and the claim is of another type then.
    for other in (at(3, b"\6"), at(4, b"\0"), at(4, b"\1"), at(5, b"\1"), at(16, bytes([0, 0, 0, 3]))):
        assert ruling_on(other, trial) == Ruling.UPHELD


@pytest.mark.parametrize("is_output", [False, True])
def test_constants_that_are_none(is_output: bool) -> None:
    """By their head; and what they hold, once it is looked at."""
    value = drawn("F32", (300,), 1)
    content = bytes(content_of(value))
    good = Node(BY_NAME["constant"].opcode, 1, "F32", (300,), payload=content)

    def trial_of(node: Node, held: Tensor) -> Trial:
        program = Unchecked(PROFILES["exact15"], (Value("F32", (2,)),), (node,), (1,) if is_output else ())
        return Trial(program, {0: value[:2], 1: held})

    trial = trial_of(good, value)
    assert ruling_on(good.leaf(is_output), trial) == Ruling.DISMISSED
    payloads = (content + bytes(4), content[:-4], content + b"\0", content[:4])
    broken = [replace(good, inputs=(0,)), replace(good, attributes=(0,)), replace(good, payload=b"")]
    for node in (*broken, *(replace(good, payload=each) for each in payloads)):
        assert ruling_on(node.leaf(is_output), trial) == Ruling.JOB_FAULT
    for dtype in (torch.int16, torch.int32):
        held = value.view(dtype)
        node = replace(good, dtype=DTYPE_NAMES[dtype], shape=tuple(held.shape))
        assert ruling_on(node.leaf(is_output), trial_of(node, held)) == Ruling.JOB_FAULT
    if is_output:
        for sound, item in ((value, struct.pack("<I", 0x7F80_0000)), (value > 0, b"\2")):
            held = with_item(sound, 0, item)
            node = replace(good, dtype=DTYPE_NAMES[held.dtype], payload=bytes(content_of(held)))
            trial = trial_of(node, held)
            assert trial.ask(Question(0), sound) == Ruling.JOB_FAULT
            # A byte that is no truth value is claimed by nobody.
            assert trial.ask(Question(0)) == (Ruling.UPHELD if item == b"\2" else Ruling.JOB_FAULT)
