"""Manifests: what is downloaded is what stands on chain."""

import json

import numpy as np
import pytest

from assay.protocol.errors import LimitExceeded, Malformed, Unavailable
from assay.protocol.merkle import leaf_hash, merkle_proof, verify
from assay.store.manifest import Manifest, describe, fetch_manifest, fetch_samples, publish
from assay.store.memory import MemoryBlobs
from assay.store.port import Blobs
from assay.store.samples import Samples


def samples_of(count: int = 37) -> Samples:
    x = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    return Samples(x, np.arange(count, dtype=np.int64))


def fetch(blobs: Blobs, cid: str, root: bytes) -> Samples:
    return fetch_samples(blobs, fetch_manifest(blobs, cid, root))


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


def test_the_wrong_root_and_a_missing_blob_are_refused() -> None:
    blobs = MemoryBlobs()
    manifest, cid = publish(blobs, samples_of())
    with pytest.raises(Malformed, match="another data set"):
        fetch(blobs, cid, bytes(32))
    blobs.drop(manifest.blobs[0])
    with pytest.raises(Unavailable):
        fetch(blobs, cid, manifest.root)


def test_a_manifest_that_names_a_blob_twice_is_refused_before_anything_is_fetched() -> None:
    blobs = MemoryBlobs()
    row = bytes(32)
    twice = Manifest(
        2, *(describe(samples_of(1))[0].__getattribute__(side) for side in "xy"), bytes(32), 1, (blobs.put(row),) * 2
    )
    with pytest.raises(Malformed, match="names a blob twice"):
        fetch_manifest(blobs, blobs.put(twice.to_bytes()), twice.root)


@pytest.mark.parametrize(("count", "blobs_wanted"), [(1, 1), (64, 1), (65, 2), (100, 2)])
def test_samples_that_repeat_themselves_are_published_in_blobs_that_do_not(count: int, blobs_wanted: int) -> None:
    samples = Samples(np.zeros((count, 6), np.float32), np.zeros(count, np.int64))
    manifest, contents = describe(samples, blob_bytes=4 * 32)
    assert len(set(manifest.blobs)) == len(manifest.blobs) == len(contents) == blobs_wanted
    blobs = MemoryBlobs()
    for content in contents:
        blobs.put(content)
    got = fetch(blobs, blobs.put(manifest.to_bytes()), manifest.root)
    assert got.x.tobytes() == samples.x.tobytes()


def test_fetching_is_given_up_between_two_blobs() -> None:
    blobs = MemoryBlobs()
    manifest, contents = describe(samples_of(), blob_bytes=4 * 32)
    for content in contents[:2]:
        blobs.put(content)

    class Enough(Exception):
        pass

    looks = iter([None, None, Enough])

    def check() -> None:
        if next(looks) is not None:
            raise Enough

    with pytest.raises(Enough):
        fetch_samples(blobs, manifest, check)


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
