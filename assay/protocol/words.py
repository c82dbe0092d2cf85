"""Fixed 32-byte words: how everything that is hashed and may meet a contract is laid out.

The layout is Solidity's `abi.encode` of static types, so that `sha256(abi.encode(...))` on chain gives the same hash.
"""

from functools import lru_cache
from hashlib import sha256


@lru_cache(maxsize=256)
def domain(name: str) -> bytes:
    """A domain tag: ASCII, left-aligned in one word."""
    tag = name.encode("ascii")
    if len(tag) > 32:
        raise ValueError(name)
    return tag.ljust(32, b"\0")


def word(value: int | str | bytes) -> bytes:
    """One word of an integer (two's complement), an address ("0x" and 40 hex digits) or 32 bytes."""
    if isinstance(value, bytes):
        if len(value) != 32:
            raise ValueError(f"{len(value)} bytes do not make a word")
        return value
    if isinstance(value, str):
        if not (value.startswith("0x") and len(value) == 42):
            raise ValueError("not an address")
        return bytes(12) + bytes.fromhex(value[2:])
    return value.to_bytes(32, "big", signed=value < 0)


def words(tag: str, *values: int | str | bytes) -> bytes:
    """A domain tag and its fields, a word each."""
    return domain(tag) + b"".join(word(value) for value in values)


def words_hash(tag: str, *values: int | str | bytes) -> bytes:
    """sha256 over a domain tag and its fields."""
    return sha256(words(tag, *values)).digest()
