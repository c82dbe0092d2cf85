"""Persistence of the embedded chain: a write-ahead file of blocks, changes and rewinds, one JSON line each.

Every line carries a digest chained over all lines before it. A torn last line (the process died while writing) is cut
off; anything else that does not verify is refused, because a chain with a hole in it is worse than none. So is a file
that is shorter than it was when it was last brought to disk (`assay.chain.mark`): every line that is left verifies, and
what parties remember of the lost ones would make liars of them. The digests tell damage, not forgery: whoever can write
the file can compute them. So what verifies is still read as if a stranger had written it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from assay.chain.mark import Mark
from assay.chain.records import BlockRecord, ChangeRecord, Record, decode_record, encode_record
from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Malformed, Truncated, WrongChain
from assay.protocol.plain import read_plain

FORMAT = "assay-chain-1"
FILE_LIMIT_BYTES = 8 << 30
LINE_LIMIT_BYTES = 256 << 20
"""Twice what a block of 30 million gas can fill: it fills most with what many small transactions revert with."""
DEPTH_MAX = 8
"""Brackets within brackets of a line: six in a block with a log."""
SYNC_S = 5.0
"""How long what was written may be with the operating system alone, while more is written."""


class Sequence:
    """Whether records follow from one another: a genesis first, blocks linked, no transaction twice, rewinds inside."""

    def __init__(self) -> None:
        self._entries: list[BlockRecord | ChangeRecord] = []
        self._blocks: list[bytes] = []
        self._transactions: set[bytes] = set()

    def add(self, record: Record) -> None:
        """One more record. Raises `ValueError`."""
        if isinstance(record, BlockRecord):
            self._link(record)
        elif not self._entries:
            raise ValueError("a chain begins with a block")
        elif isinstance(record, ChangeRecord):
            self._entries.append(record)
        elif not 0 < record.depth < len(self._entries):
            raise ValueError("it rewinds to what there is not")
        else:
            while len(self._entries) > record.depth:
                self._undo(self._entries.pop())

    def _link(self, record: BlockRecord) -> None:
        header = record.block.header
        hashes = {receipt.transaction.hash for receipt in record.block.receipts}
        parent = self._blocks[-1] if self._blocks else bytes(32)
        if header.number != len(self._blocks) or header.parent_hash != parent:
            raise ValueError("a block does not follow from the one before it")
        if len(hashes) != len(record.block.receipts) or not hashes.isdisjoint(self._transactions):
            raise ValueError("a transaction stands twice")
        self._entries.append(record)
        self._blocks.append(record.block.hash)
        self._transactions |= hashes

    def _undo(self, entry: BlockRecord | ChangeRecord) -> None:
        if isinstance(entry, BlockRecord):
            self._blocks.pop()
            self._transactions -= {receipt.transaction.hash for receipt in entry.block.receipts}


class Journal:
    """An append-only file. Opening reads and checks it into `records`.

    Errors: `Malformed` for a file that is damaged or none of ours, `Truncated` for one that has lost its end,
    `LimitExceeded` for one that is too large, `BadInput` for one that cannot be opened; none of them is changed.
    """

    def __init__(self, path: Path, chain_id: int, timer: Callable[[], float] = time.monotonic) -> None:
        self._path, self._chain_id, self._timer = path, chain_id, timer
        self._digest, self._mark = b"", Mark(path)
        self.records: list[Record] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("r+b" if path.exists() else "ab").close()
        except OSError as error:
            raise BadInput(
                f"cannot open the chain's file {path}: {error.strerror}",
                hint="make it a file that you may read and write, or name another --home",
            ) from None
        if path.stat().st_size > FILE_LIMIT_BYTES:
            raise LimitExceeded(
                "the chain's file is too large",
                hint="start a new one",
                limit=FILE_LIMIT_BYTES,
                actual=path.stat().st_size,
            )
        valid_bytes = self._read()
        self._check_end(valid_bytes)
        self._file: BinaryIO = path.open("r+b")
        self._file.truncate(valid_bytes)
        self._file.seek(valid_bytes)
        if valid_bytes == 0:
            self._write(self._title)
        self._sync()

    @property
    def _title(self) -> dict[str, Any]:
        return {"format": FORMAT, "chain_id": self._chain_id}

    def _read(self) -> int:
        """Fill `records`; the count of bytes that verify."""
        valid_bytes = count = 0
        sequence = Sequence()
        with self._path.open("rb") as file:
            while line := file.readline(LINE_LIMIT_BYTES + 1):
                if len(line) > LINE_LIMIT_BYTES:
                    raise self._refuse(f"line {count + 1} is too long")
                if not line.endswith(b"\n"):
                    if count == 0 and not _seal(b"", _pack(self._title))[1].startswith(line):
                        raise self._refuse("it is another kind of file")
                    break  # torn by a crash
                self._check_line(line, count, sequence)
                valid_bytes += len(line)
                count += 1
        return valid_bytes

    def _check_line(self, line: bytes, count: int, sequence: Sequence) -> None:
        body = line.partition(b" ")[2].removesuffix(b"\n")
        digest, expected = _seal(self._digest, body)
        if line != expected:
            raise self._refuse(f"line {count + 1} does not verify")
        self._digest = digest
        try:
            value = read_plain(body, LINE_LIMIT_BYTES, DEPTH_MAX)
            if count == 0:
                self._check_title(value["format"], value["chain_id"])
            else:
                record = decode_record(value)
                sequence.add(record)
                self.records.append(record)
        except WrongChain:
            raise
        except AssayError as error:
            raise self._refuse(f"line {count + 1}: {error.message}") from None
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise self._refuse(f"line {count + 1} is not a record: {error!r}") from None

    def _check_title(self, form: object, chain_id: object) -> None:
        if form != FORMAT:
            raise Malformed("its format is another one")
        if type(chain_id) is int and chain_id != self._chain_id:
            raise WrongChain(
                f"{self._path} holds chain {str(chain_id)[:80]}, not {self._chain_id}",
                hint="restore it from a copy, or name another --home",
                chain_id=chain_id,
                expected=self._chain_id,
            )
        if chain_id != self._chain_id:
            raise Malformed("its chain has no number")

    def _check_end(self, valid_bytes: int) -> None:
        marked_bytes = self._mark.read()
        if valid_bytes < marked_bytes:
            blocks = sum(1 if isinstance(record, BlockRecord) else 0 for record in self.records)
            raise Truncated(
                f"the chain's file {self._path} has lost its end: {valid_bytes} of {marked_bytes} bytes are left,"
                f" with {blocks} blocks mined",
                hint="restore the whole home from one copy, or begin anew with another --home; or remove"
                f" {self._mark.path} to go on without the lost blocks, where no job is running",
                expected=marked_bytes,
                actual=valid_bytes,
            )

    def _refuse(self, why: str) -> Malformed:
        return Malformed(
            f"the chain's file {self._path} is corrupt: {why}",
            hint="restore it from a copy, or begin anew with another --home",
        )

    def append(self, record: Record) -> None:
        """Write one record and hand it to the operating system before it takes effect.

        Raises `LimitExceeded` for a record that could not be read again.
        """
        self._write(encode_record(record))
        if self._timer() - self._synced_s >= SYNC_S:
            self._sync()

    def _write(self, value: dict[str, Any]) -> None:
        digest, line = _seal(self._digest, _pack(value))
        if len(line) > LINE_LIMIT_BYTES:
            raise LimitExceeded(
                "a block is too large for the chain's file",
                hint="lower the chain's gas limit",
                limit=LINE_LIMIT_BYTES,
                actual=len(line),
            )
        self._digest = digest
        self._file.write(line)
        self._file.flush()

    def _sync(self) -> None:
        """Bring what was written to disk, then say how much that is."""
        os.fsync(self._file.fileno())
        self._mark.write(self._file.tell())
        self._synced_s = self._timer()

    def close(self) -> None:
        """Sync and close."""
        if not self._file.closed:
            self._file.flush()
            self._sync()
            self._file.close()


def _pack(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _seal(before: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The digest of a body after the digest before it, and the line that carries both."""
    digest = hashlib.sha256(before + body).hexdigest().encode()
    return digest, digest + b" " + body + b"\n"
