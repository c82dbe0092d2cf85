"""What the embedded chain and its clients keep is never told where it is not so any more."""

from typing import Any

import pytest
from chain_probe import KEY, open_chain, sign
from eth_account import Account
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain.blocks import compute_bloom
from assay.chain.contracts.jobs import Posted
from assay.chain.engine import Log
from assay.chain.events import LogEntry
from assay.chain.provider import EmbeddedProvider
from assay.chain.rpc import Rpc
from assay.chain.state import Change
from assay.protocol.errors import Malformed

PLACE = b"\x77" * 20
STORED = bytes.fromhex("5f545f5260205ff3")
"""Returns what stands in slot 0."""
NUMBER = bytes.fromhex("435f5260205ff3")
"""Returns the block's number."""
TIME = bytes.fromhex("425f5260205ff3")


def ask(web3: Any, block: int | str = "latest") -> int:
    return int.from_bytes(Rpc(web3).call("0x" + PLACE.hex(), b"", block=block), "big")


def test_a_view_is_asked_anew_when_the_state_changes_and_when_it_is_taken_back() -> None:
    chain, web3, _ = open_chain()
    chain.change({PLACE: Change(0, 1, STORED, {0: 5})})
    assert ask(web3) == ask(web3) == 5
    chain.mine()
    before = chain.head.header.number
    snapshot = chain.snapshot()
    chain.change({PLACE: Change(0, 1, None, {0: 6})})
    assert ask(web3) == 6
    chain.mine()
    assert (ask(web3), ask(web3, before)) == (6, 6 if chain.blocks[before] is chain.head else 5)
    chain.revert(snapshot)
    assert ask(web3) == 5


def test_a_view_of_time_or_of_the_block_is_asked_anew_as_they_pass() -> None:
    chain, web3, clock = open_chain()
    chain.change({PLACE: Change(0, 1, NUMBER)})
    assert [ask(web3), ask(web3)] == [0, 0]
    chain.mine()
    assert ask(web3) == 1
    chain.reorganise(1)
    assert ask(web3) == 1
    chain.change({PLACE: Change(0, 1, TIME)})
    assert ask(web3) == clock.now_s
    clock.now_s += 7
    assert ask(web3) == clock.now_s


def test_questions_that_say_more_than_a_view_are_not_taken_for_one() -> None:
    chain, web3, _ = open_chain()
    caller = bytes.fromhex("335f5260205ff3")
    chain.change({PLACE: Change(0, 1, caller)})
    rpc, plain = Rpc(web3), {"to": "0x" + PLACE.hex(), "data": "0x"}
    assert int(rpc.request("eth_call", plain, "latest"), 16) == 0
    assert int(rpc.request("eth_call", {**plain, "from": KEY.address}, "latest"), 16) == int(KEY.address, 16)
    assert int(rpc.request("eth_call", {"from": KEY.address, "to": plain["to"]}, "latest"), 16) == int(KEY.address, 16)
    assert int(rpc.request("eth_call", {"to": PLACE, "data": b""}, "latest"), 16) == 0
    assert rpc.web3.provider.make_request("eth_call", [{"to": [1], "data": {}}, "latest"])["error"]  # type: ignore[arg-type]


def test_the_newest_block_is_the_one_that_stands() -> None:
    chain, web3, _ = open_chain()
    rpc = Rpc(web3)
    for value in (1, 2):
        chain.submit(sign(chain, value=value))
    old = rpc.request("eth_getBlockByNumber", "latest", False)
    old["hash"] = "spoilt by who got it"
    assert rpc.request("eth_getBlockByNumber", "latest", False)["hash"] == "0x" + chain.head.hash.hex()
    chain.reorganise(1)
    seen = [rpc.request("eth_getBlockByNumber", at, False)["hash"] for at in ("latest", hex(1), "latest")]
    assert seen == ["0x" + chain.blocks[at].hash.hex() for at in (2, 1, 2)]
    assert isinstance(rpc.request("eth_getBlockByNumber", hex(1), True)["transactions"][0], dict)
    assert isinstance(rpc.request("eth_getBlockByNumber", hex(1), False)["transactions"][0], str)


def test_trapped_code_is_seen_wherever_it_is_called_from() -> None:
    """What a call has touched is asked of the engine: a contract that reads a block's hash through another."""
    chain, web3, _ = open_chain()
    inner, hashing = b"\x78" * 20, bytes.fromhex("5f35405f5260205ff3")  # the hash of the block that it is asked for
    outer = bytes.fromhex("5f355f5260205f60205f5f73") + inner + bytes.fromhex("5af15060205ff3")
    chain.change({inner: Change(0, 1, hashing), PLACE: Change(0, 1, outer)})
    for _ in range(3):
        chain.mine()
    word = (1).to_bytes(32, "big")
    assert Rpc(web3).call("0x" + PLACE.hex(), word, block="latest") == chain.blocks[1].hash
    chain.reorganise(3)
    assert Rpc(web3).call("0x" + PLACE.hex(), word, block="latest") == chain.blocks[1].hash


@given(st.lists(st.binary(min_size=1, max_size=32), max_size=6))
def test_a_bloom_has_three_bits_of_each_item(items: list[bytes]) -> None:
    bits = 0
    for item in items:
        digest = keccak(item)
        for at in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    for _ in range(2):
        assert int.from_bytes(compute_bloom([Log(item, (), b"") for item in items]), "big") == bits


def test_a_log_is_held_to_its_event_though_it_was_read_before() -> None:
    topics = (Posted.TOPIC, *(bytes(32),) * (sum(indexed for _, indexed in Posted.TYPES)))
    payload = bytes(32) * sum(not indexed for _, indexed in Posted.TYPES)
    log = LogEntry("0x" + "11" * 20, topics, payload, 1, bytes(32), bytes(32), 0)
    assert Posted.decode(log) == Posted.decode(log)
    for wrong in (topics[1:], (bytes(32), *topics[1:]), (*topics, bytes(32))):
        with pytest.raises(Malformed):
            Posted.decode(LogEntry(log.address, wrong, payload, 1, bytes(32), bytes(32), 0))


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "chainId": st.integers(1, 2**40),
            "nonce": st.integers(0, 2**40),
            "gas": st.integers(21_000, 2**40),
            "value": st.integers(0, 2**100),
            "data": st.binary(max_size=80),
            "maxFeePerGas": st.integers(0, 2**60),
            "maxPriorityFeePerGas": st.integers(0, 2**60),
            "to": st.sampled_from([b"", b"\x22" * 20, "0x" + "22" * 20, KEY.address]),
            "type": st.just(2),
        }
    )
)
def test_a_transaction_is_written_as_others_write_it(fields: dict[str, Any]) -> None:
    account = Account.from_key(b"\x01" * 32)
    assert KEY.sign_transaction(fields) == bytes(account.sign_transaction(fields).raw_transaction)
    assert KEY.sign_digest(keccak(fields["data"])) == bytes(account.unsafe_sign_hash(keccak(fields["data"])).signature)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "0x2", "nonce": "0x5"},
        {"accessList": [{"address": "0x" + "44" * 20, "storageKeys": ["0x" + "07" * 32]}]},
        {"data": "0x0102"},
    ],
)
def test_what_is_not_plain_is_left_to_others(given: dict[str, Any]) -> None:
    fields = {"chainId": 5, "nonce": 1, "gas": 30_000, "value": 2, "data": b"", "to": "0x" + "22" * 20, "type": 2}
    fields = {**fields, "maxFeePerGas": 9, "maxPriorityFeePerGas": 3, **given}
    account = Account.from_key(b"\x01" * 32)
    assert KEY.sign_transaction(fields) == bytes(account.sign_transaction(fields).raw_transaction)


@pytest.mark.parametrize("given", [{"to": KEY.address.lower().replace("0x", "0X")}, {"to": b"\x01"}])
def test_what_others_refuse_to_sign_is_refused(given: dict[str, Any]) -> None:
    fields = {"chainId": 5, "nonce": 1, "gas": 30_000, "value": 2, "data": b"", "to": "0x" + "22" * 20, "type": 2}
    with pytest.raises((TypeError, ValueError)):
        KEY.sign_transaction({**fields, "maxFeePerGas": 9, "maxPriorityFeePerGas": 3, **given})


def test_a_provider_follows_its_own_chain() -> None:
    one, other = open_chain()[0], open_chain()[0]
    one.mine()
    providers = [EmbeddedProvider(chain) for chain in (one, other)]
    shown = [each.make_request("eth_getBlockByNumber", ["latest", False])["result"]["hash"] for each in providers]  # type: ignore[arg-type]
    assert shown == ["0x" + chain.head.hash.hex() for chain in (one, other)]
