"""Every use of every primitive that a second implementation is held to, before the arbiter: each element of its result;
and nodes that no rule lets pass, which are the job's fault whatever is claimed of them."""

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.rules import Call
from assay.exact.values import TORCH_DTYPES, Value
from assay.proof.evidence import Kind, Question, Ruling
from assay.protocol.errors import Malformed
from assay.protocol.merkle import (
    DTYPE_CODES,
    VALUE_LEAF_BYTES,
    leaf_hash,
    leaf_hashes,
    levels,
    siblings,
    value_root,
)
from assay.work.node import Node
from assay.work.state import DTYPE_NAMES, content_of
from tests.conformance.arbiter.rulings import FORMATS, Trial, heard, lies, one_node, with_item
from tests.conformance.exact.exact_vectors import FOLDER

ROWS: list[dict[str, Any]] = json.loads((FOLDER / "primitives.json").read_text(encoding="utf-8"))
NOT_FINITE = 0x7F80_0000


def tensor_of(entry: dict[str, Any]) -> Tensor:
    """A tensor of the vectors; an element that is not finite as infinity."""
    form = FORMATS[entry["type"]]
    items = [struct.pack(form, NOT_FINITE if item is None else int(item)) for item in entry["items"]]
    return torch.frombuffer(bytearray(b"".join(items)), dtype=TORCH_DTYPES[entry["type"]]).reshape(entry["shape"])


def trial_of(row: dict[str, Any], **options: Any) -> Trial:
    """A program of the one node that a vector is about; its result is the vector's."""
    result = tensor_of(row["result"])
    declared = Value(row["result"]["type"], tuple(row["result"]["shape"]))
    inputs = [tensor_of(each) for each in row["inputs"]]
    return one_node(row["name"], inputs, declared, row["attributes"], result=result, **options)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_element(row: dict[str, Any]) -> None:
    count = len(row["inputs"])
    draw = random.Random(row["name"])
    placings: list[dict[str, Any]] = [{}, {"origins": (count,)}, {"origins": (1,) * count}, {"is_output": True}]
    trials = [trial_of(row, **each) for each in placings]
    for element, item in enumerate(row["result"]["items"]):
        trial = trials[element % 4 if draw.random() < 0.5 else 0]
        result = trial.values[count]
        assert trial.settle(0, element) == (Ruling.JOB_FAULT if item is None else Ruling.DISMISSED), element
        if item is None:
            claimed = with_item(result, element, struct.pack("<f", draw.uniform(-2, 2)))
            assert trial.settle(0, element, claimed) == Ruling.JOB_FAULT
        elif element % 4 == 0 or len(result.reshape(-1)) < 12:
            claimed = with_item(result, element, draw.choice(lies(result, element)))
            assert trial.settle(0, element, claimed) == Ruling.UPHELD, element


@pytest.mark.parametrize("name", ["gather", "pick"])
@pytest.mark.parametrize("index", [-1, 3, 2**32, 2**63 - 1, -(2**63), -(2**63) + 1])
def test_indices_outside(name: str, index: int) -> None:
    table = torch.arange(6, dtype=torch.float32).reshape(2, 3) if name == "pick" else torch.ones(3, 2)
    shape = (2,) if name == "pick" else (2, 2)
    places = torch.tensor([1, index])
    trial = one_node(name, [table, places], Value("F32", shape), result=torch.ones(shape))
    inside, outside = (0, 1) if name == "pick" else (1, 3)
    assert trial.settle(0, inside) == Ruling.DISMISSED
    assert trial.settle(0, outside) == Ruling.JOB_FAULT


@pytest.mark.parametrize("row", [row for row in ROWS if row["inputs"]], ids=lambda row: row["name"])
def test_inputs_that_are_no_values(row: dict[str, Any]) -> None:
    """An infinity or another byte than 0 and 1, which the job brought in."""
    trial = trial_of(row)
    (node,) = trial.program.nodes
    for which, entry in enumerate(row["inputs"]):
        if entry["type"] not in ("F32", "BOOL"):
            continue
        item = b"\x02" if entry["type"] == "BOOL" else struct.pack("<I", NOT_FINITE)
        broken = trial.values[which]
        for element in range(broken.numel()):
            broken = with_item(broken, element, item)
        changed = Trial(trial.program, {**trial.values, which: broken})
        elements = range(trial.values[len(row["inputs"])].numel())
        question = next(Question(0, at) for at in elements if _reaches(row["name"], trial, which, at))
        if BY_OPCODE[node.opcode].name in ("exponent", "amax", "argmax"):
            best = trial.group(0, question.element)[0]
            question = replace(question, at=best, kind=Kind.ELEMENT if row["name"] == "argmax" else Kind.LARGER)
        assert changed.ask(question) == Ruling.JOB_FAULT


def _reaches(name: str, trial: Trial, which: int, element: int) -> bool:
    """Whether an element comes from an input, rather than from another one or being a zero that is put in."""
    if name not in ("pad", "unfold", "concat"):
        return True
    operand = trial.evidence(Question(0, element))[1][5][which + 1]
    return bool(operand[2][1])


# ---------------------------------------------------------------- nodes that are none


@dataclass(frozen=True)
class Use:
    """A node as it might be declared, with values for as many inputs as it names."""

    name: str
    inputs: tuple[Value, ...]
    attributes: tuple[int, ...]
    declared: Value

    @property
    def passes(self) -> bool:
        """Whether the rules let it pass. Bounds are no matter of one node, so integers are small here, and whatever
        could be exponents is."""
        bits, limit = self.attributes[0] if self.attributes else 15, 16_319 if self.declared.dtype == "I16" else 1 << 20
        types = tuple(
            replace(each, bound=1, origin=(0, bits, limit) if each.dtype == "I16" else None) for each in self.inputs
        )
        try:
            BY_NAME[self.name].infer(Call(tuple(range(len(types))), types, self.attributes, self.declared))
        except Malformed:
            return False
        return True


def broken(use: Use) -> Iterator[Use]:
    """A use with one thing about it changed."""
    inputs, attributes, declared = use.inputs, use.attributes, use.declared
    for at, each in enumerate(inputs):
        kept = (*inputs[:at], *inputs[at + 1 :])
        yield replace(use, inputs=kept)
        yield replace(use, inputs=(*inputs, each))
        for dtype in TORCH_DTYPES:
            yield replace(use, inputs=(*inputs[:at], Value(dtype, each.shape), *inputs[at + 1 :]))
        for shape in reshaped(each.shape):
            yield replace(use, inputs=(*inputs[:at], Value(each.dtype, shape), *inputs[at + 1 :]))
    yield replace(use, inputs=(*inputs, Value("I64", (2,))))
    for dtype in TORCH_DTYPES:
        yield replace(use, declared=Value(dtype, declared.shape))
    for shape in reshaped(declared.shape):
        yield replace(use, declared=Value(declared.dtype, shape))
    yield replace(use, attributes=(*attributes, 0))
    for at in range(len(attributes)):
        yield replace(use, attributes=(*attributes[:at], *attributes[at + 1 :]))
        for value in (attributes[at] - 1, attributes[at] + 1, -1, 1 << 16, 1 << 24, 1 << 32, (1 << 63) - 1, -(1 << 63)):
            yield replace(use, attributes=(*attributes[:at], value, *attributes[at + 1 :]))


def reshaped(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Other shapes, none of them large."""
    yield (*shape, 1)[-6:]
    yield (1, *shape)[:6]
    yield (*shape[:-1], 2, 2)[-6:]
    for at, size in enumerate(shape):
        yield (*shape[:at], *shape[at + 1 :])
        yield (*shape[:at], size + 1, *shape[at + 1 :])


def ruling_on(leaf: bytes, inputs: list[Tensor], claimed: tuple[str, tuple[int, ...], bytes]) -> Ruling | None:
    """The ruling on a node by its leaf, with the first leaf of every value in sight; of look-ups and sums by index the
    indices come first."""
    opcode = int.from_bytes(leaf[:2], "big")
    shown = [(DTYPE_NAMES[each.dtype], tuple(each.shape), bytes(content_of(each))) for each in inputs]
    rows = levels([*(value_root(*each) for each in shown), value_root(*claimed)])
    operands = []
    order = [1, *([0] * 4)] if opcode in (0x60, 0x61, 0x75) and len(inputs) > 1 else [*range(len(inputs))]
    if opcode == 0x79:
        order *= 2
    for at, (dtype, shape, content) in [(len(inputs), claimed), *((at, shown[at]) for at in order)]:
        tree = levels(leaf_hashes(content, VALUE_LEAF_BYTES))
        window = (0, content[:VALUE_LEAF_BYTES], siblings(tree, 0))
        operands.append(((4, DTYPE_CODES[dtype], shape, tree[-1][0]), siblings(rows, at), window))
    kind = Kind.LARGER if opcode in (0x70, 0x78) else Kind.ELEMENT
    run: tuple[Any, ...] = (leaf_hash(leaf), 1, len(inputs), 0, rows[-1][0], [])
    return heard(run, (kind, 0, leaf, [], 0, operands, 0, 0, 0))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_nodes_that_no_rule_lets_pass(row: dict[str, Any]) -> None:
    inputs = tuple(Value(each["type"], tuple(each["shape"])) for each in row["inputs"])
    declared = Value(row["result"]["type"], tuple(row["result"]["shape"]))
    sound = Use(row["name"], inputs, tuple(row["attributes"]), declared)
    assert sound.passes
    refused = 0
    for use in broken(sound):
        if use.passes:
            continue
        node = Node(BY_NAME[use.name].opcode, 1, use.declared.dtype, use.declared.shape, tuple(range(len(use.inputs))))
        leaf = replace(node, attributes=use.attributes).leaf(False)
        tensors = [torch.zeros(each.shape, dtype=TORCH_DTYPES[each.dtype]) for each in use.inputs]
        claimed = (use.declared.dtype, use.declared.shape, bytes(use.declared.size_bytes))
        ruling = ruling_on(leaf, tensors, claimed)
        assert ruling == (Ruling.DISMISSED if _is_lax(sound, use) else Ruling.JOB_FAULT), use
        refused += 1
    assert refused > 5


def _is_lax(sound: Use, use: Use) -> bool:
    """What one node does not tell: of which profile its exponents are. Zeros are 0 in each."""
    kept = (use.inputs, use.declared.shape, len(use.attributes)) == (sound.inputs, sound.declared.shape, 1)
    return use.name == "quantise" and kept and use.declared.dtype in ("I16", "I32")
