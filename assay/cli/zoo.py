"""`assay zoo`: every cheat that Assay is tested against, what catches it, and what is not caught."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from assay.roles.zoo import Card

NARROW = 80
"""Columns below which five columns are no table."""


def run(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """List every known cheat: what it does, what catches it and what that costs; and what nothing here catches.

    The names are what `assay demo --cheaters` takes.

    Examples:

    - `assay zoo`

    - `assay zoo --json`

    - `assay demo --cheaters lazy,wrong-data`
    """
    from assay.cli.terminal import out, print_json
    from assay.roles.zoo import CARDS, UNCAUGHT

    if as_json:
        caught = [dataclasses.asdict(card) for card in CARDS]
        print_json({"caught": caught, "not_caught": [{"name": name, "why": why} for name, why in UNCAUGHT]})
        return

    show(out(), CARDS, UNCAUGHT)


def show(console: "Console", cards: "Sequence[Card]", uncaught: "Sequence[tuple[str, str]]") -> None:
    """The zoo as a table, or where that would be too narrow to read, one cheat below the other."""
    from assay.cli.terminal import plain

    if console.width < NARROW:
        for card in cards:
            console.print(plain(card.name, "bold") + plain(f"  {card.role}", "dim"))
            console.print(plain(f"  {card.does}"))
            console.print(plain(f"  caught by: {card.caught_by}", "green"))
            console.print(plain(f"  costs it: {card.consequence}"))
        console.print(plain("not caught", "bold red"))
        for name, why in uncaught:
            console.print(plain(name, "bold"))
            console.print(plain(f"  {why}"))
        return

    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("cheat", no_wrap=True)
    for name in ("role", "what it does", "caught by", "what that costs it"):
        table.add_column(name, overflow="fold")
    for card in cards:
        table.add_row(
            plain(card.name, "bold"),
            plain(card.role, "dim"),
            plain(card.does),
            plain(card.caught_by, "green"),
            plain(card.consequence),
        )
    console.print(table)
    console.print(plain("not caught", "bold red"))
    rest = Table.grid(padding=(0, 2))
    rest.add_column(no_wrap=True)
    rest.add_column(overflow="fold")
    for name, why in uncaught:
        rest.add_row(plain(f"  {name}", "bold"), plain(why))
    console.print(rest)
