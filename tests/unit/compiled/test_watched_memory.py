"""Compiled loops stay in their buffers: seen by the address sanitizer, in a process that has it loaded first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.work.compiled.toolchain import compiler

ROOT = Path(__file__).parents[3]


def sanitizer() -> str | None:
    """The sanitizer's library, if the compiler has one."""
    path = compiler()
    if path is None or sys.platform != "linux":
        return None
    done = subprocess.run([path, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    found = Path(done.stdout.strip())
    return str(found) if found.is_absolute() and found.exists() else None


def watched(*words: str) -> subprocess.CompletedProcess[str]:
    library = sanitizer()
    if library is None:
        pytest.skip("no address sanitizer here")
    environment = os.environ | {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.unit.compiled.watched_memory", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800, check=False)


def test_loops_stay_in_their_buffers() -> None:
    done = watched("0", "20")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "20 drawn programs" in done.stdout


def test_a_loop_that_leaves_its_buffer_is_seen() -> None:
    done = watched("0", "1", "--reach")
    assert done.returncode != 0
    assert "buffer-overflow" in done.stderr


@pytest.mark.long
def test_many_programs_stay_in_their_buffers() -> None:
    done = watched("1000", "500")
    assert done.returncode == 0, done.stderr[-3000:]
