"""What does it cost to commit to training? What hashing states keeps a training step from, at k steps a segment.

    python -m bench.commit [--json] [--write] [--steps N] [--repeats N] [--width N] [--batch N]

A round of an MLP with Adam is trained as a provider trains it, its states hashed at the end of every segment, and again
with no commitment at all, in turn. `critical_k8` and `critical_k1` are what a step of the first takes longer, as a
fraction of a step of the second: the gap between a segment's end and the next step, spread over the segment's steps,
and what steps slow down while a thread hashes beside them. Two cores of a virtual machine are not apart: `control` is
what steps slow down while another process counts and shares nothing with them. The end of a round, where nothing is
left to train beside, and the transcript's tree are counted apart, in seconds a round.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from assay.exact import kernels
from assay.protocol.transcript import SlotName
from assay.work.batch import Feed
from assay.work.capture import capture
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.interpret import Runner
from assay.work.segment import Plan, Runs, SlotWork, run_steps, train_slot
from assay.work.state import state_root
from assay.work.walk import Fault
from bench import _record

ADAM = {"name": "adam", "lr": 1e-3}
SAMPLES, PIXELS, CLASSES = 4_096, 784, 10
LENGTHS = (8, 1)
"""Steps of a segment, k."""
COUNTING = "number = 0\nwhile True:\n    number += 1"
ASKED = {"critical_k8": 0.005, "critical_k1": 0.03}


@dataclass
class Watched:
    """A runner that notes when each run began and ended."""

    runs: Runs
    spans: list[tuple[float, float]] = field(default_factory=list)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        """As the runner."""
        began_s = time.perf_counter()
        outputs = self.runs.run(inputs)
        self.spans.append((began_s, time.perf_counter()))
        return outputs

    def steps_s(self) -> list[float]:
        """Seconds of each run."""
        return [ended_s - began_s for began_s, ended_s in self.spans]

    def gaps_s(self) -> list[float]:
        """Seconds between a run and the next one; entry i is before run i + 1."""
        return [after[0] - before[1] for before, after in pairwise(self.spans)]


@dataclass
class Lap:
    """One round, timed."""

    beside_s: list[float]
    """Steps that begin a segment, beside which the state before them is hashed."""
    apart_s: list[float]
    """The last step of each segment, when the hash is done."""
    gaps_s: list[float]
    """Before each of them."""
    tail_s: float
    """After the last step."""
    hash_s: float


@dataclass
class Stage:
    """The programs, the start and the samples of a round."""

    step: Runs
    emit: Runs
    state: list[Tensor]
    feed: Feed
    steps: int

    def lap(self, length: int) -> tuple[Lap, SlotWork]:
        """A round in segments of `length` steps, as a provider trains it. Of its states the end alone is kept."""
        watched, plan = Watched(self.step), Plan(self.steps, length)
        work = train_slot(
            watched, self.emit, self.state, self.feed, plan, time.perf_counter, start_root=bytes(32), stride=self.steps
        )
        ended_s = time.perf_counter()
        steps_s, gaps_s = watched.steps_s(), watched.gaps_s()[length - 1 :: length]
        tail_s = ended_s - watched.spans[-1][1]
        return Lap(steps_s[length::length], steps_s[2 * length - 1 :: length], gaps_s, tail_s, work.hash_s), work

    def bare(self) -> tuple[list[float], list[float]]:
        """Seconds of the steps, and of the gaps between them, of a round without commitments."""
        watched = Watched(self.step)
        end = run_steps(watched, self.state, self.feed, 0, self.steps)[0]
        assert end is not None
        return watched.steps_s(), watched.gaps_s()


def stage(width: int, batch: int, steps: int) -> Stage:
    """784-width-width-width-10, with Adam."""
    torch.manual_seed(1)
    sizes = [PIXELS, width, width, width]
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    x, y = torch.rand(SAMPLES, PIXELS), torch.arange(SAMPLES) % CLASSES
    model = nn.Sequential(*layers, nn.Linear(width, CLASSES))
    bundle = capture(model, "cross_entropy", ADAM, x[:batch], y[:batch], counts=(1,))
    path = kernels.best_path()
    step = CompiledRunner(bundle.step, path) if compiler() else Runner(bundle.step, path)
    feed = Feed(x, y, bytes(32), 0, 1, batch)
    return Stage(step, Runner(bundle.emit), list(bundle.state.values()), feed, steps)


def beside_another(made: Stage) -> list[float]:
    """Seconds of the steps of a round without commitments, while another process counts."""
    with subprocess.Popen([sys.executable, "-c", COUNTING]) as other:
        try:
            return made.bare()[0]
        finally:
            other.kill()


def transcript_s(work: SlotWork) -> float:
    """Seconds to make the transcript's tree from a round's leaves."""
    started_s = time.perf_counter()
    work.transcript(SlotName(1, 0, 0, 0, "0x" + "11" * 20), bytes(32)).root  # noqa: B018 - made when asked for
    return time.perf_counter() - started_s


def critical(laps: list[Lap], bare_steps_s: list[float], bare_gaps_s: list[float], length: int) -> dict[str, float]:
    """What a step takes longer, as fractions of one without commitments: by gaps, and by slower steps. Those are held
    against the last step of the same segment, since the machine's speed drifts; where that is the same step, against
    the rounds without commitments."""
    step_s = statistics.median(bare_steps_s)
    gap_s = statistics.median([gap for lap in laps for gap in lap.gaps_s]) - statistics.median(bare_gaps_s)
    pairs = [pair for lap in laps for pair in zip(lap.beside_s, lap.apart_s, strict=True)]
    beside_s = statistics.median([beside - (apart if length > 1 else step_s) for beside, apart in pairs])
    gaps, slower = gap_s / length / step_s, beside_s / length / step_s
    return {"gaps": gaps, "slower": slower, "critical": max(gaps, 0.0) + max(slower, 0.0)}


def measure(width: int, batch: int, steps: int, repeats: int) -> dict[str, Any]:
    """All figures."""
    threads = max(1, (os.cpu_count() or 1) - 1)
    torch.set_num_threads(threads)
    made = stage(width, batch, steps)
    run_steps(made.step, made.state, made.feed, 0, 2)
    bare_steps_s: list[float] = []
    bare_gaps_s: list[float] = []
    control_s: list[float] = []
    laps: dict[int, list[Lap]] = {length: [] for length in LENGTHS}
    trees_s: dict[int, float] = {}
    for _ in range(repeats):
        steps_s, gaps_s = made.bare()
        bare_steps_s += steps_s
        bare_gaps_s += gaps_s
        control_s += beside_another(made)
        for length in LENGTHS:
            lap, work = made.lap(length)
            laps[length].append(lap)
            trees_s[length] = transcript_s(work)
    started_s = time.perf_counter()
    state_root(made.state)
    alone_s = time.perf_counter() - started_s
    parts = {length: critical(laps[length], bare_steps_s, bare_gaps_s, length) for length in LENGTHS}
    return {
        **{f"critical_k{length}": round(part["critical"], 5) for length, part in parts.items()},
        "parts": parts,
        "control": statistics.median(control_s) / statistics.median(bare_steps_s) - 1,
        "parameters": sum(each.numel() for each in made.state) // 3,
        "state_bytes": sum(each.nbytes for each in made.state),
        "threads": threads,
        "cores": os.cpu_count(),
        "step_s": statistics.median(bare_steps_s),
        "hash_alone_s": alone_s,
        "hash_beside_s": {k: sum(lap.hash_s for lap in laps[k]) / repeats / (steps // k + 1) for k in LENGTHS},
        "tail_s": {k: statistics.median([lap.tail_s for lap in laps[k]]) for k in LENGTHS},
        "transcript_s": trees_s,
    }


def pages(found: dict[str, Any]) -> list[str]:
    """The figures as a page."""
    parts = found["parts"]
    head = ("steps a segment", "gaps", "slower steps", "together", "asked for")
    rows = [
        (k, *(f"{parts[k][name]:.2%}" for name in ("gaps", "slower", "critical")), f"{ASKED[f'critical_k{k}']:.1%}")
        for k in LENGTHS
    ]
    words = (
        f"{found['parameters']:,} parameters, a state of {found['state_bytes'] / 1e6:.0f} MB with Adam's moments,"
        f" {found['threads']} of {found['cores']} cores for the steps. A step takes {found['step_s'] * 1e3:.0f} ms,"
        f" hashing a state alone {found['hash_alone_s'] * 1e3:.0f} ms. The end of a round (the last state's hash, the"
        f" update and its hash, one copy of the state) takes {found['tail_s'][8]:.2f} s, the transcript's tree at k = 1"
        f" {found['transcript_s'][1] * 1e3:.1f} ms. Beside another process that only counts, steps are"
        f" {found['control']:.1%} slower."
    )
    return [words, "## Fractions of a step", _record.table(head, rows)]


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.commit", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/commit.md")
    parser.add_argument("--steps", type=int, default=32, help="of a round; a multiple of 8, 16 at least")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each kind")
    parser.add_argument("--width", type=int, default=2048, help="of the hidden layers")
    parser.add_argument("--batch", type=int, default=128, help="samples of a step")
    options = parser.parse_args()
    if options.steps < 16 or options.steps % 8 or options.repeats < 1 or options.width < 1 or options.batch < 1:
        parser.error("--steps is a multiple of 8 from 16 on, the others are 1 at least")
    load = _record.load_average()
    found = measure(options.width, options.batch, options.steps, options.repeats)
    if options.write:
        command = shlex.join(["python", "-m", "bench.commit", *sys.argv[1:]])
        title = "What commitments cost a training step"
        _record.write("commit", title, command, f"torch {torch.__version__}", load, pages(found))
    print(json.dumps({**found, "load_average": load}) if options.json else "\n\n".join(pages(found)))


if __name__ == "__main__":
    main()
