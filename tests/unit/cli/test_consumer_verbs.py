"""The consumer's verbs on a real network inside this process: what they print, ask, refuse and return."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.api.local import LocalNetwork
from assay.api.sdk import Network
from assay.cli import main, session
from assay.cli.verbs import FOUND

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
    def forward(self, x):
        return self.layer(x.flatten(1))

class Fourier(Net):
    def forward(self, x):
        import torch
        return torch.fft.fft(super().forward(x)).real
"""
SMALL = {"rounds = 4": "rounds = 1", "steps = 96": "steps = 16", "samples = 5": "samples = 2"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "model.py").write_text(MODEL)
    np.save(folder / "x.npy", np.zeros((3, 1, 8, 8), np.float32))
    return folder


@pytest.fixture(scope="module")
def network() -> Iterator[LocalNetwork]:
    here = LocalNetwork(b"verbs".ljust(32))
    yield here
    here.close()


@pytest.fixture
def run(
    folder: Path, network: LocalNetwork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a verb in the user's folder: (exit code, standard output, standard error)."""

    @contextmanager
    def opened(*_: object) -> Iterator[Network]:
        yield Network(network.client("me"))

    monkeypatch.setattr(session, "open_network", opened)
    monkeypatch.setattr(session, "open_account", opened)
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture
def job_file(run: Run, folder: Path) -> Path:
    path = folder / "job.toml"
    assert run("init", "model.py:Net", "--force")[0] == 0
    text = path.read_text()
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


@pytest.fixture
def posted(run: Run, job_file: Path, network: LocalNetwork) -> int:
    """A job that is over; the module's first."""
    if not network.network.ledger.jobs.job_count():
        code, out, _ = run("post", "job.toml", "--yes")
        assert code == 0, out
        assert "This becomes public" in out
        assert "model     1" in out
    return 1


def as_json(found: tuple[int, str, str]) -> dict[str, Any]:
    value = json.loads(found[1])
    assert isinstance(value, dict)
    return value


def test_init_writes_what_quote_takes(run: Run, job_file: Path) -> None:
    quoted = as_json(run("quote", "job.toml", "--offline", "--json"))
    assert quoted["job"] == "model-net"
    code, out, err = run("quote", "job.toml")
    assert (code, err) == (0, "")
    for name in ("price", "time", "gas", "checked", "detection", "stakes", "fraud"):
        assert name in out


def test_init_does_not_write_over_a_file(run: Run, job_file: Path) -> None:
    before = job_file.read_text()
    code, _, err = run("init", "model.py:Net")
    assert code == 2
    assert "--force" in err
    assert job_file.read_text() == before


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("model.py", 2, "FILE.py:NAME"),
        ("none.py:Net", 2, "no file none.py"),
        ("model.py:Nett", 2, 'did you mean "Net"?'),
        ("model.py:Fourier", 4, "_fft_r2c"),
    ],
)
def test_init_refuses_with_a_fix_and_writes_nothing(run: Run, folder: Path, model: str, code: int, words: str) -> None:
    found = run("init", model, "--out", "new.toml")
    assert found[0] == code
    assert words in found[2]
    assert "hint" in found[2]
    assert not (folder / "new.toml").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rounds = 1", "rounds = 0", "train.rounds = 0"),
        ("rounds = 1", "rouns = 1", 'did you mean "rounds"?'),
        ("[verify]", "[verifi]", 'did you mean "verify"?'),
        ('budget = "250"', 'budget = "0.00001"', "raise job.budget"),
        ('bid = "10s"', 'bid = "10 seconds"', "a number and a unit"),
    ],
)
def test_a_wrong_job_file_is_two_and_posts_nothing(
    run: Run, job_file: Path, network: LocalNetwork, old: str, new: str, words: str
) -> None:
    text = job_file.read_text()
    assert old in text
    job_file.write_text(text.replace(old, new))
    before = network.network.ledger.jobs.job_count()
    for verb in ("quote", "post"):
        extra = ["--yes"] if verb == "post" else []
        code, _, err = run(verb, "job.toml", *extra)
        assert code == 2
        assert words in err
        assert "Traceback" not in err
    failure = as_json(run("post", "job.toml", "--yes", "--json"))
    assert failure["key"]
    assert failure["allowed"]
    assert network.network.ledger.jobs.job_count() == before


@pytest.mark.parametrize("verb", ["quote", "simulate", "post"])
def test_a_file_that_came_with_a_job_is_run_only_when_one_agrees(
    run: Run, job_file: Path, folder: Path, own_home: Path, verb: str
) -> None:
    """`init model.py:Net` named the file; another content, or another place, is asked about, once."""
    (folder / "sent").mkdir(exist_ok=True)
    (folder / "sent" / "job.toml").write_text(job_file.read_text())
    (folder / "sent" / "model.py").write_text(MODEL + f"\nopen({str(folder / verb)!r}, 'w').close()\n")
    code, out, err = run(verb, "sent/job.toml")
    assert (code, out) == (2, "")
    assert "this runs model.py, a file of yours" in err
    assert "--yes" in err
    assert not (folder / verb).exists()
    if verb == "quote":
        assert run("quote", "sent/job.toml", "--yes")[0] == 0
        assert (folder / verb).exists()
        assert run("quote", "sent/job.toml")[::2] == (0, ""), "it is not asked twice"
        (own_home / "agreed").unlink()
        assert run("quote", "sent/job.toml")[0] == 2


def test_post_asks_and_nobody_answers(run: Run, job_file: Path, network: LocalNetwork) -> None:
    before = network.network.ledger.jobs.job_count()
    code, out, err = run("post", "job.toml")
    assert code == 2
    assert "This becomes public" in out
    assert "--yes" in err
    assert network.network.ledger.jobs.job_count() == before


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("", 130)])
def test_post_is_told_no(
    run: Run, job_file: Path, network: LocalNetwork, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    before = network.network.ledger.jobs.job_count()
    assert run("post", "job.toml")[0] == code
    assert network.network.ledger.jobs.job_count() == before


def test_watch_tells_it_again(run: Run, posted: int) -> None:
    code, out, err = run("watch", str(posted))
    assert (code, err) == (0, "")
    assert "round 0: loss" in out
    assert "registered" in out
    status = as_json(run("watch", "1", "--once", "--json"))
    assert status["complete"]
    assert status["waiting_for"] is None


def test_what_is_not_there(run: Run, posted: int) -> None:
    for arguments in (["watch", "99"], ["fetch", "99"], ["cancel", "99", "--yes"], ["export", "99"], ["replay", "99"]):
        code, _, err = run(*arguments)
        assert code == 2, arguments
        assert "no job 99" in err
    for arguments in (["infer", "99", "--sample", "0"], ["infer", "nowhere", "--input", "x.npy"]):
        code, _, err = run(*arguments)
        assert code == 2, arguments
        assert "hint" in err


def test_audit_and_replay(run: Run, posted: int) -> None:
    code, out, _ = run("audit", "1/0/1/3")
    assert code == 0
    assert "equal bit for bit" in out
    whole = as_json(run("audit", "1", "--json"))
    assert whole["honest"]
    assert len(whole["checked"]) == 5
    replayed = as_json(run("replay", "1", "--json"))
    assert replayed["honest"]
    assert replayed["rounds"][-1]["state_root"] == replayed["status"]["state_root"]


def test_an_audit_that_finds_something_ends_with_eight(
    run: Run, posted: int, network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples behind the job's hash are swapped in this party's memory: its re-execution must differ."""
    from assay.api.client import Reader
    from assay.roles.assignment import Assignment

    def swapped(self: Reader, job: int) -> Assignment:
        assignment = super(Reader, self).assignment(job)
        assignment.train.x[:] = 0
        return assignment

    monkeypatch.setattr(Reader, "assignment", swapped)
    code, out, _ = run("audit", "1/0/0")
    assert code == FOUND == 8
    assert "not as committed" in out


def test_fetch_infer_and_models(run: Run, posted: int, folder: Path) -> None:
    assert run("fetch", "1", "--out", "m")[0] == 0
    asked = as_json(run("infer", "1", "--input", "x.npy", "--json"))["answers"]
    alone = as_json(run("infer", "m", "--input", "x.npy", "--json"))["answers"]
    assert asked == alone
    assert len(asked) == 3
    assert "label" in run("infer", "1", "--sample", "0")[1]
    models = as_json(run("models", "--json"))["models"]
    assert models[0]["name"] == "model-net"
    assert "model-net" in run("models")[1]
    (folder / "m" / "state.safetensors.part").write_bytes(b"left by a fetch that was broken off")
    assert run("fetch", "1", "--out", "m")[0] == 0
    assert not (folder / "m" / "state.safetensors.part").exists()
    for number in ("9" * 5000, str(2**256), "77"):
        code, _, err = run("infer", number, "--sample", "0")
        assert code == 2
        assert "there is no model" in err
    (folder / "file").write_text("x")
    code, _, err = run("fetch", "1", "--out", "file")
    assert code == 2
    assert "--out" in err


@pytest.mark.parametrize("arguments", [[], ["--input", "x.npy", "--sample", "1"], ["--sample", "100000"]])
def test_infer_wants_one_question(run: Run, posted: int, arguments: list[str]) -> None:
    code, _, err = run("infer", "1", *arguments)
    assert code == 2
    assert "hint" in err


def test_export_and_verify(run: Run, posted: int) -> None:
    written = as_json(run("export", "1", "--json"))
    assert written["file"] == "job-1.assay"
    code, out, err = run("verify-bundle", "job-1.assay", "--recompute")
    assert (code, err) == (0, "")
    assert "everything holds" in out
    run("export", "1", "--light", "--out", "light.assay")
    code, out, _ = run("verify-bundle", "light.assay")
    assert code == 0
    assert "something is missing" in out


def test_a_bundle_that_lies_ends_with_eight(run: Run, posted: int, folder: Path) -> None:
    import zipfile

    run("export", "1", "--light", "--out", "true.assay")
    with zipfile.ZipFile(folder / "true.assay") as source, zipfile.ZipFile(folder / "false.assay", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "evidence.json":
                evidence = json.loads(content)
                evidence["price"] += 1
                content = json.dumps(evidence).encode()
            target.writestr(name, content)
    code, out, _ = run("verify-bundle", "false.assay")
    assert code == FOUND
    assert "it does NOT hold" in out
    report = as_json(run("verify-bundle", "false.assay", "--json"))
    assert not report["holds"]


def test_post_detach_and_cancel(run: Run, posted: int, job_file: Path) -> None:
    made = as_json(run("post", "job.toml", "--yes", "--json"))
    code, _, err = run("post", "job.toml", "--yes")
    assert code == 5
    assert f"job {made['job']}" in err
    cancelled = as_json(run("cancel", str(made["job"]), "--yes", "--json"))
    assert cancelled["refunded"]
    code, _, err = run("watch", str(made["job"]))
    assert code == 6
    assert "cancelled" in err


def test_names_from_strangers_cannot_drive_the_terminal(run: Run, posted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.api import lineage

    monkeypatch.setattr(lineage, "_job_name", lambda *_: "\x1b[2J[red]x")
    out = run("models")[1]
    assert "\x1b[2J" not in out
    assert "[red]x" in out


def test_simulate_plays_the_jobs_own_order_and_spends_nothing(run: Run, job_file: Path, network: LocalNetwork) -> None:
    before = network.network.ledger.jobs.job_count()
    code, out, err = run("simulate", "job.toml", "--cheaters", "skipper,rubber-stamp", "--providers", "3")
    assert (code, err) == (0, "")
    for words in ("what if: job.toml", "the job would be complete", "provider-3     skipper", "escrow", "gas"):
        assert words in out
    report = as_json(run("simulate", "job.toml", "--rounds", "2", "--providers", "2", "--json"))
    assert report["complete"]
    assert report["changed"] == {"match.providers": 2, "train.rounds": 2}
    assert len(report["rounds"]) == 2
    assert [party["behaviour"] for party in report["providers"]] == ["honest"] * 2
    assert float(report["escrow"]["paid"]) + float(report["escrow"]["refunded"]) == float(report["escrow"]["deposited"])
    assert network.network.ledger.jobs.job_count() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cheaters", "nobody"], "assay zoo"),
        (["--cheaters", "skipper", "--providers", "1"], "an honest provider"),
        (["--cheaters", "rubber-stamp,silent-validator,rubber-stamp"], "majority"),
        (["--providers", "0"], "--providers"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused_at_once(
    run: Run, job_file: Path, arguments: list[str], words: str
) -> None:
    code, out, err = run("simulate", "job.toml", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_quote_proposes_a_scheme_for_what_is_at_risk(run: Run, job_file: Path) -> None:
    quoted = as_json(run("quote", "job.toml", "--offline", "--at-risk", "100", "--json"))
    fraud = quoted["fraud"]
    assert fraud["value_at_risk"] == "100"
    assert float(fraud["expected_profit_of_cheating"]) > 0
    assert 0 < fraud["chance_to_be_caught"] < 1
    text = job_file.read_text()
    if fraud["samples_needed"] is not None:
        job_file.write_text(text.replace("samples = 2", f"samples = {fraud['samples_needed']}"))
        better = as_json(run("quote", "job.toml", "--offline", "--at-risk", "100", "--json"))["fraud"]
        assert better["deterred"]
    assert "PAYS" in run("quote", "job.toml", "--offline", "--at-risk", "1000000")[1]
    assert run("quote", "job.toml", "--offline", "--at-risk", "much")[0] == 2
    assert "fraud" not in as_json(run("quote", "job.toml", "--offline", "--json"))
