"""A person's money: what goes in comes out, and what cannot be done is refused before anything is sent."""

import time
from hashlib import sha256

import pytest

from assay.api.money import Till
from assay.protocol.errors import BadInput, Insufficient
from assay.roles.network import Network

WHOLE = 10**6


@pytest.fixture
def network() -> Network:
    return Network(sha256(b"money").digest(), time.perf_counter)


def open_till(network: Network, wealth: int = 100 * WHOLE, name: str = "alice") -> Till:
    return Till(network.world(name, wealth).ledger, network.token.address)


def test_stake_goes_round_and_comes_back_whole(network: Network) -> None:
    till = open_till(network)
    till.stake(60 * WHOLE)
    held = till.look()
    assert (held.wallet, held.staked, held.idle) == (40 * WHOLE, 60 * WHOLE, 60 * WHOLE)
    begun, ready_s = till.unstake(None)
    assert begun == 60 * WHOLE
    assert till.look().idle == 0
    assert till.release(ready_s - 1) == 0
    network.ground.approach(ready_s)
    assert till.release(network.ground.now_s()) == 60 * WHOLE
    assert till.release(network.ground.now_s()) == 0
    assert till.look().wallet == 100 * WHOLE


def test_much_test_money_comes_in_parts_and_each_is_told(network: Network) -> None:
    till, told = open_till(network, 0), []
    most = till.coin.mint_max()
    till.mint(2 * most + 5, lambda given, asked: told.append((given, asked)))
    assert told == [(part, 2 * most + 5) for part in (most, 2 * most, 2 * most + 5)]
    assert till.look().wallet == 2 * most + 5


def test_what_is_not_there_is_not_staked(network: Network) -> None:
    till = open_till(network)
    with pytest.raises(Insufficient, match="100 aUSD") as refusal:
        till.stake(100 * WHOLE + 1)
    assert "faucet" in refusal.value.hint
    assert till.look().wallet == 100 * WHOLE
    till.stake(100 * WHOLE)


def test_free_money_in_the_vault_is_staked_first(network: Network) -> None:
    till = open_till(network)
    till.coin.approve(till.ledger.vault.address, 30 * WHOLE).send()
    till.ledger.vault.deposit(till.token, 30 * WHOLE).send()
    till.stake(50 * WHOLE)
    held = till.look()
    assert (held.wallet, held.free, held.staked) == (50 * WHOLE, 0, 50 * WHOLE)


def test_a_pool_is_joined_with_all_and_joined_anew_with_more(network: Network) -> None:
    till, other = open_till(network), open_till(network, name="bob")
    other.stake(WHOLE)
    other.enrol("validator", 30)
    with pytest.raises(BadInput, match="too little"):
        till.enrol("validator", 30)
    till.stake(10 * WHOLE)
    assert till.enrol("validator", 30) == till.weight("validator") == 10 * WHOLE
    till.stake(5 * WHOLE)
    assert till.weight("validator") == 10 * WHOLE
    assert till.enrol("validator", 30) == till.weight("validator") == 15 * WHOLE
    assert till.weight("aggregator") == 0
    assert other.weight("validator") == WHOLE
    assert till.retire("validator")
    assert not till.retire("validator")


def test_leaving_takes_out_of_the_pools_that_wanted_more(network: Network) -> None:
    till = open_till(network)
    till.stake(50 * WHOLE)
    till.enrol("validator", 30)
    till.unstake(20 * WHOLE)
    assert till.weight("validator") == 0
    assert till.enrol("validator", 30) == 30 * WHOLE
    with pytest.raises(BadInput, match="30 aUSD of 50 aUSD at stake are idle"):
        till.unstake(31 * WHOLE)
    till.unstake(None)
    with pytest.raises(BadInput, match="0 aUSD of 50 aUSD"):
        till.unstake(None)


def test_nothing_is_claimed_where_nothing_was_earned(network: Network) -> None:
    till = open_till(network)
    assert till.earned() == {}
    assert till.claim() == (0, 0)
    till.coin.approve(till.ledger.vault.address, 7).send()
    till.ledger.vault.deposit(till.token, 7).send()
    assert till.claim() == (0, 7)
    assert till.look().wallet == 100 * WHOLE


def test_more_than_a_call_mints_is_minted_in_parts(network: Network) -> None:
    till = open_till(network, 0)
    till.mint(2 * till.coin.mint_max() + 3)
    assert till.look().wallet == 2 * till.coin.mint_max() + 3


def test_what_is_missing_is_mended_by_a_command_for_the_same_account(network: Network) -> None:
    from assay.cli.shift import check_ready

    till = open_till(network)
    with pytest.raises(BadInput, match="nothing is at stake") as refusal:
        check_ready(till, "validator", "alice")
    assert refusal.value.hint == "assay stake AMOUNT --role validator --account alice"
    with pytest.raises(BadInput) as refusal:
        check_ready(till, "provider")
    assert refusal.value.hint == "assay stake AMOUNT --role provider"
