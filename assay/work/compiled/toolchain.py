"""The C compiler of this machine, where there is one: source in, functions out.

Code is generated from a program's numbers alone, never from its text. It is compiled without contraction of products
and sums, without reordering of floats, for this very processor, in a folder that is gone afterwards.
"""

import _ctypes
import ctypes
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from subprocess import DEVNULL, PIPE

from assay.protocol.errors import Unsupported

COMPILERS = ("cc", "gcc", "clang")
FLAGS = (
    "-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd",
    "-mprefer-vector-width=512", "-fPIC", "-shared", "-w",
)  # fmt: skip
COMPILE_S = 300.0
SOURCE_MAX_CHARS = 4 << 20
BOUNDS = 'ulimit -v 4194304 2>/dev/null; exec "$@"'
"""Of memory, 4 GiB, where the system knows such a bound."""


def compiler() -> str | None:
    """The path of a C compiler, if this machine has one."""
    return next((found for found in map(shutil.which, COMPILERS) if found), None)


class Library(ctypes.CDLL):
    """Functions that are unloaded with the last who holds this: a process sees the programs of many jobs."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        unload = getattr(_ctypes, "dlclose", None)  # there is none on Windows
        if unload is not None:
            weakref.finalize(self, unload, self._handle).atexit = False


def build(source: str, threads: int = 1, compile_s: float = COMPILE_S) -> Library:
    """The functions of a C source, for so many threads. Errors: `Unsupported` without a compiler that takes it within
    so many seconds."""
    path = compiler()
    if path is None:
        raise Unsupported("there is no C compiler here", hint="install gcc or clang, or take the path float64")
    if len(source) > SOURCE_MAX_CHARS:
        raise Unsupported(f"the program makes {len(source)} characters of C", hint="take the path float64")
    try:
        return _build(path, source, threads, compile_s)
    except OSError as error:
        raise Unsupported(f"compiling fails here: {error}", hint="take the path float64") from None


def _build(path: str, source: str, threads: int, compile_s: float) -> Library:
    with tempfile.TemporaryDirectory(prefix="assay-compiled-") as folder:
        text, library = Path(folder) / "program.c", Path(folder) / "program.so"
        text.write_text(source)
        several = [f"-DTHREADS={threads}", *(["-fopenmp"] if threads > 1 else [])]
        command = [path, *FLAGS, *several, str(text), "-o", str(library), "-lm"]
        trouble = _run(command, compile_s)
        if trouble is not None:
            raise Unsupported(f"the C compiler refuses: {trouble[:500]}", hint="take the path float64")
        return Library(library)


def _run(command: list[str], limit_s: float) -> str | None:
    """What a command that failed said. It and all that it starts end in so many seconds. Errors: `Unsupported`."""
    bounded = ["sh", "-c", BOUNDS, "sh", *command]
    with subprocess.Popen(bounded, stdout=DEVNULL, stderr=PIPE, text=True, start_new_session=True) as process:
        try:
            _, said = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            # The driver's death would leave the compiler itself at work.
            _end(process)
            raise Unsupported("compiling takes too long", hint="take the path float64") from None
        except BaseException:
            _end(process)
            raise
    return said if process.returncode else None


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends a session with all that belongs to it."""
    subprocess.run(["sh", "-c", 'kill -s KILL -- "-$1"', "sh", str(process.pid)], check=False, stderr=DEVNULL)
    process.kill()
