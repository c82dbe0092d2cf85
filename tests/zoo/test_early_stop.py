"""A job that is over as soon as its model is good enough, and what a liar could make of that."""

from dataclasses import replace
from math import floor
from typing import Any

import pytest

from assay.api.observer import Observer
from assay.chain.contracts.containers import Order
from assay.chain.contracts.disputes import ChallengeOpened, MarksShown
from assay.chain.contracts.jobs import Ended
from assay.chain.contracts.models import Models
from assay.chain.contracts.rounds import Aggregated, Finalised, Penalised, Rewound
from assay.protocol.errors import Refused
from assay.protocol.phase import JobPhase, Target
from assay.protocol.score import MILLION, NEVER, UNSCORED
from assay.roles.consumer import Consumer
from assay.roles.stage import DECIMALS
from assay.roles.zoo import CHEATS
from assay.work.mark import Mark

ORDERED = 6


def stop(metric: str, at: float) -> dict[str, Any]:
    return {"stop": {"metric": metric, "at": at}}


def worth(metric: str, mark: Mark) -> int:
    if metric == "loss":
        return floor(-mark.loss * MILLION)
    return mark.correct_count * MILLION // mark.target_count


def watched(stage: Any) -> list[Any]:
    """Plays a job to its end; what each final round's state is worth, as somebody else has measured it."""
    token = stage.network.token.address
    observer = stage.watch(lambda world: Observer(world, token, DECIMALS, {}, lambda _: None))
    stage.play()
    return [observer.stories[event.job, event.generation, event.round].mark for event in stage.said(Finalised)]


@pytest.mark.parametrize(("metric", "at"), [("accuracy", 0.9), ("loss", 1.0)])
def test_a_job_ends_with_the_first_round_that_is_good_enough(set_up: Any, ledgers: Any, metric: str, at: float) -> None:
    stage = set_up(rounds=ORDERED, train=stop(metric, at))
    marks = watched(stage)
    rounds, jobs = stage.network.ledger.rounds, stage.network.ledger.jobs
    done = len(stage.said(Finalised))
    assert 1 < done < ORDERED, "choose a threshold that is met midway"
    assert rounds.complete(stage.job)
    assert jobs.view_of(stage.job).phase == JobPhase.DONE
    ledgers.honest_untouched(stage, done)
    ledgers.validators_paid(stage, done)
    (ended,) = stage.said(Ended)
    assert ended.refunded == jobs.view_of(stage.job).deposited - done * rounds.round_cost(stage.job)
    lineage = stage.network.ledger.open(Models).lineage_of(stage.job)
    assert (lineage.rounds, lineage.test_root) == (done, stage.order.test_root)
    scores = [event.score for event in stage.said(Aggregated)]
    # A loss's score is reckoned from the batches' losses as they are, rounded down; for people they are added up.
    apart = [abs(score - worth(metric, mark)) for score, mark in zip(scores, marks, strict=True)]
    assert max(apart) <= (1 if metric == "loss" else 0)
    assert lineage.score == scores[-1] >= stage.order.stop_score > max(scores[:-1])


def test_a_job_without_a_rule_is_measured_once_in_the_end(set_up: Any, ledgers: Any) -> None:
    stage = set_up(rounds=3)
    marks = watched(stage)
    scores = [event.score for event in stage.said(Aggregated)]
    assert scores == [UNSCORED, UNSCORED, worth("accuracy", marks[-1])]
    assert stage.network.ledger.open(Models).lineage_of(stage.job).score == scores[-1] > MILLION // 2
    ledgers.honest_untouched(stage, 3)


def test_who_says_that_the_model_is_good_enough_is_challenged(play: Any, ledgers: Any) -> None:
    stage = play(aggregator=CHEATS["flattering-aggregator"].load(), rounds=2, train=stop("accuracy", 0.99))
    (dispute,) = stage.said(ChallengeOpened)
    assert (dispute.target, dispute.accused) == (Target.SCORE, stage.address("aggregator-1"))
    assert not stage.said(MarksShown), "the true ones do not come to what it said"
    (rewound,) = stage.said(Rewound)
    assert (rewound.round, rewound.generation) == (0, 1)
    (penalty,) = [event for event in stage.said(Penalised) if event.amount]
    assert penalty.account == stage.address("aggregator-1")
    assert stage.paid("aggregator-1") == 0
    assert len(stage.said(Finalised)) == 2, "and the job goes on to its last round"
    ledgers.honest_untouched(stage, 3)


def test_an_order_that_ends_elsewhere_than_its_file_says_finds_nobody(set_up: Any) -> None:
    class Sly(Consumer):
        """Shows a file without an early stop."""

        def post(self, order: Order) -> int:
            assert order.stop_score == NEVER
            return super().post(replace(order, stop_score=1))

    stage = set_up(consumer=Sly, rounds=2)
    stage.play()
    assert stage.network.ledger.jobs.view_of(stage.job).phase == JobPhase.CANCELLED
    with pytest.raises(Refused, match="ends it elsewhere"):
        stage.network.parties["validator-1"].assignment(stage.job)
