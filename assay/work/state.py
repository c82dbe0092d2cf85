"""States and updates: ordered tensors, their hashes, and the only bytes that stand for them.

The bytes are a safetensors file whose header follows from the signature alone: names in the program's order, compact
JSON, padded with spaces to eight bytes. So nothing in bytes from outside is parsed: the header either equals the
expected one or the bytes are refused, and what follows has exactly one length.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from assay.exact.values import ITEM_BYTES, TORCH_DTYPES
from assay.protocol.errors import LimitExceeded, Malformed, NotFinite, Truncated
from assay.protocol.merkle import roots_hash, tensor_root

SIZE_MAX_BYTES = 8 << 30
HEADER_ALIGNMENT = 8
"""Of the tensors' first byte, as the safetensors format asks."""

RESERVED_NAME = "__metadata__"
"""Means something else in a safetensors header."""

DTYPE_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}


@dataclass(frozen=True)
class Spec:
    """Name, element type (safetensors name) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the contiguous tensor."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Signature:
    """Which tensors a state or an update consists of, in order. Errors: `Malformed` for names that cannot be told
    apart."""

    specs: tuple[Spec, ...]

    def __post_init__(self) -> None:
        names = {spec.name for spec in self.specs}
        if len(names) != len(self.specs) or RESERVED_NAME in names:
            raise Malformed(f"tensors need names of their own, and none may be {RESERVED_NAME}")

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Signature":
        """The signature of named tensors, in their order."""
        rows = tensors.items()
        return cls(tuple(Spec(name, DTYPE_NAMES[tensor.dtype], tuple(tensor.shape)) for name, tensor in rows))

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(spec.size_bytes for spec in self.specs)

    @cached_property
    def header(self) -> bytes:
        """The safetensors header that every state of this signature begins with, its length in front."""
        entries = {}
        start = 0
        for spec in self.specs:
            end = start + spec.size_bytes
            entries[spec.name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [start, end]}
            start = end
        text = json.dumps(entries, separators=(",", ":"), ensure_ascii=True).encode("ascii")
        text += b" " * (-len(text) % HEADER_ALIGNMENT)
        return len(text).to_bytes(8, "little") + text

    @property
    def encoded_bytes(self) -> int:
        """Exact length of an encoded state."""
        return len(self.header) + self.size_bytes

    def check(self, tensors: Sequence[Tensor]) -> None:
        """Refuse tensors of another count, type or shape, or with a number that is not finite. Errors: `Malformed`."""
        if len(tensors) != len(self.specs):
            raise Malformed(f"{len(tensors)} tensors instead of {len(self.specs)}")
        for spec, tensor in zip(self.specs, tensors, strict=True):
            if tuple(tensor.shape) != spec.shape or tensor.dtype != TORCH_DTYPES[spec.dtype]:
                raise Malformed(f"{spec.name} is {tensor.dtype} {tuple(tensor.shape)}, not {spec.dtype} {spec.shape}")
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise NotFinite(f"{spec.name} has numbers that are not finite")

    def encode(self, tensors: Sequence[Tensor]) -> bytes:
        """The canonical bytes of a state. Errors: `Malformed` for tensors that do not fit."""
        self.check(tensors)
        return b"".join([self.header, *(content_of(tensor) for tensor in tensors)])

    def decode(self, content: bytes | memoryview, size_max_bytes: int = SIZE_MAX_BYTES) -> list[Tensor]:
        """Tensors from bytes from outside; exactly the bytes that `encode` would give pass.

        Errors: `LimitExceeded` before anything is allocated, `Malformed` with the reason.
        """
        if self.encoded_bytes > size_max_bytes:
            raise LimitExceeded("a state is too large", limit=size_max_bytes, actual=self.encoded_bytes)
        if len(content) < self.encoded_bytes:
            raise Truncated(
                f"a state ends after {len(content)} of {self.encoded_bytes} bytes",
                hint="fetch it again",
                expected=self.encoded_bytes,
                actual=len(content),
            )
        if len(content) > self.encoded_bytes:
            raise Malformed(f"a state has {len(content)} bytes instead of {self.encoded_bytes}")
        view = memoryview(content)
        if view[: len(self.header)] != self.header:
            raise Malformed("a state's header is not that of its program", hint="re-encode it in the program's order")
        return self.decode_tensors(view[len(self.header) :])

    def decode_tensors(self, content: memoryview) -> list[Tensor]:
        """Tensors from `size_bytes` that follow a header. Errors: `Malformed`."""
        tensors = []
        start = 0
        for spec in self.specs:
            part = content[start : start + spec.size_bytes]
            start += spec.size_bytes
            tensors.append(_tensor(part, spec))
        self.check(tensors)
        return tensors


def _tensor(part: memoryview, spec: Spec) -> Tensor:
    dtype = TORCH_DTYPES[spec.dtype]
    if not len(part):
        return torch.empty(spec.shape, dtype=dtype)
    if dtype == torch.bool and part.tobytes().strip(b"\x00\x01"):
        raise Malformed(f"{spec.name} has a truth value that is neither 0 nor 1")
    return torch.frombuffer(bytearray(part), dtype=dtype).reshape(spec.shape)


def content_of(tensor: Tensor) -> memoryview:
    """Bytes of a tensor, row-major, little endian; a view where the tensor is contiguous on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.stride(0) != 1:
        # One element counts as contiguous whatever its stride, and is still refused as bytes.
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy().data


def root_of(tensor: Tensor) -> bytes:
    """Hash of one tensor: type, shape and 4 KiB leaves (see assay.protocol.merkle)."""
    return tensor_root(DTYPE_NAMES[tensor.dtype], tensor.shape, content_of(tensor) if tensor.numel() else b"")


def state_root(tensors: Sequence[Tensor]) -> bytes:
    """Hash of a state: over its tensors' hashes, in the program's order."""
    return roots_hash([root_of(tensor) for tensor in tensors])


def update_root(tensors: Sequence[Tensor]) -> bytes:
    """Hash of an update, made like a state's; leaves and digests that carry it name which of the two it is."""
    return state_root(tensors)
