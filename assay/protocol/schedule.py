"""Who works on what, in which order, and who is checked: pseudo-random functions of public seeds.

Nothing here is chosen by a provider: the order of samples is a keyed permutation of (job seed, beacon drawn after
matching, generation, round); a validator's sample is keyed by the round's beacon and its own committed nonce.
A permutation rather than a sort, because one index must be computable alone, by a contract too: a balanced Feistel
network over the next even number of bits, with cycle walking (Black and Rogaway 2002).
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from assay.protocol.words import words_hash

FEISTEL_ROUNDS = 8
"""Four suffice for ideal round functions (Luby and Rackoff 1988); ours are mixing steps, so twice that."""
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
"""Those of Philox 4x32. One multiplication alone left marginals 50% off on a domain of ten; two are flat."""
HALF_BITS_MIN = 4
"""Smaller halves leave too few round functions; cycle walking makes up for the larger domain."""


def work_key(seed: bytes, beacon: bytes, generation: int, round_index: int) -> bytes:
    """Key of a round's order of samples, 32 bytes; shared by all slots, so that their shards are disjoint."""
    return words_hash("assay.schedule.1", seed, beacon, generation, round_index)


def slot_key(seed: bytes, beacon: bytes, generation: int, round_index: int, slot: int) -> bytes:
    """Key of a slot's own randomness (dropout), 32 bytes."""
    return words_hash("assay.slot.1", seed, beacon, generation, round_index, slot)


def permute(key: bytes, count: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Images of `positions` under the key's permutation of 0..count-1. int64 [P] -> int64 [P]."""
    if not 1 <= count <= 1 << 32:
        raise ValueError(count)
    half_bits = max(HALF_BITS_MIN, ((count - 1).bit_length() + 1) // 2)
    images = positions.astype(np.uint64)
    pending = np.arange(len(images))
    while len(pending):
        # Of a small domain most numbers are walked past, so all their images are computed at once.
        walked = images[pending]
        images[pending] = _small(key)[walked] if half_bits == HALF_BITS_MIN else _network(key, half_bits, walked)
        pending = pending[images[pending] >= count]
    return images.astype(np.int64)


@lru_cache(maxsize=64)
def _small(key: bytes) -> NDArray[np.uint64]:
    """The images of all numbers of the smallest domain."""
    return _network(key, HALF_BITS_MIN, np.arange(1 << 2 * HALF_BITS_MIN, dtype=np.uint64))


def _network(key: bytes, half_bits: int, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Images of numbers of twice as many bits under the key's network."""
    mask = np.uint64((1 << half_bits) - 1)
    shift, low = np.uint64(half_bits), np.uint64(0xFFFFFFFF)
    schedule = sha256(b"assay.feistel.1" + key).digest()
    first, second = (np.uint64(multiplier) for multiplier in MULTIPLIERS)
    left, right = numbers >> shift, numbers & mask
    for at in range(FEISTEL_ROUNDS):
        round_key = np.uint64(int.from_bytes(schedule[4 * at : 4 * at + 4], "big"))
        product = ((right ^ round_key) & low) * first
        product = ((product >> np.uint64(32)) ^ (product & low)) * second
        left, right = right, left ^ (((product >> np.uint64(32)) ^ (product >> np.uint64(16))) & mask)
    return (left << shift) | right


def batch_indices(
    key: bytes, sample_count: int, slot: int, slot_count: int, step: int, batch_size: int
) -> NDArray[np.int64]:
    """Samples of one step of one slot, int64 [batch_size].

    The round's permutation deals the samples to the slots in turn; a slot walks through its shard in that order, again
    and again. Samples beyond a whole multiple of `slot_count` are left out this round.
    """
    shard_size = sample_count // slot_count
    if shard_size < 1:
        raise ValueError("more slots than samples")
    walk = (np.arange(batch_size, dtype=np.int64) + step * batch_size) % shard_size
    return permute(key, sample_count, slot + slot_count * walk)


def sample_segments(
    beacon: bytes,
    nonce: bytes,
    round_name: tuple[int, int, int],
    present: Sequence[int],
    segment_count: int,
    sample_count: int,
) -> list[tuple[int, int]]:
    """(slot, segment) pairs that one validator re-executes; `round_name` is (job, generation, round).

    No two adjacent segments of a slot: the start state of the later one would tell the end of the earlier one.
    """
    return list(_sample(beacon, nonce, round_name, tuple(present), segment_count, sample_count))


@lru_cache(maxsize=1_024)
def _sample(
    beacon: bytes,
    nonce: bytes,
    round_name: tuple[int, int, int],
    present: tuple[int, ...],
    segment_count: int,
    sample_count: int,
) -> tuple[tuple[int, int], ...]:
    key = words_hash("assay.sample.1", beacon, nonce, *round_name)
    total = len(present) * segment_count
    picked: dict[tuple[int, int], None] = {}
    order = permute(key, total, np.arange(total, dtype=np.int64)) if total else np.zeros(0, np.int64)
    for position in order.tolist():
        if len(picked) >= sample_count:
            break
        slot, segment = present[position // segment_count], position % segment_count
        if (slot, segment - 1) not in picked and (slot, segment + 1) not in picked:
            picked[slot, segment] = None
    return tuple(picked)


def sample_total(full: int, slot_count: int, present_count: int) -> int:
    """Segments that all validators sample together: `full` when every slot is present, in proportion when fewer are.

    Rounded down, so that a job's rate of verification is never exceeded; at least one segment is checked in a round.
    """
    return max(1, full * present_count // slot_count)


def sample_share(total: int, seats: Sequence[int], seat: int, beacon: bytes) -> int:
    """A seat's part of the total, dealt among the seats that are held from one that the beacon picks."""
    first = int.from_bytes(words_hash("assay.share.1", beacon), "big") % len(seats)
    return (total + (seats.index(seat) - first) % len(seats)) // len(seats)
