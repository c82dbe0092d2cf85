"""What is printed when a job has ended: who did what, where the money went, what was audited, what to try next."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assay.api.ledger import amount_text, lost_by, percent_text
from assay.api.quoted import quote_lines
from assay.api.report import evidence_text, was_drawn
from assay.cli.terminal import plain, printable

Report = Mapping[str, Any]
PARTIES = (("providers", "provider"), ("validators", "validator"), ("aggregators", "aggregator"))


def print_closing(
    console: Console, report: Report, written: Sequence[str], commands: Sequence[tuple[str, str]]
) -> None:
    """Print the end of a run. `written`: paths; `commands`: (command, what it shows)."""
    symbol = printable(report["token"]["symbol"], 12)
    console.print(_parties(report, symbol))
    facts = [
        *_evidence(report),
        *_facts(report, symbol),
        *(("" if index else "report", plain(path)) for index, path in enumerate(written)),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(plain(name, "dim"), text)
    console.print(grid)
    console.print()
    console.print(plain("try next", "dim"))
    width = max(len(command) for command, _ in commands)
    for command, what in commands:
        console.print(plain(f"  {command:<{width}}  ", "cyan") + plain(what, "dim"))


def _parties(report: Report, symbol: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("who", no_wrap=True)
    table.add_column("behaviour", no_wrap=True)
    table.add_column(f"paid ({symbol})", justify="right", no_wrap=True)
    table.add_column(f"lost ({symbol})", justify="right", no_wrap=True)
    for group, role in PARTIES:
        for party in report.get(group, ()):
            honest = party["behaviour"] == "honest"
            lost = lost_by(party)
            table.add_row(
                plain(party["name"], "" if honest else "bold")
                + plain("" if role in party["name"] else f" {role}", "dim"),
                plain(party["behaviour"], "green" if honest else "red"),
                plain(party["paid"]) if was_drawn(party) else plain("not drawn", "dim"),
                plain(amount_text(lost) if lost else "–", "red" if lost else "dim"),
            )
    return table


def _evidence(report: Report) -> list[tuple[str, Text]]:
    parties = [party for group, _ in PARTIES for party in report.get(group, ()) if party["evidence"]]
    missed = [
        party
        for group, _ in PARTIES
        for party in report.get(group, ())
        if party["behaviour"] != "honest" and not party["evidence"] and was_drawn(party)
    ]
    rows = [(printable(party["name"], 30), plain(evidence_text(party["evidence"]))) for party in parties]
    rows += [(printable(party["name"], 30), plain(f"{party['behaviour']}: not caught", "bold red")) for party in missed]
    return rows + [("", Text())] * bool(rows)


def _facts(report: Report, symbol: str) -> list[tuple[str, Text]]:
    escrow, stakes, audit, ratio = report["escrow"], report["stakes"], report["audit"], report["ratio"]
    seconds = report["seconds"]
    forfeited = f" + forfeited {escrow['forfeited']}" if Decimal(escrow.get("forfeited", "0")) else ""
    return [
        *_outcome(report),
        *_quoted(report, symbol),
        (
            "escrow",
            plain(
                f"{escrow['deposited']} {symbol} = paid {escrow['paid']} + refunded {escrow['refunded']}"
                f"{forfeited} + held {escrow['held']}"
            ),
        ),
        (
            "stakes",
            plain(
                f"{stakes['staked']} {symbol} = withdrawn {stakes['withdrawn']} + burned {stakes['burned']}"
                f" + to the job {stakes['to_consumer']} + to challengers {stakes['to_challengers']}"
                f" + held {stakes['held']}"
            ),
        ),
        *_bonds(report, symbol),
        (
            "checked",
            plain(
                f"{audit['segments_checked']} of {audit['segments_total']} segments; a cheat{_share(audit)} is caught"
                f" with probability {percent_text(audit['detection_per_round'])} in the worst round, by honest"
                f" validators alone, {percent_text(audit['detection_per_job'], 3)} per job"
            ),
        ),
        ("audit", _audit(audit)),
        (
            "cost",
            plain(
                f"verification {float(ratio['verify_train']):.1%} of training time, everything that is not training"
                f" {float(ratio['overhead']):.1%};"
                f" {float(seconds['total']):.0f} s in all; {int(report['gas']['total']):,} gas"
            ),
        ),
        *_model(report),
    ]


def _outcome(report: Report) -> list[tuple[str, Text]]:
    rows = []
    if "complete" in report:
        ended = "the job would be complete" if report["complete"] else "the job would END BEFORE its last round"
        rows.append(("outcome", plain(ended, "green" if report["complete"] else "bold red")))
    if report["accuracy"] is not None:
        words = f"{float(report['accuracy']):.2%} on held-out data, by the committed evaluation program"
        rows.append(("accuracy", plain(words)))
    return rows


def _audit(audit: Report) -> Text:
    if audit["honest"] is None:
        return plain(audit["words"])
    bits = "equal, bit for bit" if audit["honest"] else "NOT equal"
    return plain("one step re-executed: ") + plain(bits, "green" if audit["honest"] else "bold red")


def _model(report: Report) -> list[tuple[str, Text]]:
    if "model" not in report:
        return []
    model = report["model"]
    return [
        ("model", plain(f"token {model['token_id']}, state {printable(model['state_root'], 22)}")),
        ("answer", plain(evidence_text(report["answer"]))),
    ]


def _bonds(report: Report, symbol: str) -> list[tuple[str, Text]]:
    bonds = report.get("bonds")
    if bonds is None:
        return []
    accused = f" + to the accused {bonds['paid_to_accused']}" if Decimal(bonds["paid_to_accused"]) else ""
    words = (
        f"{bonds['posted']} {symbol} = returned {bonds['returned']} + burned {bonds['burned']}"
        f" + to validators {bonds['paid_to_validators']}{accused} + held {bonds['held']}"
    )
    return [("bonds", plain(words))]


def _quoted(report: Report, symbol: str) -> list[tuple[str, Text]]:
    quoted = report.get("quote")
    if quoted is None:
        return []
    return [("" if index else "quote", plain(line)) for index, line in enumerate(quote_lines(quoted, symbol))]


def _share(audit: Report) -> str:
    share = audit.get("cheated_share")
    return f" in {percent_text(share)} of a round's" if share is not None else ""
