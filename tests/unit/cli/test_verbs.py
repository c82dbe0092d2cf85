"""Running verbs: fast help, exit codes, messages with hints instead of tracebacks, JSON that is nothing but JSON."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from rich.console import Console

from assay.cli import main, verbs, zoo
from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Reverted, Unavailable
from assay.roles.zoo import CARDS, UNCAUGHT

HEAVY = ("torch", "web3", "numpy", "sklearn", "eth_account", "pyrevm")


@pytest.fixture
def verb(monkeypatch):
    """Adds a verb whose function is given."""

    def add(run):
        module = types.ModuleType("assay.cli.trial")
        module.run = run
        monkeypatch.setitem(sys.modules, "assay.cli.trial", module)
        monkeypatch.setattr(verbs, "VERBS", (*verbs.VERBS, "trial"))

    return add


def refuse(error):
    def run(as_json: bool = False) -> None:
        """Refuse."""
        raise error

    return run


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["zoo", "--json"], ["version", "--json"]])
def test_light_verbs_load_nothing_heavy(arguments):
    program = (
        "import sys; from assay.cli import main; code = main(sys.argv[1:]);"
        f"sys.stderr.write(' '.join(n for n in {HEAVY} if n in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_lists_every_verb_and_each_has_examples(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name in verbs.VERBS:
        assert name in overview
        assert main([name, "--help"]) == 0
        assert f"assay {name}" in capsys.readouterr().out.split("Examples", 1)[1]


def test_no_verb_shows_help_and_fails(capsys):
    assert main([]) == 2
    assert "Usage: assay" in capsys.readouterr().out


def test_wrong_verb_names_the_nearest(capsys):
    assert main(["dmeo"]) == 2
    captured = capsys.readouterr()
    assert 'did you mean "demo"?' in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["demo", "--seed", "x"], ["demo", "--model", "tree"], ["version", "--nope"]])
def test_wrong_usage_is_two_with_a_hint(capsys, arguments):
    assert main(arguments) == 2
    assert f"see assay {arguments[0]} --help" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    failure = json.loads(capsys.readouterr().out)
    assert failure["error"] == "bad-input"
    assert failure["hint"]


@pytest.mark.parametrize(
    "error",
    [
        BadInput("no such file", hint="give a path"),
        LimitExceeded("too many nodes", limit=1, actual=2),
        Reverted("said no", contract_error="NotOwner", root=b"\x01\x02"),
        AssayError("plain"),
    ],
)
def test_a_refusal_is_a_message_with_its_code(verb, capsys, error):
    verb(refuse(error))
    assert main(["trial"]) == error.exit_code
    captured = capsys.readouterr()
    assert error.message in captured.err
    assert error.hint in captured.err
    assert "Traceback" not in captured.err


def test_a_refusal_as_json(verb, capsys):
    import typer

    def run(as_json: bool = typer.Option(False, "--json")) -> None:
        """Refuse."""
        raise LimitExceeded("too big", hint="send less", limit=1, actual=2, root=b"\x01\x02")

    verb(run)
    assert main(["trial", "--json"]) == LimitExceeded.exit_code
    captured = capsys.readouterr()
    expected = {"error": "limit-exceeded", "message": "too big", "hint": "send less"}
    assert json.loads(captured.out) == expected | {"limit": 1, "actual": 2, "root": "0x0102"}
    assert captured.err == ""


def test_a_refusal_cannot_drive_the_terminal(verb, capsys):
    verb(refuse(BadInput("[red]x[/red] \x1b[2J\r\n", hint="\x07[link=file:///]y")))
    assert main(["trial"]) == 2
    shown = capsys.readouterr().err
    assert "[red]x[/red]" in shown
    assert not set("\x1b\x07\r") & set(shown)


def test_interruption_is_130(verb, capsys):
    verb(refuse(KeyboardInterrupt()))
    assert main(["trial"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_a_bug_crashes(verb):
    verb(refuse(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["trial"])


@pytest.mark.parametrize("arguments", [["zoo", "--json"], ["zoo"], ["--help"]])
def test_a_reader_that_leaves_is_no_traceback(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "assay.cli", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (verbs.UNREAD, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("arguments", [["zoo"], ["zoo", "--json"], ["--help"], ["version"]])
def test_a_full_disk_is_no_traceback(arguments):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "assay.cli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == Unavailable.exit_code
    assert "the output cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        ("<&-", "post {job} --yes --account me", 2),
        (">&-", "zoo", 0),
        (">&-", "version --json", 0),
        ("2>&-", "dmeo", 2),
        ("<&- >&- 2>&-", "down --json", 0),
    ],
)
def test_a_stream_that_is_closed_is_no_traceback(closed, arguments, code, tmp_path):
    command = f"{sys.executable} -m assay.cli {arguments.format(job=tmp_path / 'none.toml')} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_nobody_is_asked_where_the_input_is_closed(monkeypatch):
    from assay.cli.place import confirm

    monkeypatch.setattr(sys, "stdin", None)
    assert main(["version"]) == 0
    with pytest.raises(BadInput, match="nobody is there"):
        confirm("Go on?", yes=False)
    sys.stdin.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_output_is_a_traceback(encoding):
    for arguments in (["zoo"], ["zoo", "--json"], ["quote", b"\xff\xc3\xa9.toml", "--json"]):
        command = [sys.executable, "-m", "assay.cli", *arguments]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, timeout=60
        )
        assert done.returncode == (2 if arguments[0] == "quote" else 0)
        assert b"Traceback" not in done.stderr
        if "--json" in arguments:
            json.loads(done.stdout.decode(encoding))


@pytest.mark.parametrize(
    "arguments",
    [["verify-bundle", "{}"], ["init", "{}.py:Net"], ["init", "--out", "{}"], ["down", "--home", "{}"]],
)
def test_a_path_that_cannot_be_is_a_refusal(arguments, capsys):
    assert main([part.format("x" * 300) for part in arguments] + ["--json"]) == BadInput.exit_code
    failure = json.loads(capsys.readouterr().out)
    assert failure["error"] == "bad-input"
    assert "File name too long" in failure["message"]


def test_a_source_that_is_no_text_is_a_refusal(tmp_path, capsys):
    path = tmp_path / "job.toml"
    assert main(["init", "--no-check", "--data", "folder:\udcff", "--out", str(path)]) == BadInput.exit_code
    assert "is no text" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, BadInput), (errno.ENOSPC, Unavailable)])
def test_a_file_that_cannot_be_used_is_a_refusal_that_names_it(verb, capsys, number, kind):
    verb(refuse(OSError(number, os.strerror(number), "/some/file")))
    assert main(["trial"]) == kind.exit_code
    shown = capsys.readouterr().err
    assert f"cannot use '/some/file': {os.strerror(number)}" in shown


def test_seconds_that_are_no_number_are_refused(tmp_path, capsys):
    assert main(["up", "--block-s", "nan", "--home", str(tmp_path / "home")]) == BadInput.exit_code
    assert "--block-s" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


WANDERING = """
import os
from torch import nn
print("loading")
os.chdir(os.path.dirname(os.getcwd()))

class Net(nn.Sequential):
    def __init__(self):
        print("made")
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        print("asked")
        return super().forward(x)
"""


def test_a_file_of_the_users_prints_elsewhere_and_goes_nowhere(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "model.py").write_text(WANDERING)
    monkeypatch.chdir(folder)
    for arguments in (["init", "model.py:Net"], ["quote", "job.toml", "--offline"]):
        assert main([*arguments, "--json"]) == 0
        captured = capsys.readouterr()
        assert isinstance(json.loads(captured.out), dict)
        assert all(word in captured.err for word in ("loading", "made", "asked"))
        assert Path.cwd() == folder
    assert (folder / "job.toml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize("arguments", [["-h"], ["demo", "-h"]])
def test_short_help_is_help(arguments, capsys):
    assert main(arguments) == 0
    assert "Usage: assay" in capsys.readouterr().out


def test_the_version_alone(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("assay ")


@pytest.mark.parametrize("width", [40, 79, 80, 120])
def test_the_zoo_fits_where_it_is_shown(width):
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    zoo.show(console, CARDS, UNCAUGHT)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(stream.getvalue().split())
    for card in CARDS:
        assert card.name in words
    if width < zoo.NARROW:
        assert all(f"caught by: {card.caught_by}" in words for card in CARDS)
        assert not any("─" in line for line in lines)


def test_a_demo_that_is_refused_leaves_no_folder(tmp_path, capsys):
    assert main(["demo", "--data", "sklearn:nothing", "--out", str(tmp_path / "a" / "b")]) == BadInput.exit_code
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").mkdir()
    assert main(["demo", "--data", "sklearn:nothing", "--out", str(tmp_path / "kept" / "b")]) == BadInput.exit_code
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


def test_a_seed_that_no_job_can_hold_is_refused_at_once(tmp_path, capsys):
    assert main(["demo", "--seed", str(1 << 63), "--out", str(tmp_path / "a")]) == BadInput.exit_code
    shown = capsys.readouterr()
    assert "--seed" in shown.err
    assert shown.out == ""


def test_a_demo_that_is_interrupted_ends_cleanly(tmp_path):
    arguments = [sys.executable, "-u", "-m", "assay.cli", "demo", "--out", str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "posting" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, failure = process.communicate(timeout=60)
    assert process.returncode == 130
    assert failure == "\ninterrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cheaters", "nobody"], "assay zoo"),
        (["--data", "sklearn:nothing"], "use one of"),
        (["--providers", "500"], "ask for fewer"),
    ],
)
def test_a_demo_that_cannot_be_is_refused_with_a_hint(arguments, words, capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path), *arguments]) == BadInput.exit_code
    shown = capsys.readouterr()
    assert words in shown.err
    assert "--data" in arguments or shown.out == ""
    assert main(["demo", "--json", "--out", str(tmp_path), *arguments]) == BadInput.exit_code
    assert json.loads(capsys.readouterr().out)["error"] == "bad-input"


@pytest.mark.parametrize("name", ["file", "file/below", "taken"])
def test_a_demo_whose_report_cannot_be_kept_is_refused_before_it_runs(name, capsys, tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    assert main(["demo", "--out", str(tmp_path / name)]) == BadInput.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--out" in captured.err
    assert (tmp_path / "file").read_text() == "kept"


def test_zoo_tells_what_is_not_caught(capsys):
    assert main(["zoo", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"skipper", "update-swapper", "rubber-stamp"} <= {card["name"] for card in listed["caught"]}
    assert listed["not_caught"]
    assert main(["zoo"]) == 0
    shown = capsys.readouterr().out
    assert "not caught" in shown
    for card in listed["caught"]:
        assert card["name"] in shown


def test_version(capsys):
    assert main(["version"]) == 0
    assert "torch" in capsys.readouterr().out


SLOW = """
import builtins, os, signal, sys, threading, time
real, target = builtins.__import__, sys.argv[1]

def slow(name, *rest, **named):
    if name == target or name.startswith(target + "."):
        builtins.__import__ = real
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            if sys.argv[2] == "other":
                raise ImportError("what a library makes of it")
            raise
    return real(name, *rest, **named)

signal.signal(signal.SIGINT, signal.default_int_handler)
builtins.__import__ = slow
from assay.cli import main
sys.exit(main(["quote", "nothing.toml", "--offline"]))
"""


@pytest.mark.parametrize("kind", ["same", "other"])
@pytest.mark.parametrize("target", ["click", "typer", "assay.protocol.errors", "assay.api.job"])
def test_ctrl_c_while_something_is_imported_ends_with_130_and_a_line(target, kind):
    done = subprocess.run([sys.executable, "-c", SLOW, target, kind], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr.strip() == "interrupted"


def test_who_looks_after_the_signal_themselves_is_left_alone(verb):
    import typer

    seen = []

    def run(as_json: bool = typer.Option(False, "--json")) -> None:
        """Look."""
        seen.append(signal.getsignal(signal.SIGINT))

    verb(run)
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert main(["trial"]) == 0
        signal.signal(signal.SIGINT, signal.default_int_handler)
        assert main(["trial"]) == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen[0] is signal.SIG_IGN
    assert seen[1] not in (signal.SIG_IGN, signal.default_int_handler)


def test_a_wrong_job_file_is_refused_before_anything_heavy_is_loaded(tmp_path):
    (tmp_path / "job.toml").write_text("[job]\nname = 7\n")
    program = (
        "import sys; from assay.cli import main; code = main(sys.argv[1:]);"
        "sys.exit(99 if {'torch', 'web3', 'sklearn'} & set(sys.modules) else code)"
    )
    for words in (["quote"], ["quote", "--offline"], ["simulate"], ["post", "--yes"]):
        words = [words[0], str(tmp_path / "job.toml"), *words[1:]]
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, (words, done.stderr)
        assert "job.name" in done.stderr
