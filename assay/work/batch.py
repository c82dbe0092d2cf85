"""Batches: which samples a step of a slot sees, as tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from assay.protocol.schedule import batch_indices, work_key


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
        picked = batch_indices(self.key, len(self.x), self.slot, self.slot_count, step, self.batch_size)
        indices = torch.from_numpy(picked)
        return [self.x.index_select(0, indices), self.y.index_select(0, indices)]


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
