"""What is written to a terminal: the two consoles, JSON, and names from strangers made harmless."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import which
from typing import Any

from rich.console import Console
from rich.text import Text

PRINTABLE_MAX = 200


class Pace:
    """When somebody who waits is to hear something again: after two seconds, and every two seconds from then on."""

    def __init__(self, every_s: float = 2.0, timer: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._timer = every_s, timer
        self._due_s = timer() + every_s

    def is_due(self) -> bool:
        """Whether it is time; then the next time is counted from now."""
        now_s = self._timer()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + self._every_s
        return True


class Screen(Console):
    """A console whose reader may leave: that is for whoever runs the verb to answer."""

    def on_broken_pipe(self) -> None:
        """rich would exit with 1."""
        raise BrokenPipeError


def printable(value: object, length: int = PRINTABLE_MAX) -> str:
    """One line of text without control characters (which could move the cursor or rewrite lines), cut to `length`."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
    return text if len(text) <= length else text[: length - 1] + "…"


def plain(value: object, style: str = "") -> Text:
    """Text that is shown as it stands: no markup is read out of it."""
    return Text(printable(value), style=style)


def out() -> Console:
    """Standard output, as wide as the terminal and never narrower than 80 columns when it is not one."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error."""
    return _console(stderr=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output, in ASCII where that does not take everything."""
    ascii_only = (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8")
    json.dump(value, sys.stdout, indent=2, ensure_ascii=ascii_only, allow_nan=False)
    sys.stdout.write("\n")


def own_name() -> str:
    """How this command is called again: `assay` where that is found, else the path it was started by."""
    started = Path(sys.argv[0])
    if started.name not in ("assay", "assay.exe"):
        return "python -m assay.cli"
    found = which("assay")
    if found and Path(found).resolve() == started.resolve():
        return "assay"
    try:
        return str(started.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(started)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 110
    return Screen(stderr=stderr, highlight=False, width=width, soft_wrap=not stream.isatty())
