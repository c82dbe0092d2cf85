"""Persistence of the embedded chain: a write-ahead file of blocks, changes and rewinds, one JSON line each.

Every line carries a digest chained over all lines before it. A torn last line (the process died while writing) is cut
off; anything else that does not verify is refused, because a chain with a hole in it is worse than none.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from assay.chain.blocks import Block, Header, Receipt
from assay.chain.engine import Log
from assay.chain.state import Change, Diff
from assay.chain.transactions import decode_transaction
from assay.protocol.errors import AssayError, LimitExceeded, Malformed

FORMAT = "assay-chain-1"
FILE_LIMIT_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A mined block and what it changed."""

    block: Block
    forward: Diff


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """State written from outside."""

    change: Diff


@dataclass(frozen=True, slots=True)
class RewindRecord:
    """Entries after the first `depth` were undone."""

    depth: int


Record: TypeAlias = BlockRecord | ChangeRecord | RewindRecord


class Journal:
    """An append-only file. Opening reads and checks it into `records`."""

    def __init__(self, path: Path, chain_id: int) -> None:
        self._path, self._chain_id = path, chain_id
        self._digest = b""
        self.records: list[Record] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > FILE_LIMIT_BYTES:
            raise LimitExceeded(
                "the chain's file is too large",
                hint="start a new one",
                limit=FILE_LIMIT_BYTES,
                actual=path.stat().st_size,
            )
        valid_bytes = self._read() if path.exists() else 0
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(valid_bytes)
        self._file.seek(valid_bytes)
        if valid_bytes == 0:
            self._write({"format": FORMAT, "chain_id": chain_id})

    def _read(self) -> int:
        """Fill `records`; the count of bytes that verify."""
        valid_bytes = count = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn by a crash
                self._check_line(line, count)
                valid_bytes += len(line)
                count += 1
        return valid_bytes

    def _check_line(self, line: bytes, count: int) -> None:
        digest, _, body = line.rstrip(b"\n").partition(b" ")
        expected = hashlib.sha256(self._digest + body).hexdigest().encode()
        if digest != expected:
            raise self._refuse(f"line {count + 1} does not verify")
        self._digest = expected
        try:
            record = json.loads(body)
            if count == 0:
                if record["format"] != FORMAT:
                    raise self._refuse("its format is another one")
                if record["chain_id"] != self._chain_id:
                    raise self._refuse(f"it holds chain {record['chain_id']}, not {self._chain_id}")
            else:
                self.records.append(_decode_record(record))
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, AssayError) as error:
            if isinstance(error, Malformed):
                raise
            raise self._refuse(f"line {count + 1} is not a record: {error!r}") from None

    def _refuse(self, why: str) -> Malformed:
        return Malformed(
            f"the chain's file {self._path.name} is corrupt: {why}",
            hint="restore it from a copy, or remove it to start a new chain",
        )

    def append(self, record: Record) -> None:
        """Write one record and hand it to the operating system before it takes effect."""
        self._write(_encode_record(record))

    def _write(self, value: dict[str, Any]) -> None:
        body = json.dumps(value, separators=(",", ":")).encode()
        self._digest = hashlib.sha256(self._digest + body).hexdigest().encode()
        self._file.write(self._digest + b" " + body + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Sync and close."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _encode_diff(diff: Diff) -> dict[str, Any]:
    return {
        address.hex(): [
            hex(change.balance),
            change.nonce,
            None if change.code is None else change.code.hex(),
            {hex(slot): hex(value) for slot, value in change.storage.items()},
        ]
        for address, change in diff.items()
    }


def _decode_diff(value: dict[str, Any]) -> Diff:
    diff: Diff = {}
    for address, (balance, nonce, code, storage) in value.items():
        slots = {int(slot, 16): int(word, 16) for slot, word in storage.items()}
        key = bytes.fromhex(address)
        if len(key) != 20:
            raise ValueError("an address has 20 bytes")
        diff[key] = Change(int(balance, 16), int(nonce), None if code is None else bytes.fromhex(code), slots)
    return diff


def _encode_record(record: Record) -> dict[str, Any]:
    if isinstance(record, RewindRecord):
        return {"rewind": record.depth}
    if isinstance(record, ChangeRecord):
        return {"change": _encode_diff(record.change)}
    header = record.block.header
    fields = {name: getattr(header, name) for name in Header.__dataclass_fields__}
    return {
        "block": {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()},
        "receipts": [_encode_receipt(receipt) for receipt in record.block.receipts],
        "diff": _encode_diff(record.forward),
    }


def _encode_receipt(receipt: Receipt) -> list[Any]:
    return [
        receipt.transaction.raw.hex(),
        receipt.success,
        receipt.gas_used,
        receipt.cumulative_gas,
        hex(receipt.price),
        receipt.created.hex() if receipt.created else "",
        [[log.address.hex(), [t.hex() for t in log.topics], log.payload.hex()] for log in receipt.logs],
        receipt.first_log_index,
        receipt.output.hex(),
    ]


def _decode_receipt(value: list[Any], index: int) -> Receipt:
    raw, success, gas_used, cumulative, price, created, logs, first, output = value
    unhex = bytes.fromhex
    return Receipt(
        decode_transaction(unhex(raw)),
        index,
        bool(success),
        int(gas_used),
        int(cumulative),
        int(price, 16),
        unhex(created) or None,
        tuple(Log(unhex(a), tuple(unhex(t) for t in topics), unhex(payload)) for a, topics, payload in logs),
        int(first),
        unhex(output),
    )


def _decode_record(value: dict[str, Any]) -> Record:
    if "rewind" in value:
        return RewindRecord(int(value["rewind"]))
    if "change" in value:
        return ChangeRecord(_decode_diff(value["change"]))
    numbers = ("number", "timestamp", "gas_limit", "gas_used", "base_fee")
    fields: dict[str, Any] = {k: v if k in numbers else bytes.fromhex(v) for k, v in value["block"].items()}
    header = Header(**fields)
    receipts = tuple(_decode_receipt(receipt, index) for index, receipt in enumerate(value["receipts"]))
    return BlockRecord(Block(header, header.compute_hash(), receipts), _decode_diff(value["diff"]))
