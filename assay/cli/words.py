"""Results of verbs as tables of two columns: a dim name and what is to be said."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from assay.api.ledger import percent_text
from assay.cli.terminal import plain

MINUTE_S = 60


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """A grid of names and values."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(plain(name, "dim"), plain(value))
    return grid


def duration_text(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / MINUTE_S
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def quote_lines(quoted: Mapping[str, Any]) -> Table:
    """A quote for people."""
    symbol, cost, stakes = quoted["token"]["symbol"], quoted["cost"], quoted["stakes"]
    checks, seconds, gas = quoted["verification"], quoted["seconds"], quoted["gas"]
    wei = gas["cost_wei"]
    rows = [
        (
            "price",
            f"{cost['total']} {symbol} at most, of which {cost['refunded_if_smooth']} comes back if all goes well",
        ),
        (
            "of which",
            f"providers {cost['providers']}, validators {cost['validators']}, aggregator {cost['aggregator']},"
            f" reserve {cost['redo_reserve']}, deposit {cost['fault_deposit']}",
        ),
        (
            "time",
            f"about {duration_text(seconds['expected_s'])} on machines like this one"
            f" ({duration_text(seconds['train_s'])} of training), at most {duration_text(seconds['longest_s'])}",
        ),
        ("gas", f"up to about {gas['consumer']:,}" + (f", {wei / 1e18:.6f} coin at today's price" if wei else "")),
        (
            "checked",
            f"{percent_text(checks['share'])} of the work is executed again ({checks['scheme']});"
            f" {checks['samples_per_validator']} of {checks['segments_per_round']} segments a round by each validator",
        ),
        (
            "detection",
            f"a cheat in {checks['cheated_segments']} of {checks['segments_per_round']} segments of every round is"
            f" caught with {percent_text(checks['detection_per_round'])} in a round,"
            f" {percent_text(checks['detection_per_job'], 3)} in the job",
        ),
        (
            "stakes",
            f"providers {stakes['provider']} {symbol} (at least {stakes['lazy_minimum']} deters laziness), validators"
            f" {stakes['validator']}, aggregator {stakes['aggregator']}",
        ),
        *_fraud_rows(quoted, symbol),
        *(("note", note) for note in quoted["notes"]),
    ]
    return facts(rows)


def _fraud_rows(quoted: Mapping[str, Any], symbol: str) -> list[tuple[str, object]]:
    """What fraud has to be worth; with a value at risk, the scheme that is proposed for it, and the numbers."""
    fraud = quoted.get("fraud")
    if fraud is None:
        gain = quoted["stakes"]["deterred_gain"]
        words = (
            f"one changed segment must be worth over {gain} {symbol} to pay; where it is worth more:"
            " assay quote --at-risk AMOUNT"
        )
        return [("fraud", words)]
    profit = fraud["expected_profit_of_cheating"]
    verdict = "does not pay" if fraud["deterred"] else "PAYS"
    rows: list[tuple[str, object]] = [
        (
            "fraud",
            f"with {fraud['value_at_risk']} {symbol} at risk, changing one segment {verdict}: {profit} {symbol} on"
            f" average, being caught {percent_text(fraud['chance_to_be_caught'])} of the time",
        ),
        ("scheme", fraud["scheme"]),
    ]
    if fraud["deterred"]:
        return rows
    if fraud["samples_needed"] is not None:
        share, then = percent_text(fraud["share_needed"]), fraud["expected_profit_then"]
        rows.append(("", f"{share} of the work is executed again then, and the cheat makes {then} {symbol} on average"))
    reach = (
        f'or match.min_stake = "{fraud["stake_needed"]}"'
        if fraud["slash_reaches_that"]
        else f"a stake of {fraud['stake_needed']} {symbol} would deter it too, but a slash takes"
        f" {fraud['most_a_slash_takes']} at most, a round's cost: raise job.budget"
    )
    return [*rows, ("", reach)]


def public_lines(quoted: Mapping[str, Any]) -> Table:
    """What posting makes public, for people."""
    return facts(quoted["public"]["what"].items())
