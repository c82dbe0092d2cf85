"""Manifests: what is downloaded is what stands on chain."""

import json

import numpy as np
import pytest

from assay.protocol.errors import LimitExceeded, Malformed, Unavailable
from assay.protocol.merkle import leaf_hash, merkle_proof, verify
from assay.store.manifest import Manifest, describe, fetch, publish
from assay.store.memory import MemoryBlobs
from assay.store.samples import Samples


def samples_of(count: int = 37) -> Samples:
    x = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    return Samples(x, np.arange(count, dtype=np.int64))


def test_a_published_data_set_is_fetched_bit_for_bit() -> None:
    blobs = MemoryBlobs()
    for count in (1, 37):
        samples = samples_of(count)
        manifest, cid = publish(blobs, samples)
        got = fetch(blobs, cid, manifest.root)
        assert np.array_equal(got.x, samples.x)
        assert np.array_equal(got.y, samples.y)
        assert (got.x.dtype, got.y.dtype, got.x.shape) == (np.float32, np.int64, (count, 2, 3))
        assert got.x.flags.writeable
        assert got.y.flags.writeable


def test_how_samples_are_cut_into_blobs_does_not_matter_for_the_root() -> None:
    samples = samples_of()
    manifests = [describe(samples, blob_bytes)[0] for blob_bytes in (1, 100, 1 << 20)]
    assert len({manifest.root for manifest in manifests}) == 1
    assert [len(manifest.blobs) for manifest in manifests] == [37, 13, 1]


def test_one_sample_opens_alone() -> None:
    samples = samples_of()
    manifest, blobs = describe(samples)
    size = manifest.record_bytes
    hashes = [leaf_hash(blobs[0][at : at + size]) for at in range(0, len(blobs[0]), size)]
    content = samples.x[5].tobytes() + samples.y[5].tobytes()
    proof = merkle_proof(hashes, 5)
    assert verify(manifest.samples_root, manifest.count, 5, leaf_hash(content), proof)
    assert not verify(manifest.samples_root, manifest.count, 6, leaf_hash(content), proof)


@pytest.mark.parametrize("change", ["x", "y", "shape", "count", "dtype"])
def test_the_root_binds_everything(change: str) -> None:
    samples = samples_of()
    changed = {
        "x": lambda: Samples(samples.x + np.float32(1), samples.y),
        "y": lambda: Samples(samples.x, samples.y + 1),
        "shape": lambda: Samples(samples.x.reshape(-1, 3, 2), samples.y),
        "count": lambda: Samples(samples.x[:-1], samples.y[:-1]),
        "dtype": lambda: Samples(samples.x, samples.y.view(np.float32).reshape(37, 2)),
    }[change]()
    assert describe(changed)[0].root != describe(samples)[0].root


def test_the_wrong_root_a_missing_blob_and_a_low_limit_are_refused() -> None:
    blobs = MemoryBlobs()
    manifest, cid = publish(blobs, samples_of())
    with pytest.raises(Malformed, match="another data set"):
        fetch(blobs, cid, bytes(32))
    with pytest.raises(LimitExceeded):
        fetch(blobs, cid, manifest.root, size_max_bytes=manifest.size_bytes - 1)
    blobs.drop(manifest.blobs[0])
    with pytest.raises(Unavailable):
        fetch(blobs, cid, manifest.root)


def test_blobs_that_do_not_match_the_samples_root_are_malformed() -> None:
    blobs = MemoryBlobs()
    manifest, _ = publish(blobs, samples_of())
    other, _ = publish(blobs, samples_of(36))
    longer = MemoryBlobs()
    wrong = Manifest(manifest.count, manifest.x, manifest.y, manifest.samples_root, 37, (longer.put(bytes(37 * 32)),))
    cid = longer.put(wrong.to_bytes())
    with pytest.raises(Malformed, match="do not match its root"):
        fetch(longer, cid, wrong.root)
    short = Manifest(manifest.count, manifest.x, manifest.y, manifest.samples_root, 37, other.blobs)
    with pytest.raises(Malformed, match="instead of"):
        fetch(blobs, blobs.put(short.to_bytes()), short.root)


def test_only_canonical_bytes_are_a_manifest() -> None:
    manifest, _ = describe(samples_of())
    content = manifest.to_bytes()
    assert Manifest.from_bytes(content) == manifest
    fields = json.loads(content)
    hostile = [
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        content + b" ",
        content[:-1],
        content.replace(b'"count":37', b'"count":37,"count":37'),
        *(
            json.dumps({**fields, **change}, sort_keys=True, separators=(",", ":")).encode()
            for change in (
                {"count": -1},
                {"count": True},
                {"count": 1 << 60},
                {"count": 37.0},
                {"blob_samples": 0},
                {"blobs": []},
                {"blobs": ["zz"]},
                {"blobs": [5]},
                {"samples_root": "00"},
                {"x": ["F32", [-1]]},
                {"x": ["F32", [1] * 9]},
                {"x": ["PICKLE", [1]]},
                {"x": [["F32"], [1]]},
                {"extra": 1},
            )
        ),
    ]
    for each in hostile:
        with pytest.raises(Malformed):
            Manifest.from_bytes(each)
    with pytest.raises(LimitExceeded):
        Manifest.from_bytes(bytes(1 << 21))
