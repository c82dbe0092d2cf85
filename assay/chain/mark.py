"""How much of a file is known to be on disk: a number beside it, so that a file that lost its end is told from one that
never had more.

The number is written after what it speaks of, so a process or a machine that dies leaves no mark that claims too much.
"""

import os
from pathlib import Path

from assay.protocol.errors import Malformed

DIGITS = 20


class Mark:
    """The mark of `path`, in `path`.end. Errors: `Malformed` for one that cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.end")

    def read(self) -> int:
        """Bytes; 0 where nothing was marked."""
        try:
            with self.path.open("rb") as file:
                content = file.read(DIGITS + 1)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._refuse(str(error.strerror)) from None
        if not content:
            return 0  # made, and not written before the power went
        if len(content) != DIGITS or not content.isdigit():
            raise self._refuse("it holds no number")
        return int(content)

    def write(self, size_bytes: int) -> None:
        """In place, at once."""
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(handle, "wb", buffering=0) as file:
            file.write(b"%0*d" % (DIGITS, size_bytes))

    def _refuse(self, why: str) -> Malformed:
        return Malformed(
            f"{self.path} cannot be read: {why}",
            hint="restore the whole home from one copy; or remove that file, which says no more than a length",
        )
