"""Blobs in a folder: one file each, named by its hash, spread over 256 subfolders."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock

from assay.protocol.errors import BadInput, MissingBlob, SymbolicLink, Unavailable
from assay.store.port import check_content, check_quota, check_size, cid_of, hash_of


class DiskBlobs:
    """Blobs below `root`, which is made if missing.

    A file appears under its name only when it is whole (written beside, flushed, renamed), so a process that is killed
    leaves no torn blob. Names come from parsed hashes only and links are not followed, so no address leads elsewhere.
    The quota counts what was there at the start and what this process adds and drops; several processes may share a
    folder, and then each counts its own additions.
    """

    def __init__(self, root: Path | str, quota_bytes: int = 1 << 36) -> None:
        self.root = Path(root)
        self.quota_bytes = quota_bytes
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"cannot make the folder {self.root}: {error.strerror}", hint="choose another folder"
            ) from error
        self.held_bytes = sum(path.lstat().st_size for path in self.root.glob("[0-9a-f][0-9a-f]/*") if _is_blob(path))
        self._lock = Lock()

    def _path(self, cid: str) -> Path:
        name = hash_of(cid).hex()
        return self.root / name[:2] / name

    def put(self, content: bytes) -> str:
        """See `Blobs.put`. Errors: `Unavailable` too, where the disk is full or gone."""
        cid = cid_of(content)
        path = self._path(cid)
        with self._lock:
            replaced_bytes = path.lstat().st_size if _is_blob(path) else 0
            if replaced_bytes == len(content) and _is_blob(path) and path.read_bytes() == content:
                return cid
            check_quota(self.held_bytes - replaced_bytes, len(content), self.quota_bytes)
            try:
                path.parent.mkdir(exist_ok=True)
                _write(path, content)
            except OSError as error:
                raise Unavailable(
                    f"{self.root} takes no more: {error.strerror or type(error).__name__}",
                    hint="free some space or give the folder back; work goes on by itself then",
                ) from None
            self.held_bytes += len(content) - replaced_bytes
        return cid

    def get(self, cid: str, size_max_bytes: int) -> bytes:
        """See `Blobs.get`."""
        path = self._path(cid)
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            if path.is_symlink():
                raise SymbolicLink(f"{cid} is a link here", hint=f"remove {path}", path=str(path)) from error
            raise MissingBlob(
                f"{cid} is not here", hint=f"ask whoever has it ({error.strerror or 'no reason given'})", cid=cid
            ) from error
        with open(handle, "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            check_size(size_bytes, size_max_bytes)
            return check_content(cid, file.read(size_bytes))

    def has(self, cid: str) -> bool:
        """See `Blobs.has`."""
        return _is_blob(self._path(cid))

    def drop(self, cid: str) -> None:
        """See `Blobs.drop`."""
        path = self._path(cid)
        with self._lock:
            if _is_blob(path):
                self.held_bytes -= path.lstat().st_size
                path.unlink(missing_ok=True)


def _is_blob(path: Path) -> bool:
    return len(path.name) == 64 and path.is_file() and not path.is_symlink()


def _write(path: Path, content: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix="part-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
