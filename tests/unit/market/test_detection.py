"""Detection: known values, and what cannot be asked. `tests/statistics` compares with sampled jobs."""

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


def test_known_values() -> None:
    assert round_detection(96, 0, 4, 5) == 0
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
