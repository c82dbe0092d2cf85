"""Random integers by Philox 4x32-10 in integer arithmetic.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Counter words are
(j // 4 low, stream, step low, step high), key words come from the job; element j takes lane j mod 4. No generator has
state, so any element can be computed alone.
"""

import torch
from torch import Tensor

MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
WORD = 0xFFFFFFFF
ROUNDS = 10


def multiply_words(multiplier: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of `multiplier * words`, both below 2^32, without leaving int64."""
    low_half = multiplier * (words & 0xFFFF)
    high_half = multiplier * (words >> 16) + (low_half >> 16)
    return high_half >> 16, ((high_half & 0xFFFF) << 16) | (low_half & 0xFFFF)


def philox(counter: list[Tensor], key: list[Tensor]) -> list[Tensor]:
    """Ten rounds over int64 tensors that hold 32-bit words: four counter words, two key words, four results."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = multiply_words(MULTIPLIER_0, c0)
        high1, low1 = multiply_words(MULTIPLIER_1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
    return [c0, c1, c2, c3]


def random_words(key: Tensor, step: Tensor, stream: int, count: int) -> Tensor:
    """`count` random 32-bit words as int64 [count]; `key` int64 [2], `step` int64 []. Only low words of each count."""
    blocks = torch.arange((count + 3) // 4, dtype=torch.int64, device=key.device)
    zero = torch.zeros_like(blocks)
    counter = [blocks, zero + stream, zero + (step & WORD), zero + ((step >> 32) & WORD)]
    lanes = philox(counter, [key[0] & WORD, key[1] & WORD])
    return torch.stack(lanes, dim=-1).reshape(-1)[:count]


def unit_interval(words: Tensor) -> Tensor:
    """Words to float32 in [0, 1): the top 24 bits over 2^24, exactly."""
    return (words >> 8).float() * 2.0**-24
