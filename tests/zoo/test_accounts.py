"""What somebody who only watches tells of cheats: who earned which rounds, where bonds went, and why."""

from typing import Any

import pytest

from assay.api.account import Kind
from assay.api.observer import HIDDEN, REASONS, UNVOUCHED, Observer
from assay.chain.contracts.rounds import Billed, Late, Penalised
from assay.roles.stage import DECIMALS, Stage
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS


def watch(stage: Stage) -> Observer:
    """An observer of a stage that is then played to its end; what it added up holds, and is what was paid."""
    observer = Observer(stage.network.world("observer", 0), stage.network.token.address, DECIMALS, {}, lambda _: None)
    stage.network.parties["observer"] = observer
    stage.play()
    observer.tick()
    observer.account.check()
    full, half, served = (observer.count(earned) for earned in ("full", "half", "served"))
    for name in stage.network.parties:
        address = "" if name == "observer" else stage.address(name)
        if name.startswith("provider"):
            assert stage.paid(name) == full[address] * stage.price() + half[address] * (stage.price() // 2), name
        if name.startswith("validator"):
            assert stage.paid(name) == served[address] * stage.order.validator_fee, name
    return observer


def bonds(observer: Observer) -> tuple[int, int, int]:
    """What was posted, burned and paid to validators, when all is over."""
    sums = observer.account.bonds
    assert sums["held"] == sums["paid_to_accused"] == 0
    return sums["posted"], sums["burned"], sums["paid_to_validators"]


def test_bonds_of_slots_that_did_not_come_are_burned(set_up: Any) -> None:
    stage = set_up(providers=(CHEATS["late"].load(), CHEATS["silent"].load()), rounds=1)
    observer = watch(stage)
    assert len(stage.said(Late)) == 2
    assert bonds(observer) == (5 * 2 * stage.order.price_ceiling, 2 * stage.price(), 0)
    purses = observer.account.purses
    for name in ("provider-4", "provider-5"):
        assert purses[stage.address(name)].bond_burned == stage.price()
    vault, token = stage.network.ledger.vault, stage.network.token.address
    assert vault.burned(token) == observer.account.stakes["burned"] + observer.account.bonds["burned"]


def test_who_hides_its_states_pays_validators_out_of_its_bond(set_up: Any) -> None:
    stage = set_up(providers=(CHEATS["hidden-states"].load(),), rounds=2)
    observer = watch(stage)
    billed = sum(event.paid for event in stage.said(Billed))
    posted, burned, paid = bonds(observer)
    assert posted == 4 * 2 * stage.order.price_ceiling
    assert billed == burned + paid > burned
    cheat = observer.account.purses[stage.address("provider-4")]
    assert (cheat.bond_paid, cheat.bond_burned) == (paid, burned)
    assert sum(purse.bond_shares for purse in observer.account.purses.values()) == paid
    assert any(HIDDEN in line for line in observer.evidence(stage.address("provider-4")))


@pytest.mark.parametrize("cheat", ["short-table", "hidden-rows"])
def test_a_validator_that_shows_less_than_its_sample_has_served_no_round(set_up: Any, cheat: str) -> None:
    stage = set_up(validators=(*(Validator,) * 4, CHEATS[cheat].load()), rounds=2, verify={"samples": 3})
    observer = watch(stage)
    served, liar = observer.count("served"), stage.address("validator-5")
    assert served[liar] == 0
    assert all(served[stage.address(f"validator-{index}")] == 2 for index in range(1, 5))
    assert any(REASONS["unserved"] in line for line in observer.evidence(liar))


@pytest.mark.parametrize("cheat", ["hasty-aggregator", "excluding-aggregator"])
def test_an_aggregator_that_no_quorum_vouched_for_is_told_of(set_up: Any, cheat: str) -> None:
    stage = set_up(aggregator=CHEATS[cheat].load(), rounds=2)
    observer = watch(stage)
    assert stage.paid("aggregator-1") == 0
    assert observer.evidence(stage.address("aggregator-1")) == [f"rounds 0, 1: {UNVOUCHED}"]


def test_an_honest_aggregator_is_not(set_up: Any) -> None:
    stage = set_up(providers=(CHEATS["skipper"].load(),), rounds=2)
    observer = watch(stage)
    assert stage.paid("aggregator-1") == 2 * stage.order.aggregator_fee
    assert observer.evidence(stage.address("aggregator-1")) == []


def test_pay_for_rounds_that_were_void_is_told_of_too(set_up: Any) -> None:
    stage = set_up(aggregator=CHEATS["inventing-aggregator"].load(), rounds=2)
    observer = watch(stage)
    assert {UNVOUCHED not in line for line in observer.evidence(stage.address("aggregator-1"))} == {True}
    assert observer.count("full")[stage.address("provider-1")] == 3


def test_a_job_at_fault_pays_the_committed_in_full_and_its_deposit_is_no_bond(set_up: Any) -> None:
    stage = set_up(consumer=CHEATS["nan-bomb"].load(), rounds=3)
    observer = watch(stage)
    assert observer.account.escrow["forfeited"] == stage.order.fault_deposit > 0
    assert observer.account.bonds["burned"] == 0
    assert observer.account.bonds["posted"] == 3 * 2 * stage.order.price_ceiling


def test_a_cancelled_job_holds_nothing(set_up: Any) -> None:
    stage = set_up(consumer=CHEATS["poisoned-program"].load())
    observer = watch(stage)
    assert observer.account.escrow["held"] == observer.account.bonds["held"] == 0
    assert observer.account.escrow["refunded"] == observer.account.escrow["deposited"]
    assert stage.network.ledger.vault.total(stage.network.token.address, Kind.BOND) == 0


def test_every_reason_of_a_penalty_has_words(set_up: Any) -> None:
    stage = set_up(validators=(*(Validator,) * 4, CHEATS["silent-validator"].load()), rounds=2)
    watch(stage)
    said = {event.reason.rstrip(b"\0").decode() for event in stage.said(Penalised)}
    assert said
    assert said <= set(REASONS)
