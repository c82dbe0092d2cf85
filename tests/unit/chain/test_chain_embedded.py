"""Blocks, time, money and undoing on the embedded chain."""

import pytest
from chain_probe import ETHER, KEY, Hands, open_chain, sign
from eth_account import Account

from assay.chain.blocks import compute_bloom
from assay.chain.embedded import COINBASE, EmbeddedChain
from assay.chain.engine import Log
from assay.protocol.errors import BadInput, LimitExceeded, Malformed, Refused

ME = bytes.fromhex(KEY.address[2:])
YOU = b"\x22" * 20


def test_each_transaction_gets_a_block_that_links_to_its_parent() -> None:
    chain, _, _ = open_chain()
    for value in range(3):
        chain.submit(sign(chain, value=value))
    assert [len(b.receipts) for b in chain.blocks] == [0, 1, 1, 1]
    for parent, block in zip(chain.blocks, chain.blocks[1:], strict=False):
        assert block.header.parent_hash == parent.hash == parent.header.compute_hash()
    assert chain.state.get(YOU).balance == 3


def test_fees_are_burned_tipped_and_charged_to_the_wei() -> None:
    chain, _, _ = open_chain()
    before = chain.state.get(ME).balance
    chain.submit(sign(chain, value=7, gas=50_000))
    receipt = chain.head.receipts[0]
    assert receipt.gas_used == 21_000
    assert receipt.price == chain.head.header.base_fee + 10**9
    assert before - chain.state.get(ME).balance == 7 + 21_000 * receipt.price
    assert chain.state.get(COINBASE).balance == 21_000 * 10**9


def test_base_fee_follows_how_full_blocks_are() -> None:
    chain, _, _ = open_chain(mining="manual", gas_limit=1_000_000)
    chain.mine()
    assert chain.next_base_fee() < chain.head.header.base_fee
    chain.submit(sign(chain, to=None, data="0x5b5f56", gas=1_000_000))  # spins until its gas is gone
    chain.mine()
    assert chain.head.header.gas_used == 1_000_000
    assert chain.next_base_fee() == chain.head.header.base_fee * 9 // 8


def test_time_is_the_clock_s_and_never_falls() -> None:
    chain, _, clock = open_chain()
    clock.now_s += 50
    chain.submit(sign(chain))
    assert chain.head.header.timestamp == 1_000_050
    clock.now_s -= 40
    assert chain.mine().header.timestamp == 1_000_050
    chain.increase_time(100)
    assert chain.mine().header.timestamp == 1_000_110
    chain.set_next_timestamp(2_000_000)
    assert chain.mine().header.timestamp == 2_000_000
    clock.now_s += 5
    assert chain.mine().header.timestamp == 2_000_005
    with pytest.raises(BadInput):
        chain.set_next_timestamp(5)
    with pytest.raises(BadInput):
        chain.increase_time(-1)


def test_interval_mining_makes_blocks_as_time_passes() -> None:
    chain, web3, clock = open_chain(mining="interval", interval_s=12)
    clock.now_s += 30
    assert web3.eth.block_number == 2
    assert [b.header.timestamp for b in chain.blocks[1:]] == [1_000_012 + 6, 1_000_024 + 6]
    chain.submit(sign(chain, value=4))
    assert chain.state.get(YOU).balance == 0
    clock.now_s += 12
    assert web3.eth.block_number == 3
    assert chain.state.get(YOU).balance == 4
    clock.now_s += 10**9
    assert web3.eth.block_number < 3 + 2_000


def test_manual_mining_takes_what_is_ready_in_order() -> None:
    chain, web3, _ = open_chain(mining="manual")
    for nonce in (1, 0, 3):
        chain.submit(sign(chain, nonce=nonce, value=1))
    assert web3.eth.get_transaction_count(KEY.address, "pending") == 2
    block = chain.mine()
    assert [r.transaction.nonce for r in block.receipts] == [0, 1]
    assert len(chain.pool) == 1
    chain.submit(sign(chain, nonce=2))
    chain.set_mining("auto")
    assert len(chain.pool) == 0
    assert chain.state.get(ME).nonce == 4


def test_pool_replaces_only_for_a_tenth_more() -> None:
    chain, _, _ = open_chain(mining="manual")
    chain.submit(sign(chain, value=1))
    with pytest.raises(Refused, match="already known"):
        chain.submit(sign(chain, value=1))
    with pytest.raises(Refused, match="underpriced"):
        chain.submit(sign(chain, value=2, maxFeePerGas=5_400_000_000))
    chain.submit(sign(chain, value=3, maxFeePerGas=5_500_000_000))
    assert [r.transaction.value for r in chain.mine().receipts] == [3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nonce": 0, "value": 9}, "nonce too low"),
        ({"chainId": 1}, "invalid chain id"),
        ({"gas": 20_999}, "intrinsic gas"),
        ({"gas": 30_000_001}, "block gas limit"),
        ({"value": 2_000 * ETHER}, "insufficient funds"),
        ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 1}, "max fee per gas"),
        ({"to": None, "data": b"\0" * 49_153, "gas": 20_000_000}, "initcode"),
    ],
)
def test_refused_transactions_change_nothing(given: dict[str, object], words: str) -> None:
    chain, _, _ = open_chain()
    chain.submit(sign(chain))
    head = chain.head.hash
    with pytest.raises((Refused, LimitExceeded), match=words):
        chain.submit(sign(chain, **given))
    assert chain.head.hash == head
    assert len(chain.pool) == 0


def test_unprotected_and_garbled_transactions_are_refused() -> None:
    chain, _, _ = open_chain()
    account = Account.from_key(b"\x01" * 32)
    plain = {"nonce": 0, "gas": 21_000, "gasPrice": 10**10, "to": "0x" + "22" * 20, "value": 0}
    with pytest.raises(Refused, match="chain id"):
        chain.submit(bytes(account.sign_transaction(plain).raw_transaction))
    good = sign(chain)
    for raw in (b"", b"\x02", b"\x03" + good[1:], good[:-1], good + b"\0", b"\xc0", b"\xff" * 9, b"\xf8", b"\x7f"):
        with pytest.raises(Malformed):
            chain.submit(raw)
    with pytest.raises(LimitExceeded):
        chain.submit(b"\x02" + b"\0" * 200_000)


def test_revert_restores_everything_a_snapshot_saw() -> None:
    chain, _, clock = open_chain()
    chain.submit(sign(chain, value=1))
    before = (chain.state.whole(), chain.head.hash, chain.now())
    snapshot = chain.snapshot()
    inner = chain.snapshot()
    chain.set_balance(YOU, 10**30)
    chain.submit(sign(chain, value=5))
    chain.increase_time(10)
    chain.mine()
    assert chain.revert(snapshot)
    assert (chain.state.whole(), chain.head.hash, chain.now()) == before
    assert not chain.revert(inner)
    assert not chain.revert(snapshot)
    chain.submit(sign(chain, value=2))
    assert chain.state.get(YOU).balance == 3
    assert clock.now_s == 1_000_000


@pytest.mark.parametrize("keep", [True, False])
def test_reorganise_replaces_the_last_blocks(keep: bool) -> None:
    chain, web3, _ = open_chain()
    for value in (1, 10, 100):
        chain.submit(sign(chain, value=value))
        chain.set_balance(b"\x33" * 20, value)
    old = [b.hash for b in chain.blocks]
    chain.reorganise(2, keep_transactions=keep)
    new = [b.hash for b in chain.blocks]
    assert len(new) == len(old) == 4
    assert new[:2] == old[:2]
    assert not set(new[2:]) & set(old[2:])
    assert chain.state.get(YOU).balance == (111 if keep else 1)
    assert chain.state.get(b"\x33" * 20).balance == 100
    assert web3.eth.get_block(new[3])["number"] == 3
    for depth in (0, 4, 99):
        with pytest.raises(BadInput):
            chain.reorganise(depth)


def test_state_of_old_blocks_can_be_asked() -> None:
    chain, web3, _ = open_chain()
    for value in (1, 10, 100):
        chain.submit(sign(chain, value=value))
    address = web3.to_checksum_address(YOU)
    assert [web3.eth.get_balance(address, n) for n in range(4)] == [0, 1, 11, 111]
    assert [web3.eth.get_transaction_count(KEY.address, n) for n in range(4)] == [0, 1, 2, 3]
    assert web3.eth.get_balance(address) == 111


def test_chains_with_different_ids_live_side_by_side() -> None:
    first, second = open_chain(chain_id=1)[0], open_chain(chain_id=2)[0]
    first.submit(sign(first, value=1))
    with pytest.raises(Refused):
        second.submit(sign(first, nonce=0, value=1))
    assert first.blocks[0].hash != second.blocks[0].hash


def test_settings_out_of_range_are_refused() -> None:
    for settings in ({"chain_id": 0}, {"interval_s": 0}, {"mining": "never"}, {"engine": "steam"}):
        with pytest.raises(BadInput):
            EmbeddedChain(clock=Hands(), **settings)
    with pytest.raises(BadInput):
        open_chain()[0].set_balance(YOU, -1)


def test_bloom_has_a_known_value() -> None:
    # The receipt of a log without topics from an address of zeros, by the rule of the Yellow Paper's 4.3.1.
    bloom = int.from_bytes(compute_bloom([Log(bytes(20), (), b"")]), "big")
    assert 1 <= bloom.bit_count() <= 3
    assert compute_bloom([]) == bytes(256)
