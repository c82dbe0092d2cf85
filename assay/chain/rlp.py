"""Recursive Length Prefix coding (Yellow Paper, appendix B), strict on decoding: one value has one encoding."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from assay.protocol.errors import Malformed

Item: TypeAlias = "bytes | int | Sequence[Item]"
DEPTH_LIMIT = 8


def encode(item: Item) -> bytes:
    """Bytes of an item; integers are big-endian without leading zeros."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(len(body), 0xC0) + body


def _prefix(size: int, base: int) -> bytes:
    if size < 56:
        return bytes([base + size])
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(length)]) + length


def decode(payload: bytes) -> Any:
    """Bytes, or nested lists of bytes. Raises `Malformed` for anything but one canonical item."""
    item, end = _decode_at(payload, 0, 0)
    if end != len(payload):
        raise _refuse("there are bytes after the item")
    return item


def _refuse(why: str) -> Malformed:
    return Malformed(f"not canonical RLP: {why}", hint="encode it again")


def _decode_at(payload: bytes, start: int, depth: int) -> tuple[Any, int]:
    if start >= len(payload) or depth > DEPTH_LIMIT:
        raise _refuse("it ends early or nests too deep")
    first = payload[start]
    if first < 0x80:
        return payload[start : start + 1], start + 1
    base = 0x80 if first < 0xC0 else 0xC0
    begin, size = start + 1, first - base
    if size > 55:
        length = payload[begin : begin + size - 55]
        begin += size - 55
        size = int.from_bytes(length, "big")
        if length[:1] in (b"", b"\0") or size < 56:
            raise _refuse("a length is too long")
    end = begin + size
    if end > len(payload):
        raise _refuse("it ends early")
    if base == 0x80:
        if size == 1 and payload[begin] < 0x80:
            raise _refuse("a small byte has a prefix")
        return payload[begin:end], end
    items = []
    while begin < end:
        item, begin = _decode_at(payload, begin, depth + 1)
        items.append(item)
    if begin != end:
        raise _refuse("a list's items overrun it")
    return items, end
