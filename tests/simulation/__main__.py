"""Plays seeds: `python -m tests.simulation --seeds N [--first K]`. Ends with 1 if anything did not hold.

A failing seed is printed at once, with its plan; `--first SEED --seeds 1 --story` plays it again and tells its story.
A run that was broken off goes on where it stopped, with the same `--record FILE`. With `--json` the last line is one
JSON object.
"""

# ruff: noqa: T201

import argparse
import gc
import json
import multiprocessing
import os
import platform
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.simulation import storm
from tests.simulation.plan import COMBINATIONS, draw

LIMIT_S = 60
"""Of processor time that one seed may take: what takes longer hangs."""
MEMORY_BYTES = 6 << 30
SEEDS_OF_A_PROCESS = 100
"""A process is replaced after so many, so that memory does not grow."""
GARBAGE = 50_000, 20, 20
"""When garbage is looked for: a run makes little that holds itself, and a look at everything takes .07 s."""
PROGRESS_S = 60
RESULTS = Path(__file__).parents[2] / "bench" / "results" / "simulation.md"


class Hung(Exception):
    """A seed took too long."""


@dataclass
class Played:
    """What became of one seed."""

    seed: int
    words: str
    broken: str = ""
    story: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    sweeps: int = 0
    elapsed_s: float = 0.0


def play(seed: int) -> Played:
    """Plays one seed in this process."""
    plan = draw(seed)
    played = Played(seed, plan.words)
    started_s = time.process_time()
    signal.signal(signal.SIGPROF, _hang)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    run = None
    try:
        run = storm.Storm(plan)
        run.play()
    except storm.Broken as broken:
        played.broken = f"Broken: {broken}"
    except Exception:
        played.broken = traceback.format_exc(limit=-6)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if run is not None:
        played.sweeps, played.events = run.sweeps, dict(run._watch.seen)
        played.story = list(run.story) if played.broken else []
    played.elapsed_s = time.process_time() - started_s
    return played


def _bound() -> None:
    """What asks for more memory than any run needs is broken, not slow."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hung(f"longer than {LIMIT_S} s of processor time")


def play_all(seeds: Iterable[int], jobs: int) -> Iterator[Played]:
    """Plays seeds in several processes, in any order; what is costly to make is made once before they part."""
    storm.bundle(), storm.samples(), storm.stage(), storm.warm()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    if jobs == 1:
        yield from map(play, seeds)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, initializer=_bound, maxtasksperchild=SEEDS_OF_A_PROCESS) as pool:
        yield from pool.imap_unordered(play, seeds)


@dataclass
class Tally:
    """What many seeds come to."""

    count: int = 0
    failed: list[int] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    sweeps: int = 0
    processor_s: float = 0.0
    slowest_s: float = 0.0
    slowest_seed: int = 0

    def enter(self, played: dict[str, Any]) -> None:
        """Adds one seed, as a row of the record."""
        self.count += 1
        self.events.update(played["events"])
        self.sweeps += played["sweeps"]
        self.processor_s += played["elapsed_s"]
        if played["elapsed_s"] > self.slowest_s:
            self.slowest_s, self.slowest_seed = played["elapsed_s"], played["seed"]
        if played["broken"]:
            self.failed.append(played["seed"])

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        rows = {"seeds": self.count, "held": self.count - len(self.failed), "failed": sorted(self.failed)}
        times = {"processor_s": round(self.processor_s), "slowest_s": round(self.slowest_s, 1)}
        return {**rows, **times, "slowest_seed": self.slowest_seed, "sweeps": self.sweeps, "events": dict(self.events)}


def read_record(path: Path | None) -> list[dict[str, Any]]:
    """The rows of a run that was broken off; a last line that is not whole counts as not played."""
    rows = []
    for line in path.read_text().splitlines() if path is not None and path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def to_markdown(tally: Tally, first: int, jobs: int, elapsed_s: float) -> str:
    """The record of a run, as a page."""
    found = ", ".join(f"{name} {count:,}" for name, count in sorted(tally.events.items()) if name != "Moved")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    failed = " ".join(map(str, sorted(tally.failed))) or "none"
    return f"""# The seeded simulation

    python -m tests.simulation --seeds {tally.count} --first {first} --jobs {jobs} --write

{machine}. A seed is a network with one or two jobs: every cheat of the zoo alone and with every other
({len(COMBINATIONS)} combinations, in a fixed order), and what fails besides drawn from the seed.

| seeds | held | failed | wall, s | processor, s | slowest seed | its seconds | sweeps |
|---|---|---|---|---|---|---|---|
| {tally.count:,} | {tally.count - len(tally.failed):,} | {failed} | {elapsed_s:,.0f} | {tally.processor_s:,.0f} | \
{tally.slowest_seed} | {tally.slowest_s:.1f} | {tally.sweeps:,} |

What the contracts said in them: {found}.
"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", "--processes", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--story", action="store_true", help="print the end of a failing seed's story")
    parser.add_argument("--record", type=Path, help="append a line of JSON per seed, and play none twice")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} of the bench's results")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    started_s = told_s = time.perf_counter()
    tally, known = Tally(), set()
    for row in read_record(asked.record):
        if row["seed"] in seeds and row["seed"] not in known:
            known.add(row["seed"])
            tally.enter(row)
    with asked.record.open("a") if asked.record else nullcontext() as record:
        for played in play_all([seed for seed in seeds if seed not in known], asked.jobs):
            row = {**vars(played), "story": [], "elapsed_s": round(played.elapsed_s, 2)}
            tally.enter(row)
            if record is not None:
                record.write(json.dumps(row) + "\n")
                record.flush()
            if played.broken:
                print(f"seed {played.seed}: {played.words}\n  {played.broken.strip()}", flush=True)
                if asked.story:
                    print("  " + "\n  ".join(played.story), flush=True)
            if time.perf_counter() - told_s > PROGRESS_S:
                told_s = time.perf_counter()
                print(
                    f"{tally.count} of {len(seeds)}, {len(tally.failed)} failed, {told_s - started_s:.0f} s", flush=True
                )
    elapsed_s = time.perf_counter() - started_s
    print(f"{tally.count - len(tally.failed)} of {len(seeds)} seeds hold, {elapsed_s:.0f} s")
    print(f"slowest: seed {tally.slowest_seed}, {tally.slowest_s:.1f} s of {tally.processor_s:.0f} s of processor time")
    print("events: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.events.items()) if name != "Moved"))
    if tally.failed:
        print(f"failed: {' '.join(map(str, sorted(tally.failed)))}")
    if asked.write:
        RESULTS.write_text(to_markdown(tally, asked.first, asked.jobs, elapsed_s))
    if asked.json:
        print(json.dumps({**tally.to_json(), "first": asked.first, "wall_s": round(elapsed_s)}))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
