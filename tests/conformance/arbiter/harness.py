"""Solidity libraries called from tests: compiled as they ship, run on an EVM without a chain around it.

A harness is a contract beside this file that makes internal functions of `contracts/src/arbiter` external. It needs
Node and the compiler that `contracts/package.json` pins.
"""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from pyrevm import EVM

CONTRACTS = Path(__file__).parents[3] / "contracts"
HERE = Path(__file__).parent
CALLER = "0x" + "c0" * 20
GAS = 1 << 62
SETTINGS = {
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
}
"""Those of `contracts/build.mjs`."""
IMPORT = re.compile(r'^import [^"]*"([^"]+)";', re.MULTILINE)


class Halted(Exception):
    """A call reverted or halted: what never may happen to a verifier."""


@cache
def _compile(name: str) -> tuple[list[dict[str, Any]], bytes]:
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules" / "solc").exists():
        pytest.skip("needs Node and `npm ci` in contracts/")
    request = {"language": "Solidity", "sources": _reached(name), "settings": SETTINGS}
    done = subprocess.run(
        [node, CONTRACTS / "solc", "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    output = json.loads(done.stdout)
    errors = [each["formattedMessage"] for each in output.get("errors", ()) if each["severity"] == "error"]
    assert not errors, "\n".join(errors)
    found = output["contracts"][f"test/{name}.sol"][name]
    return found["abi"], bytes.fromhex(found["evm"]["bytecode"]["object"])


def _reached(name: str) -> dict[str, dict[str, str]]:
    """The harness and all sources that it imports, by the names under which the compiler knows them."""
    reached: dict[str, dict[str, str]] = {}
    pending = [f"test/{name}.sol"]
    while pending:
        at = pending.pop()
        if at in reached:
            continue
        content = (HERE / Path(at).name if at.startswith("test/") else CONTRACTS / at).read_text()
        reached[at] = {"content": content}
        pending += [os.path.normpath(Path(at).parent / target) for target in IMPORT.findall(content)]
    return reached


class Harness:
    """A harness contract, deployed. `call("add", a, b)` gives its single result, or a tuple of several."""

    def __init__(self, name: str) -> None:
        abi, bytecode = _compile(name)
        self.functions = {each["name"]: each for each in abi if each["type"] == "function"}
        self.size_bytes = len(bytecode)
        self.evm = EVM(gas_limit=GAS, spec_id="Cancun")
        self.evm.set_balance(CALLER, 1 << 100)
        self.address = self.evm.deploy(CALLER, bytecode, gas=1 << 40)
        self.gas = 0

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function; `gas` is then what it used, the transaction's own 21,000 and calldata included."""
        entry = self.functions[name]
        types = [_type(each) for each in entry["inputs"]]
        selector = keccak(f"{name}({','.join(types)})".encode())[:4]
        try:
            answer = self.evm.message_call(
                CALLER, self.address, calldata=selector + encode(types, arguments), gas=GAS, is_static=True
            )
        except RuntimeError as error:
            raise Halted(f"{name}: {error}") from error
        self.gas = self.evm.result.gas_used
        results = decode([_type(each) for each in entry["outputs"]], bytes(answer))
        return results[0] if len(results) == 1 else results


def _type(entry: dict[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    inner = ",".join(_type(each) for each in entry["components"])
    return f"({inner}){entry['type'][5:]}"
