"""Exact training without the network: none of its packages, other machines' bits, a distribution of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = "distributions/exact"
ROOMS = ("exact", "protocol", "training", "work")
"""What the distribution has of the package."""
NETWORK = (
    "coincurve", "cryptography", "eth_account", "eth_hash", "eth_keys", "eth_utils", "mlxtend", "py_ecc", "pyrevm",
    "rich", "sklearn", "typer", "web3",
)  # fmt: skip
"""What training needs none of; safetensors neither, which other tests read checkpoints with."""
SPEAKING = ["assay.protocol.message", "assay.protocol.typed", "assay.work.seal"]
"""Modules in shared rooms that only the network uses, and that need its packages."""
HIDING = f"""
import sys
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {(*NETWORK, "safetensors")!r} else find(name, path, target)

PathFinder.find_spec = staticmethod(find_spec)
sys.meta_path[:] = [each for each in sys.meta_path if not getattr(each, "__module__", "").startswith("__editable__")]
"""
"""As a sitecustomize module: the packages are nowhere, for everything that this Python runs, nor is a checkout that is
installed in place."""
TRAIN = """
import json, sys
from pathlib import Path
import torch
from torch import nn
import assay.exact

x = (torch.arange(288) * 37 % 127 / 128).reshape(12, 1, 4, 6)
y = (torch.arange(12) * 5 % 7 % 3)
model = nn.Sequential(
    nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.Flatten(), nn.Dropout(0.25), nn.Linear(16, 3)
)
step = assay.exact.compile(model, "cross_entropy", {"name": "adamw", "lr": 0.02, "clip_norm": 1.0}, init="seed:7")
for at in (0, 5, 10, 0, 5):
    loss = step(x[at : at + 5], y[at : at + 5])
step.save("checkpoint")
step.load("checkpoint")
mark = step.evaluate(x, y)
print(json.dumps({
    "same": {
        "root": step.root,
        "programs": step.programs,
        "loss": [float(loss), mark.loss, mark.correct_count],
        "outputs": step.predict(x).tolist(),
        "checkpoint": Path("checkpoint").read_bytes().hex(),
    },
    "modules": sorted(sys.modules),
    "file": assay.__file__,
}))
"""
IMPORT = """
import importlib, json, pkgutil
import assay
failed = []
for each in pkgutil.walk_packages(assay.__path__, "assay."):
    try:
        importlib.import_module(each.name)
    except ModuleNotFoundError as error:
        failed.append(each.name)
try:
    assay.connect
except ModuleNotFoundError as error:
    print(json.dumps({"failed": failed, "words": str(error)}))
"""
"""Every module that there is, and a name of those that there are not."""
OTHER_MACHINE = {
    "OMP_NUM_THREADS": "2",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
}
"""Settings under which the libraries take other instructions than this machine's best, and two threads."""


def run(script: str, folder: Path, places: list[Path], settings: Mapping[str, str] | None = None) -> Any:
    """What a Python of its own prints, as JSON; it finds packages in `places` first."""
    environment = {**os.environ, **(settings or {}), "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-W", "error", "-c", script]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout or "null")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that hides the network's packages from whoever has it on the path."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(HIDING)
    return folder


@pytest.fixture(scope="module")
def report(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a training from the checkout, without the network's packages."""
    report: dict[str, Any] = run(TRAIN, tmp_path_factory.mktemp("run"), [bare, ROOT], {"OMP_NUM_THREADS": "1"})
    return report


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, built from a copy, since building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "assay", folder / "assay", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / OURS, folder / OURS, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip(["wheel", "--no-build-isolation", "--wheel-dir", str(folder / "out"), str(folder / OURS)])
    (built,) = (folder / "out").iterdir()
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the distribution is installed, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    pip(["install", "--target", str(folder), str(wheel)])
    return folder


def pip(arguments: list[str]) -> None:
    verb, *rest = arguments
    command = [sys.executable, "-m", "pip", verb, "--no-deps", "--no-index", "--quiet", *rest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_trains_where_the_networks_packages_are_missing(report: dict[str, Any]) -> None:
    loaded = {name.partition(".")[0] for name in report["modules"]}
    assert loaded.isdisjoint({*NETWORK, "safetensors"})
    rooms = {name.split(".")[1] for name in report["modules"] if name.startswith("assay.")}
    assert rooms == set(ROOMS)
    assert Path(report["file"]) == ROOT / "assay/__init__.py"


def test_what_is_hidden_is_missing(bare: Path, tmp_path: Path) -> None:
    """Else the test before says nothing."""
    found = f"import importlib.util as found, json; print(json.dumps([*filter(found.find_spec, {NETWORK!r})]))"
    assert run(found, tmp_path, [bare, ROOT]) == []
    assert "web3" in run(found, tmp_path, [ROOT])


def test_a_process_with_other_instructions_and_threads_gives_the_same_bits(
    report: dict[str, Any], tmp_path: Path
) -> None:
    assert run(TRAIN, tmp_path, [ROOT], OTHER_MACHINE)["same"] == report["same"]


def test_the_distribution_trains_by_itself_to_the_same_bits(
    report: dict[str, Any], site: Path, bare: Path, tmp_path: Path
) -> None:
    own = run(TRAIN, tmp_path, [bare, site])
    assert Path(own["file"]) == site / "assay/__init__.py"
    assert own["same"] == report["same"]
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / OURS / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert run(example.replace(", step.root)", ")"), tmp_path, [bare, site]) > 0


def test_the_distribution_says_what_only_the_network_has(site: Path, bare: Path, tmp_path: Path) -> None:
    report = run(IMPORT, tmp_path, [bare, site])
    assert report["failed"] == SPEAKING
    page = (ROOT / OURS / "README.md").read_text()
    assert all(f"`{name}`" in page for name in SPEAKING)
    assert report["words"] == "assay.connect needs a network: install assay, not assay-exact"


def test_the_distribution_has_the_same_files_and_ranges(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if name.startswith("assay/")}
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        said = archive.read(metadata).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    sources = [*(ROOT / "assay").glob("*.py"), ROOT / "assay/py.typed", ROOT / "assay/exact/answers.json"]
    sources.append(ROOT / "assay/work/compiled/prelude.c")
    sources += [path for room in ROOMS for path in (ROOT / "assay" / room).rglob("*.py")]
    assert packed == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sources}
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = tomllib.loads((ROOT / OURS / "pyproject.toml").read_text())["project"]
    for key in ("version", "requires-python", "license"):
        assert own[key] == whole[key]
    assert set(own["dependencies"]) < set(whole["dependencies"])
    assert re.findall(r"^Requires-Dist: (\w+)", said, re.MULTILINE) == ["torch", "numpy"]
