"""Lines for waits: for whom, and until when on the clock of whoever reads them."""

import re
import time

import pytest

from assay.api.home import local_time
from assay.api.inspect import Wait

CHAIN_S = 1_900_000_000
"""A chain's clock that is years ahead of ours."""


def test_the_moment_is_this_machines_whatever_the_chains_clock_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    words = Wait("2 more providers (3/5)", CHAIN_S + 1800).words(CHAIN_S)
    there = time.strftime("%H:%M", time.localtime(1_700_001_800))
    assert words == f"waiting for 2 more providers (3/5), until {there}"


@pytest.mark.parametrize(
    ("left_s", "form"),
    [
        (30, r"until \d\d:\d\d:\d\d"),
        (3600, r"until \d\d:\d\d"),
        (72 * 3600, r"until \d\d \w+ \d\d:\d\d"),
        (0, r"since .*"),
        (-5, r"since .*"),
    ],
)
def test_near_moments_have_seconds_and_far_ones_a_day(left_s: int, form: str) -> None:
    words = Wait("the match", CHAIN_S + left_s).words(CHAIN_S)
    assert re.fullmatch(f"waiting for the match, {form}", words)


def test_simulated_time_is_not_shown_as_this_machines() -> None:
    assert Wait("a", CHAIN_S + 60).words(CHAIN_S, is_live=False) == "waiting for a, 60 s of simulated time left"
    assert Wait("a", CHAIN_S - 1).words(CHAIN_S, is_live=False) == "waiting for a, overdue"
    assert Wait("a").words(CHAIN_S, is_live=False) == "waiting for a"


def test_a_moment_is_told_by_the_distance_on_the_chain() -> None:
    assert local_time(CHAIN_S + 600, CHAIN_S, 0.0) == time.strftime("%H:%M", time.localtime(600))
