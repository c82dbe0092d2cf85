"""The `assay` command: flat verbs, one module each, imported only when it is the one that runs."""

import os
import sys
from collections.abc import Sequence
from typing import Any

INTERRUPTED = 130
"""As a shell shows a process that SIGINT ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; `arguments` default to the process's own."""
    from assay.cli.interrupt import noted

    _open_streams()
    with noted() as note:
        try:
            from assay.cli.verbs import run

            return run(list(sys.argv[1:] if arguments is None else arguments))
        except BaseException:
            # While it was loaded, or in whatever the interruption was turned into.
            if not note.is_set:
                raise
            sys.stderr.write("\ninterrupted\n")
            return INTERRUPTED


def _open_streams() -> None:
    """A stream that was closed before the start is empty or takes anything, and none refuses a character."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we run
    stdout: Any = sys.stdout
    if hasattr(stdout, "reconfigure"):
        stdout.reconfigure(errors="replace")
