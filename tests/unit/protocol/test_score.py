"""Scores: one order for contracts, whatever is measured."""

import dataclasses
import struct
from fractions import Fraction
from math import floor, inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.protocol.job import Job
from assay.protocol.order import Order, Roots, order_of
from assay.protocol.score import MILLION, NEVER, UNSCORED, BatchMark, Marks, is_due, score_at, score_plain, value_of
from assay.protocol.sections import Stop

ROOTS = Roots(bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32)
TABLES = {
    "job": {"name": "a", "budget": "250"},
    "model": {"architecture": "assay.architectures:mlp"},
    "data": {"source": "sklearn:digits"},
    "train": {"optimizer": {"name": "sgd", "lr": 0.1}},
}


def bits(loss: float) -> int:
    """Of the nearest binary32."""
    return int.from_bytes(struct.pack(">f", loss), "big")


def one(correct: int, targets: int, loss: float) -> Marks:
    """Marks of one batch."""
    return Marks(0, (BatchMark(correct, targets, bits(loss)),))


@given(st.integers(1, 10**9), st.data(), st.integers(0, MILLION))
def test_accuracy_is_reached_exactly_where_it_is_at_least_what_was_asked(total, data, millionths) -> None:
    correct = data.draw(st.integers(0, total))
    asked = millionths / MILLION
    reached = one(correct, total, 0.0).score(False) >= score_at("accuracy", asked)
    assert reached == (correct * MILLION >= millionths * total)


@given(st.floats(0, 1e9, width=32), st.integers(0, 10**9))
def test_a_loss_is_reached_exactly_where_it_is_at_most_what_was_asked(loss, millionths) -> None:
    asked = millionths / MILLION
    reached = one(0, 1, loss).score(True) >= score_at("loss", asked)
    taken = Fraction(floor(Fraction(loss) * 2**40), 2**40)
    assert reached == (taken * MILLION <= millionths)


@given(st.integers(0, (1 << 32) - 1))
def test_a_loss_is_taken_to_the_last_bit_that_contracts_take(loss_bits) -> None:
    mark = BatchMark(0, 1, loss_bits)
    if not mark.is_possible:
        assert not isfinite(mark.loss_sum)
        return
    exponent, mantissa = loss_bits >> 23 & 0xFF, loss_bits & 0x7FFFFF
    signed = (mantissa + (1 << 23 if exponent else 0)) * (-1 if loss_bits >> 31 else 1)
    shift = max(exponent, 1) - 150 + 40
    assert mark.loss_fixed == (signed << shift if shift >= 0 else signed >> -shift)


@pytest.mark.parametrize("loss", [3e38, -3e38])
def test_a_loss_beyond_all_scores_is_the_worst_or_the_best_that_was_measured(loss) -> None:
    score = one(0, 1, loss).score(True)
    assert UNSCORED < score < NEVER
    assert score == (UNSCORED + 1 if loss > 0 else NEVER - 1)


def test_batches_count_by_their_targets_and_their_losses_add_up() -> None:
    marks = Marks(0, (BatchMark(3, 4, bits(1.5)), BatchMark(0, 2, bits(0.75)), BatchMark(0, 0, bits(0.0))))
    assert marks.score(False) == 500_000
    assert marks.score(True) == -375_000
    assert len(marks.content) == 60
    assert marks.content[20:40].hex() == "000000000000000000000000000000023f400000"


def test_where_no_target_counts_nothing_is_right_or_lost() -> None:
    assert one(0, 0, 0.0).score(False) == one(0, 0, -0.0).score(True) == 0


@pytest.mark.parametrize("scores_loss", [False, True])
@pytest.mark.parametrize("mark", [(0, 1, nan), (0, 1, inf), (0, 1, -inf), (2, 1, 0.0), (-1, 1, 0.0), (0, -1, 0.0)])
def test_what_cannot_be_is_no_measure(mark, scores_loss) -> None:
    good = one(1, 1, 1.0).batches
    assert Marks(0, good + one(*mark).batches + good).score(scores_loss) == UNSCORED


@pytest.mark.parametrize("scores_loss", [False, True])
def test_a_fault_is_no_measure(scores_loss) -> None:
    assert Marks(3, (), bytes([1]) * 32).score(scores_loss) == UNSCORED


WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(st.builds(BatchMark, WORDS, WORDS, st.integers(0, (1 << 32) - 1)), max_size=4), st.booleans())
def test_a_score_fits_the_contract_whatever_a_program_counts(batches, scores_loss) -> None:
    marks = Marks(0, tuple(batches))
    assert len(marks.content) == 20 * len(batches)
    score = marks.score(scores_loss)
    assert UNSCORED <= score < NEVER
    assert (score == UNSCORED) != all(each.is_possible for each in batches)


def test_a_score_says_its_value() -> None:
    assert value_of("accuracy", score_at("accuracy", 0.97)) == 0.97
    assert value_of("loss", score_at("loss", 0.25)) == 0.25
    assert value_of("loss", UNSCORED) is score_plain("loss", UNSCORED) is None
    assert score_plain("accuracy", 970_000) == {"metric": "accuracy", "value": 0.97, "millionths": 970_000}


def test_a_round_is_measured_where_it_can_end_the_job_and_in_the_end() -> None:
    assert [is_due(NEVER, index, 3) for index in range(3)] == [False, False, True]
    assert all(is_due(0, index, 3) for index in range(3))


def order_with(stop: Stop | None, classes: bool) -> Order:
    job = Job.from_tables(TABLES)
    job = dataclasses.replace(job, train=dataclasses.replace(job.train, stop=stop))
    return order_of(job, dataclasses.replace(ROOTS, classes=classes), token="0x" + "11" * 20, decimals=6)


@pytest.mark.parametrize(
    ("stop", "score"), [(None, NEVER), (Stop("accuracy", 0.9), 900_000), (Stop("loss", 0.5), -500_000)]
)
def test_an_order_says_with_which_score_it_is_over(stop, score) -> None:
    assert order_with(stop, True).stop_score == score


@pytest.mark.parametrize(
    ("stop", "classes", "scores_loss"),
    [(None, True, False), (None, False, True), (Stop("accuracy", 0.9), True, False), (Stop("loss", 0.5), True, True)],
)
def test_an_order_says_what_scores(stop, classes, scores_loss) -> None:
    assert order_with(stop, classes).scores_loss is scores_loss
