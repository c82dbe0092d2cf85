"""The embedded chain answers as a node does: results, gas, fees, logs, errors, on both engines and on anvil."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chain_networks import NETWORKS, START_S, open_network
from eth_account import Account
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import Web3RPCError

HERE = Path(__file__).parent
KEY, OTHER = Account.from_key(b"\x01" * 32), Account.from_key(b"\x02" * 32)
HEIR = Web3.to_checksum_address("0x00000000000000000000000000000000000e1e00")
ETHER = 10**18
SIGNATURE = Account.unsafe_sign_hash(b"\x07" * 32, b"\x01" * 32)


def load_probe(name: str = "Probe") -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text())


class Walk:
    """One chain walked through the scenario; every observation has a label."""

    def __init__(self, web3: Web3) -> None:
        self.web3, self.seen = web3, {}
        self.timestamp = START_S
        artifact = load_probe()
        for account in (KEY, OTHER):
            self.rpc("anvil_setBalance", account.address, hex(1_000 * ETHER))
        self.probe = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        receipt = self.send("deploy", self.probe.constructor("a title that is longer than thirty-two bytes"), value=5)
        self.address = receipt["contractAddress"]
        self.probe = web3.eth.contract(address=self.address, abi=artifact["abi"])

    def rpc(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(params))
        assert "error" not in answer, answer
        return answer["result"]

    def fields(self, account: Any, **given: Any) -> dict[str, Any]:
        nonce = self.web3.eth.get_transaction_count(account.address)
        plain = {"chainId": 31_337, "nonce": nonce, "gas": 3_000_000, "value": 0, "from": account.address}
        fees = {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 10**9} if "gasPrice" not in given else {}
        return {**plain, **fees, **given}

    def send(self, label: str, call: Any = None, *, account: Any = KEY, **given: Any) -> dict[str, Any]:
        self.timestamp += 13
        self.rpc("evm_setNextBlockTimestamp", self.timestamp)
        fields = self.fields(account, **given)
        built = call.build_transaction(fields) if call is not None else {k: v for k, v in fields.items() if k != "from"}
        before = self.web3.eth.get_balance(account.address)
        sent = self.web3.eth.send_raw_transaction(account.sign_transaction(built).raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, timeout=10, poll_latency=0.002)
        block = self.web3.eth.get_block(receipt["blockNumber"])
        self.seen[label] = {
            "status": receipt["status"],
            "gas": receipt["gasUsed"],
            "price": receipt["effectiveGasPrice"],
            "paid": before - self.web3.eth.get_balance(account.address),
            "created": receipt["contractAddress"],
            "type": receipt["type"],
            "to": receipt["to"],
            "number": block["number"],
            "time": block["timestamp"],
            "base_fee": block["baseFeePerGas"],
            "block_gas": block["gasUsed"],
            "bloom": block["logsBloom"].hex() if "record" not in label else "",
            "logs": [
                (log["address"], [t.hex() for t in log["topics"]], "" if "record" in label else log["data"].hex())
                for log in receipt["logs"]
            ],
        }
        return receipt

    def ask(self, label: str, call: Any, **given: Any) -> None:
        transaction = {"from": KEY.address, "to": self.address, "data": call._encode_transaction_data(), **given}
        answer = self.web3.provider.make_request("eth_call", [transaction, "latest"])
        error = answer.get("error", {})
        self.seen[label] = (answer.get("result"), error.get("data") or None if error.get("code") == 3 else bool(error))

    def slots(self, label: str, *keys: int) -> None:
        self.seen[label] = [self.probe.functions.values(key).call() for key in keys]


def walk_storage(w: Walk) -> None:
    f = w.probe.functions
    w.send("store new", f.store(1, 10))
    w.send("store changed", f.store(1, 11))
    w.send("store same", f.store(1, 11))
    w.send("store cleared", f.store(1, 0))
    w.send("store again", f.store(1, 5))
    w.send("flip set", f.flip(1, 9))
    w.send("flip unset", f.flip(2, 9))
    for slot in range(20, 26):
        w.send(f"fill {slot}", f.store(slot, slot))
    w.send("clear with a capped refund", f.clear(20, 26))
    w.send("push", f.push(10))
    w.send("delegated", f.delegated(40, 7))
    w.send("transient", f.transient_(8))
    w.send("transient again", f.transient_(8))
    w.slots("stored", 1, 2, 5, 20, 40, 41)
    w.seen["raw slots"] = [w.web3.eth.get_storage_at(w.address, i).hex() for i in range(6)]
    w.seen["code"] = keccak(w.web3.eth.get_code(w.address)).hex()


def walk_failures(w: Walk) -> None:
    f = w.probe.functions
    for kind in range(9):
        w.send(f"fail {kind}", f.fail(kind), gas=300_000)
        if kind != 7:
            w.ask(f"ask fail {kind}", f.fail(kind), gas="0x493e0")
    for kind, gas in ((0, 90_000), (1, 90_000), (5, 40_000), (9, 90_000), (1, 3_000), (9, 25_000)):
        w.send(f"guarded {kind} with {gas}", f.guarded(kind, gas), gas=400_000)
    w.send("call out of gas", f.store(70, 1), gas=40_000)
    w.send("withdraw what is not there", f.withdraw(HEIR, 1), gas=100_000)
    w.send("value to a function that takes none", f.store(71, 1), value=0, gas=100_000)
    w.send("dig", f.dig(30))
    w.ask("ask dig", f.dig(30), gas=hex(900_000))
    w.send("a call that the code does not know", to=w.address, data="0x12345678", gas=60_000)


def walk_creation(w: Walk) -> None:
    f = w.probe.functions
    w.send("spawn", f.spawn(3))
    w.send("spawn with value", f.spawn(4), value=77)
    w.send("spawn unlucky", f.spawn(13), gas=300_000)
    w.send("spawn salted", f.spawnSalted(5, b"\x05" * 32))
    w.send("spawn salted twice", f.spawnSalted(5, b"\x05" * 32), gas=500_000)
    w.send("spawn and leave", f.spawnAndLeave(6, HEIR), value=9)
    w.seen["heir"] = w.web3.eth.get_balance(HEIR)
    child = load_probe("Child")
    factory = w.web3.eth.contract(abi=child["abi"], bytecode=child["bytecode"])
    w.send("deploy from another account", factory.constructor(8), account=OTHER, value=3)
    w.send("deploy that reverts", factory.constructor(13), account=OTHER, gas=200_000)
    w.send("code at the limit", data=bytes.fromhex("6160005ff3"), gas=6_000_000)
    w.send("code above the limit", data=bytes.fromhex("6160015ff3"), gas=6_000_000)
    w.send("code that starts with ef", data=bytes.fromhex("60ef5f5360015ff3"), gas=100_000)
    w.send(
        "initcode with traps",
        data=bytes.fromhex("485f554360014303405055325f5f5f5f600a345af15f5ff3"),
        gas=200_000,
        value=99,
    )


def walk_money(w: Walk) -> None:
    f = w.probe.functions
    w.send("deposit", f.deposit(), value=ETHER)
    w.send("withdraw", f.withdraw(HEIR, ETHER // 2))
    w.send("plain transfer to nobody", to="0x" + "77" * 20, value=1, gas=21_000)
    w.send("plain transfer again", to="0x" + "77" * 20, value=1, gas=21_000)
    w.send("transfer to the contract", to=w.address, value=2)
    w.send("transfer to oneself", to=KEY.address, value=2)
    w.send("transfer to a precompile", to="0x" + "00" * 19 + "04", value=1, data="0xaabb", gas=60_000)
    w.send("legacy price", f.store(80, 1), gasPrice=3 * 10**9)
    w.send("access list", f.store(81, 2), accessList=[{"address": w.address, "storageKeys": ["0x" + "00" * 32]}])
    w.send("low tip", f.store(82, 2), maxFeePerGas=2 * 10**9, maxPriorityFeePerGas=1)
    w.send("stamp", f.stamp(), value=6)
    w.slots("stamped", *range(1000, 1009))
    w.send("tip cap", f.store(83, 2), maxFeePerGas=10**9, maxPriorityFeePerGas=10**9)
    w.seen["balances"] = [w.web3.eth.get_balance(a) for a in (KEY.address, OTHER.address, w.address, HEIR)]


def walk_hashing(w: Walk) -> None:
    f = w.probe.functions
    w.send("hash all", f.hashAll(b"some bytes " * 20))
    w.slots("hashed", *range(2000, 2007))
    s = SIGNATURE
    w.send("recover", f.recover(b"\x07" * 32, s.v, s.r.to_bytes(32, "big"), s.s.to_bytes(32, "big")))
    w.send("recover nothing", f.recover(b"\x07" * 32, 30, s.r.to_bytes(32, "big"), s.s.to_bytes(32, "big")))
    w.slots("recovered", 3000)
    w.send("spin", f.spin(300))
    w.slots("spun", 4000)
    head = w.web3.eth.block_number
    for back in (1, 2, 30, 300):
        number = max(head - back, 0)
        w.send(f"record {back}", f.record(number))
        block_hash = w.web3.eth.get_block(number)["hash"]
        expected = keccak(bytes(block_hash) + bytes(12) + bytes.fromhex(KEY.address[2:]))
        assert w.probe.functions.hashes(number).call() == expected
    future = w.web3.eth.block_number + 5
    w.send("record the future", f.record(future))
    w.seen["future hash"] = w.probe.functions.hashes(future).call().hex()
    w.rpc("anvil_mine", "0x101", "0x1")
    w.timestamp += 300
    w.send("record what is too old", f.record(head))
    w.seen["old hash"] = w.probe.functions.hashes(head).call().hex()


def walk_views(w: Walk) -> None:
    f = w.probe.functions
    w.send("announce", f.announce(3))
    for label, call in (("shape", f.shape(2)), ("shapes", f.shapes()), ("sum", f.sum([(-3, 4), (5, 6)]))):
        w.ask(label, call)
    w.seen["sum overflow"] = None
    w.ask("sum overflow", f.sum([(2**127 - 1, 2**64 - 1)] * 3))
    first, topic = w.web3.eth.block_number - 5, Web3.keccak(text="Stored(uint256,uint256,address)")
    for label, query in (
        ("logs", {}),
        ("logs by topic", {"topics": [topic]}),
        (
            "logs by either",
            {"topics": [[topic, "0x" + "00" * 32], None, "0x" + KEY.address[2:].lower().rjust(64, "0")]},
        ),
        ("logs by address", {"address": [w.address, HEIR]}),
        ("logs of nobody", {"address": HEIR}),
    ):
        found = w.web3.eth.get_logs({"fromBlock": 0, "toBlock": first + 5, **query})
        w.seen[label] = [(e["blockNumber"], e["logIndex"], len(e["topics"])) for e in found]
    w.seen["nonce"] = w.web3.eth.get_transaction_count(KEY.address)
    w.seen["old balance"] = w.web3.eth.get_balance(KEY.address, 1)
    w.seen["fees"] = [int(x) for x in w.web3.eth.fee_history(4, "latest", [50])["baseFeePerGas"]]


def walk_refusals(w: Walk) -> None:
    def refuse(label: str, account: Any = KEY, **given: Any) -> None:
        fields = {k: v for k, v in w.fields(account, **given).items() if k != "from"}
        fields.setdefault("to", HEIR)
        try:
            w.web3.eth.send_raw_transaction(account.sign_transaction(fields).raw_transaction)
        except Web3RPCError as error:
            w.seen[label] = str(error.rpc_response["error"]["message"]).split(":")[0].lower()
        else:
            w.seen[label] = "taken"

    refuse("nonce too low", nonce=0)
    refuse("wrong chain", chainId=5)
    refuse("no money", Account.from_key(b"\x09" * 32))
    refuse("too much gas", gas=30_000_001)
    assert w.seen.pop("too much gas") != "taken"
    refuse("too little gas", gas=20_000)
    before = w.web3.eth.get_balance(KEY.address)
    snapshot = w.rpc("evm_snapshot")
    block = w.web3.eth.block_number
    w.send("inside a snapshot", w.probe.functions.store(90, 1))
    w.rpc("anvil_setBalance", KEY.address, "0x0")
    w.seen["reverted"] = w.rpc("evm_revert", snapshot)
    w.seen["restored"] = (w.web3.eth.get_balance(KEY.address) == before, w.web3.eth.block_number == block)
    w.slots("unset", 90)
    w.send("after a snapshot", w.probe.functions.store(90, 2))
    for field in ("price", "paid", "base_fee"):  # anvil forgets to rewind its base fee
        del w.seen["after a snapshot"][field]


WALKS: tuple[Callable[[Walk], None], ...] = (
    walk_storage,
    walk_failures,
    walk_creation,
    walk_money,
    walk_hashing,
    walk_views,
    walk_refusals,
)


@cache
def observe(network: str, walk: Callable[[Walk], None]) -> dict[str, Any]:
    with open_network(network) as web3:
        seen = Walk(web3)
        walk(seen)
        return seen.seen


def find_difference(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {k: (ours.get(k), theirs[k]) for k in theirs if ours.get(k) != theirs[k]}
    return ours, theirs


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "anvil"])
def test_embedded_chain_agrees_with_anvil(network: str, walk: Callable[[Walk], None]) -> None:
    ours, theirs = observe(network, walk), observe("anvil", walk)
    different = {k: find_difference(ours.get(k), theirs[k]) for k in theirs if ours.get(k) != theirs[k]}
    assert not different
    assert ours.keys() == theirs.keys()
