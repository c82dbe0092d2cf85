"""Philox 4x32-10: section 10 of docs/reference/exact-arithmetic.md."""

from tests.reference.arrays import Array

WORD = 0xFFFF_FFFF


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Four words of a counter and a key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = 0xD251_1F53 * c0, 0xCD9E_8D57 * c2
        c0, c1, c2, c3 = second >> 32 ^ c1 ^ k0, second & WORD, first >> 32 ^ c3 ^ k1, first & WORD
        k0, k1 = (k0 + 0x9E37_79B9) & WORD, (k1 + 0xBB67_AE85) & WORD
    return c0, c1, c2, c3


def random_words(key: Array, step: Array, stream: int, count: int) -> Array:
    """`count` words: element j is lane j mod 4 of block j // 4."""
    first, second = (word & WORD for word in key.items)
    (number,) = step.items
    words: list[int] = []
    for block in range((count + 3) // 4):
        words += philox((block & WORD, stream, number & WORD, number >> 32 & WORD), (first, second))
    return Array("I64", (count,), words[:count])
