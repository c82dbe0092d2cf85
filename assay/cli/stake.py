"""`assay stake`: put money at risk, so that others may rely on one's work."""

from typing import Annotated

import click
import typer

from assay.cli.place import (
    DEFAULT_ACCOUNT,
    DEFAULT_TOKEN,
    AccountOption,
    HomeOption,
    JsonOption,
    PasswordOption,
    TokenOption,
    YesOption,
)


def run(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help='Whole tokens as decimal text, like "250".')],
    role: Annotated[
        str,
        typer.Option(
            click_type=click.Choice(("provider", "validator", "aggregator")),
            help="What the stake is for; validators and aggregators enter the pool that jobs draw from.",
        ),
    ] = "provider",
    window_s: Annotated[
        int, typer.Option(min=1, max=2**31, help="Shortest window, in seconds, in which you promise to act when drawn.")
    ] = 30,
    token: TokenOption = DEFAULT_TOKEN,
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put money at stake. Evidence of cheating takes it, and so does silence when you were drawn.

    A job is worked on with a stake in the token that it pays in: `--token` names another than the network's own.

    Examples:

    - `assay stake 500`

    - `assay stake 500 --role validator --window-s 60 --yes`
    """
    from assay.api.money import POOLS
    from assay.cli.place import confirm, open_home, open_till, unlock
    from assay.cli.terminal import out, plain, print_json
    from assay.protocol.errors import BadInput
    from assay.protocol.units import format_amount, parse_amount

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        till = open_till(place, signer, token)
        units = parse_amount(amount, till.decimals)
        if not units and role not in POOLS:
            raise BadInput("nothing is to be staked", hint="give an amount above 0")
        words = f"{till.words(units)} at stake" + (f", in the pool of {role}s" if role in POOLS else "")
        confirm(f"Put {words}? Cheating loses it, and so does silence once you are drawn.", yes=yes)
        if units:
            till.stake(units)
        weight = till.enrol(role, window_s) if role in POOLS else 0
        held = till.look()
        if as_json:
            shown = {name: format_amount(getattr(held, name), till.decimals) for name in ("wallet", "staked", "locked")}
            weighs = format_amount(weight, till.decimals)
            print_json({"address": signer.address, "role": role, "weight": weighs, "symbol": till.symbol, **shown})
            return
        out().print(plain(f"{till.words(held.staked)} at stake, {till.words(held.locked)} of it locked by jobs"))
        if weight:
            named = f" --account {account}" if account != DEFAULT_ACCOUNT else ""
            words = f"in the pool of {role}s with {till.words(weight)}; now run: assay {_verb(role)}{named}"
            out().print(plain(words, "dim"))


def _verb(role: str) -> str:
    return {"validator": "validate", "aggregator": "aggregate"}.get(role, "provide")
