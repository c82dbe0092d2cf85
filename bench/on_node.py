"""The contracts of a game on a real chain, behind the interface of `tests.conformance.arbiter.harness.Harness`.

What a transaction costs is what its receipt says, by the chain's own rules.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_hash.auto import keccak

from assay.chain.artifacts import load_artifact
from assay.chain.client import to_checksum
from assay.chain.connect import connect, disconnect
from assay.chain.rpc import Rpc
from tests.conformance.arbiter.harness import Halted, type_of
from tests.conformance.arbiter.table import Table

NETWORKS = Path(__file__).parents[1] / "tests" / "conformance" / "chain" / "chain_networks.py"
CHAINS = ("osaka", "cancun", "embedded")
"""An anvil of either hardfork, or the chain that ships, whose rules are Cancun's."""
GAS = 1 << 24
"""The most that a transaction may ask for since Osaka (EIP-7825)."""
FEE_WEI = 10**10
START_S = 2_000_000_000
OWNER, CHALLENGER, DEFENDER = (Account.from_key(keccak(name)) for name in (b"owner", b"challenger", b"defender"))


class ChainHarness:
    """`Games`, deployed on a chain."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc, self.gas, self.logs = rpc, 0, list[Any]()
        self._now_s: int | None = None
        self._chain_id = int(rpc.request("eth_chainId"), 16)
        self._keys = {account.address: account for account in (OWNER, CHALLENGER, DEFENDER)}
        self._nonces = dict.fromkeys(self._keys, 0)
        for address in self._keys:
            rpc.request("anvil_setBalance", address, hex(1 << 90))
        self.functions = {each["name"]: each for each in load_artifact("Games").abi if each["type"] == "function"}
        clock = self._deploy("Clock", encode(["address"], [OWNER.address]))
        self.address = self._deploy("Games", encode(["address"] * 3, [self._deploy("Arbiter"), OWNER.address, clock]))

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function."""
        return self._ask(OWNER.address, name, arguments)

    def send(self, name: str, *arguments: Any, now_s: int, caller: str) -> tuple[Any, int]:
        """A transaction: (result, gas). `now_s` counts from anywhere: what it goes on by, the chain's time does too.
        Errors: `Halted`."""
        if self._now_s is not None and now_s > self._now_s:
            self.rpc.request("evm_increaseTime", now_s - self._now_s)
            self.rpc.request("evm_mine")
        self._now_s = now_s
        # What a transaction gives is not in its receipt: it is asked for before.
        try:
            answer = self._ask(caller, name, arguments)
        except Exception as error:
            raise Halted(f"{name}: {error}") from error
        receipt = self._mine(caller, self.address, self._pack(name, arguments))
        self.gas, self.logs = int(receipt["gasUsed"], 16), receipt["logs"]
        return answer, self.gas

    def event(self, signature: str, types: list[str]) -> tuple[Any, ...]:
        """The data of the last transaction's event of this signature."""
        topic = "0x" + keccak(signature.encode()).hex()
        found = [log for log in self.logs if log["topics"][0] == topic]
        return tuple(decode(types, bytes.fromhex(found[-1]["data"][2:])))

    def _deploy(self, name: str, tail: bytes = b"") -> str:
        artifact = load_artifact(name)
        code = artifact.link({library: self._deploy(library) for library in artifact.links})
        return to_checksum(str(self._mine(OWNER.address, None, code + tail)["contractAddress"]))

    def _mine(self, caller: str, to: str | None, data: bytes) -> Any:
        transaction = {
            "chainId": self._chain_id,
            "nonce": self._nonces[caller],
            "data": data,
            "gas": GAS,
            "maxFeePerGas": FEE_WEI,
            "maxPriorityFeePerGas": 1,
            "value": 0,
        } | ({"to": to} if to else {})
        signed = self._keys[caller].sign_transaction(transaction)
        sent = self.rpc.request("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        self._nonces[caller] += 1
        receipt = None
        while receipt is None:
            receipt = self.rpc.request("eth_getTransactionReceipt", sent)
        if int(receipt["status"], 16) != 1:
            raise Halted(data[:4].hex())
        return receipt

    def _ask(self, caller: str, name: str, arguments: Sequence[Any]) -> Any:
        data = "0x" + self._pack(name, arguments).hex()
        answer = self.rpc.request("eth_call", {"from": caller, "to": self.address, "data": data}, "latest")
        results = decode([type_of(each) for each in self.functions[name]["outputs"]], bytes.fromhex(answer[2:]))
        return results[0] if len(results) == 1 else results

    def _pack(self, name: str, arguments: Sequence[Any]) -> bytes:
        types = [type_of(each) for each in self.functions[name]["inputs"]]
        return keccak(f"{name}({','.join(types)})".encode())[:4] + encode(types, arguments)


@contextmanager
def table_on(chain: str) -> Iterator[Table]:
    """The contracts on a fresh chain: one of `CHAINS`."""
    if chain == "embedded":
        yield _table(Rpc(connect(clock=lambda: START_S)))
        return
    spec = importlib.util.spec_from_file_location("chain_networks", NETWORKS)
    assert spec is not None
    assert spec.loader is not None
    networks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    with networks.run_anvil(hardfork=chain) as url:
        web3 = connect(url)
        try:
            yield _table(Rpc(web3))
        finally:
            disconnect(web3)


def _table(rpc: Rpc) -> Table:
    return Table(ChainHarness(rpc), challenger=CHALLENGER.address, defender=DEFENDER.address, owner=OWNER.address)
