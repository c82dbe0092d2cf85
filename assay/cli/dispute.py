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

    from assay.api.challenge import Charge
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
    validator: Annotated[
        str | None, typer.Option("--table", metavar="ADDRESS", help="... as the table of this validator says.")
    ] = None,
    aggregate: Annotated[bool, typer.Option("--aggregate", help="What the round's updates come to.")] = False,
    score: Annotated[bool, typer.Option("--score", help="What the round's end state scores.")] = False,
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
    """List the disputes of a job, follow one, or challenge a claim yourself and play the game to its end.

    The list says whose turn it is, until when, how far each is narrowed down, and what it has cost either side so far;
    with `--watch` a game is followed move by move. Stop that with Ctrl-C and start it again: all of it is on chain.

    To challenge, name `--round`, and `--slot` with `--segment` or `--update`, or `--aggregate`, or `--score`; with
    `--table` what a validator's table says of the segment. It is executed again here first: where nothing differs,
    nothing is spent. Your bond is shown and asked for. Whoever stops in a game has to go on before its clock runs out,
    with the same command, or loses the bond. `assay validate --watch` does all of this by itself.

    Examples:

    - `assay dispute 1`

    - `assay dispute 1 --dispute 2 --watch`

    - `assay dispute 1 --dispute 2 --draw game.svg`

    - `assay dispute 1 --round 0 --slot 3 --segment 4 --account alice`

    - `assay dispute 1 --round 0 --score`
    """
    from assay.cli.playing import challenge
    from assay.cli.session import open_challenger, open_network
    from assay.cli.terminal import out
    from assay.protocol.errors import BadInput

    charge = _charge(job, round_index, slot, segment, validator, update=update, aggregate=aggregate, score=score)
    if charge is not None:
        if number is not None or watch:
            raise BadInput(
                "either look at a dispute or raise one", hint="--dispute and --watch look, --round challenges"
            )
        with open_challenger(home, account, password_file) as network:
            challenge(network, charge, out(), anyway=anyway, yes=yes, draw=draw, as_json=as_json)
        return
    with open_network(home) as network:
        _look(network, job, number, out(), watch=watch, draw=draw, as_json=as_json)


def _charge(
    job: int,
    index: int | None,
    slot: int | None,
    segment: int | None,
    validator: str | None,
    *,
    update: bool,
    aggregate: bool,
    score: bool,
) -> "Charge | None":
    """What is to be challenged, in a generation yet to be found; nothing where no challenge is meant. Errors:
    `BadInput` for half of one."""
    from assay.api.challenge import Charge
    from assay.protocol.errors import BadInput
    from assay.protocol.phase import Target

    kinds = {
        Target.SEGMENT: segment is not None,
        Target.EMIT: update,
        Target.AGGREGATE: aggregate,
        Target.SCORE: score,
    }
    meant = [kind for kind, given in kinds.items() if given]
    if len(meant) > 1:
        raise BadInput("a challenge is about one thing", hint="--segment, --update, --aggregate or --score")
    if not meant and (index, slot, validator) == (None, None, None):
        return None
    whole = meant[:1] in ([Target.AGGREGATE], [Target.SCORE])
    if validator is not None and meant != [Target.SEGMENT]:
        raise BadInput("a table has rows about segments", hint="--table with --round, --slot and --segment")
    if not meant or index is None or (slot is None) != whole:
        raise BadInput(
            "a challenge names a round, and a slot and a part of its work, or the aggregate, or its score",
            hint="--round, and --slot with --segment or --update, or --aggregate, or --score",
        )
    target = Target.TABLE if validator else meant[0]
    return Charge((job, 0, index), target, slot or 0, segment or 0, _address(validator) if validator else "")


def _address(text: str) -> str:
    """Errors: `BadInput`."""
    import re

    from assay.chain.client import to_checksum
    from assay.protocol.errors import BadInput

    if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise BadInput(f"{text[:60]!r} is no address", hint="0x and 40 hexadecimal digits")
    return to_checksum(text)


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
    still = [each for each in contests if each.is_open]
    return still if number is None and watch and len(still) == 1 else contests


def _close(console: "Console", job: int, contests: "list[Contest]") -> None:
    from assay.cli.terminal import own_name, plain

    if not contests:
        console.print(plain(f"nothing is disputed in job {job}, and nothing was"))
        return
    words = f"  {own_name()} dispute {job} --dispute {contests[0].number}    its moves, and where it ended"
    console.print(plain(words, "dim"))
