"""A user's first hour on a network in real processes: a job of one's own, interrupted, resumed, fetched, checked."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.api.home import Home
from assay.cli import main
from assay.protocol.errors import BadInput

pytestmark = pytest.mark.xdist_group("hour")

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
    def forward(self, x):
        return self.layer(x.flatten(1))
"""
SMALL = {
    "rounds = 4": "rounds = 2",
    "steps = 96": "steps = 32",
    "samples = 5": "samples = 1",
    "validators = 5": "validators = 3",
    'bid = "10s"': 'bid = "6s"',
    'reveal = "10s"': 'reveal = "4s"',
    'table = "40s"': 'table = "12s"',
    'open = "40s"': 'open = "12s"',
    'challenge = "20s"': 'challenge = "4s"',
}
Run = Callable[..., tuple[str, str]]
ASSAY = (sys.executable, "-u", "-m", "assay.cli")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's working folder, with a home in it."""
    folder = tmp_path_factory.mktemp("hour")
    (folder / "model.py").write_text(MODEL)
    (folder / "password").write_text("correct horse battery\n")
    (folder / "password").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ASSAY_HOME", str(folder / "home"))
        yield folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """Runs a verb against the network's own process: standard output and error, once it has ended with `code`."""

    def switch(verb: str) -> None:
        subprocess.run([*ASSAY, verb], check=True, capture_output=True, timeout=60)

    def run(*arguments: str, code: int = 0) -> tuple[str, str]:
        if arguments in (("up",), ("down",)):
            switch(*arguments)
            return "", ""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            ended = main(list(arguments))
        assert ended == code, (arguments, out.getvalue(), err.getvalue())
        return out.getvalue(), err.getvalue()

    switch("up")
    run("faucet", "--password-file", "password")
    yield run
    switch("down")


def plain(found: tuple[str, str]) -> dict[str, Any]:
    value = json.loads(found[0])
    assert isinstance(value, dict)
    return value


def test_from_a_model_in_a_file_to_its_answers(run: Run, folder: Path) -> None:
    run("init", "model.py:Net")
    text = (folder / "job.toml").read_text()
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "job.toml").write_text(text)
    quoted = plain(run("quote", "job.toml", "--json"))
    made = plain(run("post", "job.toml", "--yes", "--json", "--password-file", "password"))
    assert made["cost"] == quoted["cost"]["total"]
    run("post", "job.toml", "--yes", "--password-file", "password", code=5)

    watching = subprocess.Popen(
        [*ASSAY, "watch", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watching:
        assert watching.stdout is not None
        while "waiting for" not in (line := watching.stdout.readline()):
            assert line, "it ended before it waited for anything"
        watching.send_signal(signal.SIGINT)
        _, failure = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert failure == "\ninterrupted\n"

    shown = run("watch", "1")[0]
    assert "round 1: loss" in shown
    status = plain(run("watch", "1", "--once", "--json"))
    assert status["complete"]
    assert status["accuracy"] > 0.3
    assert plain(run("audit", "1/1/0/3", "--json"))["honest"]
    assert plain(run("dispute", "1", "--json"))["disputes"] == []
    assert plain(run("replay", "1", "--json"))["rounds"][-1]["state_root"] == status["state_root"]
    run("fetch", "1", "--out", "m")
    assert "answer" in run("infer", "1", "--sample", "3")[0]
    run("export", "1")
    checked = plain(run("verify-bundle", "job-1.assay", "--recompute", "--json"))
    assert checked["holds"]
    assert [each["check"] for each in checked["checks"]][-2:] == ["round 0", "round 1"]


def test_the_same_network_from_python(run: Run, folder: Path) -> None:
    with assay.connect(folder / "home", password_file=folder / "password") as net:
        job = net.job(1)
        assert job.audit(round=0, slot=1, step=5).honest
        assert job.replay().honest
        assert net.quote(assay.Job.load(folder / "job.toml", consent=assay.agree))["job"] == "model-net"
    with assay.connect(folder / "home") as net, pytest.raises(BadInput, match="only looks"):
        net.job(1).cancel()


def test_a_challenge_of_what_is_final_is_refused_and_so_is_one_beside_a_validator(run: Run, folder: Path) -> None:
    arguments = (
        "dispute",
        "1",
        "--round",
        "0",
        "--slot",
        "0",
        "--segment",
        "0",
        "--yes",
        "--password-file",
        "password",
    )
    assert "it is final" in run(*arguments, code=5)[1]
    home = Home.open(folder / "home")
    hold = home.hold(home.address_of("me"), "validator")
    assert hold.take("another process")
    try:
        assert "works as validator in another process" in run(*arguments, code=5)[1]
    finally:
        hold.release()
        home.close()


def test_the_password_is_in_no_output_and_in_no_file(run: Run, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "password":
            assert b"correct horse" not in path.read_bytes(), path
    refused = run("cancel", "1", "--yes", "--password-file", "password", code=5)
    assert "correct horse" not in "".join(refused)


def test_a_network_that_is_down_says_so(run: Run, folder: Path) -> None:
    run("down")
    for arguments in (["models"], ["watch", "1"], ["quote", "job.toml"]):
        assert "assay up" in run(*arguments, code=6)[1]
    run("verify-bundle", "job-1.assay")
    run("up")
    assert plain(run("models", "--json"))["models"][0]["model"] == 1
