"""A run of a program before the arbiter: honest but for at most one value, which somebody claims to be another."""

import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor

from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.values import ITEM_BYTES, Value
from assay.proof import places
from assay.proof.evidence import ROWS_LIMIT, SUM_LIMIT, SUMS, Exhibitor, Kind, Question, Ruling
from assay.proof.rows import row_root
from assay.protocol.merkle import EMPTY, levels, node_hash, siblings
from assay.work.node import Node
from assay.work.program import Program
from assay.work.state import DTYPE_NAMES, content_of, root_of
from tests.conformance.arbiter.harness import Halted, Harness

GAS_LIMIT = 2_000_000
"""No ruling may need more."""
PANIC = "output: 0x4e487b71"
"""How the compiler's own checks begin what they return."""
FORMATS = {"F32": "<I", "I16": "<h", "I32": "<i", "I64": "<q", "BOOL": "<B"}
Evidence = tuple[Any, ...]


@cache
def arbiter() -> Harness:
    """The contract."""
    return Harness("Arbiter")


def judge(run: Any, evidence: Any) -> Ruling:
    """What the arbiter says. Errors: `Halted` where it sends the evidence back."""
    court = arbiter()
    ruling = Ruling(court.call("judge", run, evidence)[0])
    assert court.gas < GAS_LIMIT
    return ruling


def heard(run: Any, evidence: Any) -> Ruling | None:
    """What the arbiter says; None where it sends the evidence back, which it does in words of its own."""
    try:
        return judge(run, evidence)
    except Halted as error:
        if PANIC in str(error):
            raise
        return None


class Unchecked(Program):
    """A program that need not keep the rules: what its nodes are given is a test's affair."""

    def __post_init__(self) -> None:
        pass

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """As declared."""
        return (*self.inputs, *(Value(node.dtype, node.shape) for node in self.nodes))


@dataclass(frozen=True)
class Trial:
    """Values of a run, and how many tensors each of its origins has."""

    program: Program
    values: Mapping[int, Tensor]
    origins: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The first value that has a row."""
        return sum(self.origins)

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """The tree over the rows of the values as they are."""
        return levels(
            [row_root(self.program, at, self.values[at]) for at in range(self.first, len(self.program.values))]
        )

    @cached_property
    def roots(self) -> tuple[tuple[bytes, ...], ...]:
        """Of the origins' tensors."""
        found, at = [], 0
        for count in self.origins:
            found.append(tuple(root_of(self.values[each]) for each in range(at, at + count)))
            at += count
        return tuple(found)

    def number(self, node: int) -> int:
        """The value that a node gives."""
        return len(self.program.inputs) + node

    def exhibitor(self, node: int, root: bytes | None = None) -> Exhibitor:
        """Makes evidence about the run in which a node's row is `root`."""
        rows = [list(each) for each in self.levels]
        if root is not None:
            at = self.number(node) - self.first
            rows[0][at] = root
            for below, above in pairwise(rows):
                at //= 2
                above[at] = node_hash(*[*below[2 * at : 2 * at + 2], EMPTY][:2])
        return Exhibitor(self.program, self.first, self.roots, rows[-1][0], lambda row: siblings(rows, row))

    def evidence(self, question: Question, claimed: Tensor | None = None) -> tuple[Any, Evidence]:
        """(run, evidence) where the node is claimed to have given `claimed`."""
        number = self.number(question.node)
        root = None if claimed is None else row_root(self.program, number, claimed)
        exhibitor = self.exhibitor(question.node, root)
        shown = exhibitor.show(question, self.values, self.values[number] if claimed is None else claimed)
        return exhibitor.run, shown

    def ask(self, question: Question, claimed: Tensor | None = None) -> Ruling:
        """The ruling on one question."""
        return judge(*self.evidence(question, claimed))

    def settle(self, node: int, element: int, claimed: Tensor | None = None) -> Ruling:
        """The ruling when challenger and defender have shown what serves each of them best."""
        name = BY_OPCODE[self.program.nodes[node].opcode].name
        if name in ("exponent", "amax"):
            return self._largest(name, node, element, claimed)
        if name == "argmax":
            best = max(self.group(node, element), key=lambda at: (self.size(node, at), -at))
            return self.ask(Question(node, element, at=best), claimed)
        ruling = self.ask(Question(node, element), claimed)
        return self._by_parts(name, node, element, claimed) if ruling == Ruling.PARTS else ruling

    def group(self, node: int, element: int) -> list[int]:
        """Places of the input's elements that an exponent or a largest element is of."""
        each = self.program.nodes[node]
        source = tuple(self.values[each.inputs[0]].shape)
        if BY_OPCODE[each.opcode].name == "exponent":
            return [at for at in range(prod(source)) if places.broadcast(each.shape, source, at) == element]
        return list(range(element * source[-1], (element + 1) * source[-1]))

    def size(self, node: int, at: int) -> float:
        """What makes an element of the input the largest."""
        each = self.program.nodes[node]
        number = float(self.values[each.inputs[0]].reshape(-1)[at])
        return abs(number) if BY_OPCODE[each.opcode].name == "exponent" else number

    def _largest(self, name: str, node: int, element: int, claimed: Tensor | None) -> Ruling:
        best = max(self.group(node, element), key=lambda at: self.size(node, at))
        if self.ask(Question(node, element, Kind.LARGER, best), claimed) == Ruling.UPHELD:
            return Ruling.UPHELD
        said = int((self.values[self.number(node)] if claimed is None else claimed).reshape(-1)[element])
        if name == "exponent" and said == 0 and self.size(node, best) == 0:
            # There is nothing that the challenger could show.
            assert heard(*self.evidence(Question(node, element, Kind.ABSENT, best), claimed)) is None
            return Ruling.DISMISSED
        ruling = self.ask(Question(node, element, Kind.ABSENT, best), claimed)
        if ruling != Ruling.WITNESS:
            return ruling
        return self.ask(Question(node, element, Kind.WITNESS, best), claimed)

    def addends(self, node: int, element: int) -> list[int]:
        """What an element of a sum adds up."""
        each = self.program.nodes[node]
        name = BY_OPCODE[each.opcode].name
        taken = [self.values[value] for value in each.inputs]
        if name == "contract":
            a, b, length = places.contracted(taken[0].shape, taken[1].shape, element)
            pair = (taken[0].reshape(-1)[a : a + length].tolist(), taken[1].reshape(-1)[b : b + length].tolist())
            return [left * right for left, right in zip(*pair, strict=True)]
        if name == "integer_sum":
            length = taken[0].shape[-1]
            return [int(one) for one in taken[0].reshape(-1)[element * length : (element + 1) * length].tolist()]
        row, column = divmod(element, taken[0].shape[1])
        pairs = zip(taken[0][:, column].tolist(), taken[1].tolist(), strict=True)
        return [addend if index == row else 0 for addend, index in pairs]

    def _by_parts(self, name: str, node: int, element: int, claimed: Tensor | None) -> Ruling:
        """The defender's parts come to what is claimed: the first one makes good what is wrong with it."""
        assert name in SUMS
        addends = self.addends(node, element)
        most = ROWS_LIMIT if name == "integer_sum_at" else SUM_LIMIT
        said = int((self.values[self.number(node)] if claimed is None else claimed).reshape(-1)[element])
        parts = [(at, min(most, len(addends) - at)) for at in range(0, len(addends), most)]
        sums = [sum(addends[at : at + count]) for at, count in parts]
        sums[0] += wrapped(said - sum(sums))
        asked = [Question(node, element, Kind.PART, *part, each) for part, each in zip(parts, sums, strict=True)]
        # Those in the middle are alike.
        drawn = [asked[0], *random.Random(element).sample(asked, min(6, len(asked))), asked[-1]]
        return min(self.ask(each, claimed) for each in drawn)


def wrapped(number: int) -> int:
    """Modulo 2^64, from -2^63."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def one_node(
    name: str,
    inputs: Sequence[Tensor],
    declared: Value,
    attributes: Sequence[int] = (),
    *,
    result: Tensor | None = None,
    is_output: bool = False,
    origins: tuple[int, ...] = (),
    uses: Sequence[int] | None = None,
) -> Trial:
    """A program of one node over inputs that are its rows or tensors of `origins`, run."""
    primitive = BY_NAME[name]
    taken = tuple(range(len(inputs))) if uses is None else tuple(uses)
    if result is None:
        result = primitive.apply([inputs[each] for each in taken], tuple(attributes), declared).contiguous()
    node = Node(primitive.opcode, 1, declared.dtype, declared.shape, taken, tuple(attributes))
    types = tuple(Value(DTYPE_NAMES[each.dtype], tuple(each.shape)) for each in inputs)
    program = Unchecked(PROFILES["exact15"], types, (node,), (len(inputs),) if is_output else ())
    return Trial(program, dict(enumerate([*inputs, result])), origins)


def with_item(tensor: Tensor, element: int, item: bytes) -> Tensor:
    """A copy with other bytes in the place of an element, whether they are such an element or not."""
    content = bytearray(content_of(tensor))
    content[element * len(item) : (element + 1) * len(item)] = item
    return torch.frombuffer(content, dtype=tensor.dtype).reshape(tensor.shape)


def lies(tensor: Tensor, element: int) -> list[bytes]:
    """What an element is not: next to it, of another sign, huge, not finite, no truth value."""
    dtype = DTYPE_NAMES[tensor.dtype]
    size = ITEM_BYTES[dtype]
    item = bytes(content_of(tensor)[size * element : size * (element + 1)])
    (word,) = struct.unpack(FORMATS[dtype], item)
    if dtype == "F32":
        words = [word ^ 1, word ^ 1 << 31, 0x7F7F_FFFF, 0xFF80_0000, 0x7F80_0000, 0x7FC0_0000, 0, 1 << 31]
    elif dtype == "BOOL":
        words = [1 - word, 2, 255, 254 | word]
    else:
        edge = 1 << (8 * size - 1)
        words = [each for each in (word - 1, word + 1, -word, edge - 1, -edge, 0) if -edge <= each < edge]
    items = [struct.pack(FORMATS[dtype], each) for each in words if each != word]
    return list(dict.fromkeys(items))
