"""Running verbs: fast help, exit codes, messages with hints instead of tracebacks, JSON that is nothing but JSON."""

import json
import signal
import subprocess
import sys
import types

import pytest

from assay.cli import main, verbs
from assay.protocol.errors import AssayError, BadInput, LimitExceeded, Reverted

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


def test_a_reader_that_leaves_is_no_traceback():
    shell = f"{sys.executable} -m assay.cli zoo --json | head -c 10"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert len(done.stdout) == 10


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
    zoo = json.loads(capsys.readouterr().out)
    assert {"skipper", "update-swapper", "rubber-stamp"} <= {card["name"] for card in zoo["caught"]}
    assert zoo["not_caught"]
    assert main(["zoo"]) == 0
    shown = capsys.readouterr().out
    assert "not caught" in shown
    for card in zoo["caught"]:
        assert card["name"] in shown


def test_version(capsys):
    assert main(["version"]) == 0
    assert "torch" in capsys.readouterr().out
