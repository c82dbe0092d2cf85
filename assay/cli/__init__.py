"""The `assay` command: flat verbs, one module each, imported only when it is the one that runs."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; `arguments` default to the process's own."""
    from assay.cli.verbs import run

    return run(list(sys.argv[1:] if arguments is None else arguments))
