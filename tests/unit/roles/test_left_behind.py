"""What stays behind: secrets called for in rounds that are void, and bonds of bids that nobody opened."""

from typing import Any

import pytest

from assay.api.money import Till
from assay.chain.contracts.jobs import BidCommitted
from assay.chain.contracts.rounds import SecretDemanded
from assay.protocol.phase import Outcome
from assay.roles.aggregator import Aggregator
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.wake import Wake
from assay.roles.zoo import CHEATS

BOND = 2


class Demander(Validator):
    """Calls for the secret of an honest slot in a round right before the votes are counted that make it void."""

    done = False

    def dispute(self, job: int) -> Wake:
        for each in self.clerk.notices.disputes(job):
            view = self.votes.disputes.view_of(each.number)
            if each.outcome == Outcome.OPEN and not self.done and view.revealed.bit_count() >= 2:
                demand = self.world.ledger.rounds.demand_secret(*self.standing(each.name, 0))
                self.done = self.clerk.attempt(demand).acted
                return super().dispute(job) | self.clerk.attempt(self.votes.disputes.decide(each.number))
        return super().dispute(job)


def test_a_secret_called_for_in_a_round_that_is_void_does_not_keep_the_job(tiny_stage: Any) -> None:
    stage = tiny_stage(validators=(Validator, Validator, Demander), rounds=2)
    network = stage.network
    network.parties["aggregator-1"] = CHEATS["inventing-aggregator"].load()(network.parties["aggregator-1"].world)
    stage.enter("aggregator", Aggregator, enrol=False)
    stage.post()
    network.run(stage.over, turns_max=20_000)
    assert [(event.generation, event.round) for event in stage.said(SecretDemanded)] == [(0, 0)]
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


def test_what_was_shown_to_whom_outlives_the_process(tiny_stage: Any) -> None:
    """Who was shown a start state is not shown the one beside it by the process that comes after."""
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    stage.post()
    network.run(lambda: bool(provider.pieces), turns_max=2_000)
    commitment = next(iter(provider.pieces.values())).commitment
    asker = network.worlds["validator-1"].address
    provider.commitments.show(commitment, asker, 3)
    again = Provider(provider.world, provider.price)
    assert again.commitments.adjoins(commitment, asker, 4)
    assert again.commitments.adjoins(commitment, asker, 2)
    assert not again.commitments.adjoins(commitment, asker, 5)
    assert not again.commitments.adjoins(commitment, network.worlds["validator-2"].address, 4)
