"""The contracts of a game on a real node, behind the interface of `tests.conformance.arbiter.harness.Harness`.

What a transaction costs is what the node's receipt says, by the rules of its hardfork.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from assay.chain.artifacts import load_artifact
from assay.chain.connect import connect, disconnect
from assay.chain.rpc import Rpc
from tests.conformance.arbiter.harness import CALLER, Halted, _type

NETWORKS = Path(__file__).parents[1] / "tests" / "conformance" / "chain" / "chain_networks.py"
GAS = 1 << 24
"""The most that a transaction may ask for since Osaka (EIP-7825)."""
RICH_WEI = hex(1 << 90)


class NodeHarness:
    """One contract, deployed on a node that acts for any account (anvil, Hardhat)."""

    def __init__(self, rpc: Rpc, name: str, given: Sequence[tuple[str, Any]] = ()) -> None:
        self.rpc, self.gas, self.logs = rpc, 0, list[Any]()
        rpc.request("anvil_autoImpersonateAccount", True)
        self._rich: set[str] = set()
        arguments = [each if str(each).startswith("0x") else self._deploy(str(each)) for _, each in given]
        self.functions = {each["name"]: each for each in load_artifact(name).abi if each["type"] == "function"}
        self.address = self._deploy(name, encode([each for each, _ in given], arguments))

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function."""
        answer = self.rpc.request("eth_call", {"to": self.address, "data": self._pack(name, arguments)}, "latest")
        return self._read(name, answer)

    def send(self, name: str, *arguments: Any, now_s: int, caller: str = CALLER) -> tuple[Any, int]:
        """A transaction at a time: (result, gas). Errors: `Halted`."""
        data = self._pack(name, arguments)
        # What a transaction gives is not in its receipt: it is asked for as a call, before.
        try:
            answer = self.rpc.request("eth_call", {"from": caller, "to": self.address, "data": data}, "latest")
        except Exception as error:
            raise Halted(f"{name}: {error}") from error
        receipt = self._mine(caller, self.address, data, now_s)
        self.gas, self.logs = int(receipt["gasUsed"], 16), receipt["logs"]
        return self._read(name, answer), self.gas

    def event(self, signature: str, types: list[str]) -> tuple[Any, ...]:
        """The data of the last transaction's event of this signature."""
        topic = "0x" + keccak(signature.encode()).hex()
        found = [log for log in self.logs if log["topics"][0] == topic]
        return tuple(decode(types, bytes.fromhex(found[-1]["data"][2:])))

    def _deploy(self, name: str, tail: bytes = b"") -> str:
        artifact = load_artifact(name)
        code = artifact.link({library: self._deploy(library) for library in artifact.links})
        return str(self._mine(CALLER, None, "0x" + (code + tail).hex())["contractAddress"])

    def _mine(self, caller: str, to: str | None, data: str, now_s: int | None = None) -> Any:
        if caller not in self._rich:
            self.rpc.request("anvil_setBalance", caller, RICH_WEI)
            self._rich.add(caller)
        if now_s is not None:
            # Two transactions of one second cannot be in two blocks.
            latest = int(self.rpc.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
            self.rpc.request("evm_setNextBlockTimestamp", max(latest + 1, now_s))
        transaction = {"from": caller, "data": data, "gas": hex(GAS)} | ({"to": to} if to else {})
        sent = self.rpc.request("eth_sendTransaction", transaction)
        receipt = None
        while receipt is None:
            receipt = self.rpc.request("eth_getTransactionReceipt", sent)
        if int(receipt["status"], 16) != 1:
            raise Halted(data[:10])
        return receipt

    def _pack(self, name: str, arguments: Sequence[Any]) -> str:
        types = [_type(each) for each in self.functions[name]["inputs"]]
        selector = keccak(f"{name}({','.join(types)})".encode())[:4]
        return "0x" + (selector + encode(types, arguments)).hex()

    def _read(self, name: str, answer: str) -> Any:
        results = decode([_type(each) for each in self.functions[name]["outputs"]], bytes.fromhex(answer[2:]))
        return results[0] if len(results) == 1 else results


@contextmanager
def node(hardfork: str) -> Iterator[Rpc]:
    """A fresh anvil with the rules of a hardfork."""
    spec = importlib.util.spec_from_file_location("chain_networks", NETWORKS)
    assert spec is not None
    assert spec.loader is not None
    networks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    with networks.run_anvil(timestamp=1_000, hardfork=hardfork) as url:
        web3 = connect(url)
        try:
            yield Rpc(web3)
        finally:
            disconnect(web3)
