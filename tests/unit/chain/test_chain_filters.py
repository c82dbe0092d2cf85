"""Filters and the JSON-RPC surface of the embedded chain."""

import pytest
from chain_probe import KEY, deploy_probe, open_chain, sign
from web3.exceptions import Web3RPCError


def test_polling_reports_logs_and_their_removal() -> None:
    chain, web3, _ = open_chain()
    probe = deploy_probe(web3)
    installed = web3.eth.filter({"address": probe.address})
    blocks = web3.eth.filter("latest")
    probe.store(1, 2).send()
    first = installed.get_new_entries()
    assert [(e["removed"], e["blockNumber"]) for e in first] == [(False, 2)]
    assert installed.get_new_entries() == []
    chain.reorganise(1)
    assert [(e["removed"], e["blockHash"]) for e in installed.get_new_entries()] == [(True, first[0]["blockHash"])]
    assert installed.get_all_entries() == []
    assert len(blocks.get_new_entries()) == 2
    assert web3.eth.uninstall_filter(installed.filter_id)
    with pytest.raises(Web3RPCError, match="filter not found"):
        web3.eth.get_filter_changes(installed.filter_id)


def test_topics_match_by_position_and_alternative() -> None:
    _, web3, _ = open_chain()
    probe = deploy_probe(web3)
    for slot in (1, 2, 3):
        probe.store(slot, 5).send()
    topic = web3.keccak(text="Stored(uint256,uint256,address)")
    words = [web3.to_bytes(n).rjust(32, b"\0") for n in (1, 2, 3)]

    def count(*topics: object) -> int:
        return len(web3.eth.get_logs({"fromBlock": 0, "topics": list(topics)}))

    assert count() == count(topic) == count(None) == count(topic, None) == 3
    assert count(topic, words[1]) == 1
    assert count(None, [words[0], words[2]]) == 2
    assert count(words[0]) == 0
    assert count(topic, None, KEY.address.replace("0x", "0x" + "0" * 24)) == 3
    assert count(topic, None, None, None) == 0


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_nonsense", [], -32601),
        ("eth_getBalance", [], -32602),
        ("eth_getBalance", ["0x12"], -32602),
        ("eth_getBalance", ["zz" * 20], -32602),
        ("eth_getBlockByHash", ["0x12", False], -32602),
        ("eth_getBalance", ["0x" + "11" * 20, "0x99"], -32000),
        ("eth_getLogs", [{"topics": [None] * 5}], -32602),
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest", "topics": ["0x12"]}], -32602),
        ("eth_getLogs", [{"blockHash": "0x" + "00" * 32}], -32000),
        ("eth_sendRawTransaction", ["0x"], -32000),
        ("eth_getFilterChanges", ["0x5"], -32602),
        ("anvil_setBalance", ["nobody", "0x0"], -32602),
        ("eth_call", [{"to": "0x" + "11" * 20, "gas": "0x1"}], -32000),
        ("eth_call", [{"to": "0x" + "11" * 20, "value": "0x1"}], -32000),
    ],
)
def test_bad_requests_are_errors_not_crashes(method: str, params: list[object], code: int) -> None:
    _, web3, _ = open_chain()
    assert web3.provider.make_request(method, params)["error"]["code"] == code


def test_a_node_s_small_answers() -> None:
    chain, web3, _ = open_chain()
    chain.submit(sign(chain))
    assert web3.eth.chain_id == 31_337
    assert web3.net.version == "31337"
    assert web3.is_connected()
    assert list(web3.eth.accounts) == []
    assert web3.eth.syncing is False
    assert web3.eth.gas_price == chain.next_base_fee() + web3.eth.max_priority_fee
    history = web3.eth.fee_history(2, "latest", [10, 90])
    assert history["reward"] == [[0, 0], [10**9, 10**9]]
    transaction = web3.eth.get_transaction(chain.head.receipts[0].transaction.hash)
    assert (transaction["from"], transaction["blockNumber"], transaction["nonce"]) == (KEY.address, 1, 0)
    assert web3.eth.get_block("latest", True)["transactions"][0]["hash"] == transaction["hash"]
    assert web3.eth.get_block_transaction_count(1) == 1
    assert web3.provider.make_request("eth_getTransactionReceipt", ["0x" + "00" * 32])["result"] is None
    assert web3.provider.make_request("eth_getBlockByNumber", ["0x55", False])["result"] is None


def test_estimates_are_enough_and_not_much_more() -> None:
    _, web3, _ = open_chain()
    probe = deploy_probe(web3)
    for call in (probe.store(1, 2), probe.spawn(3), probe.dig(20), probe.guarded(9, 90_000), probe.clear(0, 5)):
        estimate = call.estimate()
        sent = call.send(gas=estimate)
        assert sent.gas_used <= estimate <= sent.gas_used * 1.35
