"""`assay zoo`: every cheat that Assay is tested against, what catches it, and what is not caught."""

import dataclasses
from typing import Annotated

import typer


def run(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """List every known cheat: what it does, what catches it and what that costs; and what nothing here catches.

    The names are what `assay demo --cheaters` takes.

    Examples:

    - `assay zoo`

    - `assay zoo --json`

    - `assay demo --cheaters lazy,wrong-data`
    """
    from assay.cli.terminal import out, plain, print_json
    from assay.roles.zoo import CARDS, UNCAUGHT

    if as_json:
        caught = [dataclasses.asdict(card) for card in CARDS]
        print_json({"caught": caught, "not_caught": [{"name": name, "why": why} for name, why in UNCAUGHT]})
        return

    from rich import box
    from rich.table import Table

    console = out()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("cheat", no_wrap=True)
    for name in ("role", "what it does", "caught by", "what that costs it"):
        table.add_column(name, overflow="fold")
    for card in CARDS:
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
    for name, why in UNCAUGHT:
        rest.add_row(plain(f"  {name}", "bold"), plain(why))
    console.print(rest)
