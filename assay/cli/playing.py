"""A game at a terminal: followed move by move, or played by oneself, with what is left and what it has cost so far."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from assay.api.challenge import Challenge, Charge
    from assay.api.contest import Contest
    from assay.api.descent import Descent
    from assay.api.docket import Docket
    from assay.api.sdk import Network, PostedJob


def descend(posted: "PostedJob", contest: "Contest", contests: "list[Contest]") -> "Descent":
    """Executes again what a dispute is about, and follows it to an element; `contests` are all of the job."""
    from assay.api.audit import Examiner

    found = Examiner(posted.auditor(), posted.digger(), contests).dispute(contest).descent
    assert found is not None, "a claim is always descended from"
    return found


def draw_game(
    network: "Network", contest: "Contest", descent: "Descent", path: Path | None, console: "Console | None"
) -> None:
    """Writes the drawing of a game where one is asked for. Errors: `BadInput` for a dispute without one."""
    from assay.cli.disputed import names_of, write_drawing
    from assay.cli.terminal import plain

    if path is None:
        return
    write_drawing(path, contest, descent, network.client.payment_of(contest.name[0]), names_of(network))
    if console is not None:
        console.print(plain(f"wrote {path}"))


def follow(network: "Network", docket: "Docket", contest: "Contest", console: "Console | None") -> "Contest":
    """Shows a game move by move until it is settled, beginning with what was played before."""
    from assay.roles.wake import IDLE

    def turns() -> "Iterable[int]":
        while True:
            yield contest.number
            network.client.pass_time(IDLE)

    return _show(docket, turns(), console) or contest


def _show(docket: "Docket", turns: "Iterable[int | None]", console: "Console | None") -> "Contest | None":
    """Prints what is new after each turn; the dispute as it ended."""
    from assay.cli.disputed import left_words, print_move
    from assay.cli.terminal import plain

    told: list[Any] = []
    left = ""
    contest: Contest | None = None
    for number in turns:
        if not docket.read() and contest is not None:
            continue
        contest = None if number is None else docket.find(number)
        if contest is None:
            continue
        keys = [(move.transaction, move.what, move.text) for move in contest.moves]
        if keys[: len(told)] != told:
            told = []  # the chain was rewritten: it is told anew
        for move in contest.moves[len(told) :] if console is not None else ():
            assert console is not None
            print_move(console, move)
        narrowed = left_words(contest.narrowing.left) if contest.narrowing else ""
        if console is not None and keys != told and narrowed != left:
            console.print(plain(f"  {'':<10} {narrowed}; {_so_far(contest)}", "dim"))
        told, left = keys, narrowed
        if not contest.is_open:
            break
    return contest


def _so_far(contest: "Contest") -> str:
    """What both sides have spent."""
    from assay.api.figure import coin_words

    bills = contest.bills.values()
    gas, fee_wei = (sum(getattr(bill, name) for bill in bills) for name in ("gas", "fee_wei"))
    return f"{sum(bill.transactions for bill in bills)} transactions, {gas:,} gas, {coin_words(fee_wei)} so far"


# challenging


def challenge(
    network: "Network",
    charge: "Charge",
    console: "Console",
    *,
    anyway: bool,
    yes: bool,
    draw: Path | None,
    as_json: bool,
) -> None:
    from assay.api.challenge import Challenge
    from assay.cli.disputed import print_contest, print_descent, token_of
    from assay.cli.terminal import print_json

    client, job = network.client, charge.name[0]
    client.view(job)
    posted = network.job(job)
    docket = posted.docket()
    docket.read()
    charge = _dated(network, docket, charge)
    case = Challenge(client, charge)
    if not case.is_begun:
        _consent(network, case, charge, None if as_json else console, anyway=anyway, yes=yes)
    contest = _show(docket, case.play(), None if as_json else console)
    assert contest is not None, "it ends once it is settled"
    descent = descend(posted, contest, docket.contests())
    if as_json:
        told = {"dispute": contest.to_json(), "descent": descent.to_json()}
        print_json({"job": job, **token_of(network, job), **told})
    else:
        print_contest(console, contest, network)
        print_descent(console, descent)
    draw_game(network, contest, descent, draw, None if as_json else console)


def _dated(network: "Network", docket: "Docket", charge: "Charge") -> "Charge":
    """The same in the generation in which this account has disputed it and that is open, or else in the last."""
    from dataclasses import replace

    job, _, index = charge.name
    about = (network.client.world.address, index, charge.slot, charge.target)
    mine = [each for each in docket.contests() if (each.challenger, each.name[2], each.slot, each.target) == about]
    still = [each.name[1] for each in mine if each.is_open]
    generation = still[-1] if still else network.client.world.ledger.rounds.generation_of(job, index)
    return replace(charge, name=(job, generation, index))


def _consent(
    network: "Network", case: "Challenge", charge: "Charge", console: "Console | None", *, anyway: bool, yes: bool
) -> None:
    """Executes it again, and asks for the bond. Errors: `Refused` where nothing differs."""
    from assay.cli.disputed import print_descent
    from assay.cli.place import confirm
    from assay.cli.terminal import err, plain
    from assay.protocol.errors import Refused

    bond = network.client.payment_of(charge.name[0]).words(case.bond)
    found = case.look()
    if found.agrees and not anyway:
        raise Refused(
            f"nothing differs in {charge.words}; a challenge would lose its bond of {bond}",
            hint="nothing was spent; --anyway challenges all the same",
            bond=str(case.bond),
        )
    case.check_funds()
    if console is not None:
        print_descent(console, found)
        lost = "; NOTHING DIFFERS HERE, so it will be lost" if found.agrees else ""
        err().print(
            plain(f"bond: {bond}, which comes back with a share of the slash if the claim is wrong{lost}", "dim")
        )
    confirm(f"Challenge {charge.words}, with a bond of {bond}?", yes=yes)
