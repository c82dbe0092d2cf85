"""Programs from their canonical bytes: read, addressed by their root, and run node by node to the first fault.

Sections 11 and 12 of docs/reference/exact-arithmetic.md. Bytes are taken as well formed: to refuse others is not
arithmetic.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod

from tests.reference.arrays import Array, OutsideDomain, Shape
from tests.reference.binary32 import NotFinite, is_finite
from tests.reference.nodes import PRIMITIVES

ELEMENTS = {1: ("F32", "I"), 4: ("I16", "h"), 5: ("I32", "i"), 6: ("I64", "q"), 8: ("BOOL", "B")}
"""Per code of an element type its name and how `struct` writes an element; an F32 as its pattern."""
LETTERS = dict(ELEMENTS.values())
HEADER, TYPE, HEAD = struct.Struct(">8sHHIIII"), struct.Struct(">BBH6I"), struct.Struct(">HBBBBHHHI6I")


@dataclass(frozen=True)
class Node:
    """A node's fields and its bytes."""

    opcode: int
    dtype: str
    shape: Shape
    inputs: tuple[int, ...]
    attributes: tuple[int, ...]
    payload: bytes
    content: bytes

    def leaf(self, is_output: bool) -> bytes:
        """What the root binds of it."""
        content = self.content[:5] + bytes([is_output]) + self.content[6:]
        if not self.payload:
            return content
        parts = [self.payload[at : at + 1024] for at in range(0, len(self.payload), 1024)]
        return content[: -len(self.payload)] + tree(parts)


@dataclass(frozen=True)
class Program:
    """Input types, nodes, and which values are results."""

    header: bytes
    inputs: list[tuple[str, Shape]]
    nodes: list[Node]
    outputs: tuple[int, ...]

    @property
    def root(self) -> bytes:
        """The root that binds every input, output and node by position."""
        head, lists = self.header[:28], self.header[28:]
        first_output = 28 * len(self.inputs)
        types = [lists[at : at + 28] for at in range(0, first_output, 28)]
        outputs = [lists[at : at + 4] for at in range(first_output, len(lists), 4)]
        leaves = [node.leaf(len(self.inputs) + at in self.outputs) for at, node in enumerate(self.nodes)]
        trees = [tree(types), tree(outputs), tree(leaves)]
        return sha256(b"\x02" + (4).to_bytes(4, "big") + leaf_hash(head) + b"".join(trees)).digest()


@dataclass(frozen=True)
class Fault:
    """The first node that has no result; input i counts as node -1 - i."""

    node_index: int
    operator: str
    reason: str


def tree(leaves: list[bytes]) -> bytes:
    """Root of a tree over leaves."""
    return merkle_root([leaf_hash(each) for each in leaves])


def leaf_hash(content: bytes) -> bytes:
    """Of a leaf."""
    return sha256(b"\x00" + content).digest()


def merkle_root(row: list[bytes]) -> bytes:
    """Of a tree padded to the next power of two with the hash of 32 zero bytes."""
    empty = sha256(bytes(32)).digest()
    row = row or [empty]
    while len(row) > 1:
        row = [*row, empty] if len(row) % 2 else row
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def read_elements(dtype: str, shape: Shape, content: bytes) -> Array:
    """Elements in row-major order, little endian."""
    return Array(dtype, shape, list(struct.unpack(f"<{prod(shape)}{LETTERS[dtype]}", content)))


def write_elements(array: Array) -> bytes:
    """The bytes of a committed tensor."""
    return struct.pack(f"<{len(array.items)}{LETTERS[array.dtype]}", *array.items)


def read_program(content: bytes) -> Program:
    """A program from its canonical bytes."""
    magic, version, _, _, inputs, nodes, outputs = HEADER.unpack_from(content)
    assert (magic, version) == (b"ASSAYPRG", 1)
    at = HEADER.size
    types = []
    for _ in range(inputs):
        code, rank, _, *sizes = TYPE.unpack_from(content, at)
        types.append((ELEMENTS[code][0], tuple(sizes[:rank])))
        at += TYPE.size
    results = struct.unpack_from(f">{outputs}I", content, at)
    at += 4 * outputs
    header = content[:at]
    body = []
    for _ in range(nodes):
        opcode, _, code, rank, _, n, m, _, size, *sizes = HEAD.unpack_from(content, at)
        first = at + HEAD.size
        end = first + 4 * n + 8 * m + size
        values = struct.unpack_from(f">{n}I", content, first)
        attributes = struct.unpack_from(f">{m}q", content, first + 4 * n)
        dtype, shape = ELEMENTS[code][0], tuple(sizes[:rank])
        body.append(Node(opcode, dtype, shape, values, attributes, content[end - size : end], content[at:end]))
        at = end
    assert at == len(content)
    return Program(header, types, body, results)


def run(program: Program, inputs: Sequence[Array]) -> list[Array] | Fault:
    """All results, or the first fault."""
    for place, array in enumerate(inputs):
        assert (array.dtype, array.shape) == program.inputs[place]
        if array.dtype == "F32" and not all(map(is_finite, array.items)):
            return Fault(-1 - place, "input", "not finite")
    held = list(inputs)
    for position, node in enumerate(program.nodes):
        if node.opcode == 0x01:
            held.append(read_elements(node.dtype, node.shape, node.payload))
            continue
        name, function = PRIMITIVES[node.opcode]
        try:
            result = function([held[value] for value in node.inputs], node.attributes, node.dtype, node.shape)
        except (NotFinite, OutsideDomain) as error:
            return Fault(position, name, str(error))
        assert (result.dtype, result.shape) == (node.dtype, node.shape), name
        held.append(result)
    return [held[value] for value in program.outputs]
