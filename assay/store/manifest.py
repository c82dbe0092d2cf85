"""Manifest of a data set: one root on chain for all its samples, and the blobs that hold them.

    record_i     = bytes of x_i || bytes of y_i                    contiguous, little endian, all of one size
    samples_root = Merkle(record_0 .. record_{n-1})                a sample is a leaf, so one can be opened alone
    form         = for x, then y: dtype u8 || rank u8 || dims u64  of one sample
    root         = H("assay.manifest.1", n, samples_root, sha256(form))

A blob is a run of records, so nothing in it needs parsing. How the records are cut into blobs is transport and not in
the root: whoever downloads them recomputes the root over the samples. No blob stands in a manifest twice, so that what
everybody downloads is no more than what its author has uploaded; whoever publishes samples that repeat themselves cuts
them longer, at the last into one blob.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np

from assay.protocol.errors import Malformed
from assay.protocol.merkle import DTYPE_CODES, leaf_hashes, merkle_root
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.words import words_hash
from assay.store.port import Blobs, cid_of, hash_of
from assay.store.samples import DIMENSION_MAX, DTYPES, Array, Samples, dtype_name

BLOB_BYTES = 4 << 20
"""Aim for the size of one blob of records; at least one record each."""
MANIFEST_MAX_BYTES = 1 << 20
SAMPLES_MAX = 1 << 32
"""Domain of the schedule's permutation."""
SIZE_MAX_BYTES = 4 << 30


@dataclass(frozen=True)
class Field:
    """Element type and shape of x or y of one sample."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of it in a record."""
        return DTYPES[self.dtype].itemsize * prod(self.shape)

    def form(self) -> bytes:
        """Canonical bytes of the type and shape."""
        dims = b"".join(size.to_bytes(8, "big") for size in self.shape)
        return bytes([DTYPE_CODES[self.dtype], len(self.shape)]) + dims

    @classmethod
    def from_json(cls, value: object) -> "Field":
        """A field from outside. Errors: `Malformed`."""
        dtype, shape = value if isinstance(value, list) and len(value) == 2 else (None, None)
        if not isinstance(dtype, str) or dtype not in DTYPES or not isinstance(shape, list):
            raise Malformed("a manifest's field is not [dtype, shape]")
        if len(shape) > DIMENSION_MAX or not all(type(size) is int and 0 < size < 1 << 32 for size in shape):
            raise Malformed("a manifest's shape is out of range")
        return cls(dtype, tuple(shape))


@dataclass(frozen=True)
class Manifest:
    """What a data set consists of. `blobs` are cids of runs of `blob_samples` records, the last may be shorter."""

    count: int
    x: Field
    y: Field
    samples_root: bytes
    blob_samples: int
    blobs: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """Size of one sample."""
        return self.x.size_bytes + self.y.size_bytes

    @property
    def size_bytes(self) -> int:
        """Size of all samples."""
        return self.count * self.record_bytes

    @property
    def root(self) -> bytes:
        """What stands on chain; binds count, types, shapes and samples."""
        form = sha256(self.x.form() + self.y.form()).digest()
        return words_hash("assay.manifest.1", self.count, self.samples_root, form)

    def to_bytes(self) -> bytes:
        """The manifest as a blob: compact JSON with sorted keys."""
        content = {
            "blob_samples": self.blob_samples,
            "blobs": [hash_of(cid).hex() for cid in self.blobs],
            "count": self.count,
            "samples_root": self.samples_root.hex(),
            "x": [self.x.dtype, list(self.x.shape)],
            "y": [self.y.dtype, list(self.y.shape)],
        }
        return write_plain(content)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """A manifest from outside; only canonical bytes pass. Errors: `Malformed`, `LimitExceeded`."""
        fields = read_plain(content, MANIFEST_MAX_BYTES)
        try:
            manifest = cls(
                count=fields["count"],
                x=Field.from_json(fields["x"]),
                y=Field.from_json(fields["y"]),
                samples_root=bytes.fromhex(fields["samples_root"]),
                blob_samples=fields["blob_samples"],
                blobs=tuple(f"sha256:{digest}" for digest in fields["blobs"]),
            )
            for size in (manifest.count, manifest.blob_samples):
                if type(size) is not int or not 0 < size <= SAMPLES_MAX:
                    raise Malformed("a manifest's count is out of range")
            if len(manifest.blobs) != -(-manifest.count // manifest.blob_samples) or len(manifest.samples_root) != 32:
                raise Malformed("a manifest's blobs do not match its count")
            if len(set(manifest.blobs)) != len(manifest.blobs):
                raise Malformed("a manifest names a blob twice", hint="cut the samples into longer blobs")
            canonical = manifest.to_bytes() == content
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("a manifest cannot be read") from error
        if not canonical:
            raise Malformed("a manifest is not in canonical form")
        return manifest


def records_of(samples: Samples) -> Array:
    """Samples as rows of bytes. uint8 [N, record_bytes]."""
    sides = [array.reshape(samples.count, -1).view(np.uint8) for array in (samples.x, samples.y)]
    return np.concatenate(sides, axis=1)


def describe(samples: Samples, blob_bytes: int = BLOB_BYTES) -> tuple[Manifest, list[bytes]]:
    """Manifest of a data set and its blobs, in order, no two of them the same: longer ones where they would be."""
    records = records_of(samples)
    rows = memoryview(records.tobytes())
    size = records.shape[1]
    blob_samples = max(1, blob_bytes // size)
    blobs = _cut(rows, blob_samples * size)
    while len(set(blobs)) < len(blobs):
        blob_samples *= 2
        blobs = _cut(rows, blob_samples * size)
    manifest = Manifest(
        count=samples.count,
        x=Field(dtype_name(samples.x), samples.x.shape[1:]),
        y=Field(dtype_name(samples.y), samples.y.shape[1:]),
        samples_root=_samples_root(rows, size),
        blob_samples=blob_samples,
        blobs=tuple(cid_of(blob) for blob in blobs),
    )
    return manifest, blobs


def publish(blobs: Blobs, samples: Samples) -> tuple[Manifest, str]:
    """Put a data set and its manifest into a store: the manifest and its cid."""
    manifest, contents = describe(samples)
    for content in contents:
        blobs.put(content)
    return manifest, blobs.put(manifest.to_bytes())


def fetch_manifest(blobs: Blobs, cid: str, root: bytes) -> Manifest:
    """Download a data set's manifest: what the samples are, before any of them is fetched.

    Errors: `Unavailable`, `LimitExceeded`, `Malformed` where it is not the one with this root.
    """
    manifest = Manifest.from_bytes(blobs.get(cid, MANIFEST_MAX_BYTES))
    if manifest.root != root:
        raise Malformed("a manifest is of another data set", hint="ask the consumer for the manifest of this job")
    return manifest


def fetch_samples(blobs: Blobs, manifest: Manifest, check: Callable[[], None] = lambda: None) -> Samples:
    """Download the samples of a manifest and verify them. Whoever calls has found the manifest to be within bounds;
    `check` is called before each blob and may raise.

    Errors: `Unavailable` for a missing blob, `Malformed` when the bytes, the counts or the root do not match. Numbers
    that are not finite pass: they are the job's fault, not the transport's (`Samples.finite` tells).
    """
    content = bytearray()
    for index, blob in enumerate(manifest.blobs):
        check()
        wanted = min(manifest.blob_samples, manifest.count - index * manifest.blob_samples) * manifest.record_bytes
        part = blobs.get(blob, wanted)
        if len(part) != wanted:
            raise Malformed(f"blob {index} of a data set has {len(part)} bytes instead of {wanted}")
        content += part
    check()
    if _samples_root(content, manifest.record_bytes) != manifest.samples_root:
        raise Malformed("the samples of a data set do not match its root")
    records = np.frombuffer(content, dtype=np.uint8).reshape(manifest.count, manifest.record_bytes)
    cut = manifest.x.size_bytes
    return Samples(_field(records[:, :cut], manifest.x), _field(records[:, cut:], manifest.y))


def _cut(rows: memoryview, blob_bytes: int) -> list[bytes]:
    return [bytes(rows[at : at + blob_bytes]) for at in range(0, len(rows), blob_bytes)]


def _field(columns: Array, field: Field) -> Array:
    flat = np.array(columns, order="C").reshape(-1).view(DTYPES[field.dtype])
    return flat.reshape(len(columns), *field.shape)


def _samples_root(rows: bytes | bytearray | memoryview, record_bytes: int) -> bytes:
    return merkle_root(leaf_hashes(rows, record_bytes))
