"""A page's console blocks as a transcript: commands that are run, and what they print, but for what differs each time.

`python -m tests.docs.transcript docs/tutorials/first-hour.md --write` runs a page and writes what was printed into it.

    $ command        is run in a folder of its own, with `assay` on the path and a home in it
    ^C               after a line of output: Ctrl-C is sent when a line that begins like that one has been printed

Commands run by `sh`; a file that the page shows in a block of Python whose first line is `# name.py` is written first.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INTERRUPT = "^C"
LIMIT_S = 300
VOLATILE = (
    (re.compile(r"0x[0-9a-fA-F]{40}"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{16,64}\b…?"), "HASH"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"\(torch .*\)"), "TORCH"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"\b\d[\d,]*\.\d+|\b\d{1,3}(,\d{3})+"), "NUMBER"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "TIME"),
    (re.compile(r"(?<=block )\d+|\d+(?= (logs|blobs|held|bytes|GiB|min|operators|s in all))"), "NUMBER"),
    (re.compile(r"(?<=answer )\d|(?<=label )\d|(?<=about )\d+|(?<=most )\d+(?= s)|\b\d+(?= s of)|\d+(?=%)"), "NUMBER"),
    (re.compile(r"NUMBER%|(?<=loss )–|(?<=accuracy )–"), "NUMBER"),  # a round is told before its state is fetched
)
"""What is another one in every run, or on every machine."""
PROGRAM = """#!{python}
import signal, sys
from assay.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's child would ignore it
sys.exit(main())
"""
PASSING = re.compile(r"^· (waiting|matched|the beacon)|^!")
"""Lines of a job's course of which another run may have more, or fewer."""


@dataclass
class Step:
    """One command, what the page says it prints, and what it printed."""

    command: str
    shown: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    code: int = 0


def read_steps(text: str) -> list[Step]:
    """The commands of a page, in order, with what follows each."""
    steps: list[Step] = []
    for block in CONSOLE.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line.removeprefix("$ ")))
            else:
                steps[-1].shown.append(line)
    return steps


def plain(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run; those that may come and go are left out."""
    kept = []
    for line in lines:
        for pattern, name in VOLATILE:
            line = pattern.sub(name, line)
        line = " ".join(line.split())
        if line and not PASSING.match(line):
            kept.append(line)
    return kept


def play(text: str, folder: Path) -> Iterator[Step]:
    """Runs a page's commands in a folder, one after another."""
    for name, content in PYTHON.findall(text):
        (folder / name).write_text(content)
    programs = folder / "programs"
    programs.mkdir()
    assay = programs / "assay"
    assay.write_text(PROGRAM.format(python=sys.executable))
    assay.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    for name, _ in PYTHON.findall(text):
        (folder / name).replace(work / name)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ASSAY_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        for step in read_steps(text):
            _run(step, work, environment)
            yield step
    finally:
        subprocess.run([assay, "down"], env=environment, check=False, capture_output=True, timeout=LIMIT_S)


def _run(step: Step, folder: Path, environment: dict[str, str]) -> None:
    stop = step.shown.index(INTERRUPT) if INTERRUPT in step.shown else None
    with subprocess.Popen(
        ["sh", "-c", f"exec {step.command}" if stop is not None else step.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        if stop is not None:
            last = step.shown[stop - 1].partition(" ")[0]
            for line in process.stdout:
                step.printed.append(line)
                if line.partition(" ")[0].strip() == last:
                    break
            process.send_signal(signal.SIGINT)
            step.printed.append(INTERRUPT)
        rest, _ = process.communicate(timeout=LIMIT_S)
    home = environment["ASSAY_HOME"]
    step.printed = [line.rstrip().replace(home, "~/.assay") for line in (*step.printed, *rest.splitlines())]
    step.code = process.returncode


def rewritten(text: str, steps: list[Step]) -> str:
    """The page with what was printed in place of what it said."""
    played = iter(steps)

    def block(match: "re.Match[str]") -> str:
        lines: list[str] = []
        for line in match[1].splitlines():
            if line.startswith("$ "):
                step = next(played)
                printed = "\n".join(step.printed).strip("\n").splitlines()
                lines += [line, *printed]
        return "```console\n" + "\n".join(lines) + "\n```"

    return CONSOLE.sub(block, text)


def main() -> int:
    """Runs a page; with `--write` keeps what it printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.transcript", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--write", action="store_true", help="write what was printed into the page")
    given = parser.parse_args()
    text = given.page.read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        steps = []
        for step in play(text, Path(folder)):
            steps.append(step)
            same = plain(step.shown) == plain(step.printed)
            sys.stdout.write(f"{'same' if same else 'DIFFERS'}  {step.code}  $ {step.command}\n")
            sys.stdout.flush()
    if given.write:
        given.page.write_text(rewritten(text, steps), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
