"""Detection: the formula against the schedule that really draws the samples."""

import random
from math import sqrt

import pytest

from assay.market.detection import (
    job_detection,
    miss_probability,
    mixed_job_detection,
    round_detection,
    samples_needed,
    verification_share,
)
from assay.protocol.errors import BadInput
from assay.protocol.schedule import sample_segments
from assay.protocol.words import words_hash

SLOTS, SEGMENTS, SAMPLES, VALIDATORS, ROUNDS = 6, 16, 4, 2, 2
JOBS = 10_000


@pytest.fixture(scope="module")
def samples() -> list[list[list[tuple[int, int]]]]:
    """Samples of each validator in each of 2 x 5,000 rounds: 10,000 jobs of one round, 5,000 of two."""
    return [
        [
            sample_segments(
                words_hash("beacon", at), words_hash("nonce", at, who), (at, 0, 0), range(SLOTS), SEGMENTS, SAMPLES
            )
            for who in range(VALIDATORS)
        ]
        for at in range(JOBS)
    ]


def caught(samples: list[list[tuple[int, int]]], cheated: set[tuple[int, int]]) -> bool:
    return any(not cheated.isdisjoint(each) for each in samples)


def margin(probability: float, count: int) -> float:
    """Four standard deviations of an observed rate."""
    return 4 * sqrt(probability * (1 - probability) / count)


def test_a_scattered_cheat_is_caught_as_often_as_the_formula_says(samples) -> None:
    draw = random.Random(1)
    pairs = [(slot, segment) for slot in range(SLOTS) for segment in range(SEGMENTS)]
    for cheated_count in (1, 5, 10, 20):
        hits = sum(caught(each, set(draw.sample(pairs, cheated_count))) for each in samples)
        expected = round_detection(len(pairs), cheated_count, SAMPLES, VALIDATORS)
        assert abs(hits / JOBS - expected) < margin(expected, JOBS), (cheated_count, hits / JOBS, expected)


def test_a_skipper_of_half_its_segments_is_caught_at_least_as_often(samples) -> None:
    cheated = {(3, segment) for segment in range(SEGMENTS // 2, SEGMENTS)}
    expected = round_detection(SLOTS * SEGMENTS, len(cheated), SAMPLES, VALIDATORS)
    hits = sum(caught(each, cheated) for each in samples)
    assert hits / JOBS > expected - margin(expected, JOBS)


def test_a_job_of_several_rounds_is_caught_as_often_as_the_formula_says(samples) -> None:
    draw = random.Random(2)
    pairs = [(slot, segment) for slot in range(SLOTS) for segment in range(SEGMENTS)]
    jobs = [samples[at : at + ROUNDS] for at in range(0, JOBS, ROUNDS)]
    hits = sum(any(caught(each, set(draw.sample(pairs, 8))) for each in job) for job in jobs)
    expected = job_detection(round_detection(len(pairs), 8, SAMPLES, VALIDATORS), ROUNDS)
    assert abs(hits / len(jobs) - expected) < margin(expected, len(jobs))


def test_an_honest_job_is_never_caught(samples) -> None:
    assert not any(caught(each, set()) for each in samples)
    assert round_detection(96, 0, 4, 5) == 0


def test_samples_have_the_wanted_size_and_no_neighbours(samples) -> None:
    for each in samples[:500]:
        for sample in each:
            assert len(set(sample)) == SAMPLES
            assert not any((slot, segment + 1) in sample for slot, segment in sample)


def test_known_values() -> None:
    assert miss_probability(10, 1, 1) == 0.9
    assert round_detection(10, 1, 10) == 1
    assert round_detection(4, 2, 2) == pytest.approx(1 - 1 / 6)
    assert round_detection(10, 1, 1, 2) == pytest.approx(0.19)
    assert job_detection(0.5, 3) == 0.875
    assert mixed_job_detection([0.5, 0.5, 0.5]) == 0.875
    assert verification_share(96, 3, 5) == pytest.approx(15 / 96)


def test_the_bar_of_eighty_percent_is_met_at_fifteen_percent_cost() -> None:
    for pair_count in (100, 200, 400):
        samples = int(0.15 * pair_count) // 5
        per_round = round_detection(pair_count, pair_count // 10, samples, 5)
        assert verification_share(pair_count, samples, 5) <= 0.15
        assert per_round >= 0.79
        assert job_detection(per_round, 5) >= 0.999


def test_needed_samples_are_the_fewest_that_reach_the_rate() -> None:
    for pair_count, cheated, validators, wanted in (
        (96, 10, 5, 0.8),
        (96, 1, 5, 0.5),
        (384, 38, 3, 0.999),
        (10, 10, 1, 1),
    ):
        needed = samples_needed(pair_count, cheated, validators, wanted)
        assert round_detection(pair_count, cheated, needed, validators) >= wanted
        assert needed == 0 or round_detection(pair_count, cheated, needed - 1, validators) < wanted
    assert samples_needed(96, 10, 5, 0) == 0
    assert samples_needed(10, 1, 1, 1) == 10


@pytest.mark.parametrize("arguments", [(10, 11, 1), (10, 1, 11), (10, -1, 1), (10, 1, -1)])
def test_impossible_counts_are_bad_input(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(BadInput):
        miss_probability(*arguments)


@pytest.mark.parametrize("arguments", [(10, 0, 1, 0.5), (10, 1, 1, 1.1), (10, 11, 1, 0.5)])
def test_impossible_wishes_are_bad_input(arguments: tuple[int, int, int, float]) -> None:
    with pytest.raises(BadInput):
        samples_needed(*arguments)
