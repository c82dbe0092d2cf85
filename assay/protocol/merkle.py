"""Merkle trees that bind the index, and hashes of tensors and states.

    leaf(bytes)     = sha256(0x00 || bytes)
    node(l, r)      = sha256(0x01 || l || r)
    roots(h_0..)    = sha256(0x02 || count u32 || h_0 || ...), at most 64 to a hash, by a 64-ary tree above that
    tensor_root     = sha256(0x03 || dtype u8 || rank u8 || dims u64 each || Merkle(4 KiB leaves))
    value_root      = sha256(0x04 || dtype u8 || rank u8 || dims u64 each || Merkle(1 KiB leaves))

A tree over n leaves is padded to the next power of two with the hash of 32 zero bytes as an *empty* node
(`EMPTY`, which no leaf and no inner node can equal without a collision: both hash a prefixed text of another length).
The count n is never in the root: whoever verifies knows it from a committed place (a shape, a job, a manifest), so
`verify` takes it and checks `index < n` and the exact proof length.

sha256 rather than keccak256, because processors have it in hardware and the chain has it as a precompile.
All integers are big endian.
"""

from collections.abc import Sequence
from hashlib import sha256

LEAF_BYTES = 4096
"""Leaf of a tensor's tree. 4 KiB costs 1.2-1.4 times a flat sha256; 1 KiB 2.5 times."""
VALUE_LEAF_BYTES = 1024
"""Leaf of the tree of a value inside a step, which is hashed in a dispute only, and opened to a contract."""
ARITY = 64
EMPTY = sha256(bytes(32)).digest()
_LEAF = sha256(b"\x00")
"""A leaf's hash begun: to copy it costs less than to begin anew."""

DTYPE_CODES = {"F32": 1, "F64": 2, "I8": 3, "I16": 4, "I32": 5, "I64": 6, "U8": 7, "BOOL": 8}
"""Canonical codes of the element types, by their safetensors names."""


def leaf_hash(content: bytes | memoryview) -> bytes:
    """Hash of one leaf's content."""
    digest = _LEAF.copy()
    digest.update(content)
    return digest.digest()


def leaf_hashes(content: bytes | bytearray | memoryview, leaf_bytes: int) -> list[bytes]:
    """Hashes of a byte string's leaves of one size, in order; the last may be short."""
    view = memoryview(content).cast("B")
    begin, hashes = _LEAF.copy, []
    for at in range(0, len(view), leaf_bytes):
        digest = begin()
        digest.update(view[at : at + leaf_bytes])
        hashes.append(digest.digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def depth(count: int) -> int:
    """Levels above the leaves of a tree over `count` leaves."""
    return max(count - 1, 0).bit_length()


def levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree, leaves' hashes first, root last; padding is left out of the lists."""
    if not hashes:
        return [[EMPTY]]
    rows = [list(hashes)]
    while len(rows[-1]) > 1:
        rows.append(_above(rows[-1]))
    return rows


def _above(row: Sequence[bytes]) -> list[bytes]:
    """The level above one."""
    if len(row) % 2:
        row = [*row, EMPTY]
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root over leaves' hashes; `EMPTY` for none."""
    row = list(hashes) or [EMPTY]
    while len(row) > 1:
        row = _above(row)
    return row[0]


def merkle_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Siblings of leaf `index`, lowest first."""
    return siblings(levels(hashes), index)


def siblings(rows: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Siblings of leaf `index` in a tree whose `levels` are at hand, lowest first."""
    if not 0 <= index < len(rows[0]):
        raise IndexError(index)
    proof = []
    for row in rows[:-1]:
        sibling = index ^ 1
        proof.append(row[sibling] if sibling < len(row) else EMPTY)
        index >>= 1
    return proof


def verify(root: bytes, count: int, index: int, hashed_leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `hashed_leaf` stands at `index` of the tree over `count` leaves with this root."""
    if not 0 <= index < count or len(proof) != depth(count):
        return False
    node = hashed_leaf
    for sibling in proof:
        if len(sibling) != 32:
            return False
        node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index >>= 1
    return node == root


def roots_hash(roots: Sequence[bytes]) -> bytes:
    """One hash over many roots, at most 64 to a hash, so that a contract can assemble it node by node."""
    rows = list(roots)
    while True:
        groups = [rows[at : at + ARITY] for at in range(0, len(rows), ARITY)] or [[]]
        rows = [sha256(b"\x02" + len(group).to_bytes(4, "big") + b"".join(group)).digest() for group in groups]
        if len(rows) == 1:
            return rows[0]


def bytes_root(content: bytes | memoryview, leaf_bytes: int = LEAF_BYTES) -> bytes:
    """Merkle root of a byte string cut into leaves; the last may be short."""
    return merkle_root(leaf_hashes(content, leaf_bytes))


def tensor_root(dtype: str, shape: Sequence[int], content: bytes | memoryview) -> bytes:
    """Root of a contiguous row-major little-endian tensor; `dtype` by its safetensors name (`F32`, `I64`, ...)."""
    return sha256(tensor_header(3, dtype, shape) + bytes_root(content)).digest()


def value_root(dtype: str, shape: Sequence[int], content: bytes | memoryview) -> bytes:
    """Root of what a node of a program gave, made like a tensor's but of smaller leaves."""
    return sha256(tensor_header(4, dtype, shape) + bytes_root(content, VALUE_LEAF_BYTES)).digest()


def tensor_header(tag: int, dtype: str, shape: Sequence[int]) -> bytes:
    """What a tensor's or a value's root binds beside the bytes."""
    return bytes([tag, DTYPE_CODES[dtype], len(shape)]) + b"".join(size.to_bytes(8, "big") for size in shape)
