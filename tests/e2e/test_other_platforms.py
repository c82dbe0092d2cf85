"""What a platform without the compiled packages sees: the same network, block for block, and is told what runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MISSING = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyrevm", "coincurve"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""As a sitecustomize module: the two packages are nowhere, for everything that this Python runs."""

PLAY = """
import json
from eth_keys.backends import get_backend
from assay.api import demo
from assay.api.cast import DemoOptions

grounds, said, plain = [], [], demo.open_ground
demo.open_ground = lambda *given: grounds.append(plain(*given)) or grounds[-1]
report = demo.run_demo(DemoOptions(model="mlp", rounds=2), said.append)
del report["seconds"], report["ratio"]
chain = grounds[0].chain
print(json.dumps({
    "engine": chain.engine.name,
    "curve": type(get_backend()).__name__,
    "said": [event["text"] for event in said if event["kind"] == "step"],
    "same": {
        "blocks": [block.hash.hex() for block in chain.blocks],
        "state_root": chain.head.header.state_root.hex(),
        "gas": [[receipt.gas_used, receipt.success] for block in chain.blocks for receipt in block.receipts],
        "report": report,
    },
}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the compiled packages are missing."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(MISSING)
    places = [str(folder), str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def run(arguments: list[str], environment: dict[str, str], codes: tuple[int, ...] = (0,)) -> Any:
    """What a Python of its own prints, as JSON."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert ended.returncode in codes, ended.stderr
    return json.loads(ended.stdout)


def test_the_demo_is_the_same_block_for_block(bare: dict[str, str]) -> None:
    ours, usual = run(["-c", PLAY], bare), run(["-c", PLAY], dict(os.environ))
    assert (ours["engine"], ours["curve"]) == ("interpreter", "NativeECCBackend")
    assert ours["same"] == usual["same"]
    assert any("our interpreter, exact but slower: pyrevm is not installed" in step for step in ours["said"])
    assert any("eth-keys in Python, exact but slower: coincurve is not installed" in step for step in ours["said"])
    assert any(step.startswith("the chain's engine: ") for step in usual["said"])


def test_version_and_doctor_say_what_runs(bare: dict[str, str], tmp_path: Path) -> None:
    version = run(["-m", "assay.cli", "version", "--json"], bare)
    assert version["engine"].startswith("our interpreter, exact but slower: pyrevm is not installed (Python 3.")
    assert version["signatures"].startswith("eth-keys in Python, exact but slower: coincurve is not installed")
    found = run(["-m", "assay.cli", "doctor", "--json", "--home", str(tmp_path / "home")], bare, (0, 9))
    checks = {check["name"]: check for check in found["checks"]}
    for name in ("engine", "signatures"):
        assert checks[name]["state"] == "note"
        assert "has a wheel" in checks[name]["fix"]
