"""`assay provide`: train for pay."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.place import (
    DEFAULT_ACCOUNT,
    DEFAULT_TOKEN,
    AccountOption,
    CompileOption,
    HomeOption,
    JsonOption,
    MemoryOption,
    PasswordOption,
    TokenOption,
    YesOption,
)

if TYPE_CHECKING:
    from assay.api.money import Till
    from assay.api.prospect import Prospect


def run(
    price: Annotated[
        str, typer.Option(metavar="AMOUNT", help="What you ask for training one slot for one round, in whole tokens.")
    ] = "1",
    window_s: Annotated[
        int, typer.Option(min=1, max=2**31, help="Shortest window, in seconds, in which you promise to act.")
    ] = 30,
    memory_mb: MemoryOption = 0,
    compiled: CompileOption = False,
    token: TokenOption = DEFAULT_TOKEN,
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bid for jobs and train them until you stop it; it first says what this machine does, earns and risks.

    Stop it with Ctrl-C and start it again whenever you like: it goes on from its journal. While it is away it earns
    nothing, and a round that it misses costs its price. It works for one token, in which the price is meant. With
    `--json` every line is an object.

    Examples:

    - `assay provide`

    - `assay provide --price 0.5 --account alice --yes`
    """
    from assay.cli.place import open_home, open_till, unlock
    from assay.cli.shift import check_ready, play
    from assay.protocol.units import parse_amount

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        from assay.api.machine import MEBIBYTE, measure_space
        from assay.api.prospect import prospects, sample_step_s
        from assay.cli.shift import print_line, use_one_thread
        from assay.cli.terminal import out, plain

        use_one_thread()
        place.warmth.compiles = compiled
        world = place.world(signer, space=measure_space(memory_mb * MEBIBYTE))
        till = open_till(place, signer, token)
        units = parse_amount(price, till.decimals)
        check_ready(till, "provider", account)
        found = prospects(world, units, window_s, till.token)
        step_s = sample_step_s(world)
        if as_json:
            print_line({"event": "Looked", "step_s": step_s, "jobs": [each.to_json() for each in found]})
        else:
            console = out()
            for name, words in describe(found, till, units, step_s):
                console.print(plain(f"{name:<8} ", "dim") + plain(words))
        terms = {"price": units, "window_min_s": window_s, "token": till.kind, "memory_mb": memory_mb}
        play(place, signer, "provider", "Provide on these terms?", yes=yes, as_json=as_json, **terms)


def describe(found: "list[Prospect]", till: "Till", price: int, step_s: float) -> list[tuple[str, Any]]:
    """What this machine does, earns and risks, for people."""
    words, held = till.words, till.look()
    rows: list[tuple[str, Any]] = []
    for each in found:
        if each.refusal:
            rows.append((f"job {each.job}", f"not for you: {each.refusal}"))
            continue
        slow = "" if each.fits else "; too slow for its window, it will be left to others"
        rows.append(
            (
                f"job {each.job}",
                f"a segment in {each.segment_s:.3g} s, a round in {each.round_s:.3g} s of {each.window_s} s{slow}",
            )
        )
        earns = f"{words(each.earns)} or more for {each.rounds} rounds, if yours is among the lowest bids"
        rows.append(("earns", earns + each.ends))
        rows.append(("risks", f"{words(each.stake)} of stake and a bond of {words(each.bond)}"))
    if not found:
        rows.append(("does", f"a step of the shipped digits example in {step_s * 1000:.3g} ms; no job takes bids now"))
        rows.append(("earns", f"{words(price)} or more for each round of a slot, as cleared by the bids"))
    idle = words(held.idle)
    rows.append(
        (
            "terms",
            f"work that differs by one bit loses the job's lock of your {idle} idle stake; a round missed costs its"
            " price; a bid that is not opened costs its bond",
        )
    )
    return rows
