"""A quote: what a job costs at most, how likely cheats are caught, and which stakes deter them, before money moves."""

from dataclasses import dataclass
from typing import Any

from assay.market.detection import (
    job_detection,
    round_detection,
    samples_needed,
    segment_checked,
    verification_share,
)
from assay.market.stake import lazy_stake, segment_stake
from assay.protocol.job import Job
from assay.protocol.order import BID_BOND_PRICES, prices_of
from assay.protocol.units import format_amount

CHEATED_SHARE = 0.1
"""Share of a round's segments of the cheat that detection is stated for."""
ROUND_BAR, JOB_BAR, COST_BAR = 0.8, 0.999, 0.15
"""What a job should reach: per round, per job, at this share of re-execution at most."""


@dataclass(frozen=True)
class Quote:
    """Amounts in the token's smallest unit; probabilities for a cheat of `cheated_count` pairs in every round."""

    decimals: int
    scheme: str
    rounds: int
    redo_rounds: int
    providers_cost: int
    validators_cost: int
    aggregator_cost: int
    redo_reserve: int
    fault_deposit: int
    round_cost: int
    price_ceiling: int
    validator_fee: int
    aggregator_fee: int
    bid_bond: int
    provider_stake: int
    validator_stake: int
    aggregator_stake: int
    lazy_stake: int
    deterred_gain: int
    pair_count: int
    samples: int
    cheated_count: int
    verification_share: float
    detection_per_round: float
    detection_per_job: float
    deadline_s: int
    longest_s: int
    notes: tuple[str, ...]

    @property
    def cost(self) -> int:
        """What leaves the consumer's balance at posting; the same as `IJobs.cost`."""
        paid = self.providers_cost + self.validators_cost + self.aggregator_cost
        return paid + self.redo_reserve + self.fault_deposit

    @property
    def refunded_if_smooth(self) -> int:
        """What comes back when nothing has to be done again and every bid clears at the ceiling."""
        return self.redo_reserve + self.fault_deposit

    def to_json(self) -> dict[str, Any]:
        """Amounts as decimal strings in whole tokens, the rest as numbers."""

        def whole(units: int) -> str:
            return format_amount(units, self.decimals)

        return {
            "cost": {
                "total": whole(self.cost),
                "providers": whole(self.providers_cost),
                "validators": whole(self.validators_cost),
                "aggregator": whole(self.aggregator_cost),
                "redo_reserve": whole(self.redo_reserve),
                "fault_deposit": whole(self.fault_deposit),
                "round": whole(self.round_cost),
                "refunded_if_smooth": whole(self.refunded_if_smooth),
            },
            "prices": {
                "slot": whole(self.price_ceiling),
                "validator": whole(self.validator_fee),
                "aggregator": whole(self.aggregator_fee),
            },
            "stakes": {
                "provider": whole(self.provider_stake),
                "validator": whole(self.validator_stake),
                "aggregator": whole(self.aggregator_stake),
                "bid_bond": whole(self.bid_bond),
                "lazy_minimum": whole(self.lazy_stake),
                "deterred_gain": whole(self.deterred_gain),
            },
            "verification": {
                "scheme": self.scheme,
                "segments_per_round": self.pair_count,
                "samples_per_validator": self.samples,
                "share": self.verification_share,
                "cheated_segments": self.cheated_count,
                "detection_per_round": self.detection_per_round,
                "detection_per_job": self.detection_per_job,
            },
            "rounds": self.rounds,
            "redo_rounds": self.redo_rounds,
            "time": {"deadline_s": self.deadline_s, "longest_s": self.longest_s},
            "notes": list(self.notes),
        }


def quote(job: Job, decimals: int) -> Quote:
    """The quote of a job for a token with `decimals` places. Errors: `BadInput` when the budget does not cover it.

    Costs are at the price ceiling, which is also the most that laziness can save in a round; `lazy_stake` counts no
    reward, as in a first round that has earned none yet. The job's scheme is the one proposed: there is one so far.
    """
    prices = prices_of(job, decimals)
    match, verify, rounds = job.match, job.verify, job.train.rounds
    round_cost = (
        match.providers * prices.price_ceiling + match.validators * prices.validator_fee + prices.aggregator_fee
    )
    cheated_count = max(1, round(CHEATED_SHARE * job.pair_count))
    per_round = round_detection(job.pair_count, cheated_count, verify.samples, match.validators)
    slashable = min(prices.provider_stake, round_cost)
    made = Quote(
        decimals=decimals,
        scheme=verify.scheme,
        rounds=rounds,
        redo_rounds=verify.redo_rounds,
        providers_cost=rounds * match.providers * prices.price_ceiling,
        validators_cost=rounds * match.validators * prices.validator_fee,
        aggregator_cost=rounds * prices.aggregator_fee,
        redo_reserve=verify.redo_rounds * round_cost,
        fault_deposit=prices.fault_deposit,
        round_cost=round_cost,
        price_ceiling=prices.price_ceiling,
        validator_fee=prices.validator_fee,
        aggregator_fee=prices.aggregator_fee,
        bid_bond=BID_BOND_PRICES * prices.price_ceiling,
        provider_stake=prices.provider_stake,
        validator_stake=prices.validator_stake,
        aggregator_stake=prices.aggregator_stake,
        lazy_stake=lazy_stake(prices.price_ceiling, 0),
        deterred_gain=_deterred_gain(
            slashable + prices.price_ceiling, *segment_checked(job.pair_count, verify.samples, match.validators)
        ),
        pair_count=job.pair_count,
        samples=verify.samples,
        cheated_count=cheated_count,
        verification_share=verification_share(job.pair_count, verify.samples, match.validators),
        detection_per_round=per_round,
        detection_per_job=job_detection(per_round, rounds),
        deadline_s=job.terms.deadline_s,
        longest_s=_longest_s(job),
        notes=(),
    )
    return _noted(made, match.validators)


def _deterred_gain(at_risk: int, checked: int, of: int) -> int:
    """Largest gain from one changed segment that does not pay: `stake.segment_stake`, solved for the gain."""
    if checked >= of:
        return at_risk * of
    gain = at_risk * checked // (of - checked)
    assert segment_stake(gain, of, checked, 0) <= at_risk
    return gain


def _longest_s(job: Job) -> int:
    """Seconds when every phase of every round runs into its deadline, redo reserve not counted."""
    windows = job.windows
    matching = windows.bid_s + windows.reveal_s + windows.enlist_s
    each = windows.train_s + windows.table_s + windows.open_s + windows.aggregate_s
    return matching + job.train.rounds * each + job.verify.challenge_s


def _noted(made: Quote, validators: int) -> Quote:
    notes = []
    if made.detection_per_round < ROUND_BAR or made.detection_per_job < JOB_BAR:
        wanted = max(ROUND_BAR, 1 - (1 - JOB_BAR) ** (1 / made.rounds))
        needed = samples_needed(made.pair_count, made.cheated_count, validators, wanted)
        notes.append(
            f"a cheat of {made.cheated_count} of {made.pair_count} segments a round is caught with "
            f"{made.detection_per_round:.1%} a round and {made.detection_per_job:.3%} a job; "
            f"{needed} samples per validator reach {ROUND_BAR:.0%} and {JOB_BAR:.1%}"
        )
    if made.verification_share > COST_BAR:
        notes.append(
            f"validators re-execute {made.verification_share:.1%} of the work, more than {COST_BAR:.0%}; "
            "more segments a round, or fewer samples, make it cheaper"
        )
    if made.longest_s > made.deadline_s:
        notes.append(
            f"if every phase runs into its deadline the job takes {made.longest_s} s, "
            f"more than its deadline of {made.deadline_s} s"
        )
    if min(made.provider_stake, made.round_cost) < made.lazy_stake:
        notes.append("what a slash takes from a provider is less than what laziness saves; raise the fees or add slots")
    return Quote(**{**vars(made), "notes": tuple(notes)})
