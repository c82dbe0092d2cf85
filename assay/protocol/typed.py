"""EIP-712 typed data: what is signed, so that a contract can hold the signer to it.

One domain for everything: name "Assay", version "1", the chain's id, and the `Rounds` contract. A signature can
therefore never be replayed on another chain or deployment, and every type carries (job, generation, round).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from eth_hash.auto import keccak
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from assay.protocol.errors import Malformed
from assay.protocol.words import word

TYPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Commitment": (
        ("uint256", "job"),
        ("uint32", "generation"),
        ("uint32", "round"),
        ("uint16", "slot"),
        ("address", "provider"),
        ("bytes32", "beacon"),
        ("bytes32", "startRoot"),
        ("bytes32", "transcriptRoot"),
        ("bytes32", "secretHash"),
        ("bytes32", "sealedHash"),
    ),
    "Root": (
        ("uint256", "job"),
        ("uint32", "generation"),
        ("uint32", "round"),
        ("bytes32", "root"),
        ("bytes32", "present"),
    ),
    "Result": (
        ("uint256", "job"),
        ("uint32", "generation"),
        ("uint32", "round"),
        ("uint32", "drawing"),
        ("bytes32", "accepted"),
        ("bytes32", "included"),
        ("uint256", "served"),
        ("bytes32", "resultRoot"),
    ),
    "Aggregate": (
        ("uint256", "job"),
        ("uint32", "generation"),
        ("uint32", "round"),
        ("bytes32", "endRoot"),
        ("int64", "score"),
    ),
    "Unserved": (("uint256", "job"), ("uint32", "generation"), ("uint32", "round"), ("uint16", "slot")),
    "Fault": (("uint256", "job"), ("uint32", "generation"), ("uint32", "round"), ("bytes32", "digest")),
    "Message": (
        ("string", "kind"),
        ("uint256", "job"),
        ("uint32", "generation"),
        ("uint32", "round"),
        ("address", "sender"),
        ("address", "recipient"),
        ("bytes32", "body"),
        ("uint64", "expires"),
        ("uint256", "nonce"),
    ),
}
"""Every type that is signed: (Solidity type, field) in order."""


SIGNATURES_KEPT = 1_024


@dataclass(frozen=True)
class Domain:
    """Where a signature counts."""

    chain_id: int
    rounds: str

    @property
    def separator(self) -> bytes:
        """EIP-712's hash of the domain."""
        return _separator(self.chain_id, self.rounds)


class Signer(Protocol):
    """A key that signs; the key itself never leaves it."""

    @property
    def address(self) -> str:
        """Checksummed address."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over 32 bytes; v is 27 or 28."""
        ...


@lru_cache(maxsize=64)
def _separator(chain_id: int, rounds: str) -> bytes:
    kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    return keccak(kind + keccak(b"Assay") + keccak(b"1") + word(chain_id) + word(rounds))


@lru_cache(maxsize=len(TYPES))
def type_hash(name: str) -> bytes:
    """keccak256 of the type's canonical text."""
    fields = ",".join(f"{kind} {field}" for kind, field in TYPES[name])
    return keccak(f"{name}({fields})".encode())


def typed_digest(domain: Domain, name: str, values: Mapping[str, object]) -> bytes:
    """The 32 bytes that are signed for `values` of type `name`."""
    return _typed_digest(domain.chain_id, domain.rounds, name, *(values[field] for _, field in TYPES[name]))


@lru_cache(maxsize=SIGNATURES_KEPT, typed=True)
def _typed_digest(chain_id: int, rounds: str, name: str, *values: object) -> bytes:
    """Kept, since who signs is the first to look at its signature, and not the last."""
    parts = [type_hash(name)]
    for (kind, field), value in zip(TYPES[name], values, strict=True):
        if kind == "string":
            parts.append(keccak(str(value).encode()))
        elif isinstance(value, int | str | bytes):
            parts.append(word(value))
        else:
            raise TypeError(f"{name}.{field}")
    return keccak(b"\x19\x01" + _separator(chain_id, rounds) + keccak(b"".join(parts)))


def recover(digest: bytes, signature: bytes) -> str:
    """Checksummed address that signed. Raises `Malformed` for anything but a canonical 65-byte signature."""
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise Malformed("a signature is not 65 canonical bytes")
    return _recover(bytes(digest), bytes(signature))


@lru_cache(maxsize=SIGNATURES_KEPT)
def _recover(digest: bytes, signature: bytes) -> str:
    """Kept, since whoever passes something on passes on the same signature, and all parties of a process look at it."""
    try:
        parts = Signature(signature[:64] + bytes([signature[64] - 27]))
        return parts.recover_public_key_from_msg_hash(digest).to_checksum_address()
    except (BadSignature, ValidationError, ValueError) as error:
        raise Malformed("a signature belongs to no key") from error


HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half the order of secp256k1: a larger s is the same signature in another form (EIP-2)."""


def bitmap_hash(rows: list[int]) -> bytes:
    """keccak256 over a bitmap's packed words, as `Rounds` hashes it."""
    return keccak(b"".join(word(row) for row in rows))
