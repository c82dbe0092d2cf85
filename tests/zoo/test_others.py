"""Cheating validators, aggregators and consumers."""

from dataclasses import replace
from typing import Any

import pytest

from assay.chain.contracts.disputes import ChallengeOpened, FaultClaimed, Settled
from assay.chain.contracts.jobs import AggregatorReplaced, BidCommitted, Cancelled, Ended, Faulted
from assay.chain.contracts.rounds import (
    Aggregated,
    Disproved,
    FaultAttested,
    Finalised,
    Included,
    Penalised,
    Rewound,
    SlotCommitted,
    Voided,
)
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import RoundPhase, Settlement, Target
from assay.protocol.transcript import ZERO
from assay.roles.content import row_content
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.wake import IDLE
from assay.roles.zoo import CHEATS
from assay.roles.zoo.poisoned_program import POISONS
from assay.work.segment import SlotWork


def penalty(stage: Any, name: str, *reasons: str) -> Penalised:
    """The one penalty that took something, of this party and for one of these reasons."""
    (found,) = [event for event in stage.said(Penalised) if event.amount]
    assert found.account == stage.address(name)
    assert found.reason.rstrip(b"\0").decode() in reasons
    return found


@pytest.mark.parametrize("cheat", ["rubber-stamp", "end-copier"])
def test_rows_that_nobody_has_executed_are_unpaid_and_penalised(play: Any, ledgers: Any, cheat: str) -> None:
    """They begin where no slot has been, or, where the round begins, end in another loss."""
    stage = play(validators=(Validator, Validator, CHEATS[cheat].load()), rounds=2)
    reasons = {event.reason.rstrip(b"\0").decode() for event in stage.said(Penalised) if event.amount}
    assert reasons
    assert reasons <= {"unserved", "start", "table"}
    assert {event.account for event in stage.said(Penalised)} == {stage.address("validator-3")}
    assert stage.paid("validator-3") == 0
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


def test_a_rubber_stamp_saves_no_liar(play: Any, ledgers: Any) -> None:
    stage = play(
        providers=(CHEATS["skipper"].load(),), validators=(*(Validator,) * 4, CHEATS["rubber-stamp"].load()), rounds=1
    )
    (found,) = stage.said(Disproved)
    assert found.provider == stage.address("provider-4")
    assert stage.paid("provider-4") == stage.paid("validator-5") == 0
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


def test_a_silent_validator_loses_stake_and_seat_and_the_round_goes_on(play: Any, ledgers: Any) -> None:
    stage = play(validators=(Validator, Validator, CHEATS["silent-validator"].load()), rounds=2)
    penalty(stage, "validator-3", "silent")
    assert stage.paid("validator-3") == 0
    assert stage.address("validator-3") not in stage.network.ledger.jobs.validators_of(stage.job)
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


@pytest.mark.parametrize("cheat", ["short-table", "hidden-rows"])
def test_who_shows_less_than_its_sample_is_unpaid_and_penalised(play: Any, ledgers: Any, cheat: str) -> None:
    stage = play(validators=(*(Validator,) * 4, CHEATS[cheat].load()), rounds=2, verify={"samples": 3})
    accused = {event.account for event in stage.said(Penalised)}
    assert accused == {stage.address("validator-5")}
    assert {event.reason.rstrip(b"\0").decode() for event in stage.said(Penalised)} == {"unserved"}
    assert stage.paid("validator-5") == 0
    assert all(event.served.bit_count() == 4 for event in stage.said(Included))
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


class Whisperer(CHEATS["hidden-rows"].load()):  # type: ignore[misc]
    """Shows its rows to one other validator only."""

    def show(self, name: Any, sheet: Any) -> Any:
        confidant = next(v for v in self.validators(name[0]) if v != self.world.address)
        return self.voice.say(name, "table", {"rows": row_content(sheet.table.entries)}, confidant)


def test_rows_that_one_validator_has_seen_all_get_by_asking(play: Any, ledgers: Any) -> None:
    stage = play(validators=(*(Validator,) * 4, Whisperer), rounds=2)
    assert not stage.said(Penalised)
    assert all(event.served.bit_count() == 5 for event in stage.said(Included))
    assert stage.paid("validator-5") == 2 * stage.order.validator_fee
    ledgers.honest_untouched(stage, 2)


@pytest.mark.parametrize("cheat", ["hasty-aggregator", "excluding-aggregator"])
def test_an_aggregator_without_a_quorum_comes_too_late_to_harm(play: Any, ledgers: Any, cheat: str) -> None:
    stage = play(aggregator=CHEATS[cheat].load(), rounds=2)
    assert {event.slot for event in stage.said(SlotCommitted)} >= {0}, "who is left out enters by itself"
    assert [bitmap_slots(event.included) for event in stage.said(Included)] == [[0, 1, 2]] * 2
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


@pytest.mark.parametrize("consumer", [None, "nan-bomb"])
def test_an_aggregator_that_withholds_the_quorum_s_word_wrongs_nobody(
    play: Any, ledgers: Any, consumer: str | None
) -> None:
    settings = {"consumer": CHEATS[consumer].load()} if consumer else {}
    stage = play(aggregator=CHEATS["withholding-aggregator"].load(), **settings)
    assert not [event for event in stage.said(Included) if not any(event.included)]
    if consumer is None:
        ledgers.honest_untouched(stage, 1)
        ledgers.validators_paid(stage, 1)
    else:
        assert stage.said(Faulted)


def test_where_most_validators_are_silent_the_round_ends_after_the_longer_window(play: Any, ledgers: Any) -> None:
    silent = CHEATS["silent-validator"].load()
    stage = play(validators=(Validator, silent, silent))
    assert {event.account for event in stage.said(Penalised)} == {
        stage.address("validator-2"),
        stage.address("validator-3"),
    }
    assert stage.said(Aggregated)[-1].optimistic
    assert stage.said(Finalised)
    ledgers.honest_untouched(stage, 1)


def test_an_invented_aggregate_is_challenged_and_done_again(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["inventing-aggregator"].load(), rounds=2)
    penalty(stage, "aggregator-1", "aggregate")
    opened = stage.said(ChallengeOpened)
    assert {(each.target, each.accused) for each in opened} == {(Target.AGGREGATE, stage.address("aggregator-1"))}
    assert Settlement.UPHELD in [event.outcome for event in stage.said(Settled)]
    (rewound,) = stage.said(Rewound)
    assert (rewound.round, rewound.generation) == (0, 1)
    assert stage.said(AggregatorReplaced)[-1].to == stage.address("aggregator-2")
    assert {event.generation for event in stage.said(Finalised)} == {1}
    assert stage.paid("aggregator-1") == 0
    assert stage.paid("aggregator-2") == 2 * stage.order.aggregator_fee
    # The void round was honest work and is paid too; nobody was asked to go on from a state that no quorum had signed.
    assert [event.round for event in stage.said(Voided)] == [0]
    ledgers.honest_untouched(stage, 3)


def test_a_stalling_aggregator_loses_its_lock_and_its_place(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["stalling-aggregator"].load(), rounds=2)
    found = penalty(stage, "aggregator-1", "aggregator")
    assert found.amount == stage.order.aggregator_stake
    (replaced,) = stage.said(AggregatorReplaced)
    assert replaced.to == stage.address("aggregator-2")
    assert stage.paid("aggregator-2") == 2 * stage.order.aggregator_fee
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


@pytest.mark.parametrize("poison", sorted(POISONS))
def test_a_poisoned_program_finds_no_bids_and_its_consumer_has_the_money_back(
    play: Any, ledgers: Any, poison: str
) -> None:
    def poisoner(world: Any) -> Any:
        consumer = CHEATS["poisoned-program"].load()(world)
        consumer.poison = poison
        return consumer

    stage = play(consumer=poisoner)
    assert not stage.said(BidCommitted)
    assert stage.said(Cancelled)
    for name in stage.honest("provider"):
        assert stage.network.parties[name].bidding.declined[stage.job], "declined with a reason"
    consumer = stage.address("consumer")
    free = stage.network.ledger.vault.free(stage.network.token.address, consumer)
    assert free == stage.network.ledger.jobs.cost(stage.order)
    ledgers.conserved(stage)


def test_a_nan_bomb_costs_its_consumer_the_deposit_and_nobody_else_anything(play: Any, ledgers: Any) -> None:
    stage = play(consumer=CHEATS["nan-bomb"].load(), rounds=3)
    (fault,) = stage.said(Faulted)
    assert fault.forfeited == stage.order.fault_deposit > 0
    assert not stage.said(Penalised)
    assert not stage.said(Disproved)
    claimed = stage.said(FaultClaimed)
    assert claimed[0].by in {stage.address(name) for name in stage.honest("validator")}
    assert all(each.by == each.provider for each in claimed[1:]), "and providers what they have met themselves"
    assert {each.outcome for each in stage.said(Settled)} == {Settlement.JOB_FAULT}
    assert not stage.said(FaultAttested), "no quorum is asked"
    ledgers.honest_untouched(stage, 1)  # what was committed before the fault stood
    ledgers.validators_paid(stage, 1)
    (ended,) = stage.said(Ended)
    cost, price = stage.network.ledger.jobs.cost(stage.order), stage.price()
    spent = 3 * price + 3 * stage.order.validator_fee + stage.order.aggregator_fee
    assert ended.refunded == cost - stage.order.fault_deposit - spent


class Mum(Validator):
    """A validator that signs nothing and shows nothing."""

    def serve(self, name: Any, view: Any) -> Any:
        return IDLE if view.phase >= RoundPhase.OPENING else super().serve(name, view)


def test_a_provider_shows_the_fault_that_it_has_met_where_no_validator_does(play: Any, ledgers: Any) -> None:
    stage = play(consumer=CHEATS["nan-bomb"].load(), validators=(Mum,) * 3)
    assert stage.said(FaultClaimed)
    assert all(each.by == each.provider for each in stage.said(FaultClaimed))
    assert stage.said(Faulted)
    ledgers.conserved(stage)


class Crier(Provider):
    """Says that the job overflowed in its last segment."""

    behaviour = "crier"

    def compute(self, name: Any, slot: int, start: Any, start_root: bytes) -> SlotWork:
        work = super().compute(name, slot, start, start_root)
        roots, losses = (*work.roots[:-1], bytes([7]) * 32), (*work.loss_bits[:-1], 0)
        return replace(
            work, states=(*work.states[:-1], None), roots=roots, loss_bits=losses, update=None, update_root=ZERO
        )


def test_a_fault_that_is_none_is_undone_by_one_watch_tower(set_up: Any, ledgers: Any) -> None:
    stage = set_up(providers=(CHEATS["crying-provider"].load(),), validators=(Mum,) * 3)
    stage.watch(Validator, watch=True)
    stage.play()
    (claimed, *_) = stage.said(FaultClaimed)
    assert claimed.by == claimed.provider == stage.address("provider-4")
    assert {each.provider for each in stage.said(Disproved)} == {stage.address("provider-4")}
    assert Settlement.UNDONE in {each.outcome for each in stage.said(Settled)}
    assert not stage.said(Faulted)
    ledgers.conserved(stage)


def test_a_provider_that_claims_a_fault_is_slashed_and_the_job_goes_on(play: Any, ledgers: Any) -> None:
    stage = play(providers=(CHEATS["crying-provider"].load(),))
    (found,) = stage.said(Disproved)
    assert found.provider == stage.address("provider-4")
    assert not stage.said(Faulted)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


def test_a_provider_that_cries_fault_is_slashed_and_the_job_goes_on(play: Any, ledgers: Any) -> None:
    stage = play(providers=(Crier,))
    (found,) = stage.said(Disproved)
    assert found.provider == stage.address("provider-4")
    assert not stage.said(Faulted)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)
