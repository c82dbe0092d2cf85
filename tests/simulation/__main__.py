"""Plays seeds: `python -m tests.simulation --seeds N [--first K]`. Ends with 1 if anything did not hold.

A failing seed is printed with its plan and the end of its story; `--first SEED --seeds 1 --story` plays it again.
"""

# ruff: noqa: T201

import argparse
import gc
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.simulation import storm
from tests.simulation.plan import draw

LIMIT_S = 60
"""Of processor time that one seed may take: what takes longer hangs."""


MEMORY_BYTES = 6 << 30


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
    raise Hung(f"longer than {LIMIT_S} s")


def play_all(seeds: range, processes: int) -> Iterator[Played]:
    """Plays seeds in several processes, in any order; what is costly to make is made once before they part."""
    storm.bundle(), storm.samples(), storm.stage()
    gc.freeze()
    if processes == 1:
        yield from map(play, seeds)
        return
    with multiprocessing.get_context("fork").Pool(processes, initializer=_bound) as pool:
        yield from pool.imap_unordered(play, seeds)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--story", action="store_true", help="print the end of a failing seed's story")
    parser.add_argument("--record", type=Path, help="write a line of JSON per seed")
    asked = parser.parse_args()
    started_s, failed, events = time.perf_counter(), [], Counter[str]()
    record = asked.record.open("w") if asked.record else None
    seeds = range(asked.first, asked.first + asked.seeds)
    slowest = 0.0
    for played in play_all(seeds, asked.processes):
        events.update(played.events)
        slowest = max(slowest, played.elapsed_s)
        if record is not None:
            row = {**vars(played), "story": [], "elapsed_s": round(played.elapsed_s, 2)}
            record.write(json.dumps(row) + "\n")
        if played.broken:
            failed.append(played.seed)
            print(f"seed {played.seed}: {played.words}\n  {played.broken.strip()}", flush=True)
            if asked.story:
                print("  " + "\n  ".join(played.story), flush=True)
    elapsed_s = time.perf_counter() - started_s
    print(f"{len(seeds) - len(failed)} of {len(seeds)} seeds hold, {elapsed_s:.0f} s")
    print(f"slowest: {slowest:.1f} s of processor time")
    print("events: " + ", ".join(f"{name} {count}" for name, count in sorted(events.items()) if name != "Moved"))
    if failed:
        print(f"failed: {' '.join(map(str, sorted(failed)))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
