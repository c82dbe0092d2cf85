"""One process at a time: a lock on a file that the system takes back when its holder dies, however it dies."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from assay.protocol.errors import BadInput

WORDS_LIMIT_BYTES = 200
GLANCE_S = 0.2


class Hold:
    """A lock on `path`; the file says who holds it. Not taken until `take`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self, words: str) -> bool:
        """Takes the lock and writes down who has it; False where somebody else does. Errors: `BadInput`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise BadInput(f"cannot open {self.path}: {error.strerror}", hint="name another --home") from None
        until_s = time.monotonic() + GLANCE_S
        while not _lock(handle):
            # Somebody who only looks holds it for a moment, so one no is not enough.
            if time.monotonic() > until_s:
                os.close(handle)
                return False
            time.sleep(GLANCE_S / 20)
        os.ftruncate(handle, 0)
        os.pwrite(handle, words.encode()[:WORDS_LIMIT_BYTES], 0)
        self._handle = handle
        return True

    def is_taken(self) -> bool:
        """Whether some process holds it now, this one or another. Errors: `BadInput`."""
        if self._handle is not None:
            return True
        if not self.path.is_file():
            return False
        try:
            # Who only looks may be where nothing can be written.
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise BadInput(f"cannot open {self.path}: {error.strerror}", hint="name another --home") from None
        try:
            return not _lock(handle, shared=True)
        finally:
            os.close(handle)

    @property
    def words(self) -> str:
        """What whoever took it last has written."""
        try:
            with self.path.open("rb") as file:
                return file.read(WORDS_LIMIT_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def release(self) -> None:
        """Lets go."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def _lock(handle: int, *, shared: bool = False) -> bool:
    """A lock that goes with the handle; False where somebody has one. Those who only look share theirs."""
    try:
        if sys.platform == "win32":
            import msvcrt

            modules: Any = msvcrt
            os.lseek(handle, WORDS_LIMIT_BYTES, os.SEEK_SET)
            modules.locking(handle, modules.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
