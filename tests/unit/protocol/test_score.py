"""Scores: one order for contracts, whatever is measured."""

import dataclasses
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.protocol.job import Job
from assay.protocol.order import Roots, order_of
from assay.protocol.score import MILLION, NEVER, UNSCORED, is_due, score_at, score_of, score_plain, value_of
from assay.protocol.sections import Stop

ROOTS = Roots(bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32)
TABLES = {
    "job": {"name": "a", "budget": "250"},
    "model": {"architecture": "assay.architectures:mlp"},
    "data": {"source": "sklearn:digits"},
    "train": {"optimizer": {"name": "sgd", "lr": 0.1}},
}


@given(st.integers(1, 10**9), st.data(), st.integers(0, MILLION))
def test_accuracy_is_reached_exactly_where_it_is_at_least_what_was_asked(total, data, millionths) -> None:
    correct = data.draw(st.integers(0, total))
    asked = millionths / MILLION
    reached = score_of("accuracy", correct, total, 0.0) >= score_at("accuracy", asked)
    assert reached == (correct * MILLION >= millionths * total)


@given(st.floats(0, 1e9), st.integers(0, 10**9))
def test_a_loss_is_reached_exactly_where_it_is_at_most_what_was_asked(loss, millionths) -> None:
    from fractions import Fraction

    asked = millionths / MILLION
    reached = score_of("loss", 0, 1, loss) >= score_at("loss", asked)
    assert reached == (Fraction(loss) * MILLION <= millionths)


@pytest.mark.parametrize("loss", [1e300, -1e300])
def test_a_loss_beyond_all_scores_is_the_worst_or_the_best_that_was_measured(loss) -> None:
    score = score_of("loss", 0, 1, loss)
    assert UNSCORED < score < NEVER
    assert score == (UNSCORED + 1 if loss > 0 else NEVER - 1)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("loss", [nan, inf, -inf])
def test_a_loss_that_is_no_number_is_no_measure(metric, loss) -> None:
    assert score_of(metric, 0, 1, loss) == UNSCORED


@given(st.integers(), st.integers(0, 10**9), st.floats(), st.sampled_from(["accuracy", "loss"]))
def test_a_score_fits_the_contract_whatever_a_program_counts(correct, total, loss, metric) -> None:
    score = score_of(metric, correct, total, loss)
    assert UNSCORED <= score < NEVER
    assert total > 0 or score == UNSCORED
    assert 0 <= correct <= total or score == UNSCORED


def test_a_score_says_its_value() -> None:
    assert value_of("accuracy", score_at("accuracy", 0.97)) == 0.97
    assert value_of("loss", score_at("loss", 0.25)) == 0.25
    assert value_of("loss", UNSCORED) is score_plain("loss", UNSCORED) is None
    assert score_plain("accuracy", 970_000) == {"metric": "accuracy", "value": 0.97, "millionths": 970_000}


def test_a_round_is_measured_where_it_can_end_the_job_and_in_the_end() -> None:
    assert [is_due(NEVER, index, 3) for index in range(3)] == [False, False, True]
    assert all(is_due(0, index, 3) for index in range(3))


@pytest.mark.parametrize(
    ("stop", "score"), [(None, NEVER), (Stop("accuracy", 0.9), 900_000), (Stop("loss", 0.5), -500_000)]
)
def test_an_order_says_with_which_score_it_is_over(stop, score) -> None:
    job = Job.from_tables(TABLES)
    job = dataclasses.replace(job, train=dataclasses.replace(job.train, stop=stop))
    assert order_of(job, ROOTS, token="0x" + "11" * 20, decimals=6).stop_score == score
