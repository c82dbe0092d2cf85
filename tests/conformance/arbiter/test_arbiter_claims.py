"""Claims of no value before the arbiter, which fall, and nodes of hostile programs, which are the fault of the job."""

import struct
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.values import Value
from assay.proof.evidence import Question, Ruling
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
from tests.conformance.arbiter.rulings import Trial, Unchecked, heard, judge, one_node, with_item
from tests.conformance.arbiter.test_arbiter_wide import drawn


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
