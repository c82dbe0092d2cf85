"""Batches: which samples a step of a slot sees, as tensors."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.protocol.schedule import batch_indices, work_key

SHARD_KEPT = 1 << 16
"""Shards up to here are dealt once and kept; dealing a whole one costs about as much as one batch."""
SHARDS_KEPT = 16


@dataclass(frozen=True)
class Feed:
    """Batches of one slot in one round. x [N, ...] and y [N, ...] hold all training samples.

    `key` is the round's work key, so the same for all slots, whose shards are disjoint.
    """

    x: Tensor
    y: Tensor
    key: bytes
    slot: int
    slot_count: int
    batch_size: int

    def batch(self, step: int) -> list[Tensor]:
        """Inputs [batch_size, ...] and targets of a step, numbered from 0 in each round."""
        indices = torch.from_numpy(self.indices(step))
        return [self.x.index_select(0, indices), self.y.index_select(0, indices)]

    def indices(self, step: int) -> NDArray[np.int64]:
        """Samples of a step: `schedule.batch_indices`, from the shard that was dealt once where it is small."""
        if self.shard is None:
            return batch_indices(self.key, len(self.x), self.slot, self.slot_count, step, self.batch_size)
        walk = (np.arange(self.batch_size, dtype=np.int64) + step * self.batch_size) % len(self.shard)
        return self.shard[walk]

    @cached_property
    def shard(self) -> NDArray[np.int64] | None:
        """The slot's samples in the order in which it walks through them; None where they are many."""
        size = len(self.x) // self.slot_count
        return _deal(self.key, len(self.x), self.slot, self.slot_count) if size <= SHARD_KEPT else None


@lru_cache(maxsize=SHARDS_KEPT)
def _deal(key: bytes, sample_count: int, slot: int, slot_count: int) -> NDArray[np.int64]:
    """A slot's whole shard, which whoever checks several segments of a round asks for as often."""
    shard = batch_indices(key, sample_count, slot, slot_count, 0, sample_count // slot_count)
    shard.flags.writeable = False
    return shard


@dataclass(frozen=True)
class Course:
    """What makes the batches of a job: its samples, seed and the beacon drawn after matching."""

    x: Tensor
    y: Tensor
    seed: bytes
    beacon: bytes
    slot_count: int
    batch_size: int

    def feed(self, generation: int, round_index: int, slot: int) -> Feed:
        """Batches of one slot in one round."""
        key = work_key(self.seed, self.beacon, generation, round_index)
        return Feed(self.x, self.y, key, slot, self.slot_count, self.batch_size)
