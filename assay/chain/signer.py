"""Keys that sign: one key in this process, held behind methods; twenty times faster where coincurve is present."""

import os
from collections.abc import Mapping
from typing import Any, Protocol

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from eth_keys.datatypes import PrivateKey, Signature

from assay.chain.transactions import encode_fee_market, seal_fee_market
from assay.protocol.errors import BadInput

CurveKey: Any
try:
    from coincurve import PrivateKey as CurveKey
except ImportError:  # no wheel here
    CurveKey = None


class Signer(Protocol):
    """What the chain room asks of a key. `assay.protocol.typed.Signer` is its first half."""

    @property
    def address(self) -> str:
        """Checksummed address."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over 32 bytes; v is 27 or 28."""
        ...

    def sign_transaction(self, fields: Mapping[str, Any]) -> bytes:
        """A raw signed transaction from web3's transaction fields."""
        ...

    def sign_typed(
        self, domain: Mapping[str, Any], types: Mapping[str, list[dict[str, str]]], message: Mapping[str, Any]
    ) -> bytes:
        """EIP-712: 65 bytes r, s, v over a typed message."""
        ...


class KeySigner:
    """`Signer` with the key in memory. Its text form never shows the key."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes. Raises `BadInput` for anything that is not a secp256k1 key."""
        try:
            self._account: LocalAccount = Account.from_key(key)
            self._key = PrivateKey(bytes(self._account.key))
            # Kept: eth_keys opens the key anew for each signature, which takes twice as long as signing.
            self._curve_key = None if CurveKey is None else CurveKey(bytes(self._account.key))
        except Exception:
            raise BadInput("not a secp256k1 private key", hint="give 32 bytes, not zero and below the order") from None

    @classmethod
    def create(cls, entropy: bytes | None = None) -> "KeySigner":
        """A new key, from `entropy` (32 bytes) or the operating system."""
        return cls(os.urandom(32) if entropy is None else entropy)

    @property
    def address(self) -> str:
        """Checksummed address."""
        return str(self._account.address)

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over 32 bytes; v is 27 or 28."""
        if len(digest) != 32:
            raise BadInput("a digest has 32 bytes", hint="hash the message first")
        signature = self._sign(digest)
        return signature[:64] + bytes([signature[64] + 27])

    def _sign(self, digest: bytes) -> bytes:
        """65 bytes r, s and the parity, the same by either package: key and digest give the nonce (RFC 6979)."""
        if self._curve_key is None:
            return bytes(self._key.sign_msg_hash(digest).to_bytes())
        return bytes(self._curve_key.sign_recoverable(digest, hasher=None))

    def sign_transaction(self, fields: Mapping[str, Any]) -> bytes:
        """A raw signed transaction from web3's transaction fields."""
        # What a sender sends is written here, which takes a fifth of the time; anything else is left to eth_account.
        unsigned = encode_fee_market(fields)
        if unsigned is None:
            return bytes(self._account.sign_transaction(dict(fields)).raw_transaction)
        signature = Signature(self._sign(keccak(seal_fee_market(unsigned))))
        return seal_fee_market([*unsigned, signature.v, signature.r, signature.s])

    def sign_typed(
        self, domain: Mapping[str, Any], types: Mapping[str, list[dict[str, str]]], message: Mapping[str, Any]
    ) -> bytes:
        """EIP-712: 65 bytes r, s, v over a typed message."""
        signable = encode_typed_data(domain_data=dict(domain), message_types=dict(types), message_data=dict(message))
        return bytes(self._account.sign_message(signable).signature)

    def __repr__(self) -> str:
        return f"KeySigner({self.address})"
