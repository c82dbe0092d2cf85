"""`assay audit`: execute somebody's work again, compare it with what was committed, and go down to what differs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.place import HomeOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.api.audit import Examined, Examiner
    from assay.api.contest import Contest
    from assay.api.inspect import Address


def run(
    address: Annotated[str, typer.Argument(metavar="JOB[/ROUND[/SLOT[/STEP]]]", help="Whose work, counted from 0.")],
    round_index: Annotated[
        int | None, typer.Option("--round", min=0, metavar="R", help="The round, where the address has none.")
    ] = None,
    slot: Annotated[
        int | None, typer.Option("--slot", min=0, metavar="S", help="The slot, where the address has none.")
    ] = None,
    segment: Annotated[
        int | None, typer.Option("--segment", min=0, metavar="K", help="Only this segment of the slot.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--dispute", min=1, metavar="N", help="Only what this dispute is about.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.svg", help="Draw the game in which it was disputed.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int | None:
    """Execute work again here, and compare every bit with what its provider has committed on chain.

    A whole job takes as long as its training did, on one machine; one step takes a moment. Where something differs it
    goes on down, by what was opened in a dispute or was served: to the step, the node with its operator and line, the
    tensor, the element, what was claimed and what the arithmetic gives. Says also what was disputed, and how each
    dispute ended. Ends with 8 when something is not as it was committed.

    Examples:

    - `assay audit 1/0/2/17`

    - `assay audit 1 --round 0 --slot 3 --segment 4`

    - `assay audit 1 --dispute 1 --draw game.svg`

    - `assay audit 1 --json`
    """
    from assay.api.audit import Examiner, audit_of
    from assay.api.inspect import Address
    from assay.cli.disputed import SHOWN_MAX, choose, line_of, names_of, print_descent, token_of, write_drawing
    from assay.cli.session import open_network
    from assay.cli.terminal import out, plain, print_json
    from assay.cli.verbs import FOUND

    place, console, examined = _place(Address.parse(address), round_index, slot, segment, number), out(), []
    with open_network(home) as network:
        network.client.view(place.job)
        job = network.job(place.job)
        examiner = Examiner(job.auditor(), job.digger(), job.disputes())
        contests = examiner.disputed(place)
        chosen = choose(contests, number, f"job {place}") if number is not None or draw is not None else None
        for each in _examine(examiner, place, segment, chosen if number is not None else None):
            examined.append(each)
            if not as_json:
                style = "green" if each.checked.verdict.honest else "bold red"
                words = plain(each.checked.verdict.words, style)
                console.print(plain(f"{each.checked.address!s:<14} ") + words)
                if each.descent is not None and not each.descent.agrees:
                    print_descent(console, each.descent)
        if draw is not None and chosen is not None:
            descent = next((each.descent for each in examined if each.contest == chosen and each.descent), None)
            descent = descent or examiner.dispute(chosen).descent
            assert descent is not None
            write_drawing(draw, chosen, descent, network.client.payment_of(place.job), names_of(network))
        audit = audit_of(examined)
        if as_json:
            disputes = [each.to_json() for each in contests]
            verdicts = {**audit.to_json(), "checked": [each.to_json() for each in examined]}
            print_json({"address": str(place), **verdicts, **token_of(network, place.job), "disputes": disputes})
        else:
            console.print(plain(audit.words, "bold"))
            for contest in contests[:SHOWN_MAX] if chosen is None else [chosen]:
                console.print(plain(line_of(contest, network)))
            if draw is not None:
                console.print(plain(f"wrote {draw}"))
    return None if audit.honest else FOUND


def _place(
    address: "Address", round_index: int | None, slot: int | None, segment: int | None, number: int | None
) -> "Address":
    """The address with what options say of it. Errors: `BadInput` where they do not go together."""
    from dataclasses import replace

    from assay.protocol.errors import BadInput

    for name, old, new in (("round", address.round, round_index), ("slot", address.slot, slot)):
        if old is not None and new not in (None, old):
            raise BadInput(f"the address names {name} {old}, --{name} another one", hint=f"leave --{name} out")
    found = replace(
        address,
        round=address.round if round_index is None else round_index,
        slot=address.slot if slot is None else slot,
    )
    if found.slot is not None and found.round is None:
        raise BadInput("a slot is one of a round", hint="name the --round too")
    if segment is not None and (found.slot is None or found.step is not None):
        raise BadInput("a segment is one of a slot", hint="name --round and --slot, and no step")
    if number is not None and (segment is not None or found.step is not None):
        raise BadInput("a dispute says which segment it is about", hint="leave out --segment and the step")
    return found


def _examine(
    examiner: "Examiner", place: "Address", segment: int | None, chosen: "Contest | None"
) -> "Iterator[Examined]":
    if chosen is not None:
        yield examiner.dispute(chosen)
    else:
        yield from examiner.examine(place, segment)
