"""Solidity libraries called from tests: compiled as they ship, run on an EVM without a chain around it.

A harness is a contract beside this file that makes internal functions of `contracts/src/arbiter` external. It needs
Node and the compiler that `contracts/package.json` pins.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from pyrevm import EVM, BlockEnv

from assay.chain.artifacts import Artifact, load_artifact

CONTRACTS = Path(__file__).parents[3] / "contracts"
HERE = Path(__file__).parent
CALLER = "0x" + "c0" * 20
GAS = 1 << 62
TRANSACTION_GAS, TOKEN_GAS = 21_000, 10
"""The least that a transaction costs at Osaka's prices (EIP-7623)."""
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
def _load(name: str) -> Artifact:
    """A harness beside this file, compiled, or a contract as it ships: those are compiled again by `make artifacts`."""
    if not (HERE / f"{name}.sol").exists():
        return load_artifact(name)
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules" / "solc").exists():
        pytest.skip("needs Node and `npm ci` in contracts/")
    at = f"test/{name}.sol"
    request = {"language": "Solidity", "sources": _reached(at), "settings": SETTINGS}
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
    found = output["contracts"][at][name]
    code = bytes.fromhex(found["evm"]["bytecode"]["object"])
    return Artifact(name, tuple(found["abi"]), code, {}, 0, "")


def _reached(first: str) -> dict[str, dict[str, str]]:
    """A source and all that it imports, by the names under which the compiler knows them."""
    reached: dict[str, dict[str, str]] = {}
    pending = [first]
    while pending:
        at = pending.pop()
        if at in reached:
            continue
        content = (HERE / Path(at).name if at.startswith("test/") else CONTRACTS / at).read_text()
        reached[at] = {"content": content}
        pending += [os.path.normpath(Path(at).parent / target) for target in IMPORT.findall(content)]
    return reached


class Harness:
    """A harness contract, deployed. `call("add", a, b)` gives its single result, or a tuple of several. `given` are its
    constructor's arguments with their types; one that names a contract is that contract, deployed before, with what
    addresses follow the name as its own arguments."""

    def __init__(self, name: str, given: Sequence[tuple[str, Any]] = ()) -> None:
        self.evm = EVM(gas_limit=GAS, spec_id="Cancun")
        self.evm.set_balance(CALLER, 1 << 100)
        self.gas = 0
        self.logs: list[Any] = []
        artifact = _load(name)
        self.functions = {each["name"]: each for each in artifact.abi if each["type"] == "function"}
        arguments = [each if str(each).startswith("0x") else self._given(*str(each).split()) for _, each in given]
        self.address = self._deploy(name, encode([each for each, _ in given], arguments))

    def _given(self, name: str, *addresses: str) -> str:
        return self._deploy(name, encode(["address"] * len(addresses), addresses))

    def _deploy(self, name: str, tail: bytes = b"") -> str:
        """Puts a contract on the EVM, the libraries that it is linked to first."""
        artifact = _load(name)
        code = artifact.link({library: self._deploy(library) for library in artifact.links})
        return self.evm.deploy(CALLER, code + tail, gas=1 << 40)

    @property
    def size_bytes(self) -> int:
        """Of the deployed code."""
        return len(self.evm.get_code(self.address) or b"")

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function; `gas` is then what it used, the transaction's own 21,000 and calldata included."""
        return self._run(name, arguments, is_static=True)

    def send(self, name: str, *arguments: Any, now_s: int, caller: str = CALLER) -> tuple[Any, int]:
        """A transaction at a time: (result, gas)."""
        self.evm.set_block_env(BlockEnv(timestamp=now_s, gas_limit=GAS))
        return self._run(name, arguments, is_static=False, caller=caller), self.gas

    def event(self, signature: str, types: list[str]) -> tuple[Any, ...]:
        """The data of the last transaction's event of this signature."""
        topic = keccak(signature.encode())
        found = [log for log in self.logs if bytes(log.data[0][0]) == topic]
        return tuple(decode(types, bytes(found[-1].data[1])))

    def _run(self, name: str, arguments: Sequence[Any], *, is_static: bool, caller: str = CALLER) -> Any:
        entry = self.functions[name]
        types = [type_of(each) for each in entry["inputs"]]
        calldata = keccak(f"{name}({','.join(types)})".encode())[:4] + encode(types, arguments)
        try:
            answer = self.evm.message_call(caller, self.address, calldata=calldata, gas=GAS, is_static=is_static)
        except RuntimeError as error:
            raise Halted(f"{name}: {error}") from error
        result = self.evm.result
        assert result is not None
        self.gas = result.gas_used
        if not is_static:
            self.logs = result.logs
            # Four tokens for a byte that is not zero, one for a zero.
            tokens = 4 * len(calldata) - 3 * calldata.count(0)
            self.gas = max(self.gas, TRANSACTION_GAS + TOKEN_GAS * tokens)
        results = decode([type_of(each) for each in entry["outputs"]], bytes(answer))
        return results[0] if len(results) == 1 else results


def type_of(entry: dict[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    inner = ",".join(type_of(each) for each in entry["components"])
    return f"({inner}){entry['type'][5:]}"
