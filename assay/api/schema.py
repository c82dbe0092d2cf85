"""What a job's report holds, key by key: the one table that checks a report and documents it.

Amounts are decimal text in whole tokens, so that no reader loses units to floating point. A key that ends with `?` may
be left out, a kind that does may be null.
"""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from assay.protocol.errors import LimitExceeded, Malformed

LIST_MAX = 100_000

PARTY = {
    "name": ("text", "Name in this run."),
    "behaviour": ("text", '"honest", or the cheat\'s name in the zoo.'),
    "paid": ("amount", "What it was paid, its stake apart."),
    "slashed": ("amount", "What of its stake was taken, penalties included."),
    "bond_burned?": ("amount", "What of its bonds was burned, for slots that it did not deliver."),
    "bond_paid?": ("amount", "What of its bonds went to others, whom it made work for nothing."),
    "bond_shares?": ("amount", "What came to it of others' bonds."),
    "rewards?": ("amount", "Out of slashes: shares for proving a cheat."),
    "evidence": ("any", "What convicted it, or cost it its fee."),
}

REPORT: dict[str, Any] = {
    "token": {"symbol": ("text", "Of payment and stake."), "decimals": ("count", "Units: a token is 10^decimals.")},
    "accuracy": ("figure", "Share of held-out samples that the last model labels right, by the committed `evaluate`."),
    "validator_fee?": ("amount", "Of one validator in one round."),
    "price?": ("amount", "Of one slot in one round, as the bids cleared it."),
    "quote?": {
        "cost": ("amount", "What leaves the consumer's balance at posting; what is not spent comes back."),
        "price_ceiling": ("amount", "Most that a slot is paid for a round."),
        "validator_fee": ("amount", "Of each validator for a round."),
        "aggregator_fee": ("amount", "Of the aggregator for a round."),
        "provider_stake": ("amount", "What a provider must have at stake: at least a round's whole cost."),
        "validator_stake": ("amount", "What a validator must."),
        "aggregator_stake": ("amount", "What an aggregator must."),
        "verification_share": ("figure", "Share of the work that validators re-execute at most."),
        "detection_per_round": ("figure", "Probability that a cheat in a tenth of a round's segments is caught in it."),
        "detection_per_job": ("figure", "... in any round of the job."),
    },
    "rounds": [
        {
            "index": ("count", "From 0."),
            "generation": ("count", "Rewinds of the job before this round ran."),
            "loss": ("figure?", "Training loss of the last segment, mean over the slots in the aggregate."),
            "accuracy": ("figure?", "On held-out samples after the round."),
            "accepted": ("count", "Slots in the aggregate."),
            "late": ("count", "Slots that did not come in time."),
            "rejected": ("count", "Slots that came and were refused or disproved."),
            "void?": ("flag", "Whether the round was undone, to run again in the next generation."),
        }
    ],
    "providers": [
        {
            **PARTY,
            "rounds_accepted?": ("count", "Rounds that its update entered: each earns the price."),
            "rounds_half?": ("count", "Rounds accepted only, or void after it had committed: each earns half of it."),
            "segments_accepted": ("count", "Segments that nobody could disprove."),
        }
    ],
    "validators": [
        {
            **PARTY,
            "rounds_served?": ("count", "Rounds in which a quorum found its whole sample shown: each earns the fee."),
            "segments_checked?": ("count", "Segments in the tables that it opened."),
        }
    ],
    "aggregators": [{**PARTY, "drawn?": ("flag", "Whether it was drawn, or took another's place.")}],
    "escrow": {
        "deposited": ("amount", "By the consumer."),
        "paid": ("amount", "To the parties for work."),
        "refunded": ("amount", "To the consumer."),
        "forfeited?": ("amount", "Burned of the deposit against a job that is itself at fault."),
        "held": ("amount", "Still in the contract."),
    },
    "stakes": {
        "staked": ("amount", "By all parties."),
        "withdrawn": ("amount", "Back to those who staked, or theirs to take."),
        "burned": ("amount", "Of slashes and penalties."),
        "to_consumer": ("amount", "Of slashes: to the job's escrow."),
        "to_challengers": ("amount", "Of slashes: to who proved the cheat; the rewards of all."),
        "held": ("amount", "Still in the contract."),
    },
    "bonds?": {
        "posted": ("amount", "With bids and challenges, by all parties."),
        "returned": ("amount", "Back to those who posted them."),
        "burned": ("amount", "For slots that did not come or were not opened, and of challenges that failed."),
        "paid_to_validators": ("amount", "To who had to replay what was not served."),
        "paid_to_accused": ("amount", "Of failed challenges: to who was accused."),
        "held": ("amount", "Still in the contract."),
    },
    "audit": {
        "segments_checked": ("count", "Segments that were re-executed."),
        "segments_total": ("count", "Segments that were committed."),
        "detection_per_round": (
            "figure",
            "Probability that a round's cheat is caught in that round: of the worst round, by honest validators alone."
            " The quote's counts all validators, and a full round.",
        ),
        "detection_per_job": ("figure", "... in any round of the job."),
        "cheated_share?": ("figure", "Share of a round's segments that the two probabilities suppose to be cheated."),
        "honest": ("flag", "Whether the audited step was re-executed to the committed bits."),
        "words?": ("any", "The audit's finding."),
    },
    "disputes": ("any", "Disputes opened: a count, or one entry each."),
    "games?": [
        {
            "title": ("text", "What was disputed."),
            "subtitle": ("text", "By whom, of whom."),
            "bars": [
                {
                    "label": ("text", "What a level of the game is made of."),
                    "note": ("text", "Who moved, and for how much gas."),
                    "caption": ("text", "What of it was opened, and where the game went on."),
                    "first": ("count", "The first that was opened."),
                    "opened": ("count", "How many were."),
                    "chosen": ("any", "The one that the game went on with, or null."),
                }
            ],
            "lines": [
                {
                    "name": ("text", "Of what is said, such as claimed or computed."),
                    "text": ("text", "What is said."),
                    "tone": ("text", '"claimed", "computed" or "".'),
                }
            ],
        }
    ],
    "gas": {
        "total": ("count", "Of the whole job."),
        "per_round": ("any", "Of a round."),
        "per_phase": ("counts", "By phase."),
    },
    "seconds": {
        "train": ("figure", "Training, summed over providers; processor time, as the next two are."),
        "verify": ("figure", "Re-execution, summed over validators; checks of the aggregate included."),
        "hash": ("figure", "Hashing of states, summed over providers."),
        "chain": ("figure", "In the chain: processor time, or on a node how long its answers took."),
        "total": ("figure", "From start to end, as a clock on the wall shows it."),
    },
    "ratio": {
        "verify_train": ("figure", "Verification over training, in processor time."),
        "overhead": ("figure", "All of this process that is not training, over training, in processor time."),
    },
    "model": {
        "token_id": ("any", "In the registry."),
        "state_root": ("text", "Of the trained weights."),
        "score?": ("any", "What a quorum has signed it to be worth: metric, value, millionths."),
        "program_root": ("text", "Of the training step."),
    },
    "answer": ("any", "Of the registered model, to one held-out sample."),
}


def check(report: Any) -> None:
    """Errors: `Malformed` with the path of the first key that is missing or not what it says; `LimitExceeded`."""
    _check(report, REPORT, "report")


def describe() -> Iterator[tuple[str, str, str]]:
    """Every key of a report: (path, kind, documentation)."""
    yield from _describe(REPORT, "")


def _describe(shape: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(shape, tuple):
        yield path, *shape
        return
    if isinstance(shape, list):
        yield from _describe(shape[0], f"{path}[]")
        return
    for name, inner in shape.items():
        yield from _describe(inner, f"{path}.{name}" if path else name)


def _check(value: Any, shape: Any, path: str) -> None:
    if isinstance(shape, tuple):
        if not _holds(value, shape[0]):
            raise Malformed(f"{path} is not {shape[0]}: {str(value)[:60]}", path=path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Malformed(f"{path} is not a list", path=path)
        if len(value) > LIST_MAX:
            raise LimitExceeded(f"{path} is too long", limit=LIST_MAX, actual=len(value))
        for index, item in enumerate(value):
            _check(item, shape[0], f"{path}[{index}]")
    else:
        if not isinstance(value, Mapping):
            raise Malformed(f"{path} is not an object", path=path)
        for name, inner in shape.items():
            key = name.removesuffix("?")
            if key in value:
                _check(value[key], inner, f"{path}.{key}")
            elif key == name:
                raise Malformed(f"{path}.{name} is missing", path=path)


def _holds(value: Any, kind: str) -> bool:
    if kind == "any":
        return True
    if kind == "figure?":
        return value is None or _holds(value, "figure")
    if kind == "counts":
        return isinstance(value, Mapping) and all(_holds(count, "count") for count in value.values())
    if kind == "amount":
        return isinstance(value, str) and _is_amount(value)
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "text":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) and value >= 0 if kind == "count" else math.isfinite(value)


def _is_amount(text: str) -> bool:
    try:
        return len(text) <= 100 and Decimal(text).is_finite()
    except InvalidOperation:
        return False
