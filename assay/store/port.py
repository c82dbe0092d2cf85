"""Bytes by their hash: the port that every store of blobs implements.

A blob's address (`cid`) is "sha256:" and 64 lower-case hex digits, so a hash that stands on chain (a sealed update's, a
job document's) is an address already. Whoever serves bytes is never believed: `get` hashes what it got.
"""

import re
from hashlib import sha256
from typing import Protocol

from assay.protocol.errors import CorruptBlob, LimitExceeded, Malformed

_CID = re.compile(r"sha256:[0-9a-f]{64}")


class Blobs(Protocol):
    """A store of immutable blobs."""

    def put(self, content: bytes) -> str:
        """Keep a blob, return its cid; keeping it again changes nothing. Errors: `LimitExceeded` beyond the quota."""
        ...

    def get(self, cid: str, size_max_bytes: int) -> bytes:
        """The blob behind `cid`, verified.

        Errors: `MissingBlob` when it is not here, `LimitExceeded` when it is larger than `size_max_bytes` (nothing is
        read then), `Malformed` when the cid is no cid, `CorruptBlob` when the bytes are not what it says.
        """
        ...

    def has(self, cid: str) -> bool:
        """Whether the blob is here (its bytes are not looked at)."""
        ...

    def drop(self, cid: str) -> None:
        """Forget a blob; forgetting what is not here changes nothing."""
        ...


def cid_of(content: bytes | memoryview) -> str:
    """Address of these bytes."""
    return f"sha256:{sha256(content).hexdigest()}"


def cid_of_hash(digest: bytes) -> str:
    """Address of the bytes with this sha256, 32 bytes."""
    if len(digest) != 32:
        raise Malformed(f"{len(digest)} bytes are not a sha256")
    return f"sha256:{digest.hex()}"


def hash_of(cid: str) -> bytes:
    """The 32 bytes in an address. Errors: `Malformed`."""
    if not isinstance(cid, str) or not _CID.fullmatch(cid):
        raise Malformed(
            f"{str(cid)[:100]!r} is not a content address", hint='write "sha256:" and 64 lower-case hex digits'
        )
    return bytes.fromhex(cid[7:])


def check_size(size_bytes: int, size_max_bytes: int) -> None:
    """Refuse a blob larger than the reader admits. Errors: `LimitExceeded`."""
    if size_bytes > size_max_bytes:
        raise LimitExceeded(
            f"a blob of {size_bytes} bytes is larger than the {size_max_bytes} admitted",
            limit=size_max_bytes,
            actual=size_bytes,
        )


def check_content(cid: str, content: bytes) -> bytes:
    """The content, if its hash is its address. Errors: `CorruptBlob`, `Malformed` for what is no address."""
    if sha256(content).digest() != hash_of(cid):
        raise CorruptBlob(
            f"the bytes served for {cid} have another hash", hint="fetch them from another holder", cid=cid
        )
    return content


def check_quota(held_bytes: int, size_bytes: int, quota_bytes: int) -> None:
    """Refuse to keep more than the store may hold. Errors: `LimitExceeded`."""
    if held_bytes + size_bytes > quota_bytes:
        raise LimitExceeded(
            f"the store holds {held_bytes} of {quota_bytes} bytes and cannot take {size_bytes} more",
            hint="raise the quota, or drop blobs of jobs that have ended",
            limit=quota_bytes,
            actual=held_bytes + size_bytes,
        )
