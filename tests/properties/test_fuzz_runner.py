"""The runner of coverage-guided fuzzing: it works where atheris is installed, and says so where it is not."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = importlib.util.find_spec("atheris") is not None


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.mark.skipif(INSTALLED, reason="atheris is installed")
def test_without_atheris_it_says_what_to_install() -> None:
    done = run("amount", "--seconds", "1")
    assert done.returncode == 2
    assert "atheris is not installed: pip install assay[fuzz]" in done.stderr


@pytest.mark.skipif(not INSTALLED, reason="atheris is not installed")
def test_with_atheris_it_runs_and_counts(tmp_path: Path) -> None:
    done = run("amount", "--seconds", "2", "--findings", str(tmp_path / "found"), "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])["decoders"]
    assert row["executions"] > 100
    assert row["finding"] is None


def test_a_decoder_that_is_not_there_is_named() -> None:
    done = run("nothing")
    assert done.returncode == 2
    assert "there is no decoder nothing" in done.stderr


def test_one_input_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"12.5.5")
    done = run("amount", "--replay", str(tmp_path / "input"))
    assert (done.returncode, done.stdout.split(":")[:2]) == (0, ["refused", " bad-input"])
