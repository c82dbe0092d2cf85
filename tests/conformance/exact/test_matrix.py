"""The same bits on every instruction set, thread count and path, equal to the golden hashes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.architectures import load_shipped

GOLDEN = json.loads((Path(__file__).parents[3] / "vectors" / "exact" / "steps.json").read_text())
NAMES = ["digits-mlp", "digits-mlp-adamw", "digits-cnn", "digits-cnn-adamw", "gpt-tiny"]
CAPS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")
MACHINES: dict[str, dict[str, str]] = {
    "native": {},
    "sse": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_CBWR": "AVX512"},
}


def run_steps(machine: str, path: str, threads: int, names: list[str]) -> dict:
    environment = {key: value for key, value in os.environ.items() if key not in CAPS}
    script = Path(__file__).with_name("five_steps.py")
    done = subprocess.run(
        [sys.executable, str(script), path, str(threads), *names],
        env={**environment, **MACHINES[machine], "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("machine", MACHINES)
def test_float64_gives_the_golden_bits(machine: str, threads: int) -> None:
    report = run_steps(machine, "float64", threads, NAMES)
    assert report["agrees"]
    assert report["hashes"] == {name: GOLDEN[name]["after_5_steps"] for name in NAMES}


@pytest.mark.parametrize("machine", MACHINES)
def test_int8_gives_the_golden_bits_or_is_dropped(machine: str) -> None:
    report = run_steps(machine, "int8", 1, NAMES)
    if report["agrees"]:
        assert report["hashes"] == {name: GOLDEN[name]["after_5_steps"] for name in NAMES}


def test_the_integer_reference_gives_the_golden_bits() -> None:
    report = run_steps("native", "int64", 1, NAMES)
    assert report["hashes"] == {name: GOLDEN[name]["after_5_steps"] for name in NAMES}


@pytest.mark.parametrize("name", GOLDEN)
def test_shipped_programs_keep_their_roots(name: str) -> None:
    bundle = load_shipped(name)
    assert bundle.root.hex() == GOLDEN[name]["bundle_root"]
    assert bundle.step.root.hex() == GOLDEN[name]["step_root"]
