"""What is known of a value before it is computed: element type, shape, and how large its integers can be."""

from dataclasses import dataclass

import torch

from assay.protocol.errors import Malformed

TORCH_DTYPES = {"F32": torch.float32, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64, "BOOL": torch.bool}
"""Element types of values, by their safetensors names."""
ITEM_BYTES = {"F32": 4, "I16": 2, "I32": 4, "I64": 8, "BOOL": 1}
INTEGER_TYPES = ("I16", "I32", "I64")
ANY_INTEGER = 1 << 63
"""Bound of an integer of which nothing is known."""
EXACT_INTEGER = 1 << 53
"""Integers up to here are exact in float64."""
RANK_LIMIT = 6
REDUCTION_LIMIT = 65_536


@dataclass(frozen=True)
class Value:
    """Type of a value. `bound` is the largest magnitude of its integers.

    `origin` is (value, bits, limit) for the exponents of a value's groups, and for index maps of them (value -1).
    """

    dtype: str
    shape: tuple[int, ...]
    bound: int = ANY_INTEGER
    origin: tuple[int, int, int] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for axis in self.shape:
            count *= axis
        return count

    @property
    def size_bytes(self) -> int:
        """Bytes of the contiguous tensor."""
        return self.size * ITEM_BYTES[self.dtype]


def require(condition: bool, message: str) -> None:
    """Refuse a program as malformed unless the condition holds."""
    if not condition:
        raise Malformed(message, hint="the program does not follow the rules of its primitives; capture it again")
