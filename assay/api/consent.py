"""Whether a Python file may be run: a job file names one, and both may come from a stranger.

Reading a job file runs nothing. What it names runs when somebody has agreed to that file, at that place, with that
content; whoever agreed is not asked again.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from assay.protocol.errors import Refused

Consent = Callable[[Path, bytes], None]
"""Agrees to running a file of this content, or raises."""
KEPT_MAX, SIZE_MAX_BYTES = 1_000, 1 << 20


def agree(path: Path, content: bytes) -> None:
    """Consent to any file: for job files that are known to be one's own."""


def refuse(path: Path, content: bytes) -> None:  # noqa: ARG001 - any
    """Consent to none. Errors: `Refused`."""
    raise Refused(
        f"the job file runs {path.name}, a Python file beside it, and nobody has agreed to that",
        hint="give the model itself, or read the file and say assay.Job.load(path, consent=assay.agree)",
        path=str(path),
    )


class Agreed:
    """Files that somebody has agreed to, kept in a folder: each by its place and its content."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agreed"
        self._marks = self._read()

    def knows(self, path: Path, content: bytes) -> bool:
        """Whether this very content was agreed to at this very place."""
        return _mark(path, content) in self._marks

    def add(self, path: Path, content: bytes) -> None:
        """Remembers it, for this process at least where the folder cannot be written."""
        mark = _mark(path, content)
        self._marks = [*(each for each in self._read() if each != mark), mark][-KEPT_MAX:]
        part = self.path.with_name(f"agreed.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(f"{each}\n" for each in self._marks)
            os.replace(part, self.path)
        except OSError:
            return

    def _read(self) -> list[str]:
        """What is there; nothing of a file that others can write, or that is none of ours."""
        try:
            about = self.path.lstat()
            if about.st_size > SIZE_MAX_BYTES or (os.name == "posix" and about.st_mode & 0o022):
                return []
            return self.path.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return []


def _mark(path: Path, content: bytes) -> str:
    return sha256(os.fsencode(path.resolve()) + b"\0" + content).hexdigest()
