"""What stays behind: secrets called for in rounds that are void, and bonds of bids that nobody opened."""

from typing import Any

import pytest

from assay.api.money import Till
from assay.chain.contracts.jobs import BidCommitted, Posted
from assay.chain.contracts.rounds import SecretDemanded
from assay.protocol.errors import Malformed
from assay.protocol.phase import Outcome, RoundPhase
from assay.roles.aggregator import Aggregator
from assay.roles.consumer import Consumer
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.wake import Wake
from assay.roles.zoo import CHEATS

BOND = 2


class Demander(Validator):
    """Calls for secrets of honest slots in a round while the game is played that makes it void."""

    done, slots = False, (0,)

    def dispute(self, job: int) -> Wake:
        for each in self.clerk.notices.disputes(job):
            if each.outcome == Outcome.OPEN and not self.done:
                for slot in self.slots:
                    self.clerk.attempt(self.world.ledger.rounds.demand_secret(*self.standing(each.name, slot)))
                self.done = True
        return super().dispute(job)


class Greedy(Demander):
    slots = (0, 1)


@pytest.mark.parametrize("kind", [Demander, Greedy])
def test_secrets_called_for_in_a_round_that_is_void_do_not_keep_the_job(tiny_stage: Any, kind: type[Demander]) -> None:
    stage = tiny_stage(validators=(Validator, Validator, kind), rounds=2)
    network = stage.network
    network.parties["aggregator-1"] = CHEATS["inventing-aggregator"].load()(network.parties["aggregator-1"].world)
    stage.enter("aggregator", Aggregator, enrol=False)
    stage.post()
    network.run(stage.over, turns_max=20_000)
    demands = [(event.generation, event.round, event.slot) for event in stage.said(SecretDemanded)]
    assert demands == [(0, 0, slot) for slot in kind.slots]
    assert network.ledger.jobs.view_of(stage.job).ended
    assert network.ledger.vault.total(network.token.address, BOND) == 0


@pytest.mark.parametrize("by_hand", [False, True], ids=["by its role", "by assay claim"])
def test_a_sealed_bid_s_bond_comes_back_from_a_job_that_is_called_off(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    stage = tiny_stage()
    network, vault, token = stage.network, stage.network.ledger.vault, stage.network.token.address
    job = stage.post()
    providers = [network.parties[name] for name in ("provider-1", "provider-2")]
    for provider in providers:
        provider.tick()
    assert len(stage.said(BidCommitted)) == 2
    stage.consumer.world.ledger.jobs.cancel(job).send()
    if by_hand:
        for provider in providers:
            Till(provider.world.ledger, token).claim()
    else:
        network.run(stage.over, turns_max=500)
    assert vault.total(token, BOND) == 0
    for provider in providers:
        provider.tick()
        assert provider.clerk.closed(job)


def deep(stage: Any) -> Any:
    """The same stage, on a chain whose last blocks may be replaced."""
    for world in stage.network.worlds.values():
        world.depth_blocks = 12
    return stage


def pass_blocks(stage: Any, count: int) -> None:
    for _ in range(count):
        stage.network.ground.pass_block()
        for party in stage.network.parties.values():
            party.tick()


def test_a_bond_is_taken_back_again_after_a_fork(tiny_stage: Any) -> None:
    stage = deep(tiny_stage())
    network, vault, token = stage.network, stage.network.ledger.vault, stage.network.token.address
    job = stage.post()
    provider = network.parties["provider-1"]
    provider.tick()
    stage.consumer.world.ledger.jobs.cancel(job).send()
    provider.tick()
    provider.tick()
    assert vault.total(token, BOND) == 0
    assert provider.clerk.closed(job)
    network.chain.reorganise(1, keep_transactions=False)
    assert vault.total(token, BOND) > 0
    pass_blocks(stage, 20)
    assert vault.total(token, BOND) == 0
    assert provider.clerk.put_away(job)


@pytest.mark.parametrize("kept", [True, False])
def test_a_job_that_was_put_away_is_put_away_again(tiny_stage: Any, kept: bool) -> None:
    """Somebody claims long after the others, and that block is replaced."""
    stage = deep(tiny_stage())
    network = stage.network
    job = stage.post()
    network.run(lambda: network.ledger.rounds.progress(job).first_open == 1, turns_max=5_000)
    late = network.parties.pop("provider-2")
    network.run(stage.over, turns_max=5_000)
    pass_blocks(stage, 30)
    assert all(party.clerk.put_away(job) for party in network.parties.values())
    late.world.ledger.rounds.claim(job, late.world.address).send()
    for party in network.parties.values():
        party.tick()
    network.chain.reorganise(1, keep_transactions=kept)
    pass_blocks(stage, 40)
    assert all(party.clerk.put_away(job) for party in network.parties.values())


def test_a_job_that_was_seen_before_it_was_read_of_is_not_closed(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block comes between two answers of the node, and is replaced: its job's number goes to another order."""
    stage = tiny_stage()
    network, first = stage.network, stage.consumer
    second = Consumer(network.world("consumer-2", 0))
    deep(stage)
    network.mint(second.world, network.ledger.jobs.cost(stage.order))
    for consumer in (first, second):
        consumer.clerk.fund(stage.order.token, network.ledger.jobs.cost(stage.order))
        consumer.tick()
    before, count = network.ledger.rpc.get_head(), second.clerk.job_count

    def late() -> int:
        first.post(stage.order)
        monkeypatch.undo()
        return count()

    monkeypatch.setattr(second.clerk, "job_count", late)
    second.tick()
    network.chain.reorganise(network.ledger.rpc.get_head() - before, keep_transactions=False)
    assert second.post(stage.order) == 1
    for _ in range(20):
        second.tick()
        network.ground.pass_block()
    assert 1 in second.clerk.jobs()


def test_news_of_a_job_that_the_node_never_sent_hides_it_for_a_block_only(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One log does not decode, so what it said is lost; what came with it is not."""
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    provider.tick()
    decode = provider.clerk.ledger.decode

    def garbled(log: Any) -> Any:
        emitted = decode(log)
        if emitted is not None and isinstance(emitted.event, Posted):
            monkeypatch.undo()
            raise Malformed("the node sent a log that does not decode")
        return emitted

    monkeypatch.setattr(provider.clerk.ledger, "decode", garbled)
    job = stage.post()
    with pytest.raises(Malformed):
        provider.tick()
    provider.tick()
    network.ground.pass_block()
    provider.tick()
    assert provider.clerk.jobs() == [job]
    provider.tick()
    assert provider.clerk.notices.bid_sealed(job)


def test_what_was_shown_to_whom_outlives_the_process(tiny_stage: Any) -> None:
    """Who was shown a start state is not shown the one beside it by the process that comes after."""
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    stage.post()
    network.run(lambda: bool(provider.pieces), turns_max=2_000)
    commitment = next(iter(provider.pieces.values())).commitment
    network.run(lambda: stage.network.ledger.rounds.view_of(stage.job, 0, 0).phase > RoundPhase.SAMPLING)
    served = [provider.commitments._shown_to(commitment, stage.address(name)) for name in stage.honest("validator")]
    assert any(served)
    asker = "0x" + "ab" * 20
    provider.commitments.show(commitment, asker, 3)
    again = Provider(provider.world, provider.price)
    assert again.commitments.adjoins(commitment, asker, 4)
    assert again.commitments.adjoins(commitment, asker, 2)
    assert not again.commitments.adjoins(commitment, asker, 5)
    assert not again.commitments.adjoins(commitment, "0x" + "cd" * 20, 4)
