"""Every store of blobs keeps the same promises."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.protocol.errors import BadInput, LimitExceeded, Malformed, SymbolicLink, Unavailable
from assay.store.disk import DiskBlobs
from assay.store.memory import MemoryBlobs
from assay.store.port import Blobs, cid_of, cid_of_hash, hash_of

Make = Callable[[int], Blobs]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryBlobs
    return lambda quota_bytes: DiskBlobs(tmp_path / "blobs", quota_bytes)


class TestBlobs:
    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 40])
    def test_what_is_put_is_got(self, make: Make, content: bytes) -> None:
        blobs = make(1 << 20)
        cid = blobs.put(content)
        assert cid == cid_of(content) == cid_of_hash(hash_of(cid))
        assert blobs.has(cid)
        assert blobs.get(cid, len(content)) == content

    def test_a_missing_blob_is_unavailable(self, make: Make) -> None:
        blobs = make(1 << 20)
        assert not blobs.has(cid_of(b"absent"))
        with pytest.raises(Unavailable):
            blobs.get(cid_of(b"absent"), 10)

    def test_a_blob_larger_than_asked_for_is_refused(self, make: Make) -> None:
        blobs = make(1 << 20)
        with pytest.raises(LimitExceeded) as caught:
            blobs.get(blobs.put(bytes(11)), 10)
        assert caught.value.fields == {"limit": 10, "actual": 11}

    @pytest.mark.parametrize(
        "cid",
        [
            "",
            "sha256:",
            "sha256:../../etc/passwd",
            "sha256:" + "A" * 64,
            "sha256:" + "a" * 63,
            "md5:" + "a" * 64,
            "sha256:" + "a" * 64 + "\n",
        ],
    )
    def test_what_is_no_address_is_malformed(self, make: Make, cid: str) -> None:
        blobs = make(1 << 20)
        for verb in (lambda: blobs.get(cid, 10), lambda: blobs.has(cid), lambda: blobs.drop(cid)):
            with pytest.raises(Malformed):
                verb()

    def test_the_quota_counts_each_blob_once(self, make: Make) -> None:
        blobs = make(10)
        first = blobs.put(b"12345678")
        blobs.put(b"12345678")
        with pytest.raises(LimitExceeded):
            blobs.put(b"abc")
        blobs.drop(first)
        blobs.drop(first)
        assert not blobs.has(first)
        blobs.put(b"abc")


class TestDisk:
    def test_tampered_bytes_are_malformed(self, tmp_path: Path) -> None:
        blobs = DiskBlobs(tmp_path)
        cid = blobs.put(b"honest")
        (file,) = tmp_path.glob("*/*")
        file.write_bytes(b"forged")
        with pytest.raises(Malformed, match="another hash"):
            blobs.get(cid, 100)

    @pytest.mark.parametrize("damaged", [b"hon", b"forged", b"", b"longer than before"])
    def test_a_damaged_blob_is_written_again(self, tmp_path: Path, damaged: bytes) -> None:
        blobs = DiskBlobs(tmp_path)
        cid = blobs.put(b"honest")
        (file,) = tmp_path.glob("*/*")
        file.write_bytes(damaged)
        DiskBlobs(tmp_path).put(b"honest")
        assert blobs.get(cid, 100) == b"honest"
        again = DiskBlobs(tmp_path)
        again.put(b"honest")
        assert again.held_bytes == 6

    def test_blobs_and_their_sizes_survive_a_restart(self, tmp_path: Path) -> None:
        cid = DiskBlobs(tmp_path).put(b"kept")
        again = DiskBlobs(tmp_path)
        assert again.get(cid, 4) == b"kept"
        assert again.held_bytes == 4

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.write_bytes(b"outside")
        blobs = DiskBlobs(tmp_path / "blobs")
        name = hash_of(cid_of(b"outside")).hex()
        (tmp_path / "blobs" / name[:2]).mkdir()
        os.symlink(outside, tmp_path / "blobs" / name[:2] / name)
        assert not blobs.has(cid_of(b"outside"))
        with pytest.raises(SymbolicLink):
            blobs.get(cid_of(b"outside"), 100)

    def test_nothing_is_left_of_a_write_that_failed(self, tmp_path: Path) -> None:
        blobs = DiskBlobs(tmp_path)
        name = hash_of(cid_of(b"content")).hex()
        (tmp_path / name[:2] / name).mkdir(parents=True)
        with pytest.raises(Unavailable, match="takes no more"):
            blobs.put(b"content")
        assert list(tmp_path.glob("*/part-*")) == []

    def test_a_root_that_is_a_file_is_bad_input(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(BadInput):
            DiskBlobs(tmp_path / "file")
