"""The same bits on every instruction set, thread count and path, equal to the golden hashes.

Native PyTorch runs beside it in every cell: it differs, or the matrix would show nothing.
"""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.architectures import load_shipped
from assay.exact import kernels
from tests.conformance.exact import five_steps

GOLDEN = json.loads(five_steps.GOLDEN.read_text(encoding="utf-8"))
NAMES = ("digits-mlp", "digits-cnn", "gpt-tiny")
CAPS = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")
HAS = torch.cpu.get_capabilities()
ATEN = ("default", *(name for name, flag in (("avx2", "avx2"), ("avx512", "avx512_vl")) if HAS.get(flag)))
"""ATen takes its word for what the processor has: it would end with an illegal instruction."""
MKL = ("", "COMPATIBLE")
ONEDNN = ("SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_VNNI")
Machine = tuple[str, str, str]
"""Values of `CAPS`; an empty one is not set."""
CORNERS: dict[str, Machine] = {
    "as it is": ("", "", ""),
    "sse": ("default", "COMPATIBLE", "SSE41"),
    **{
        name: machine
        for name, machine in {"avx2": ("avx2", "AVX2", "AVX2"), "avx512": ("avx512", "AVX512", "AVX512_CORE")}.items()
        if name in ATEN
    },
}


def run_steps(machine: Machine, paths: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """The report of a process under these caps, by 1 and by 2 threads."""
    environment = {key: value for key, value in os.environ.items() if key not in CAPS}
    environment |= {key: value for key, value in zip(CAPS, machine, strict=True) if value}
    environment |= {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("OMP_NUM_THREADS", None)
    script = Path(__file__).with_name("five_steps.py")
    done = subprocess.run(
        [sys.executable, str(script), ",".join(paths), "1,2", *names],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def check_golden(report: dict[str, Any], names: tuple[str, ...]) -> None:
    """All paths that are right there give the golden bits; only int8 may be wrong."""
    wanted = {name: GOLDEN[name]["after_5_steps"] for name in names}
    assert report["threads"].keys() == {"1", "2"}
    for run in report["threads"].values():
        for path, hashes in run["exact"].items():
            assert hashes == wanted or (path == "int8" and hashes is None), (path, hashes)


def check_control(reports: list[dict[str, Any]]) -> None:
    """Native PyTorch gives other bits somewhere, for every net."""
    if len({report["capability"] for report in reports}) == 1:
        pytest.skip("this machine has one instruction set")
    for name in NAMES:
        native = {run["native"][name] for report in reports for run in report["threads"].values()}
        assert len(native) > 1, name


@pytest.fixture(scope="module")
def corners() -> dict[str, dict[str, Any]]:
    return {
        name: run_steps(machine, kernels.PATHS if name == "as it is" else ("float64", "int8"), NAMES)
        for name, machine in CORNERS.items()
    }


@pytest.mark.parametrize("corner", CORNERS)
def test_every_path_gives_the_golden_bits_or_is_dropped(corner: str, corners: dict[str, dict[str, Any]]) -> None:
    check_golden(corners[corner], NAMES)


def test_native_training_differs(corners: dict[str, dict[str, Any]]) -> None:
    check_control(list(corners.values()))


@pytest.mark.long
def test_the_whole_matrix() -> None:
    """3 x 2 x 4 processes where there is AVX-512, each with 2 thread counts, 3 paths and 3 nets: 432 trainings, and 144
    native ones."""
    reports = []
    for machine in product(ATEN, MKL, ONEDNN):
        report = run_steps(machine, kernels.PATHS, NAMES)
        check_golden(report, NAMES)
        reports.append(report)
    ran = [hashes for report in reports for run in report["threads"].values() for hashes in run["exact"].values()]
    assert len(ran) == len(ATEN) * 8 * 2 * 3
    check_control(reports)


@pytest.mark.parametrize("name", GOLDEN)
def test_shipped_programs_keep_their_roots(name: str) -> None:
    bundle = load_shipped(name)
    assert bundle.root.hex() == GOLDEN[name]["bundle_root"]
    assert bundle.step.root.hex() == GOLDEN[name]["step_root"]


def test_the_golden_hashes_are_what_the_recorder_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "steps.json"
    frozen = five_steps.GOLDEN.read_bytes()
    monkeypatch.setattr(five_steps, "GOLDEN", written)
    five_steps.main(["--record"])
    assert written.read_bytes() == frozen
