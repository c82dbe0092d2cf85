"""A chain with a clock in hand, a funded key, and the probe contract behind its generated client."""

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from eth_account import Account
from web3 import Web3

from assay.chain.artifacts import Artifact, parse_artifact
from assay.chain.connect import connect
from assay.chain.deploy import pack_creation
from assay.chain.embedded import EmbeddedChain
from assay.chain.generate import main as generate
from assay.chain.provider import EmbeddedProvider
from assay.chain.reverts import register_errors
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner

FIXTURES = Path(__file__).resolve().parents[2] / "conformance" / "chain"
ETHER = 10**18
KEY = KeySigner(b"\x01" * 32)


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: int = 1_000_000) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return float(self.now_s)


class Tampering(EmbeddedProvider):
    """A node that can be made to lie: `tamper(method, params, result)` returns what it answers."""

    tamper: Callable[[str, Any, Any], Any] | None = None

    def make_request(self, method: Any, params: Any) -> Any:
        answer = super().make_request(method, params)
        if self.tamper is not None and "result" in answer:
            answer = {**answer, "result": self.tamper(method, params, json.loads(json.dumps(answer["result"])))}
        return answer


def open_chain(**settings: Any) -> tuple[EmbeddedChain, Web3, Hands]:
    clock = settings.pop("clock", Hands())
    chain = EmbeddedChain(clock=clock, balances={KEY.address: 1_000 * ETHER}, **settings)
    return chain, connect(chain=chain), clock


def sign(chain: EmbeddedChain, *, key: bytes = b"\x01" * 32, **given: Any) -> bytes:
    account = Account.from_key(key)
    nonce = chain.state.get(bytes.fromhex(account.address[2:])).nonce
    fields = {"chainId": chain.chain_id, "nonce": nonce, "gas": 100_000, "value": 0, "to": "0x" + "22" * 20}
    fees = {} if "gasPrice" in given else {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 10**9}
    return bytes(account.sign_transaction({**fields, **fees, **given}).raw_transaction)


def load_fixture(name: str) -> Artifact:
    return parse_artifact((FIXTURES / f"{name}.json").read_text())


@cache
def load_client() -> ModuleType:
    """The client generated from the probe's ABI, imported from a temporary folder."""
    import importlib
    import tempfile

    folder = Path(tempfile.mkdtemp())
    assert (
        generate(
            ["--artifacts", str(FIXTURES), "--target", str(folder / "probe_clients"), "--package", "probe_clients"]
        )
        == 0
    )
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("probe_clients.probe")
    finally:
        sys.path.remove(str(folder))


def deploy_probe(web3: Web3, **settings: Any) -> Any:
    artifact = load_fixture("Probe")
    register_errors(artifact.abi)
    sender = Sender(web3, KEY, **settings)
    created = sender.send(None, pack_creation(artifact, ["a title"], {})).created
    return load_client().Probe(web3, created, sender)
