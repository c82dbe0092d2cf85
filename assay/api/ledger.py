"""Where every token went: the escrow and the stakes as bars that add up, or say by how much they do not."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from assay.api.chart import bar
from assay.api.markup import Html, clean, tag

Part = tuple[str, str, Decimal]


def money(report: Mapping[str, Any]) -> Html:
    """The section on money."""
    escrow, stakes = report["escrow"], report["stakes"]
    paid = [
        ("c0", "paid to providers", _sum(report["providers"])),
        ("c1", "paid to validators", _sum(report["validators"])),
        ("c2", "paid to aggregators", _sum(report["aggregators"])),
    ]
    named = sum((amount for _, _, amount in paid), Decimal(0))
    rest = Decimal(escrow["paid"]) - named
    forfeited = Decimal(escrow.get("forfeited", "0"))
    from_escrow = [
        *paid,
        *([("c3", "paid to others", rest)] if rest else []),
        ("c5", "refunded to the consumer", Decimal(escrow["refunded"])),
        *([("c3", "forfeited, the job being at fault", forfeited)] if forfeited else []),
        ("c4", "still held", Decimal(escrow["held"])),
    ]
    from_stakes = [
        ("c0", "withdrawn by those who staked it", Decimal(stakes["withdrawn"])),
        ("c4", "burned", Decimal(stakes["burned"])),
        ("c3", "to the job it was slashed in", Decimal(stakes["to_consumer"])),
        ("c2", "to who proved the cheat", Decimal(stakes["to_challengers"])),
        ("c5", "still held", Decimal(stakes["held"])),
    ]
    symbol = clean(report["token"]["symbol"])
    return tag(
        "section",
        tag("h2", "Where the money went", id="money"),
        tag(
            "p",
            "The consumer pays from escrow. Stakes are lost only to evidence, and part of a loss is burned. Bonds stand"
            " for bids and challenges.",
            class_="lead",
        ),
        tag(
            "div",
            _account("Escrow", "deposited", Decimal(escrow["deposited"]), from_escrow, symbol),
            _account("Stakes", "staked", Decimal(stakes["staked"]), from_stakes, symbol),
            _bonds(report["bonds"], symbol) if "bonds" in report else None,
            class_="pair",
        ),
        aria_labelledby="money",
    )


def lost_by(party: Mapping[str, Any]) -> Decimal:
    """What a party lost to evidence: of its stake, and of its bonds."""
    return sum((Decimal(party.get(key, "0")) for key in ("slashed", "bond_burned", "bond_paid")), Decimal(0))


def amount_text(amount: Decimal) -> str:
    """An exact amount, without an exponent and without zeros at its end."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_text(value: Any, places: int = 1) -> str:
    """A share as a percentage; never rounded up to a certainty."""
    share = Decimal(str(value)) * 100
    rounded = share.quantize(Decimal(1).scaleb(-places))
    if rounded == 100 and share < 100:
        rounded = Decimal(100) - Decimal(1).scaleb(-places)
        return f"over {rounded}%"
    return f"{rounded.normalize() if rounded == rounded.to_integral() else rounded:f}%"


def _account(name: str, verb: str, whole: Decimal, parts: list[Part], symbol: str) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("i", class_=style, aria_hidden="true"), class_="swatch"),
            tag("th", label, scope="row"),
            tag("td", amount_text(amount), class_="n"),
            tag("td", f"{amount / whole:.1%}" if whole else "–", class_="n quiet"),
        )
        for style, label, amount in parts
    ]
    total = sum((amount for _, _, amount in parts), Decimal(0))
    held = total == whole
    verdict = (
        f"Adds up to the last unit: {amount_text(whole)} {symbol}."
        if held
        else f"Does not add up: {amount_text(total - whole)} {symbol} apart."
    )
    return tag(
        "figure",
        tag("h3", f"{name}: {amount_text(whole)} {symbol} {verb}"),
        bar([(style, float(amount)) for style, _, amount in parts], title=f"{name} by where it went"),
        tag("table", tag("tbody", *rows), class_="parts"),
        tag("p", verdict, class_="sum" if held else "sum off"),
    )


def _bonds(bonds: Mapping[str, str], symbol: str) -> Html:
    accused = Decimal(bonds["paid_to_accused"])
    parts = [
        ("c0", "returned to those who posted them", Decimal(bonds["returned"])),
        ("c4", "burned", Decimal(bonds["burned"])),
        ("c1", "to validators whom they made work", Decimal(bonds["paid_to_validators"])),
        *([("c2", "to who was accused and honest", accused)] if accused else []),
        ("c5", "still held", Decimal(bonds["held"])),
    ]
    return _account("Bonds", "posted", Decimal(bonds["posted"]), parts, symbol)


def _sum(parties: list[Mapping[str, Any]]) -> Decimal:
    return sum((Decimal(party["paid"]) for party in parties), Decimal(0))
