"""The benches run on the code as it is, and say what they measured as one JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("scale --small", {"providers", "validators", "segments", "jobs", "played"}),
        ("chain --count 20", {"revm", "interpreter"}),
        ("quality --seeds 1 --steps 3", {"models", "products"}),
        ("exact --repeats 1 --only cnn --threads 1", {"ratios", "peak_memory_ratio"}),
        ("commit --steps 16 --repeats 1 --width 64", {"critical_k8", "critical_k1"}),
        ("rules --size 200 --repeats 1", {"rules"}),
        ("dispute --only cnn --kinds iota,exponent", {"games", "nodes", "kinds"}),
        ("affordable --quick", {"moves"}),
    ],
)
def test_bench_runs(words: str, keys: set[str]) -> None:
    command = [sys.executable, "-m", *f"bench.{words}".split(), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert keys <= set(json.loads(done.stdout.splitlines()[-1]))
