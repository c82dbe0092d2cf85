"""One node of a program and its bytes.

A node is a fixed head, then its inputs, its attributes and, for a constant, its content. Integers are big endian, so
that a contract can read any field at a computed place:

    offset  size  field
    0       2     opcode                      (assay.exact.primitives)
    2       1     version of the primitive
    3       1     element type of the result  (assay.protocol.merkle.DTYPE_CODES)
    4       1     rank of the result, 0..6
    5       1     zero
    6       2     input count n
    8       2     attribute count m
    10      2     zero
    12      4     payload size p in bytes
    16      24    six sizes u32, unused ones zero
    40      4n    input values u32: program inputs first, then nodes, by position
    40+4n   8m    attributes i64, two's complement
    ...     p     payload: a constant's elements, row-major, little endian as in committed tensors; a BOOL is one byte
"""

import struct
from dataclasses import dataclass

from assay.exact.values import ITEM_BYTES, RANK_LIMIT, TORCH_DTYPES
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.merkle import DTYPE_CODES, VALUE_LEAF_BYTES, bytes_root

OUTPUT_AT = 5
"""The byte of a leaf that says so; zero in a program's bytes."""
HEAD = struct.Struct(">HBBBBHHHI6I")
DTYPE_NAMES = {code: name for name, code in DTYPE_CODES.items() if name in TORCH_DTYPES}
TYPE = struct.Struct(">BBH6I")
"""An input's type in a program's header: element type, rank, zero, six sizes."""


@dataclass(frozen=True)
class Node:
    """A use of a primitive. `inputs` are values by position; `payload` is a constant's content."""

    opcode: int
    version: int
    dtype: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...] = ()
    attributes: tuple[int, ...] = ()
    payload: bytes = b""

    def leaf(self, is_output: bool) -> bytes:
        """What a program's root binds of it: the bytes, with the tree of a payload in the payload's place, and 1 in the
        spare byte where the program ends in its value."""
        content = bytearray(self.to_bytes())
        content[OUTPUT_AT] = is_output
        if self.payload:
            content[-len(self.payload) :] = bytes_root(self.payload, VALUE_LEAF_BYTES)
        return bytes(content)

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        sizes = (*self.shape, *(0,) * (RANK_LIMIT - len(self.shape)))
        counts = (len(self.inputs), len(self.attributes), 0, len(self.payload))
        head = HEAD.pack(self.opcode, self.version, DTYPE_CODES[self.dtype], len(self.shape), 0, *counts, *sizes)
        inputs = struct.pack(f">{len(self.inputs)}I", *self.inputs)
        attributes = struct.pack(f">{len(self.attributes)}q", *self.attributes)
        return head + inputs + attributes + self.payload


@dataclass
class Reader:
    """Bytes from outside, taken piece by piece; never beyond the end."""

    content: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Errors: `Malformed` when there are fewer."""
        if size < 0 or size > len(self.content) - self.at:
            raise Malformed(f"{size} bytes expected at {self.at}, {len(self.content) - self.at} left")
        self.at += size
        return self.content[self.at - size : self.at]

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next fields of a layout."""
        return layout.unpack(self.take(layout.size))

    def finish(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.content):
            raise Malformed(f"{len(self.content) - self.at} bytes left over")


def read_type(code: int, rank: int, sizes: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Element type and shape from their fields. Errors: `Malformed`."""
    if code not in DTYPE_NAMES:
        raise Malformed(f"unknown element type {code}")
    if rank > RANK_LIMIT or any(sizes[rank:]) or not all(sizes[:rank]):
        raise Malformed(f"rank {rank} with sizes {sizes} is no shape")
    return DTYPE_NAMES[code], sizes[:rank]


def read_node(reader: Reader, payload_limit: int) -> Node:
    """The next node. Errors: `Malformed`, `LimitExceeded`."""
    opcode, version, code, rank, zero, inputs, attributes, more, payload, *sizes = reader.unpack(HEAD)
    if zero or more:
        raise Malformed("reserved bytes are not zero")
    if payload > payload_limit:
        raise LimitExceeded("a constant is too large", limit=payload_limit, actual=payload)
    dtype, shape = read_type(code, rank, tuple(sizes))
    taken_inputs = struct.unpack(f">{inputs}I", reader.take(4 * inputs))
    taken_attributes = struct.unpack(f">{attributes}q", reader.take(8 * attributes))
    return Node(opcode, version, dtype, shape, taken_inputs, taken_attributes, reader.take(payload))


def check_payload(node: Node, is_constant: bool) -> None:
    """A constant has exactly its elements, finite and canonical; others have no payload. Errors: `Malformed`."""
    size = ITEM_BYTES[node.dtype]
    for axis in node.shape:
        size *= axis
    if len(node.payload) != (size if is_constant else 0):
        raise Malformed(f"payload of {len(node.payload)} bytes where {size if is_constant else 0} belong")
    if not is_constant:
        return
    if node.dtype == "BOOL" and any(byte > 1 for byte in node.payload):
        raise Malformed("a boolean is neither 0 nor 1")
    if node.dtype == "F32":
        exponents = (word >> 23 & 0xFF for (word,) in struct.iter_unpack("<I", node.payload))
        if any(exponent == 0xFF for exponent in exponents):
            raise Malformed("a constant is not finite")
