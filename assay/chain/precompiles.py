"""Precompiled contracts for the exact interpreter: addresses 1-5 and 9; the pairing and blob ones are refused.

Sources: the Yellow Paper's appendix E, EIP-2565 (modexp pricing), EIP-152 (blake2f).
"""

import hashlib
from collections.abc import Callable

from eth_hash.auto import keccak

from assay.protocol.errors import Unsupported

Precompile = Callable[[bytes], tuple[int, bytes | None]]  # input -> (gas, output or None on failure)

_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_MASK_64 = (1 << 64) - 1


def _words(size_bytes: int) -> int:
    return (size_bytes + 31) // 32


def recover_signer(payload: bytes) -> tuple[int, bytes | None]:
    """ecrecover (0x01): 32-byte padded address, empty when the signature recovers nothing."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    padded = payload[:128].ljust(128, b"\0")
    v, r, s = (int.from_bytes(padded[i : i + 32], "big") for i in (32, 64, 96))
    if v not in (27, 28) or not 0 < r < _SECP256K1_ORDER or not 0 < s < _SECP256K1_ORDER:
        return 3_000, b""
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(padded[:32])
    except (BadSignature, ValidationError, ValueError):
        return 3_000, b""
    return 3_000, keccak(key.to_bytes())[12:].rjust(32, b"\0")


def hash_sha256(payload: bytes) -> tuple[int, bytes | None]:
    """SHA-256 (0x02)."""
    return 60 + 12 * _words(len(payload)), hashlib.sha256(payload).digest()


def hash_ripemd160(payload: bytes) -> tuple[int, bytes | None]:
    """RIPEMD-160 (0x03), left-padded to 32 bytes."""
    from Crypto.Hash import RIPEMD160

    return 600 + 120 * _words(len(payload)), RIPEMD160.new(payload).digest().rjust(32, b"\0")


def copy_input(payload: bytes) -> tuple[int, bytes | None]:
    """Identity (0x04)."""
    return 15 + 3 * _words(len(payload)), payload


def raise_modular(payload: bytes) -> tuple[int, bytes | None]:
    """Modular exponentiation (0x05), priced by EIP-2565."""

    def read(start: int, size: int) -> int:
        return int.from_bytes(payload[start : start + size].ljust(size, b"\0"), "big")

    base_size, exponent_size, modulus_size = read(0, 32), read(32, 32), read(64, 32)
    head = read(96 + base_size, min(exponent_size, 32)) if base_size < len(payload) else 0
    bits = max(head.bit_length() - 1, 0) + (8 * (exponent_size - 32) if exponent_size > 32 else 0)
    gas = max(200, ((max(base_size, modulus_size) + 7) // 8) ** 2 * max(bits, 1) // 3)
    if gas > 1 << 40:
        return gas, None
    if modulus_size == 0:
        return gas, b""
    base, exponent = read(96, base_size), read(96 + base_size, exponent_size)
    modulus = read(96 + base_size + exponent_size, modulus_size)
    value = pow(base, exponent, modulus) if modulus > 1 else 0
    return gas, value.to_bytes(modulus_size, "big")


_BLAKE2_IV = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)
_BLAKE2_SIGMA = tuple(
    tuple(int(c, 16) for c in row)
    for row in (
        "0123456789abcdef",
        "ea489fd61c02b753",
        "b8c052fdae367194",
        "7931dcbe265a40f8",
        "9057 2fd8 cb6a e134".replace(" ", ""),
        "2c6a0b834d75fe19",
        "c51fed4a0763928b",
        "db7ec13950f4862a",
        "6fe9b308c2d714a5",
        "a2847615fb9e3cd0",
    )
)
_BLAKE2_LANES = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


def compress_blake2(payload: bytes) -> tuple[int, bytes | None]:
    """BLAKE2b's F (0x09), EIP-152."""
    if len(payload) != 213 or payload[212] > 1:
        return 0, None
    rounds = int.from_bytes(payload[:4], "big")
    if rounds > 100_000_000:
        return rounds, None
    words = [int.from_bytes(payload[4 + 8 * i : 12 + 8 * i], "little") for i in range(26)]
    state, block, offset = words[:8], words[8:24], words[24:26]
    v = [*state, *_BLAKE2_IV]
    v[12] ^= offset[0]
    v[13] ^= offset[1]
    if payload[212]:
        v[14] ^= _MASK_64
    for index in range(rounds):
        sigma = _BLAKE2_SIGMA[index % 10]
        for lane, (a, b, c, d) in enumerate(_BLAKE2_LANES):
            for word, (turn_d, turn_b) in zip(sigma[2 * lane : 2 * lane + 2], ((32, 24), (16, 63)), strict=True):
                v[a] = (v[a] + v[b] + block[word]) & _MASK_64
                v[d] = _rotate(v[d] ^ v[a], turn_d)
                v[c] = (v[c] + v[d]) & _MASK_64
                v[b] = _rotate(v[b] ^ v[c], turn_b)
    return rounds, b"".join((state[i] ^ v[i] ^ v[i + 8]).to_bytes(8, "little") for i in range(8))


def _rotate(word: int, bits: int) -> int:
    return (word >> bits) | (word << (64 - bits)) & _MASK_64


def _refuse(_: bytes) -> tuple[int, bytes | None]:
    raise Unsupported(
        "the pure-Python engine has no pairing or blob precompile", hint="install pyrevm, or connect to a node"
    )


def find_precompile(address: bytes) -> Precompile | None:
    """The precompile at a 20-byte address, or None."""
    if address[:19] != bytes(19):
        return None
    return _TABLE.get(address[19])


_TABLE: dict[int, Precompile] = {
    1: recover_signer,
    2: hash_sha256,
    3: hash_ripemd160,
    4: copy_input,
    5: raise_modular,
    6: _refuse,
    7: _refuse,
    8: _refuse,
    9: compress_blake2,
    10: _refuse,
}
