"""Roots of a job's programs and states from their bytes alone, where there is no torch to read them with.

The layouts are those of `assay.work.program`, `assay.work.node` and `assay.work.state`. Whatever is not of the layout
has another root or none; whether a program can run is not asked here.
"""

import struct

from assay.protocol.errors import Malformed
from assay.protocol.merkle import VALUE_LEAF_BYTES, bytes_root, leaf_hash, merkle_root, roots_hash, tensor_root
from assay.protocol.plain import read_plain

HEADER_MAX_BYTES, HEADER_DEPTH_MAX = 16 << 20, 4
BUNDLE = struct.Struct(">8sHHI")
SECTION = struct.Struct(">HHI")
PROGRAM = struct.Struct(">8sHHIIII")
NODE = struct.Struct(">HBBBBHHHI6I")
INPUT_BYTES, OUTPUT_BYTES, OPERAND_BYTES, ATTRIBUTE_BYTES = 28, 4, 4, 8
OUTPUT_AT = 5
"""The byte of a node's leaf that says whether the program ends in its value."""


def encoded_programs_root(content: bytes) -> bytes:
    """One hash over a job's encoded programs. Errors: `Malformed`."""
    try:
        magic, _, count, side_bytes = BUNDLE.unpack_from(content)
        rows, at = [], BUNDLE.size
        for _ in range(count):
            kind, updates, size = SECTION.unpack_from(content, at)
            at += SECTION.size + size
            root = _program_root(content[at - size : at])
            rows.append(leaf_hash(SECTION.pack(kind, updates, 0) + root))
    except struct.error as error:
        raise Malformed(f"programs cannot be read: {error}") from error
    if magic != b"ASSAYBDL" or at + side_bytes != len(content):
        raise Malformed("these bytes are not a job's programs")
    return roots_hash(rows)


def _program_root(content: bytes) -> bytes:
    magic, _, _, _, inputs, nodes, outputs = PROGRAM.unpack_from(content)
    types = PROGRAM.size + INPUT_BYTES * inputs
    first = at = types + OUTPUT_BYTES * outputs
    ends = {number - inputs for (number,) in struct.iter_unpack(">I", content[types:at])}
    leaves = []
    for position in range(nodes):
        _, _, _, _, _, operands, attributes, _, payload_bytes, *_ = NODE.unpack_from(content, at)
        begin, at = at, at + NODE.size + OPERAND_BYTES * operands + ATTRIBUTE_BYTES * attributes + payload_bytes
        leaf = bytearray(content[begin : at - payload_bytes])
        if leaf[OUTPUT_AT]:
            raise Malformed("reserved bytes of a program are not zero")
        leaf[OUTPUT_AT] = position in ends
        payload = content[at - payload_bytes : at]
        leaves.append(bytes(leaf) + (bytes_root(payload, VALUE_LEAF_BYTES) if payload else b""))
    if magic != b"ASSAYPRG" or at != len(content):
        raise Malformed("these bytes are not a program")
    rows = _pieces(content[PROGRAM.size : types], INPUT_BYTES), _pieces(content[types:first], OUTPUT_BYTES), leaves
    trees = [merkle_root([leaf_hash(each) for each in row]) for row in rows]
    return roots_hash([leaf_hash(content[: PROGRAM.size]), *trees])


def _pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def encoded_state_root(content: bytes) -> bytes:
    """Hash of an encoded state. Errors: `Malformed`."""
    size = int.from_bytes(content[:8], "little")
    if size > min(len(content) - 8, HEADER_MAX_BYTES):
        raise Malformed("a state's header is longer than the state")
    try:
        entries = read_plain(content[8 : 8 + size], HEADER_MAX_BYTES, HEADER_DEPTH_MAX)
        body, roots, at = memoryview(content)[8 + size :], [], 0
        for entry in entries.values():
            begin, end = entry["data_offsets"]
            if begin != at or not begin <= end <= len(body):
                raise ValueError("tensors overlap or leave gaps")
            roots.append(tensor_root(entry["dtype"], entry["shape"], body[begin:end]))
            at = end
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Malformed(f"a state cannot be read: {error!r:.80}") from error
    if at != len(body):
        raise Malformed("a state has bytes behind its tensors")
    return roots_hash(roots)
