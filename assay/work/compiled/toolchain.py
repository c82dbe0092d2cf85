"""The C compiler of this machine, where there is one: source in, functions out.

Code is generated from a program's numbers alone, never from its text. It is compiled without contraction of products
and sums, without reordering of floats, for this very processor, in a folder that is gone afterwards.
"""

import ctypes
import shutil
import subprocess
import tempfile
import weakref
from _ctypes import dlclose
from pathlib import Path

from assay.protocol.errors import Unsupported

COMPILERS = ("cc", "gcc", "clang")
FLAGS = (
    "-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd",
    "-mprefer-vector-width=512", "-fPIC", "-shared", "-w",
)  # fmt: skip
COMPILE_S = 300.0


def compiler() -> str | None:
    """The path of a C compiler, if this machine has one."""
    return next((found for found in map(shutil.which, COMPILERS) if found), None)


class Library(ctypes.CDLL):
    """Functions that are unloaded with the last who holds this: a process sees the programs of many jobs."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        weakref.finalize(self, dlclose, self._handle)


def build(source: str, threads: int = 1, compile_s: float = COMPILE_S) -> Library:
    """The functions of a C source, for so many threads. Errors: `Unsupported` without a compiler that takes it within
    so many seconds."""
    path = compiler()
    if path is None:
        raise Unsupported("there is no C compiler here", hint="install gcc or clang, or take the path float64")
    with tempfile.TemporaryDirectory(prefix="assay-compiled-") as folder:
        text, library = Path(folder) / "program.c", Path(folder) / "program.so"
        text.write_text(source)
        several = [f"-DTHREADS={threads}", *(["-fopenmp"] if threads > 1 else [])]
        command = [path, *FLAGS, *several, str(text), "-o", str(library), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=compile_s, check=False)
        except subprocess.TimeoutExpired:
            raise Unsupported("compiling takes too long", hint="take the path float64") from None
        if done.returncode:
            raise Unsupported(f"the C compiler refuses: {done.stderr[:500]}", hint="take the path float64")
        return Library(library)
