"""Signed transactions as they arrive: decoding and sender recovery for legacy, access-list and fee-market forms.

Sources: EIP-155 (replay protection), 2718, 2930, 1559, 2 (low s).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_checksum_address
from eth_utils.exceptions import ValidationError

from assay.chain import rlp
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.transaction import SIZE_LIMIT_BYTES

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction with a valid signature. Fees in wei per gas; `chain_id` None on an unprotected one."""

    kind: int
    chain_id: int | None
    nonce: int
    max_priority_fee: int
    max_fee: int
    gas_limit: int
    to: bytes | None
    value: int
    data: bytes
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
    v: int
    r: int
    s: int
    sender: bytes
    hash: bytes
    raw: bytes

    def compute_price(self, base_fee: int) -> int:
        """The effective gas price in wei at a base fee."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


def decode_transaction(raw: bytes) -> Transaction:
    """Decode and recover. Raises `Malformed` for anything that is not one well-formed signed transaction."""
    if len(raw) > SIZE_LIMIT_BYTES:
        raise LimitExceeded(
            "the transaction is too large", hint="send less data", limit=SIZE_LIMIT_BYTES, actual=len(raw)
        )
    try:
        if raw[:1] in (b"\x01", b"\x02"):
            return _decode_typed(raw)
        if raw[:1] >= b"\xc0":
            return _decode_legacy(raw)
    except (BadSignature, ValidationError, ValueError, TypeError, IndexError) as error:
        raise Malformed(f"not a signed transaction: {error}", hint="sign it again with a current wallet") from None
    raise Malformed("not a transaction type that this chain knows", hint="send a legacy, type 1 or type 2 transaction")


def _number(field: Any, limit_bytes: int = 32) -> int:
    if not isinstance(field, bytes) or len(field) > limit_bytes or field[:1] == b"\0":
        raise ValueError("a number is not canonical")
    return int.from_bytes(field, "big")


def _target(field: Any) -> bytes | None:
    if not isinstance(field, bytes) or len(field) not in (0, 20):
        raise ValueError("the target is not an address")
    return field or None


def _bytes(field: Any) -> bytes:
    if not isinstance(field, bytes):
        raise ValueError("data is not bytes")
    return field


def _recover(digest: bytes, parity: int, r: int, s: int) -> bytes:
    if parity not in (0, 1) or s > _HALF_ORDER:
        raise ValueError("the signature is not canonical")
    return Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest).to_canonical_address()


def _decode_legacy(raw: bytes) -> Transaction:
    fields = rlp.decode(raw)
    if len(fields) != 9:
        raise ValueError("a legacy transaction has nine fields")
    nonce, price, gas = _number(fields[0], 8), _number(fields[1]), _number(fields[2], 8)
    v, r, s = _number(fields[6]), _number(fields[7]), _number(fields[8])
    if v in (27, 28):
        chain_id, parity, unsigned = None, v - 27, fields[:6]
    elif v >= 35:
        chain_id, parity = (v - 35) // 2, (v - 35) % 2
        unsigned = [*fields[:6], (v - 35) // 2, b"", b""]
    else:
        raise ValueError("v is out of range")
    return Transaction(
        kind=0,
        chain_id=chain_id,
        nonce=nonce,
        max_priority_fee=price,
        max_fee=price,
        gas_limit=gas,
        to=_target(fields[3]),
        value=_number(fields[4]),
        data=_bytes(fields[5]),
        access_list=(),
        v=v,
        r=r,
        s=s,
        sender=_recover(keccak(rlp.encode(unsigned)), parity, r, s),
        hash=keccak(raw),
        raw=raw,
    )


def _decode_typed(raw: bytes) -> Transaction:
    kind, fields = raw[0], rlp.decode(raw[1:])
    if len(fields) != (11 if kind == 1 else 12):
        raise ValueError("a typed transaction has the wrong number of fields")
    chain_id, nonce, *fees = (_number(f) for f in fields[: 3 if kind == 1 else 4])
    gas, to, value, data, listed, parity, r, s = fields[-8:]
    if fees[0] > fees[-1]:
        raise ValueError("the priority fee is above the fee cap")
    return Transaction(
        kind=kind,
        chain_id=chain_id,
        nonce=nonce,
        max_priority_fee=fees[0],
        max_fee=fees[-1],
        gas_limit=_number(gas, 8),
        to=_target(to),
        value=_number(value),
        data=_bytes(data),
        access_list=_read_access_list(listed),
        v=_number(parity),
        r=_number(r),
        s=_number(s),
        sender=_recover(keccak(raw[:1] + rlp.encode(fields[:-3])), _number(parity), _number(r), _number(s)),
        hash=keccak(raw),
        raw=raw,
    )


def _read_access_list(listed: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    entries = []
    for address, slots in listed:
        if len(address) != 20 or any(len(slot) != 32 for slot in slots):
            raise ValueError("the access list is malformed")
        entries.append((bytes(address), tuple(int.from_bytes(slot, "big") for slot in slots)))
    return tuple(entries)


def encode_fee_market(fields: Mapping[str, Any]) -> list[rlp.Item] | None:
    """The fields of a plain fee-market transaction in their order, from web3's; nothing for any other, or where one is
    not of the plainest type."""
    numbers = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "value")
    to, data = fields.get("to"), fields.get("data")
    if fields.keys() != {*numbers, "type", "to", "data"} or fields["type"] != 2 or type(data) is not bytes:
        return None
    if any(type(fields[name]) is not int or fields[name] < 0 for name in numbers):
        return None
    if type(to) is str and is_checksum_address(to):
        to = bytes.fromhex(to[2:])
    if to != b"" and (type(to) is not bytes or len(to) != 20):
        return None
    chain_id, nonce, tip, most, gas, value = (fields[name] for name in numbers)
    return [chain_id, nonce, tip, most, gas, to, value, data, []]


def seal_fee_market(items: Sequence[rlp.Item]) -> bytes:
    """The bytes that are hashed to be signed, or with the signature behind them those that are sent."""
    return b"\x02" + rlp.encode(items)
