"""Stakes that deter, quotes that add up."""

import json
from fractions import Fraction

import pytest

from assay.market.detection import miss_probability, round_detection
from assay.market.quote import quote
from assay.market.stake import WINNER_SHARE, lazy_stake, segment_stake
from assay.protocol.errors import BadInput
from assay.protocol.job import Job
from assay.protocol.order import Roots, order_of, prices_of

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
optimizer = { name = "sgd", lr = 0.1 }
rounds = 12
steps = 48
"""


def test_laziness_never_pays_at_the_minimum_stake() -> None:
    pair_count, cost, reward = 96, 1_000, 100
    stake = lazy_stake(cost, reward)
    assert stake == 1_350
    for skipped in range(1, pair_count + 1):
        for samples in (1, 3, 12):
            p = Fraction(1) - Fraction(miss_probability(pair_count, skipped, samples))
            saved = Fraction(cost * skipped, pair_count)
            assert p * (reward + stake * (1 - WINNER_SHARE)) >= saved - Fraction(1, 10**9)
    # One unit less and leaving out everything pays again.
    assert reward + (stake - 1) * (1 - WINNER_SHARE) < cost


def test_one_changed_segment_never_pays_at_the_minimum_stake() -> None:
    for gain, pair_count, samples, reward in ((10**6, 96, 12, 500), (7, 3, 2, 0), (10**18, 1000, 1, 10)):
        stake = segment_stake(gain, pair_count, samples, reward)
        assert samples * (stake + reward) >= (pair_count - samples) * gain
        assert stake == 0 or samples * (stake - 1 + reward) < (pair_count - samples) * gain
    assert segment_stake(10**6, 96, 96, 0) == 0


def test_stakes_that_cannot_deter_are_bad_input() -> None:
    with pytest.raises(BadInput):
        lazy_stake(1, 0, Fraction(1))
    with pytest.raises(BadInput):
        segment_stake(1, 10, 0, 0)
    assert lazy_stake(10, 10) == lazy_stake(10, 50) == 0


def test_a_quote_costs_what_the_order_costs() -> None:
    job = Job.parse(JOB)
    made = quote(job, 6)
    order = order_of(job, Roots(*[bytes([at]) * 32 for at in range(4)]), token="0x" + "11" * 20, decimals=6)
    assert made.cost == order.cost <= 250 * 10**6
    assert made.cost > 249 * 10**6
    assert made.round_cost == order.round_cost
    assert made.provider_stake == order.provider_stake >= order.round_cost


def test_a_quote_states_detection_by_the_formula() -> None:
    made = quote(Job.parse(JOB), 6)
    assert (made.pair_count, made.samples, made.cheated_count) == (96, 2, 10)
    assert made.detection_per_round == round_detection(96, 10, 2, 5)
    assert made.verification_share == pytest.approx(10 / 96)
    assert made.verification_share <= 0.13
    assert made.detection_per_job == pytest.approx(1 - (1 - made.detection_per_round) ** 12)


def test_a_quote_warns_of_weak_detection_high_cost_and_a_short_deadline() -> None:
    weak = quote(Job.parse(JOB.replace("rounds = 12", "rounds = 2")), 6)
    assert any("samples per validator reach" in note for note in weak.notes)
    dear = quote(Job.parse(JOB + "[verify]\nsamples = 5\n"), 6)
    assert any("more than 15%" in note for note in dear.notes)
    late = quote(Job.parse(JOB.replace("[job]", '[job]\ndeadline = "1h"')), 6)
    assert any("deadline" in note for note in late.notes)
    fitting = quote(
        Job.parse(JOB.replace("steps = 48", "steps = 48\nsegment_steps = 2") + "[verify]\nsamples = 4\n"), 6
    )
    assert fitting.notes == ()


def test_a_quotes_json_holds_decimal_strings_that_add_up() -> None:
    made = quote(Job.parse(JOB), 6)
    rows = json.loads(json.dumps(made.to_json()))
    cost = {name: round(float(amount) * 10**6) for name, amount in rows["cost"].items()}
    parts = ("providers", "validators", "aggregator", "redo_reserve", "fault_deposit")
    assert sum(cost[part] for part in parts) == cost["total"] == made.cost
    price = {name: round(float(amount) * 10**6) for name, amount in rows["prices"].items()}
    assert 6 * price["slot"] + 5 * price["validator"] + price["aggregator"] == cost["round"]


def test_named_prices_are_kept_and_the_rest_is_shared() -> None:
    job = Job.parse(JOB.replace("providers = 6", 'providers = 6\nprice_ceiling = "1.5"') + '[verify]\nfee = "0.5"\n')
    prices = prices_of(job, 6)
    assert (prices.price_ceiling, prices.validator_fee) == (1_500_000, 500_000)
    assert prices.aggregator_fee > 0
    assert quote(job, 6).cost <= 250 * 10**6


@pytest.mark.parametrize(
    "text",
    [
        JOB.replace("providers = 6", 'providers = 6\nprice_ceiling = "100"'),
        JOB.replace('"250"', '"0.00001"'),
        JOB + '[verify]\nfault_deposit = "300"\n',
    ],
)
def test_a_budget_that_does_not_cover_the_prices_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="budget") as caught:
        quote(Job.parse(text), 6)
    assert caught.value.fields["key"] == "job.budget"


@pytest.mark.parametrize("key", ["min_stake", "validator_stake", "aggregator_stake"])
def test_a_stake_below_what_a_slash_takes_is_bad_input(key: str) -> None:
    job = Job.parse(JOB.replace("providers = 6", f'providers = 6\n{key} = "1"'))
    with pytest.raises(BadInput, match=f"match.{key}"):
        order_of(job, Roots(*[bytes(32)] * 4), token="0x" + "11" * 20, decimals=6)


def test_more_decimals_than_the_token_has_are_bad_input() -> None:
    with pytest.raises(BadInput, match="decimal places"):
        quote(Job.parse(JOB.replace('"250"', '"250.0000001"')), 6)
