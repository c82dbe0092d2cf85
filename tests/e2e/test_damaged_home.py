"""A home in which a file was damaged: every verb says which, with what to do, and leaves what may yet be saved."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from home_job import PASSWORD

from assay.api import host
from assay.api.turns import Turns
from assay.cli import main
from assay.exact import selftest

pytestmark = pytest.mark.xdist_group("home")
NOBODY = 65_534
UNWELL = 9
DOCUMENTED = {2, 3, 5}
"""Exit codes of a file that cannot be opened, of one that is damaged, of what is not there."""
JOURNAL = "journal"
FILES = ("board.sqlite", JOURNAL, "keys/crew.json", "keys/me.json", "crew.password", "chain.bin", "network.json")
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a crew, an account, and nobody at work in it."""
    folder = tmp_path_factory.mktemp("whole")
    password = folder / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    place = ["--home", str(folder / "home")]
    for words in (["up", "--block-s", "0.5"], ["faucet", "--password-file", str(password)], ["down"]):
        command = [sys.executable, "-m", "assay.cli", *words, *place]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    return folder / "home"


@pytest.fixture
def home(whole: Path) -> Iterator[Path]:
    """A copy of it, where anybody may get to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    # The shared memory of a database goes with whoever closes it last, and is made anew.
    shutil.copytree(whole, folder / "home", ignore=shutil.ignore_patterns("*-shm"))
    yield folder / "home"
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


class Inline:
    """The background process, in this one: it starts as it would, and ends where it would wait."""

    def __init__(self, command: list[str], *, stdout: Any, **_: Any) -> None:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        with pytest.MonkeyPatch.context() as patch, open(os.dup(stdout.fileno()), "w") as log:
            patch.setattr(sys, "stderr", log)
            patch.setattr(Turns, "run", lambda *_: None)
            self.code = host.main(command[command.index("assay.api.host") + 1 :])
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def poll(self) -> int:
        return self.code

    def terminate(self) -> None:
        raise AssertionError("it was not ready")


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """A verb on the home: its exit code, and what it tells."""
    right = {"agrees": True, "operators": {}, "paths": {}, "torch": "", "cpu_capability": ""}
    monkeypatch.setattr(selftest, "check", lambda: right)
    monkeypatch.setattr("assay.api.operator.subprocess.Popen", Inline)

    def ask(verb: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main([verb, *arguments, "--home", str(home), "--json"])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, json.loads(told.out)

    return ask


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    """By a folder with something in it."""
    path.rename(path.with_name("moved"))
    path.mkdir(mode=0o700)
    path.with_name("moved").rename(path / "moved")


def shut(path: Path) -> None:
    path.chmod(0)


@contextmanager
def somebody(home: Path) -> Iterator[None]:
    """As a person whom permissions hold for."""
    if os.geteuid():
        yield
        return
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def content_of(home: Path) -> dict[str, bytes]:
    """Everything that is there, but what SQLite keeps beside its files, the log, and who is at work."""
    passing = ("-wal", "-shm", ".log", ".log.1", "lock")
    paths = [path for path in home.rglob("*") if path.is_file() and not path.name.endswith(passing)]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("damage", [cut, scramble, empty, replace, shut])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_left_alone(home: Path, ask: Callable[..., Any], name: str, damage: Damage) -> None:
    path = next(home.glob("journal/*.sqlite")) if name == JOURNAL else home / name
    if damage is shut:
        if os.name != "posix":
            pytest.skip("no permissions to take")
        for verb in ("up", "status", "doctor"):
            ask(verb)  # loads what it needs, which may be where only root can read
    damage(path)
    before = content_of(home)
    with somebody(home) if damage is shut else nullcontext():
        code, told = ask("up")
        if name == "keys/me.json":
            assert code == 0, "the network needs nobody's key but the crew's"
        else:
            assert code in DOCUMENTED, told
            assert path.name in told["message"], told
            assert told["hint"], told
            assert told["error"]
        code, shown = ask("status")
        troubles = shown.get("troubles") or [shown.get("message", "")]
        assert path.name in str(troubles), shown
        assert code == 0 or shown["hint"], shown
        code, report = ask("doctor")
    fails = [check for check in report["checks"] if check["state"] == "fail"]
    assert code == UNWELL
    assert all(check["fix"] for check in fails)
    if name not in ("crew.password", "chain.bin"):
        assert any(path.name in check["words"] for check in fails), fails
    after = content_of(home)
    assert before.keys() <= after.keys()
    kept = [each for each in before if (home / each).is_relative_to(path) or each.startswith("keys/")]
    assert {each: after[each] for each in kept} == {each: before[each] for each in kept}


def test_a_whole_home_starts(home: Path, ask: Callable[..., Any]) -> None:
    code, told = ask("up")
    assert (code, told["started"]) == (0, True)
    assert ask("status")[1]["troubles"] == []
