"""How fast this machine computes and hashes at its best, so that what surely takes too long is refused unrun."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from assay.exact import kernels
from assay.protocol.merkle import bytes_root
from assay.work.program import Program

SIDE = 256
ELEMENTS = 1 << 18
REPEATS = 5
TIMERS_KEPT = 8
"""Timers of which the rates are kept: a process measures its machine once, however many parties it holds."""
ADD_ELEMENTS = 3
"""Of an addition: two operands and a result, as `Program.elements` counts."""


@dataclass(frozen=True)
class Rates:
    """Seconds of one multiplication in a large inner product, and of one element of the cheapest operator."""

    product_s: float
    element_s: float

    def least_s(self, program: Program) -> float:
        """Seconds that a program takes at the least: most operators cost more than an addition."""
        return program.products * self.product_s + program.elements * self.element_s


@lru_cache(maxsize=TIMERS_KEPT)
def measure_rates(timer: Callable[[], float]) -> Rates:
    """The rates of this machine: the best of a few small products and additions, in some milliseconds."""
    left = torch.full((1, SIDE, SIDE), 12345.0, dtype=torch.float64)
    right = torch.full((1, SIDE, SIDE), -9876.0, dtype=torch.float64)
    multiply = kernels.contraction(kernels.best_path(), (1, SIDE, SIDE), SIDE, kernels.INT8_LIMIT)
    values = torch.ones(ELEMENTS)
    product_s = best_s(timer, lambda: multiply(left, right)) / SIDE**3
    return Rates(product_s, best_s(timer, lambda: torch.add(values, values)) / (ADD_ELEMENTS * ELEMENTS))


LEAVES = 1 << 10
SMALL_BYTES, LARGE_BYTES = 16, 4096


@dataclass(frozen=True)
class HashRates:
    """Seconds that a leaf costs in a tree whatever its size, and a byte of it."""

    leaf_s: float
    byte_s: float

    def least_s(self, leaves: int, size_bytes: int) -> float:
        """Seconds that a tree over so many leaves of so many bytes together takes at the least."""
        return leaves * self.leaf_s + size_bytes * self.byte_s


@lru_cache(maxsize=TIMERS_KEPT)
def measure_hashing(timer: Callable[[], float]) -> HashRates:
    """The rates of this machine, in some milliseconds: the best of a few trees of small leaves, and of large ones."""
    small, large = bytes(LEAVES * SMALL_BYTES), bytes(LEAVES * LARGE_BYTES)
    leaf_s = best_s(timer, lambda: bytes_root(small, SMALL_BYTES)) / LEAVES
    byte_s = best_s(timer, lambda: bytes_root(large, LARGE_BYTES)) / LEAVES - leaf_s
    return HashRates(leaf_s, max(byte_s, 0.0) / LARGE_BYTES)


def best_s(timer: Callable[[], float], run: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs."""
    times_s = []
    for _ in range(REPEATS):
        started_s = timer()
        run()
        times_s.append(timer() - started_s)
    return min(times_s)
