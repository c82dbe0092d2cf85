"""A small SQLite file that several processes of one person share, with the errors of our own tree."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import Any

from assay.protocol.errors import BadInput, LimitExceeded, Malformed, Unavailable

WAIT_S = 30.0
"""How long another process may hold the file before we give up."""
PAGE_BYTES = 4096
ROOM_BYTES = 16 << 20
LOST_HINT = "restore it from a copy"
SIZE_MAX_BYTES = 1 << 30
DAMAGE = ("not a database", "malformed", "disk image", "no such column", "no such table", "file is encrypted")


class Database:
    """One file, readable by its owner only; each statement is a transaction. Safe to share between threads.

    A process that is killed loses nothing that `execute` has returned from. With `durable` the same holds when the
    machine loses power.

    Errors: `BadInput` when the file cannot be opened, `Malformed` when it is damaged, emptied or none of ours,
    `LimitExceeded` beyond `size_max_bytes`, `Unavailable` when the disk is full or another process does not let go.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        durable: bool = True,
        size_max_bytes: int = SIZE_MAX_BYTES,
        wait_s: float = WAIT_S,
    ) -> None:
        self.path, self._lock = path, Lock()
        self._size_max_bytes = size_max_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.path.lexists(path):
                self._make(schema)
            handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            size_bytes = os.fstat(handle).st_size
            os.close(handle)
        except OSError as error:
            hint = "make it a file that you may read and write, or choose another folder"
            raise BadInput(f"cannot open {path}: {error.strerror}", hint=hint) from None
        if not size_bytes:
            # Never by a crash of ours: SQLite would begin anew in it, as if nothing had ever been remembered.
            raise Malformed(f"{path} is damaged: it is empty, what it held is lost", hint=LOST_HINT)
        self._connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
        try:
            with self._answering():
                self._connection.execute(f"PRAGMA max_page_count = {size_max_bytes // PAGE_BYTES}")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._connection.execute("PRAGMA trusted_schema = OFF")
                self._connection.execute(schema)
        except BaseException:
            self._connection.close()
            raise

    def _make(self, schema: str) -> None:
        """A file of this schema, whole or not at all, unless another process makes it first. Raises `OSError`."""
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.{get_ident()}")
        part.unlink(missing_ok=True)
        # Before SQLite opens it: what it makes itself is as readable as the process's mask says.
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            connection = sqlite3.connect(part, isolation_level=None)
            try:
                with self._answering():
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute("PRAGMA user_version = 1")  # so that there is a first page
                    connection.execute(schema)
            finally:
                connection.close()
            try:
                os.link(part, self.path)
            except OSError:
                # Another was first; or there are no links here, and then nobody is kept from being second.
                if not os.path.lexists(self.path):
                    os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement and returns its rows."""
        with self._lock, self._answering():
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(str(error)) from None

    def _explain(self, words: str) -> Exception:
        name = str(self.path)
        if "full" in words:
            # SQLite has one word for both: with room on the disk it is the file's own limit that was reached.
            if shutil.disk_usage(self.path.parent).free > ROOM_BYTES:
                limit = {"limit": self._size_max_bytes, "actual": self.path.stat().st_size}
                return LimitExceeded(f"{name} has reached its limit", hint="wait until old entries expire", **limit)
            return Unavailable(f"the disk is full: {name} cannot be written", hint="free some space")
        if any(sign in words for sign in DAMAGE):
            return Malformed(f"{name} is damaged: {words}", hint=LOST_HINT)
        return Unavailable(f"{name} cannot be used: {words}", hint="is another process holding it, or the disk gone?")
