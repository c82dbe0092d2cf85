"""A data set in memory: inputs, targets, and its division into training and held-out samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.protocol.errors import BadInput, Malformed, Unsupported
from assay.protocol.merkle import DTYPE_CODES
from assay.protocol.schedule import permute
from assay.protocol.words import words_hash

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
"""Element types of samples by their safetensors names: binary32 and 64-bit integers, little endian."""
DIMENSION_MAX = 5
"""Axes of one sample; with the batch axis a tensor then stays within rank 6."""


@dataclass(frozen=True)
class Samples:
    """Inputs `x` and targets `y`, first axis the samples, contiguous; float32 or int64."""

    x: Array
    y: Array

    def __post_init__(self) -> None:
        for name, array in (("x", self.x), ("y", self.y)):
            if array.dtype not in DTYPES.values():
                raise Unsupported(f"{name} is {array.dtype}", hint="use float32 or int64")
            if array.ndim < 1 or array.ndim > DIMENSION_MAX + 1 or array.size == 0:
                raise Unsupported(f"{name} has shape {array.shape}", hint="the first axis counts the samples")
            if not array.flags.c_contiguous:
                raise Unsupported(f"{name} is not contiguous", hint="pass numpy.ascontiguousarray of it")
        if len(self.x) != len(self.y):
            raise Malformed(f"x has {len(self.x)} samples and y {len(self.y)}", hint="give every sample its target")

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.x)

    def take(self, indices: NDArray[np.int64]) -> "Samples":
        """These samples, in this order."""
        return Samples(np.ascontiguousarray(self.x[indices]), np.ascontiguousarray(self.y[indices]))

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in (self.x, self.y))


def dtype_name(array: Array) -> str:
    """Safetensors name of an array's element type."""
    name = {"f": "F32", "i": "I64"}[array.dtype.kind]
    if DTYPES[name] != array.dtype or name not in DTYPE_CODES:
        raise Unsupported(f"{array.dtype} is no element type of samples", hint="use float32 or int64")
    return name


def split(samples: Samples, held_out: float, seed: int) -> tuple[Samples, Samples]:
    """Training and held-out samples by a keyed permutation, so that it depends on count, share and seed only.

    `held_out` is the share (0 < share < 1) that is never trained on, rounded down, at least one sample.
    """
    if not 0 < held_out < 1 or samples.count < 2:
        raise BadInput(f"cannot hold out {held_out} of {samples.count} samples", hint="hold out a share like 0.2")
    key = words_hash("assay.split.1", seed)
    order = permute(key, samples.count, np.arange(samples.count, dtype=np.int64))
    held_count = max(1, int(held_out * samples.count))
    return samples.take(order[held_count:]), samples.take(order[:held_count])
