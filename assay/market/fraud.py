"""The cost of fraud: what a consumer has at risk, and the scheme under which taking it does not pay.

A cheat changes one segment for a gain G. It is re-executed with probability p (`detection.segment_checked`: each of m
validators draws q of N segments). Caught, it loses what is at stake S, as far as a slash reaches, and its reward R. Its
expected profit is

    (1 - p) G - p (S + R)

so it does not pay with p >= G / (G + S + R), or with S >= G (1 - p) / p - R at stake (`stake.segment_stake`). A slash
by vote takes at most a round's cost, so more stake than that deters nobody.
"""

from dataclasses import dataclass
from typing import Any

from assay.market.detection import segment_checked
from assay.market.quote import Quote
from assay.market.stake import segment_stake
from assay.protocol.errors import BadInput
from assay.protocol.units import format_amount


@dataclass(frozen=True)
class Proposal:
    """What deters a fraud that is worth `gain`. Amounts in the token's smallest unit.

    `chance` is the probability with which one changed segment is re-executed now, `profit` what it makes on average.
    `samples` is per validator, None where even all that may be sampled does not deter; `stake` is what the job's own
    samples would take, and `stake_reaches` whether a slash may take as much.
    """

    gain: int
    profit: int
    deterred: bool
    chance: float
    samples: int | None
    share: float | None
    profit_then: int | None
    stake: int
    stake_reaches: bool
    round_cost: int
    decimals: int

    @property
    def scheme(self) -> str:
        """The scheme that is proposed, in the words of a job file."""
        if self.deterred:
            return "recompute, as it is"
        if self.samples is not None:
            return f"recompute, with verify.samples = {self.samples}"
        return "none at this price: a round must cost more than the fraud is worth"

    def to_json(self) -> dict[str, Any]:
        """Amounts as decimal text in whole tokens, the rest as numbers."""

        def whole(units: int | None) -> str | None:
            return None if units is None else format_amount(units, self.decimals)

        return {
            "value_at_risk": whole(self.gain),
            "deterred": self.deterred,
            "expected_profit_of_cheating": whole(self.profit),
            "scheme": self.scheme,
            "chance_to_be_caught": self.chance,
            "samples_needed": self.samples,
            "share_needed": self.share,
            "expected_profit_then": whole(self.profit_then),
            "stake_needed": whole(self.stake),
            "slash_reaches_that": self.stake_reaches,
            "most_a_slash_takes": whole(self.round_cost),
        }


def propose(quoted: Quote, gain: int, validators: int, samples_max: int) -> Proposal:
    """The scheme for a fraud worth `gain` in one segment of a job so quoted. `samples_max`: most that the job admits
    per validator. Errors: `BadInput` where nothing is at risk."""
    if gain <= 0:
        raise BadInput("nothing is at risk", hint="give what a fraud would be worth, in whole tokens, above 0")
    pairs, reward = quoted.pair_count, quoted.price_ceiling
    lost = min(quoted.provider_stake, quoted.round_cost) + reward
    checked, of = segment_checked(pairs, quoted.samples, validators)
    profit, stake = expected_profit(gain, lost, checked, of), segment_stake(gain, of, checked, reward)
    samples = _least_samples(gain, lost, pairs, validators, samples_max)
    then = None if samples is None else expected_profit(gain, lost, *segment_checked(pairs, samples, validators))
    return Proposal(
        gain=gain,
        profit=profit,
        deterred=profit <= 0,
        chance=checked / of,
        samples=samples,
        share=None if samples is None else samples * validators / pairs,
        profit_then=then,
        stake=stake,
        stake_reaches=stake <= quoted.round_cost,
        round_cost=quoted.round_cost,
        decimals=quoted.decimals,
    )


def expected_profit(gain: int, lost: int, checked: int, of: int) -> int:
    """What cheating in a segment that is re-executed `checked` of `of` times brings on average, rounded up: it does not
    pay where this is not above zero."""
    return -(-((of - checked) * gain - checked * lost) // of)


def _least_samples(gain: int, lost: int, pairs: int, validators: int, most: int) -> int | None:
    """Fewest samples per validator with which it does not pay; nothing where `most` do not deter it either."""

    def deters(samples: int) -> bool:
        return expected_profit(gain, lost, *segment_checked(pairs, samples, validators)) <= 0

    return next((samples for samples in range(1, min(most, pairs) + 1) if deters(samples)), None)
