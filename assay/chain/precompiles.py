"""Precompiled contracts for the exact interpreter: each a price and an answer. Those on pairings are in `pairings`.

Sources: the Yellow Paper's appendix E, EIP-2565 (modexp pricing), EIP-152 (blake2f), EIP-1108 (curve pricing).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from eth_hash.auto import keccak


@dataclass(frozen=True, slots=True)
class Precompile:
    """`price` is the gas for an input, and asked first; `answer` the output, or None on failure."""

    price: Callable[[bytes], int]
    answer: Callable[[bytes], bytes | None]


_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_MASK_64 = (1 << 64) - 1


def _words(size_bytes: int) -> int:
    return (size_bytes + 31) // 32


def recover_signer(payload: bytes) -> bytes:
    """ecrecover (0x01): 32-byte padded address, empty when the signature recovers nothing."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    padded = payload[:128].ljust(128, b"\0")
    v, r, s = (int.from_bytes(padded[i : i + 32], "big") for i in (32, 64, 96))
    if v not in (27, 28) or not 0 < r < _SECP256K1_ORDER or not 0 < s < _SECP256K1_ORDER:
        return b""
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(padded[:32])
    except (BadSignature, ValidationError, ValueError):
        return b""
    return keccak(key.to_bytes())[12:].rjust(32, b"\0")


def hash_sha256(payload: bytes) -> bytes:
    """SHA-256 (0x02)."""
    return hashlib.sha256(payload).digest()


def hash_ripemd160(payload: bytes) -> bytes:
    """RIPEMD-160 (0x03), left-padded to 32 bytes."""
    from Crypto.Hash import RIPEMD160

    return RIPEMD160.new(payload).digest().rjust(32, b"\0")


def _read(payload: bytes, start: int, size: int) -> int:
    return int.from_bytes(payload[start : start + size].ljust(size, b"\0"), "big") if start < len(payload) else 0


def price_power(payload: bytes) -> int:
    """Modular exponentiation's gas (EIP-2565)."""
    base_size, exponent_size, modulus_size = (_read(payload, start, 32) for start in (0, 32, 64))
    head = _read(payload, 96 + base_size, min(exponent_size, 32))
    bits = max(head.bit_length() - 1, 0) + max(0, 8 * (exponent_size - 32))
    return max(200, ((max(base_size, modulus_size) + 7) // 8) ** 2 * max(bits, 1) // 3)


def raise_modular(payload: bytes) -> bytes:
    """Modular exponentiation (0x05)."""
    base_size, exponent_size, modulus_size = (_read(payload, start, 32) for start in (0, 32, 64))
    if modulus_size == 0:
        return b""
    base, exponent = _read(payload, 96, base_size), _read(payload, 96 + base_size, exponent_size)
    modulus = _read(payload, 96 + base_size + exponent_size, modulus_size)
    value = pow(base, exponent, modulus) if modulus > 1 else 0
    return value.to_bytes(modulus_size, "big")


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


def price_compression(payload: bytes) -> int:
    """BLAKE2b's gas: one for each round."""
    return int.from_bytes(payload[:4], "big") if len(payload) == 213 else 0


def compress_blake2(payload: bytes) -> bytes | None:
    """BLAKE2b's F (0x09), EIP-152."""
    if len(payload) != 213 or payload[212] > 1:
        return None
    rounds = int.from_bytes(payload[:4], "big")
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
    return b"".join((state[i] ^ v[i] ^ v[i + 8]).to_bytes(8, "little") for i in range(8))


def _rotate(word: int, bits: int) -> int:
    return (word >> bits) | (word << (64 - bits)) & _MASK_64


def find_precompile(address: bytes) -> Precompile | None:
    """The precompile at a 20-byte address, or None."""
    return _table().get(address[19]) if address[:19] == bytes(19) else None


@cache
def _table() -> dict[int, Precompile]:
    from assay.chain import pairings

    return {
        1: Precompile(lambda _: 3_000, recover_signer),
        2: Precompile(lambda payload: 60 + 12 * _words(len(payload)), hash_sha256),
        3: Precompile(lambda payload: 600 + 120 * _words(len(payload)), hash_ripemd160),
        4: Precompile(lambda payload: 15 + 3 * _words(len(payload)), lambda payload: payload),
        5: Precompile(price_power, raise_modular),
        6: Precompile(lambda _: 150, pairings.add_points),
        7: Precompile(lambda _: 6_000, pairings.multiply_point),
        8: Precompile(lambda payload: 45_000 + 34_000 * (len(payload) // 192), pairings.check_pairings),
        9: Precompile(price_compression, compress_blake2),
        10: Precompile(lambda _: 50_000, pairings.check_evaluation),
    }
