"""The cursor delivers each event once, whatever the chain and the node do."""

import json
import random
from typing import Any

import pytest
from chain_probe import KEY, Tampering, deploy_probe, open_chain
from web3 import Web3

from assay.chain.cursor import Cursor
from assay.chain.events import LogEntry
from assay.protocol.errors import BadInput, Malformed, Refused, Unavailable


def place(log: LogEntry) -> tuple[int, bytes, int]:
    return log.block_number, log.block_hash, log.log_index


def read_truth(web3: Web3, address: str) -> list[tuple[int, bytes, int]]:
    logs = web3.eth.get_logs({"fromBlock": 0, "address": address})
    return [(log["blockNumber"], bytes(log["blockHash"]), log["logIndex"]) for log in logs]


@pytest.mark.parametrize("seed", range(12))
def test_events_survive_reorganisations_and_restarts(seed: int) -> None:
    chance = random.Random(seed)
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    bounds = {"range_blocks": chance.choice([1, 3, 50]), "window_blocks": 40}
    cursor = Cursor(web3, [probe.address], **bounds)
    held: list[tuple[int, bytes, int]] = []
    for _ in range(60):
        deed = chance.random()
        if deed < 0.5:
            probe.store(chance.randrange(5), chance.randrange(5)).send()
        elif deed < 0.6:
            chain.mine()
        elif deed < 0.7 and chain.head.header.number > 6:
            chain.reorganise(chance.randrange(1, 5), keep_transactions=chance.random() < 0.5)
        elif deed < 0.8:
            state = json.loads(json.dumps(cursor.dump()))
            cursor = Cursor(web3, [probe.address], **bounds)
            cursor.restore(state)
        else:
            page = cursor.poll()
            for log in page.removed:
                assert held.pop() == place(log)
            held.extend(place(log) for log in page.added)
            assert len(held) == len(set(held))
    page = cursor.drain()
    for log in page.removed:
        assert held.pop() == place(log)
    held.extend(place(log) for log in page.added)
    assert held == read_truth(web3, probe.address)


def test_long_histories_are_read_in_ranges_and_then_linked() -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    for slot in range(30):
        probe.store(slot, 1).send()
    cursor = Cursor(web3, [probe.address], range_blocks=7, window_blocks=10)
    added: list[LogEntry] = []
    while True:
        page = cursor.poll()
        added.extend(page.added)
        if page.is_caught_up:
            break
    assert [place(log) for log in added] == read_truth(web3, probe.address)
    assert len(cursor.dump()["seen"]) == 10
    chain.reorganise(8)
    assert len(cursor.drain().removed) == 8
    chain.reorganise(20)
    with pytest.raises(Refused, match="below block"):
        cursor.poll()


def test_a_shorter_chain_takes_events_back() -> None:
    _, web3, _ = open_chain()
    probe = deploy_probe(web3)
    snapshot = web3.provider.make_request("evm_snapshot", [])["result"]
    for slot in range(4):
        probe.store(slot, 1).send()
    cursor = Cursor(web3, [probe.address])
    assert len(cursor.drain().added) == 4
    web3.provider.make_request("evm_revert", [snapshot])
    page = cursor.poll()
    assert [log.block_number for log in page.removed] == [5, 4, 3, 2]
    assert page.added == ()
    assert cursor.next_block == 2


def change_log(**fields: Any) -> Any:
    def tamper(method: str, params: Any, result: Any) -> Any:
        return [{**log, **fields} for log in result] if method == "eth_getLogs" else result

    return tamper


def change_block(**fields: Any) -> Any:
    def tamper(method: str, params: Any, result: Any) -> Any:
        return {**result, **fields} if method == "eth_getBlockByNumber" and params[0] != "0x0" else result

    return tamper


LIES = {
    "a log of another address": (change_log(address="0x" + "11" * 20), Malformed),
    "a log outside the range": (change_log(blockNumber="0x77"), Malformed),
    "a log of another block": (change_log(blockHash="0x" + "11" * 32), Unavailable),
    "a log marked as removed": (change_log(removed=True), Unavailable),
    "a log without topics": (change_log(topics=None), Malformed),
    "a log twice": (lambda m, p, r: r * 2 if m == "eth_getLogs" else r, Malformed),
    "no list of logs": (lambda m, p, r: {} if m == "eth_getLogs" else r, Malformed),
    "a block that does not link": (change_block(parentHash="0x" + "11" * 32), Unavailable),
    "another block": (change_block(number="0x9"), Unavailable),
    "a block without a hash": (change_block(hash=None), Malformed),
    "no block": (lambda m, p, r: None if m == "eth_getBlockByNumber" else r, Unavailable),
    "no number": (change_block(number="many"), Malformed),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_and_leave_the_cursor_as_it_was(lie: str) -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    probe.store(1, 1).send()
    provider = Tampering(chain)
    cursor = Cursor(Web3(provider), [probe.address])
    before = cursor.dump()
    provider.tamper, refusal = LIES[lie]
    with pytest.raises(refusal):
        cursor.poll()
    assert cursor.dump() == before
    provider.tamper = None
    assert len(cursor.poll().added) == 1


def test_a_passing_contradiction_is_asked_again() -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    probe.store(1, 1).send()
    provider = Tampering(chain)
    told: list[str] = []

    def lie_once(method: str, params: Any, result: Any) -> Any:
        if method == "eth_getLogs" and not told:
            told.append(method)
            return [{**log, "blockHash": "0x" + "11" * 32} for log in result]
        return result

    provider.tamper = lie_once
    assert len(Cursor(Web3(provider), [probe.address]).poll().added) == 1
    assert told


def test_a_node_that_bounds_ranges_is_asked_in_parts() -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    for slot in range(9):
        probe.store(slot, 1).send()

    class Stingy(Tampering):
        def make_request(self, method: Any, params: Any) -> Any:
            if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 2:
                return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "range too wide"}}
            return super().make_request(method, params)

    cursor = Cursor(Web3(Stingy(chain)), [probe.address])
    assert [place(log) for log in cursor.drain().added] == read_truth(web3, probe.address)


@pytest.mark.parametrize(
    "state",
    [None, {}, [], {"format": "assay-cursor-1"}, {"format": "x"}, {"format": "assay-cursor-1", "seen": [[1]]}],
)
def test_broken_states_are_refused(state: Any) -> None:
    _, web3, _ = open_chain()
    with pytest.raises(Malformed):
        Cursor(web3, [KEY.address]).restore(state)


def test_states_of_other_cursors_are_refused() -> None:
    _, web3, _ = open_chain()
    state = Cursor(web3, [KEY.address]).dump()
    with pytest.raises(BadInput):
        Cursor(web3, [KEY.address], first_block=1).restore(state)
    for seen in ([[5, "00" * 32, []], [4, "00" * 32, []]], [[5, "00", []]]):
        with pytest.raises(Malformed):
            Cursor(web3, [KEY.address]).restore({**state, "seen": seen})
    for settings in ({"first_block": -1}, {"range_blocks": 0}, {"window_blocks": 0}):
        with pytest.raises(BadInput):
            Cursor(web3, [KEY.address], **settings)
    with pytest.raises(BadInput):
        Cursor(web3, [])
