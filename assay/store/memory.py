"""Blobs in this process: the twin of every other store, for tests, simulations and the demo."""

from threading import Lock

from assay.protocol.errors import MissingBlob
from assay.store.port import check_content, check_quota, check_size, cid_of, hash_of


class MemoryBlobs:
    """Blobs in a dictionary; safe to share between threads."""

    def __init__(self, quota_bytes: int = 1 << 32) -> None:
        self.quota_bytes = quota_bytes
        self.held_bytes = 0
        self._blobs: dict[bytes, bytes] = {}
        self._lock = Lock()

    def put(self, content: bytes) -> str:
        """See `Blobs.put`."""
        cid = cid_of(content)
        with self._lock:
            if hash_of(cid) not in self._blobs:
                check_quota(self.held_bytes, len(content), self.quota_bytes)
                self._blobs[hash_of(cid)] = bytes(content)
                self.held_bytes += len(content)
        return cid

    def get(self, cid: str, size_max_bytes: int) -> bytes:
        """See `Blobs.get`."""
        content = self._blobs.get(hash_of(cid))
        if content is None:
            raise MissingBlob(f"{cid} is not here", hint="ask whoever has it", cid=cid)
        check_size(len(content), size_max_bytes)
        return check_content(cid, content)

    def has(self, cid: str) -> bool:
        """See `Blobs.has`."""
        return hash_of(cid) in self._blobs

    def drop(self, cid: str) -> None:
        """See `Blobs.drop`."""
        with self._lock:
            self.held_bytes -= len(self._blobs.pop(hash_of(cid), b""))
