"""Evidence about one element of one node, as the arbiter takes it: what is claimed, and what it follows from.

The first operand is the claimed value, the others are inputs of the node, each as often as an element of it is needed:

    elementwise, index maps, `concat`, `quantise`, `rescale`, `random`   every input, in order
    `gather`, `pick`                     the indices, then the table
    `contract`, `integer_sum`            every input, with a run of up to 256 addends in view
    `integer_sum_at`                     the indices, then the rows one by one, up to 4
    `exponent`, `amax`                   the input, at the element that counts
    `argmax`                             the input at the claimed index, and where it should have been
    `constant` that the program ends in  the payload

Shown is as much as the ruling needs and no more, in whole leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Any

import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.values import ITEM_BYTES
from assay.proof import places
from assay.proof.claim import Claim, Records
from assay.proof.rows import is_end
from assay.protocol.merkle import (
    ARITY,
    DTYPE_CODES,
    LEAF_BYTES,
    VALUE_LEAF_BYTES,
    leaf_hashes,
    levels,
    merkle_proof,
    roots_hash,
    siblings,
)
from assay.work.node import Node
from assay.work.program import Program
from assay.work.state import DTYPE_NAMES, content_of
from assay.work.walk import read_constant

SUM_LIMIT = 256
"""Addends that lie side by side and are summed at once; `Arbiter.SUM_LIMIT`."""
PART_BYTES = 9
"""Of a part's sum as it is opened: 256 numbers of 64 bits fit."""
PARTS_LIMIT = 256
"""Parts of a sum that are opened at once."""
ROWS_LIMIT = 4
"""Of those that lie in different rows."""
SUMS = ("contract", "integer_sum", "integer_sum_at")
View = list[tuple[int, int]]
"""What of a value is shown: [(first element, count)] or nothing."""
NOTHING: tuple[Any, ...] = ((4, 1, [], bytes(32)), [], (0, b"", []))
"""In place of a value where there is none, or none is looked at."""


class Kind(IntEnum):
    """What a piece of evidence shows; `Arbiter.sol:Kind`."""

    ELEMENT = 0
    PART = 1
    LARGER = 2
    ABSENT = 3
    WITNESS = 4
    FAULT = 5


class Ruling(IntEnum):
    """What the arbiter makes of it; `Arbiter.sol:Ruling`."""

    UPHELD = 0
    DISMISSED = 1
    JOB_FAULT = 2
    PARTS = 3
    WITNESS = 4


@dataclass(frozen=True)
class Question:
    """What is to be ruled on: an element of a node, for a sum a part of it, for a largest element the one `at` a place
    of the input."""

    node: int
    element: int = 0
    kind: Kind = Kind.ELEMENT
    at: int = 0
    count: int = 0
    claimed: int = 0


@dataclass(frozen=True)
class Exhibitor:
    """Makes evidence about a run of `program`. `origins` are the roots of the tensors that it begins with, `rows_root`
    is the claimed tree's, `prove` gives the siblings of a row in it."""

    program: Program
    first: int
    origins: tuple[tuple[bytes, ...], ...]
    rows_root: bytes
    prove: Callable[[int], Sequence[bytes]]

    @property
    def run(self) -> tuple[Any, ...]:
        """`Run` of the contracts."""
        origins = [(roots_hash(roots), len(roots)) for roots in self.origins]
        return (
            self.program.node_levels[-1][0],
            len(self.program.nodes),
            len(self.program.inputs),
            self.first,
            self.rows_root,
            origins,
        )

    def show(self, question: Question, values: Mapping[int, Tensor], claimed: Tensor) -> tuple[Any, ...]:
        """`Evidence` of the contracts. `values` are the node's inputs, `claimed` is its claimed value."""
        node, number = self.program.nodes[question.node], len(self.program.inputs) + question.node
        by_tree = BY_OPCODE[node.opcode].name == "constant" and not self._is_output(number)
        operand = self.operand(number, claimed, [] if by_tree else [(question.element, 1)])
        return self.put(question, values, operand, number_at(claimed, question.element))

    def put(
        self, question: Question, values: Mapping[int, Tensor], claimed: tuple[Any, ...], element: int
    ) -> tuple[Any, ...]:
        """The same of a claimed value of which only an operand is known, and its element as `number_at` gives it."""
        node, number = self.program.nodes[question.node], len(self.program.inputs) + question.node
        operands = [claimed]
        for which, window in self._views(node, question, values, element):
            value = node.inputs[which]
            operands.append(NOTHING if window is None else self.operand(value, values[value], window))
        if node.payload and self._is_output(number):
            operands.append(_payload(node, question.element))
        leaf = self.program.leaves[2][question.node]
        proof = siblings(self.program.node_levels, question.node)
        part = (question.at, question.count, question.claimed)
        return int(question.kind), question.node, leaf, proof, question.element, operands, *part

    def operand(self, number: int, tensor: Tensor, view: View) -> tuple[Any, ...]:
        """`Operand` of the contracts: a value, and the leaves that hold `view`, [(first element, count)] or nothing."""
        leaf_bytes = LEAF_BYTES if self._is_output(number) or number < self.first else VALUE_LEAF_BYTES
        header, window = show_value(tensor, leaf_bytes, view)
        return header, list(self._place(number)), window

    def _is_output(self, number: int) -> bool:
        return is_end(self.program, number)

    def _place(self, number: int) -> Sequence[bytes]:
        """What shows that a value is the run's."""
        if number >= self.first:
            return self.prove(number - self.first)
        for roots in self.origins:
            if number < len(roots):
                return tuple_proof(roots, number)
            number -= len(roots)
        raise IndexError(number)

    def _views(
        self, node: Node, question: Question, values: Mapping[int, Tensor], claimed: int
    ) -> list[tuple[int, View | None]]:
        """(input, what of it is shown) for each operand beside the claimed value; nothing where nobody looks at it."""
        name = BY_OPCODE[node.opcode].name
        shapes = [tuple(self.program.values[each].shape) for each in node.inputs]
        element = question.element
        if name in ("constant", "iota"):
            return []
        if name in SUMS:
            return _addends(name, shapes, question, values[node.inputs[-1]])
        if name in ("exponent", "amax"):
            shows = question.kind != Kind.ABSENT or (name == "exponent" and not claimed)
            return [(0, [(question.at, 1)] if shows else [])]
        if name == "argmax":
            if not 0 <= claimed < shapes[0][-1]:
                return [(0, [])]
            return [(0, [(element * shapes[0][-1] + claimed, 1)]), (0, [(question.at, 1)])]
        if name in ("gather", "pick"):
            place = places.looked_up(name, shapes[0], element)
            index = int(values[node.inputs[1]].reshape(-1)[place])
            inside = 0 <= index < shapes[0][0 if name == "gather" else -1]
            table = [(places.selected(name, shapes[0], element, index), 1)] if inside else []
            return [(1, [(place, 1)]), (0, table)]
        if name == "concat":
            which, place = places.joined(shapes, node.shape, node.attributes[0], element)
            return [(each, [(place, 1)] if each == which else []) for each in range(len(shapes))]
        if name == "random":
            return [(0, [(0, 2)]), (1, [(0, 1)])]
        if len(shapes) == 1 and name in places.MAPS:
            origin = places.moved(name, shapes[0], node.shape, node.attributes, element)
            return [(0, [] if origin is None else [(origin, 1)])]
        return [(at, [(places.broadcast(shape, node.shape, element), 1)]) for at, shape in enumerate(shapes)]


def _addends(
    name: str, shapes: Sequence[Sequence[int]], question: Question, targets: Tensor
) -> list[tuple[int, View | None]]:
    length = shapes[0][0] if name == "integer_sum_at" else shapes[0][-1]
    start, count = (question.at, question.count) if question.kind == Kind.PART else (0, length)
    if count > (ROWS_LIMIT if name == "integer_sum_at" else SUM_LIMIT):
        # Too many to be shown: the ruling will be to ask for parts.
        return [(1, []), (0, [])] if name == "integer_sum_at" else [(each, []) for each in range(len(shapes))]
    if name == "contract":
        left, right, _ = places.contracted(shapes[0], shapes[1], question.element)
        return [(0, [(left + start, count)]), (1, [(right + start, count)])]
    if name == "integer_sum":
        return [(0, [(question.element * length + start, count)])]
    target, column = divmod(question.element, shapes[0][1])
    shown: list[tuple[int, View | None]] = []
    for each in range(start, start + count):
        # Only rows that are added here count; the first says what rows are like.
        empty: View | None = [] if each == start else None
        added = int(targets.reshape(-1)[each]) == target
        shown.append((0, [(each * shapes[0][1] + column, 1)] if added else empty))
    return [(1, [(start, count)]), *shown]


def show_value(tensor: Tensor, leaf_bytes: int, view: View) -> tuple[Any, Any]:
    """(`Value`, `Window`) of the contracts."""
    content = content_of(tensor)
    dtype = DTYPE_NAMES[tensor.dtype]
    tree = levels(leaf_hashes(content, leaf_bytes))
    value = (3 if leaf_bytes == LEAF_BYTES else 4, DTYPE_CODES[dtype], list(tensor.shape), tree[-1][0])
    if not view:
        return value, (0, b"", [])
    ((first, count),) = view
    item = ITEM_BYTES[dtype]
    begin, end = item * first // leaf_bytes, -(-item * (first + count) // leaf_bytes)
    proof = [sibling for leaf in range(begin, end) for sibling in siblings(tree, leaf)]
    return value, (begin, bytes(content[leaf_bytes * begin : leaf_bytes * end]), proof)


def _payload(node: Node, element: int) -> tuple[Any, ...]:
    header, window = show_value(read_constant(node), VALUE_LEAF_BYTES, [(element, 1)])
    return header, [], window


def show_sample(
    claim: Claim, records: Records, run: int, input_: int, element: int, value: tuple[Any, ...]
) -> tuple[Any, ...]:
    """`Sample` of the contracts: an element of x (0) or y (1) of a run with its record, and what is claimed for it."""
    program, first = claim.program, claim.first
    index = claim.feed.sample_of(run, element // prod(program.values[first + input_].shape[1:]))
    types = [program.leaves[0][each] for each in (first, first + 1)]
    proofs = [merkle_proof(program.trees[0], each) for each in (first, first + 1)]
    return input_, element, value, types, proofs, records.at(index), merkle_proof(records.leaves, index)


def number_at(tensor: Tensor, element: int) -> int:
    """An element as contracts read it: of an F32 the pattern, else the integer."""
    one = tensor.reshape(-1)[element : element + 1]
    if tensor.dtype == torch.float32:
        return int(one.clone().view(torch.int32)) & 0xFFFFFFFF
    return int(one)


def tuple_proof(roots: Sequence[bytes], index: int) -> list[bytes]:
    """What shows one of the roots under `roots_hash`: its group of up to 64, then the hashes of all groups if there are
    several."""
    groups = [roots[at : at + ARITY] for at in range(0, len(roots), ARITY)]
    above = [roots_hash(group) for group in groups] if len(groups) > 1 else []
    return [*groups[index // ARITY], *above]


def as_tensor(tensor: Tensor, element: int, value: int | float | bool) -> Tensor:
    """A copy with one element changed; of an F32 `value` is the pattern."""
    changed = tensor.contiguous().clone()
    flat = changed.reshape(-1)
    if changed.dtype == torch.float32:
        pattern = int(value) - (1 << 32 if int(value) >= 1 << 31 else 0)
        flat.view(torch.int32)[element] = pattern
    else:
        flat[element] = value
    return changed
