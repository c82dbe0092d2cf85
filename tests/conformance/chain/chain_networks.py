"""The three chains that must agree: both engines of the embedded one, and anvil. pyrevm only where it is installed."""

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web3 import Web3

from assay.chain.connect import connect, disconnect
from assay.chain.equipment import find_engine

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = tuple(name for name in ("revm", "interpreter", "anvil") if name != "revm" or not find_engine().missing)
CHAIN_ID = 31_337
START_S = 2_000_000_000


def find_anvil() -> str:
    """Path of the anvil binary; fails with what to do where there is none."""
    named = os.environ.get("ASSAY_ANVIL")
    if named:
        return named
    for path in sorted((ROOT / "contracts" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil*")):
        if path.stat().st_mode & 0o111:
            return str(path)
    found = shutil.which("anvil")
    if found is None:
        raise AssertionError("anvil is not installed: run `npm ci` in contracts/, or set ASSAY_ANVIL to the binary")
    return found


@contextmanager
def run_anvil(*, chain_id: int = CHAIN_ID, timestamp: int = START_S, hardfork: str = "cancun") -> Iterator[str]:
    """A fresh anvil on a free port, with its URL."""
    command = [find_anvil(), "--port", "0", "--hardfork", hardfork, "--chain-id", str(chain_id), "--accounts", "0"]
    command += ["--timestamp", str(timestamp), "--gas-limit", "30000000", "--base-fee", "1000000000", "--no-cors"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        reader = None
        try:
            assert process.stdout is not None
            seen = []
            for line in process.stdout:
                seen.append(line)
                found = re.search(r"Listening on (\S+)", line)
                if found:
                    # Its log must be read on, or it stands still when the pipe is full.
                    reader = threading.Thread(target=deque, args=(process.stdout, 0), daemon=True)
                    reader.start()
                    yield f"http://{found.group(1)}"
                    return
            raise AssertionError("anvil did not start:\n" + "".join(seen))
        finally:
            process.terminate()
            process.wait(timeout=10)
            if reader is not None:
                reader.join(timeout=10)


@contextmanager
def open_network(name: str) -> Iterator[Web3]:
    """A fresh chain by name, with its genesis at `START_S`."""
    if name == "anvil":
        with run_anvil() as url:
            web3 = connect(url)
            try:
                yield web3
            finally:
                disconnect(web3)
        return
    yield connect(chain_id=CHAIN_ID, engine=name, clock=lambda: START_S)
