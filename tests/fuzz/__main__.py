"""Coverage-guided fuzzing of decoders, one or several or all: `python -m tests.fuzz [NAME...] --seconds N`.

Needs atheris (`pip install assay[fuzz]`). Each decoder runs in a process of its own, for a finding ends it: what was
found is kept in the folder of findings, and `python -m tests.fuzz NAME --replay FILE` shows it with its traceback.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assay.protocol.errors import AssayError
from tests.fuzz.decoders import DECODERS

FINDINGS = Path("runs/fuzz")
LENGTH_MAX = 4096
RUN_MAX_S = 5
"""A single input that takes longer is a finding."""
MEMORY_MAX_MIB = 2048
BLAME = re.compile(r"^(?:[\w.]*(?:Error|Exception|Warning|Interrupt)\b.*|==\d+== ?ERROR.*)$", re.MULTILINE)
MISSING = 2


def fuzz(name: str, seconds: int, findings: Path) -> dict[str, Any]:
    """Fuzzes one decoder: executions, seconds, inputs that reached something new, and what was found."""
    findings.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        corpus = Path(folder)
        (corpus / "sound").write_bytes(DECODERS[name].sound()[:LENGTH_MAX])
        (corpus / "empty").write_bytes(b"")
        options = {
            "max_total_time": seconds,
            "max_len": LENGTH_MAX,
            "timeout": RUN_MAX_S,
            "rss_limit_mb": MEMORY_MAX_MIB,
            "artifact_prefix": f"{findings}/{name}-",
            "print_final_stats": 1,
            "verbosity": 0,
        }
        words = [sys.executable, "-m", "tests.fuzz.hunt", name, folder, *(f"-{k}={v}" for k, v in options.items())]
        began_s = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        spent_s, reached = time.perf_counter() - began_s, len(list(corpus.iterdir()))
    executed, blamed = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr), BLAME.findall(done.stderr)
    return {
        "decoder": name,
        "executions": int(executed[1]) if executed else 0,
        "seconds": round(spent_s, 1),
        "corpus": reached,
        "finding": (blamed[-1] if blamed else done.stderr[-200:].strip())[:300] if done.returncode else None,
    }


def main() -> int:
    """0 where nothing was found, 1 where something was, 2 where atheris is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"decoders: {', '.join(DECODERS)}; all if left out")
    parser.add_argument("--seconds", type=int, default=60, help="for each decoder")
    parser.add_argument("--findings", type=Path, default=FINDINGS, help="folder for inputs that crash")
    parser.add_argument("--replay", type=Path, help="read this file once, and show its traceback")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in DECODERS]
    if unknown:
        parser.error(f"there is no decoder {unknown[0]}; there are {', '.join(DECODERS)}")
    names = given.names or list(DECODERS)
    if given.replay is not None:
        return replay(names[0], given.replay)
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: pip install assay[fuzz] (it has wheels for Linux)\n")
        return MISSING
    rows = []
    for name in names:
        rows.append(fuzz(name, given.seconds, given.findings))
        shown = "{decoder:<16} {executions:>10,} runs {seconds:>6} s  corpus {corpus:>4}".format(**rows[-1])
        sys.stdout.write(f"{shown}  {rows[-1]['finding'] or 'nothing found'}\n")
        sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps({"decoders": rows}) + "\n")
    return int(any(row["finding"] for row in rows))


def replay(name: str, path: Path) -> int:
    """One input again; a crash shows its traceback."""
    try:
        DECODERS[name].read(path.read_bytes())
    except AssayError as refusal:
        sys.stdout.write(f"refused: {refusal.code}: {refusal}\n")
    else:
        sys.stdout.write("read\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
