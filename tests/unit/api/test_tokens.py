"""A job is paid in the network's token, in the chain's coin or in any ERC-20; what is none of them is refused."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from own_jobs import JOB, make_net, tiny_job, tiny_samples

from assay.api.client import Client
from assay.api.job import Job
from assay.api.local import LocalNetwork
from assay.api.money import Till, tokens_of
from assay.api.sdk import Network
from assay.api.token import COIN, NATIVE, Token, balance_of, describe_token, find_offline, find_token, show_token
from assay.chain.contracts.assay_token import AssayToken
from assay.chain.contracts.rounds import Claimed
from assay.protocol.errors import AssayError, BadInput, BadKey, Insufficient, Refused

SOUND = 10**18


@pytest.fixture(scope="module")
def here() -> Iterator[LocalNetwork]:
    network = LocalNetwork(sha256(b"tokens").digest())
    yield network
    network.close()


def job_in(token: str, budget: str = "1.5") -> Job:
    return tiny_job(**{'budget = "100"': f'budget = "{budget}"\ntoken = "{token}"'})


def token_of(here: LocalNetwork, kind: str) -> str:
    return NATIVE if kind == "native" else here.network.ledger.open(AssayToken).address


@pytest.mark.parametrize("kind", ["native", "erc20"])
def test_a_job_in_another_token_is_staked_paid_and_shown_in_it(here: LocalNetwork, kind: str) -> None:
    net, address = Network(here.client(f"{kind}-consumer")), token_of(here, kind)
    client = net.client
    if kind == "erc20":
        token = AssayToken(here.network.web3, address, here.network.sender)
        token.transfer(client.world.address, 5 * SOUND).send()
    named, symbol = ("native", "coin") if kind == "native" else (address, "ASSAY")
    dollars, wallet = client.wallet, client.wallet_in(client.find_token(named))
    quoted = net.quote(job_in(named), make_net(), tiny_samples())
    assert quoted["token"] == {"address": address, "symbol": symbol, "decimals": 18, "native": kind == "native"}
    assert 0 < float(quoted["cost"]["total"]) <= 1.5
    posted = net.post(job_in(named), make_net(), tiny_samples())
    assert client.world.ledger.jobs.order_of(posted.number).token == address
    lines = [str(event) for event in posted.events()]
    assert f"job {posted.number} was posted with {quoted['cost']['total']} {symbol} in escrow" in lines[0]
    posted.check_complete()
    status = posted.status()
    assert status["complete"]
    assert float(status["credited"]) > 0
    assert client.payment_of(posted.number).symbol == symbol
    assert client.wallet == dollars, "not a unit of the network's own token moved"
    spent = wallet - client.wallet_in(client.find_token(named))
    exact = round(float(status["credited"]) * SOUND)
    assert abs(spent - exact) <= (SOUND // 100 if kind == "native" else SOUND // 10**9), "beside gas"
    # Every party was paid in that token.
    ledger, names = here.network.ledger, {world.address: name for name, world in here.network.worlds.items()}
    cursor = ledger.open_cursor()
    emitted = [ledger.decode(log) for log in cursor.drain().added]
    claims = [each.event for each in emitted if each is not None and isinstance(each.event, Claimed)]
    paid = {names[claim.account].partition("-")[0]: claim for claim in claims if claim.job == posted.number}
    assert set(paid) == {"provider", "validator", "aggregator"}
    assert sum(claim.amount for claim in claims if claim.job == posted.number) == exact
    assert here.network.ledger.vault.total(address, 3) == 0, "no escrow is left"


def test_money_is_staked_and_taken_back_in_coin(here: LocalNetwork) -> None:
    till = Till(here.network.world("staker", 0).ledger, NATIVE)
    before = till.look()
    assert (till.symbol, till.decimals, before.wallet) == (COIN, 18, before.coin_wei)
    till.stake(3 * SOUND)
    assert till.look().staked == 3 * SOUND
    assert till.enrol("validator", 30) == 3 * SOUND
    _, ready_s = till.unstake(None)
    here.network.ground.approach(ready_s)
    assert till.release(here.network.ground.now_s()) == 3 * SOUND
    assert before.wallet - till.look().wallet < SOUND // 100, "gas"
    with pytest.raises(Insufficient, match="coin"):
        till.stake(10**6 * SOUND)


def test_what_was_earned_is_claimed_in_each_token_apart(here: LocalNetwork) -> None:
    """After the jobs above: whoever asks for one token is not told of another's."""
    ledger = here.network.worlds["provider-1"].ledger
    found = list(tokens_of(ledger, here.token))
    assert [token.symbol for token in found][:2] == ["aUSD", "coin"]
    for token in found:
        till = Till(ledger, token)
        assert all(ledger.jobs.order_of(job).token == token.address for job in till.earned())
        till.claim()
        assert ledger.vault.free(token.address, till.address) == 0


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("0x" + "12" * 20, "no contract"),
        ("the vault", "no ERC-20"),
        ("0x" + "aB" * 20, "checksum"),
    ],
)
def test_what_is_no_token_is_refused_with_the_key(here: LocalNetwork, named: str, words: str) -> None:
    vault = here.network.ledger.vault.address
    net = Network(here.client())
    with pytest.raises(BadKey, match=words) as refusal:
        net.quote(job_in(vault if named == "the vault" else named), make_net(), tiny_samples())
    assert refusal.value.fields["key"] == "job.token"
    assert refusal.value.fields["value"]
    assert "ERC-20" in refusal.value.fields["allowed"]
    assert refusal.value.hint
    with pytest.raises(BadInput, match="will not do"):
        job_in("0x12")


def test_a_wallet_without_that_token_is_told_before_anything_is_paid(here: LocalNetwork) -> None:
    net, before = Network(here.client("empty")), here.network.ledger.jobs.job_count()
    with pytest.raises(Insufficient, match=r"holds 0 ASSAY") as refusal:
        net.post(job_in(token_of(here, "erc20")), make_net(), tiny_samples())
    assert "faucet" not in refusal.value.hint
    with pytest.raises(Insufficient, match=r"coin of gas"):
        net.post(job_in("native", "1001"), make_net(), tiny_samples())
    assert here.network.ledger.jobs.job_count() == before


def test_where_nobody_has_staked_it_the_job_is_not_posted(here: LocalNetwork) -> None:
    """On a network whose parties do not stake what is asked for."""
    fresh = LocalNetwork(sha256(b"unstaked").digest())
    try:
        own = fresh.client()
        net = Network(Client(own.open_world, own.token, own.pass_time))
        quoted = net.quote(job_in("native"), make_net(), tiny_samples())
        assert "3 more validators (0/3) and 1 more aggregator (0/1)" in quoted["notes"][-1]
        with pytest.raises(Refused, match=r"in coin waits for 3 more validators") as refusal:
            net.post(job_in("native"), make_net(), tiny_samples())
        assert "assay stake AMOUNT --token native --role validator" in refusal.value.hint
        assert net.client.world.blobs._blobs == {}  # type: ignore[attr-defined]
        net.quote(Job.parse(JOB), make_net(), tiny_samples())
    finally:
        fresh.close()


def test_a_token_that_calls_itself_like_another_is_shown_with_its_address(here: LocalNetwork) -> None:
    from assay.chain.artifacts import load_artifact
    from assay.chain.deploy import pack_creation

    network = here.network
    twin = network.sender.send(None, pack_creation(load_artifact("TestStablecoin"), (), {})).created
    assert twin is not None
    assert describe_token(network.web3, twin).symbol == "aUSD"
    assert find_token(network.web3, twin, here.token).symbol.startswith("aUSD@0x")
    assert find_token(network.web3, here.token.address, here.token) == here.token
    assert show_token(network.web3, network.ledger.vault.address, here.token).decimals == 0
    assert balance_of(network.ledger, twin, network.sender.address) == 0


def test_offline_an_address_cannot_be_asked_about() -> None:
    assert find_offline("default") == Token()
    assert find_offline("native").decimals == 18
    with pytest.raises(AssayError, match="a network has to be asked"):
        find_offline("0x" + "12" * 20)
