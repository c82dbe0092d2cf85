"""A quote in words, the same in the display, at the end and on the page."""

from collections.abc import Mapping
from typing import Any

from assay.api.ledger import percent_text

ROLES = ("provider", "validator", "aggregator")


def quote_lines(quoted: Mapping[str, Any], symbol: str) -> tuple[str, str, str]:
    """What the report's `quote` says: cost and prices; what is checked and how likely that catches; who stakes what."""
    stakes = [f"{quoted[f'{role}_stake']} {symbol}" for role in ROLES]
    alike = len(set(stakes)) == 1
    named = (f"{role} {stake}" for role, stake in zip(ROLES, stakes, strict=True))
    return (
        f"{quoted['cost']} {symbol} at most: a round pays a slot up to {quoted['price_ceiling']}, a validator"
        f" {quoted['validator_fee']}, the aggregator {quoted['aggregator_fee']}",
        f"{percent_text(quoted['verification_share'])} of the work re-executed; a cheat in a tenth of a round caught"
        f" with {percent_text(quoted['detection_per_round'])} per round,"
        f" {percent_text(quoted['detection_per_job'], 3)} per job",
        f"to stake: {stakes[0]} each" if alike else f"to stake: {', '.join(named)}",
    )
