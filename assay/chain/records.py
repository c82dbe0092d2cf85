"""What the embedded chain remembers, as JSON: blocks with what they changed, changes from outside, rewinds.

Reading takes nothing on trust: kinds, lengths and ranges are checked, because the engine would fail later and elsewhere
on a nonce of 65 bits or an address of 19 bytes.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from assay.chain.blocks import GAS_TARGET_DIVISOR, Block, Header, Receipt
from assay.chain.engine import CODE_LIMIT_BYTES, Log
from assay.chain.state import Change, Diff
from assay.chain.transactions import decode_transaction

TOPICS_MAX = 4
_QUANTITY = re.compile(r"0x[0-9a-f]{1,64}")
_NUMBERS = ("number", "timestamp", "gas_limit", "gas_used", "base_fee")
_SIZES = {"coinbase": 20, "bloom": 256}
"""Bytes of a header's fields that are not hashes."""


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


def encode_record(record: Record) -> dict[str, Any]:
    """As plain values."""
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


def decode_record(value: Any) -> Record:
    """From plain values. Raises `Malformed`, `ValueError`, `TypeError`, `KeyError` or `AttributeError`."""
    if "rewind" in value:
        return RewindRecord(_count(value["rewind"]))
    if "change" in value:
        return ChangeRecord(_decode_diff(value["change"]))
    header = _decode_header(value["block"])
    receipts = tuple(_decode_receipt(receipt, index) for index, receipt in enumerate(value["receipts"]))
    return BlockRecord(Block(header, header.compute_hash(), receipts), _decode_diff(value["diff"]))


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


def _decode_diff(value: Any) -> Diff:
    diff: Diff = {}
    for address, (balance, nonce, code, storage) in value.items():
        slots = {_quantity(slot): _quantity(word) for slot, word in storage.items()}
        written = None if code is None else bytes.fromhex(code)
        if written is not None and len(written) > CODE_LIMIT_BYTES:
            raise ValueError("code is beyond EIP-170")
        diff[_bytes(address, 20)] = Change(_quantity(balance), _count(nonce), written, slots)
    return diff


def _decode_header(value: Any) -> Header:
    if value.keys() != Header.__dataclass_fields__.keys():
        raise ValueError("a header has other fields")
    fields: dict[str, Any] = {
        name: _count(field) if name in _NUMBERS else _bytes(field, _SIZES.get(name, 32))
        for name, field in value.items()
    }
    header = Header(**fields)
    if header.gas_limit < GAS_TARGET_DIVISOR or header.gas_used > header.gas_limit:
        raise ValueError("a block's gas is out of range")
    return header


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


def _decode_receipt(value: Any, index: int) -> Receipt:
    raw, success, gas_used, cumulative, price, created, logs, first, output = value
    if type(success) is not bool:
        raise ValueError("a transaction succeeds or does not")
    return Receipt(
        decode_transaction(bytes.fromhex(raw)),
        index,
        success,
        _count(gas_used),
        _count(cumulative),
        _quantity(price),
        _bytes(created, 20) if created else None,
        tuple(_decode_log(log) for log in logs),
        _count(first),
        bytes.fromhex(output),
    )


def _decode_log(value: Any) -> Log:
    address, topics, payload = value
    if len(topics) > TOPICS_MAX:
        raise ValueError("a log has at most four topics")
    return Log(_bytes(address, 20), tuple(_bytes(topic, 32) for topic in topics), bytes.fromhex(payload))


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise ValueError("not a number of 64 bits")
    return value


def _quantity(value: Any) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise ValueError("not a number of 256 bits in hex")
    return int(value, 16)


def _bytes(value: Any, size: int) -> bytes:
    content = bytes.fromhex(value)
    if len(content) != size:
        raise ValueError(f"not {size} bytes in hex")
    return content
