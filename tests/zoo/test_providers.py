"""Cheating providers: what each loses, what catches it on chain, and that nobody else is touched."""

from typing import Any

import pytest

from assay.chain.contracts.disputes import ChallengeOpened, Settled
from assay.chain.contracts.jobs import SlotClosed
from assay.chain.contracts.rounds import Billed, Disproved, Included, Late, SecretDemanded, SecretRevealed
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import Settlement, Target
from assay.roles.zoo import CHEATS

LIAR = "provider-4"


def disproof(stage: Any, reason: str) -> Disproved:
    """The one disproof of a job, of the liar and for this reason."""
    (found,) = stage.said(Disproved)
    assert found.provider == stage.address(LIAR)
    assert found.reason.rstrip(b"\0").decode() == reason
    return found


def unpaid_and_out(stage: Any, slashed: int) -> None:
    """Nothing paid, the stake gone, the slot closed."""
    token, address = stage.network.token.address, stage.address(LIAR)
    assert stage.paid(LIAR) == 0
    assert stage.network.ledger.stakes.staked(token, address) == stage.order.provider_stake - slashed
    assert 3 in [event.slot for event in stage.said(SlotClosed)]
    for event in stage.said(Included):
        if event.round:
            assert 3 not in bitmap_slots(event.included)


@pytest.mark.parametrize("cheat", ["lazy", "skipper", "random-weights", "wrong-data", "low-precision"])
def test_other_bits_than_re_execution_gives_are_slashed(play: Any, ledgers: Any, cheat: str) -> None:
    stage = play(providers=(CHEATS[cheat].load(),))
    found = disproof(stage, "segment")
    assert stage.network.ledger.rounds.round_cost(stage.job) == found.slashed
    (dispute,) = stage.said(ChallengeOpened)
    assert dispute.target == Target.SEGMENT
    (verdict,) = stage.said(Settled)
    assert verdict.outcome == Settlement.UPHELD
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


def test_another_update_under_an_honest_transcript_is_slashed(play: Any, ledgers: Any) -> None:
    stage = play(providers=(CHEATS["update-swapper"].load(),))
    found = disproof(stage, "emit")
    assert stage.said(ChallengeOpened)[0].target == Target.EMIT
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


def test_a_stale_start_is_seen_by_the_contract_itself(play: Any, ledgers: Any) -> None:
    stage = play(providers=(CHEATS["stale-start"].load(),), rounds=2)
    found = disproof(stage, "start")
    assert found.round == 1
    assert stage.said(ChallengeOpened)[0].game == 0, "decided at once, without a game"
    assert stage.said(Settled)[0].outcome == Settlement.UPHELD
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 2)
    ledgers.validators_paid(stage, 2)


def test_two_roots_lose_the_whole_lock(play: Any, ledgers: Any) -> None:
    stage = play(providers=(CHEATS["two-roots"].load(),))
    found = disproof(stage, "equivocation")
    assert found.slashed == stage.order.provider_stake
    assert not stage.said(ChallengeOpened)
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


@pytest.mark.parametrize("cheat", ["unrevealed-secret", "hidden-leaves", "copycat"])
def test_what_is_not_opened_is_called_for_on_chain_and_loses_the_whole_lock(
    play: Any, ledgers: Any, cheat: str
) -> None:
    stage = play(providers=(CHEATS[cheat].load(),))
    (demand,) = stage.said(SecretDemanded)
    assert demand.slot == 3
    assert not stage.said(SecretRevealed)
    found = disproof(stage, "secret")
    assert found.slashed == stage.order.provider_stake
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 1)
    ledgers.validators_paid(stage, 1)


@pytest.mark.parametrize("cheat", ["decoy-commitment", "garbage", "late", "silent"])
def test_a_slot_that_is_not_accepted_loses_a_price_each_round_and_then_its_place(
    play: Any, ledgers: Any, cheat: str
) -> None:
    stage = play(providers=(CHEATS[cheat].load(),), rounds=3)
    fines = stage.said(Late)
    assert [(fine.round, fine.provider, fine.burned) for fine in fines] == [
        (index, stage.address(LIAR), stage.price()) for index in range(2)
    ], "a bond of two prices"
    assert not stage.said(Disproved)
    unpaid_and_out(stage, 0)
    token = stage.network.token
    wealth = token.balance_of(stage.address(LIAR)) + stage.network.ledger.vault.free(token.address, stage.address(LIAR))
    assert wealth == 2 * stage.order.price_ceiling - 2 * stage.price()
    ledgers.honest_untouched(stage, 3)
    ledgers.validators_paid(stage, 3)


def test_a_straggler_is_left_out_once_and_back_in_the_next_round(play: Any, ledgers: Any) -> None:
    late = CHEATS["late"].load()

    class Straggler(late):  # type: ignore[misc, valid-type]
        """Late in the first round only."""

        def train(self, name: Any, view: Any, slot: int) -> Any:
            return super().train(name, view, slot) if name[2] == 0 else super(late, self).train(name, view, slot)

    stage = play(providers=(Straggler,), rounds=2)
    (fine,) = stage.said(Late)
    assert (fine.round, fine.burned) == (0, stage.price())
    assert [bitmap_slots(event.included) for event in stage.said(Included)] == [[0, 1, 2], [0, 1, 2, 3]]
    assert stage.paid(LIAR) == stage.price()
    ledgers.honest_untouched(stage, 2)


def test_leaves_called_for_on_chain_are_judged_like_any_other(play: Any, ledgers: Any) -> None:
    class Late(CHEATS["skipper"].load()):  # type: ignore[misc]
        """A skipper that opens on chain only, when it is called to."""

        def open(self, name: Any, view: Any, piece: Any) -> Any:
            piece.opened = True
            return super().open(name, view, piece)

    stage = play(providers=(Late,))
    (opened,) = stage.said(SecretRevealed)
    assert opened.slot == 3
    assert len(opened.opening.state_roots) == len(opened.opening.loss_bits) + 1
    found = disproof(stage, "segment")
    unpaid_and_out(stage, found.slashed)
    ledgers.honest_untouched(stage, 1)


@pytest.mark.parametrize("cheat", ["hidden-states", "late-server"])
def test_hidden_start_states_are_paid_for_by_who_hides_them(play: Any, ledgers: Any, cheat: str) -> None:
    stage = play(providers=(CHEATS[cheat].load(),), rounds=2)
    bills = stage.said(Billed)
    assert [(bill.round, bill.slot, bill.paid) for bill in bills] == [(0, 3, stage.price()), (1, 3, stage.price())]
    assert not stage.said(Disproved)
    assert 3 in [event.slot for event in stage.said(SlotClosed)], "what is left of the bond covers no other price"
    assert stage.paid(LIAR) == 2 * stage.price(), "its work was right"
    quorum, token = stage.order.quorum, stage.network.token
    earned = []
    for name in stage.honest("validator"):
        address = stage.address(name)
        wealth = token.balance_of(address) + stage.network.ledger.vault.free(token.address, address)
        earned.append(wealth - stage.paid(name) - stage.network.challenge_bonds(stage.order))
    assert sorted(earned, reverse=True)[:quorum] == [2 * (stage.price() // quorum)] * quorum
    ledgers.validators_paid(stage, 2)
    ledgers.conserved(stage)
