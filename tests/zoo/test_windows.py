"""What one honest checker can do after the sample has missed, and rules that need all their reports."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from assay.aggregate.krum import Krum
from assay.architectures.mlp import mlp
from assay.architectures.ship import SHIPPED
from assay.chain.contracts.disputes import ChallengeOpened
from assay.chain.contracts.jobs import BidCommitted
from assay.chain.contracts.rounds import Disproved, Finalised, Included, Late, Rewound, Voided
from assay.protocol.commitment import bitmap_slots
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.validator import Validator
from assay.roles.zoo import CHEATS
from assay.roles.zoo.warped import Warped
from assay.work.batch import Feed
from assay.work.capture import capture
from assay.work.segment import Span

SKIPPED = 5


class OneSkipper(Warped):
    """Skips a single segment of a single round."""

    behaviour = "one-skipper"

    def segment(self, name: RoundName, feed: Feed, index: int, state: Any, before: Span) -> Span:
        if name[2] == 0 and index == SKIPPED:
            return before
        return super().segment(name, feed, index, state, before)


class Unlucky(Validator):
    """A validator whose sample always falls elsewhere: the rest of it is honest."""

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        sheet.sample[:] = [pair for pair in sheet.sample if pair != (3, SKIPPED)]
        return sheet


@pytest.fixture(scope="module")
def missed(set_up: Callable[..., Any]) -> Callable[..., Any]:
    def play(*, watched: bool) -> Any:
        stage = set_up(providers=(OneSkipper,), validators=(Unlucky,) * 3, rounds=2, verify={"samples": 1}, seed=2)
        if watched:
            stage.watch(Validator, watch=True)
        stage.play()
        return stage

    return play


def test_a_provider_does_not_bid_where_a_window_is_too_short_to_act_in(set_up: Callable[..., Any]) -> None:
    def hurried(world: Any, price: int) -> Provider:
        return Provider(world, price, window_min_s=10**6)

    stage = set_up(providers=(hurried,))
    stage.play()
    late = stage.network.parties["provider-4"]
    assert "is shorter than 1000000 s" in late.bidding.declined[stage.job]
    assert stage.address("provider-4") not in {bid.bidder for bid in stage.said(BidCommitted)}


def test_without_a_watcher_a_missed_segment_is_paid(missed: Any) -> None:
    stage = missed(watched=False)
    assert not stage.said(Disproved)
    assert stage.paid("provider-4") == 2 * stage.price()


def test_one_honest_watcher_rewinds_what_every_sample_missed(missed: Any, ledgers: Any) -> None:
    stage = missed(watched=True)
    (dispute,) = stage.said(ChallengeOpened)
    assert (dispute.slot, dispute.segment, dispute.round) == (3, SKIPPED, 0)
    (found,) = stage.said(Disproved)
    assert found.provider == stage.address("provider-4")
    (rewound,) = stage.said(Rewound)
    assert (rewound.round, rewound.generation) == (0, 1)
    assert stage.paid("provider-4") == 0
    assert [event.generation for event in stage.said(Finalised)] == [1, 1]
    # What was built on it is void too, and paid by how far it had come.
    later = [(event.generation, event.round) for event in stage.said(Voided) if event.round == 1]
    judged = {(event.generation, event.round) for event in stage.said(Included)}
    halves = sum(name not in judged for name in later)
    ledgers.honest_untouched(stage, 3 + len(later) - halves, halves=halves)
    token = stage.network.token
    watcher = stage.address("watcher")
    wealth = token.balance_of(watcher) + stage.network.ledger.vault.free(token.address, watcher)
    assert wealth == stage.network.challenge_bonds(stage.order) + found.slashed // 3, (
        "its bond and a third of the slash"
    )


def test_krum_waits_for_its_reports_and_does_the_round_again(play: Any, ledgers: Any) -> None:
    late = CHEATS["late"].load()

    class Straggler(late):  # type: ignore[misc, valid-type]
        """Late in the first generation only."""

        def train(self, name: Any, view: Any, slot: int) -> Any:
            return super().train(name, view, slot) if name[1] == 0 else Provider.train(self, name, view, slot)

    x, y = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.int64)
    optimizer = SHIPPED["digits-mlp"].optimizer
    bundle = capture(mlp(), "cross_entropy", optimizer, x, y, init="seed:7", counts=(5,), rule=Krum(1))
    rule = {"rule": "krum", "byzantine_max": 1, "reports_min": 5}
    stage = play(providers=(Straggler,), honest=4, bundle=bundle, aggregate=rule)
    waited = [event for event in stage.said(Late) if event.generation == 0]
    assert [event.provider for event in waited] == [stage.address("provider-5")]
    assert [(event.generation, event.round) for event in stage.said(Voided)] == [(0, 0)]
    assert [bitmap_slots(event.accepted) for event in stage.said(Included)] == [[0, 1, 2, 3], [0, 1, 2, 3, 4]]
    (final,) = stage.said(Finalised)
    assert final.generation == 1
    assert stage.paid("provider-5") == stage.price()
    ledgers.honest_untouched(stage, 1, halves=1)
