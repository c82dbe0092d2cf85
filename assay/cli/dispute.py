"""`assay dispute`: what is disputed in a job, a game move by move, and a challenge of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.place import (
    DEFAULT_ACCOUNT,
    HomeOption,
    JsonOption,
    PasswordOption,
    YesOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from assay.api.contest import Contest
    from assay.api.sdk import Network


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job.")],
    number: Annotated[
        int | None, typer.Option("--dispute", min=1, metavar="N", help="Only this dispute, with its moves.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it live until it is settled.")] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.svg", help="Draw how the game narrows it down.")
    ] = None,
    round_index: Annotated[
        int | None, typer.Option("--round", min=0, metavar="R", help="Challenge yourself: what was done in this round.")
    ] = None,
    slot: Annotated[int | None, typer.Option("--slot", min=0, metavar="S", help="... by this slot.")] = None,
    segment: Annotated[int | None, typer.Option("--segment", min=0, metavar="K", help="... in this segment.")] = None,
    update: Annotated[bool, typer.Option("--update", help="... or the update that it made of its segments.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Challenge even where nothing differs: the bond would be lost.")
    ] = False,
    yes: YesOption = False,
    home: HomeOption = None,
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="Account that challenges.")
    ] = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the disputes of a job, follow one, or challenge a slot yourself and play the game to its end.

    The list says whose turn it is, until when, how far each is narrowed down, and what it has cost either side so far;
    with `--watch` a game is followed move by move. Stop that with Ctrl-C and start it again: all of it is on chain.

    To challenge, name `--round`, `--slot`, and `--segment` or `--update`. It is executed again here first: where
    nothing differs, nothing is spent. Your bond is shown and asked for. Whoever stops in a game has to go on before its
    clock runs out, with the same command, or loses the bond. `assay validate --watch` does all of this by itself.

    Examples:

    - `assay dispute 1`

    - `assay dispute 1 --dispute 2 --watch`

    - `assay dispute 1 --dispute 2 --draw game.svg`

    - `assay dispute 1 --round 0 --slot 3 --segment 4 --account alice`
    """
    from assay.cli.playing import challenge
    from assay.cli.session import open_challenger, open_network
    from assay.cli.terminal import out

    charged = _check(round_index, slot, segment, update)
    if charged:
        assert round_index is not None
        assert slot is not None
        with open_challenger(home, account, password_file) as network:
            challenge(
                network, job, (round_index, slot, segment), out(), anyway=anyway, yes=yes, draw=draw, as_json=as_json
            )
        return
    with open_network(home) as network:
        _look(network, job, number, out(), watch=watch, draw=draw, as_json=as_json)


def _check(round_index: int | None, slot: int | None, segment: int | None, update: bool) -> bool:
    """Whether a challenge is meant. Errors: `BadInput` for half of one."""
    from assay.protocol.errors import BadInput

    given = (round_index is not None, slot is not None, segment is not None or update)
    if any(given) and not all(given):
        raise BadInput(
            "a challenge names a round, a slot and a part of its work", hint="--round, --slot, --segment or --update"
        )
    if segment is not None and update:
        raise BadInput("a challenge is about one thing", hint="give --segment or --update, not both")
    return all(given)


# looking


def _look(
    network: "Network",
    job: int,
    number: int | None,
    console: "Console",
    *,
    watch: bool,
    draw: Path | None,
    as_json: bool,
) -> None:
    from assay.cli.disputed import SHOWN_MAX, choose, print_contest, print_descent, token_of
    from assay.cli.playing import descend, draw_game, follow
    from assay.cli.terminal import plain, print_json

    posted = network.job(job)
    docket = posted.docket()
    docket.read()
    contests = docket.contests()
    if number is None and not watch and draw is None:
        if as_json:
            print_json({"job": job, **token_of(network, job), "disputes": [each.to_json() for each in contests]})
            return
        for contest in contests[:SHOWN_MAX]:
            print_contest(console, contest, network)
        _close(console, job, contests)
        return
    contest = choose(_meant(contests, number, watch), number, f"job {job}")
    if watch:
        contest = follow(network, docket, contest, None if as_json else console)
    descent = descend(posted, contest, docket.contests())
    if as_json:
        told = {"dispute": contest.to_json(), "descent": descent.to_json()}
        print_json({"job": job, **token_of(network, job), **told})
    else:
        print_contest(console, contest, network, moves=not watch)
        print_descent(console, descent)
    draw_game(network, contest, descent, draw, None if as_json else console)
    if not as_json and contest.is_open and not watch:
        from assay.cli.terminal import own_name

        console.print(plain(f"  {own_name()} dispute {job} --dispute {contest.number} --watch    follow it", "dim"))


def _meant(contests: "list[Contest]", number: int | None, watch: bool) -> "list[Contest]":
    """What may be meant: to be followed is what is open, if just one is."""
    still = [each for each in contests if each.is_open and not each.voted]
    return still if number is None and watch and len(still) == 1 else contests


def _close(console: "Console", job: int, contests: "list[Contest]") -> None:
    from assay.cli.terminal import own_name, plain

    if not contests:
        console.print(plain(f"nothing is disputed in job {job}, and nothing was"))
        return
    first = next((each for each in contests if not each.voted), None)
    if first is not None:
        console.print(
            plain(f"  {own_name()} dispute {job} --dispute {first.number}    its moves, and where it ended", "dim")
        )
