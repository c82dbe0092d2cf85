"""The scheme that is proposed from the cost of fraud: what it says holds by its own formula, and no less would do."""

import random

import pytest

from assay.market.detection import segment_checked
from assay.market.fraud import expected_profit, propose
from assay.market.quote import Quote, quote
from assay.market.stake import segment_stake
from assay.protocol.errors import BadInput
from assay.protocol.job import Job

JOB = """
[job]
name = "digits"
budget = "250"
[match]
providers = 6
[model]
architecture = "assay.architectures:mlp"
[data]
source = "sklearn:digits"
[train]
optimizer = { name = "adamw", lr = 1e-3 }
rounds = 12
steps = 48
"""
VALIDATORS = 5


@pytest.fixture
def quoted() -> Quote:
    return quote(Job.parse(JOB), 6)


def lost(quoted: Quote) -> int:
    return min(quoted.provider_stake, quoted.round_cost) + quoted.price_ceiling


def test_what_the_quote_deters_is_deterred_and_a_unit_more_is_not(quoted: Quote) -> None:
    assert propose(quoted, quoted.deterred_gain, VALIDATORS, 32).deterred
    more = propose(quoted, 2 * quoted.deterred_gain, VALIDATORS, 32)
    assert not more.deterred
    assert more.profit > 0


@pytest.mark.parametrize("share", [2, 3, 5])
def test_the_proposed_samples_deter_and_one_less_does_not(quoted: Quote, share: int) -> None:
    gain = quoted.deterred_gain * share
    made = propose(quoted, gain, VALIDATORS, 32)
    assert made.samples is not None
    pairs, at_stake = quoted.pair_count, lost(quoted)
    assert expected_profit(gain, at_stake, *segment_checked(pairs, made.samples, VALIDATORS)) <= 0
    assert expected_profit(gain, at_stake, *segment_checked(pairs, made.samples - 1, VALIDATORS)) > 0
    assert made.scheme == f"recompute, with verify.samples = {made.samples}"


def test_the_stake_is_that_of_the_formula_and_says_when_no_slash_reaches_it(quoted: Quote) -> None:
    made = propose(quoted, quoted.deterred_gain * 100, VALIDATORS, 32)
    checked, of = segment_checked(quoted.pair_count, quoted.samples, VALIDATORS)
    assert made.stake == segment_stake(made.gain, of, checked, quoted.price_ceiling)
    assert not made.stake_reaches
    assert propose(quoted, 1, VALIDATORS, 32).stake_reaches


def test_what_no_sample_deters_is_said_to_need_another_price(quoted: Quote) -> None:
    made = propose(quoted, 10**15, VALIDATORS, 32)
    assert made.samples is None
    assert "cost more" in made.scheme
    assert made.to_json()["expected_profit_then"] is None


def test_the_expected_profit_is_what_a_cheat_makes_on_average() -> None:
    """A cheat in one of 96 segments, of which each of five validators draws two for itself, in many rounds."""
    draw, pairs, samples, gain, at_stake, rounds = random.Random(5), 96, 2, 1000, 7000, 40_000

    def caught() -> bool:
        return any(0 in draw.sample(range(pairs), samples) for _ in range(VALIDATORS))

    made = sum(-at_stake if caught() else gain for _ in range(rounds)) / rounds
    expected = expected_profit(gain, at_stake, *segment_checked(pairs, samples, VALIDATORS))
    assert abs(made - expected) < 4 * (gain + at_stake) * 0.31 / rounds**0.5


def test_nothing_at_risk_is_refused(quoted: Quote) -> None:
    with pytest.raises(BadInput):
        propose(quoted, 0, VALIDATORS, 32)
