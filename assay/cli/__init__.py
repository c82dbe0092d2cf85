"""The `assay` command: flat verbs, one module each, imported only when it is the one that runs."""

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""As a shell shows a process that SIGINT ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; `arguments` default to the process's own."""
    from assay.cli.interrupt import noted

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
