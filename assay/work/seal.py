"""Sealed updates: bytes that may be served at once, read only by whoever has the slot's secret.

Until commits close nobody may read an update, or a copycat would send it as its own. The key comes from the secret
whose hash is committed, and each secret is used for one slot of one round, so the nonce may be fixed. ChaCha20 alone
(RFC 8439), no tag: the sealed bytes' sha256 is in the commitment and the update's root is in the transcript's last
leaf, which say more than a tag would. So what comes out of `unseal` is hostile until its root has been compared.
"""

from hashlib import sha256

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from assay.protocol.errors import Malformed
from assay.protocol.words import words_hash

NONCE = bytes(16)
"""Counter and nonce, as `cryptography` takes them together."""


def seal(secret: bytes, content: bytes) -> bytes:
    """Hide an update's bytes under a slot's secret of 32 bytes; as long as the content."""
    return Cipher(ChaCha20(words_hash("assay.seal.1", secret), NONCE), mode=None).encryptor().update(content)


def unseal(secret: bytes, sealed: bytes, committed_hash: bytes) -> bytes:
    """The bytes that were sealed. Errors: `Malformed` when `sealed` is not what was committed."""
    if sealed_hash(sealed) != committed_hash:
        raise Malformed("a sealed update is not the one that was committed")
    return seal(secret, sealed)


def sealed_hash(sealed: bytes) -> bytes:
    """What is committed of a sealed update; also its address in a store."""
    return sha256(sealed).digest()
