"""Disputes in words: how one stands, its moves with what they cost, and where a claim is wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from assay.cli.terminal import plain
from assay.cli.words import facts

if TYPE_CHECKING:
    from assay.api.contest import Contest
    from assay.api.descent import Descent
    from assay.api.moves import Move
    from assay.api.sdk import Network
    from assay.api.token import Token

SHOWN_MAX = 200
"""Disputes, or moves of one, that are written out."""
STYLES = {"challenger": "cyan", "accused": "yellow", "anybody": "dim"}


def names_of(network: "Network") -> dict[str, str]:
    """What addresses are called."""
    return {network.client.world.address: "you"} if network.client.acts else {}


def token_of(network: "Network", job: int) -> dict[str, dict[str, object]]:
    """What the amounts of a dispute are units of."""
    token = network.client.payment_of(job)
    return {"token": {"symbol": token.symbol, "decimals": token.decimals}}


def stand(contest: "Contest", network: "Network") -> Iterator[tuple[str, object]]:
    """How a dispute stands, as names and values."""
    from assay.api.figure import NAMES, bill_words, money_words, outcome_words
    from assay.api.inspect import Wait
    from assay.api.moves import Side

    client, names = network.client, names_of(network)
    challenger = names.get(contest.challenger, contest.challenger)
    accused = names.get(contest.accused, contest.accused)
    yield "who", f"shown by {challenger}, of {accused}" if contest.claimed else f"{challenger} against {accused}"
    yield "stands", outcome_words(contest)
    if contest.deadline_s is not None:
        wait = Wait(f"the {contest.turn}" if contest.turn else "who may disprove the slot", contest.deadline_s)
        calendar = client.calendar()
        yield "clock", wait.words(calendar(), frozen_s=calendar.left_s(), is_live=client.is_live)
    if contest.narrowing is not None:
        count = len(contest.moves)
        yield "moves", f"{count} so far; {left_words(contest.narrowing.left)}"
    for side in Side:
        if contest.bills.get(side) is not None and contest.bills[side].transactions:
            yield NAMES[side], bill_words(contest, side)
    yield "money", money_words(contest, client.payment_of(contest.name[0]))


def line_of(contest: "Contest", network: "Network") -> str:
    """A dispute in one line: who disputed what of whose, and how it ended."""
    from assay.api.figure import outcome_words

    names = names_of(network)
    accused, challenger = (names.get(each, each) for each in (contest.accused, contest.challenger))
    what = f"dispute {contest.number}: {contest.about}, of {accused}, challenged by {challenger}"
    return f"{what}: {outcome_words(contest)}"


def left_words(left: Mapping[str, int | None]) -> str:
    """How many of what a difference may still be in: `1 step, 64 values`."""
    single = {"steps": "step", "values": "value", "leaves": "leaf", "elements": "element"}
    known = [(count, unit) for unit, count in left.items() if count is not None]
    words = ", ".join(f"{count:,} {single[unit] if count == 1 else unit}" for count, unit in known)
    return f"{words} left" if words else "how many values are left is not known here"


def print_contest(console: Console, contest: "Contest", network: "Network", *, moves: bool = False) -> None:
    """A dispute, and on request its moves."""
    console.print(plain(f"dispute {contest.number}: {contest.about}", "bold"))
    console.print(facts([(f"  {name}", value) for name, value in stand(contest, network)]))
    for move in contest.moves[:SHOWN_MAX] if moves else ():
        print_move(console, move)


def print_move(console: Console, move: "Move") -> None:
    """One move, with what it cost."""
    cost = "" if move.gas is None else f"  {move.gas:,} gas"
    text = plain(f"  {move.side:<10} ", STYLES[move.side]) + plain(move.text) + plain(cost, "dim")
    console.print(text)


def print_descent(console: Console, descent: "Descent", indent: str = "  ") -> None:
    """Where a claim is wrong, in words and numbers."""
    if descent.difference is None:
        console.print(plain(indent + descent.words, "green" if descent.agrees else "bold red"))
        return
    console.print(facts([(indent + name, value) for name, value in descent.difference.rows()]))


def write_drawing(path: Path, contest: "Contest", descent: "Descent", token: "Token", names: Mapping[str, str]) -> None:
    """Writes the drawing of a game. Errors: `BadInput` for a dispute without one."""
    from assay.api.drawing import draw
    from assay.api.figure import figure_of
    from assay.protocol.errors import BadInput

    if contest.narrowing is None:
        raise BadInput(f"no game was played in dispute {contest.number}", hint="there is nothing to draw")
    path.write_text(draw(figure_of(contest, descent.difference, token, names)) + "\n", encoding="utf-8")


def choose(contests: "list[Contest]", number: int | None, where: str) -> "Contest":
    """The dispute that is meant: of this number, or the only one. Errors: `BadInput`."""
    from assay.protocol.errors import BadInput

    numbers = ", ".join(str(each.number) for each in contests[:SHOWN_MAX])
    have = f"there are {numbers}" if contests else "nothing was disputed"
    if number is not None:
        found = next((each for each in contests if each.number == number), None)
        if found is None:
            raise BadInput(f"there is no dispute {number} in {where}", hint=have)
        return found
    if len(contests) != 1:
        hint = f"name one with --dispute; {have}" if contests else have
        raise BadInput(f"{where} has {len(contests)} disputes", hint=hint)
    return contests[0]
