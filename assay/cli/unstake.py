"""`assay unstake`: take back what is at stake, after the time in which it can still be lost."""

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
    amount: Annotated[
        str | None, typer.Argument(metavar="[AMOUNT]", help="Whole tokens; all that no job has locked if left out.")
    ] = None,
    role: Annotated[
        str,
        typer.Option(
            click_type=click.Choice(("provider", "validator", "aggregator")),
            help="A pool to leave at once; without it those that what stays at stake does not cover.",
        ),
    ] = "provider",
    token: TokenOption = DEFAULT_TOKEN,
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take stake back. It takes two calls: the first begins, the second, after the unbonding time, ends it.

    The second is the same command without an amount. What is locked by a job stays until the job lets go of it.

    Examples:

    - `assay unstake`

    - `assay unstake 200 --account alice`

    - `assay unstake 200 --role validator --yes`
    """
    from assay.api.home import local_time
    from assay.api.money import POOLS
    from assay.cli.place import confirm, open_home, open_till, unlock
    from assay.cli.terminal import out, plain, print_json
    from assay.protocol.units import format_amount, parse_amount

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        till = open_till(place, signer, token)
        clock = till.ledger.clock
        now_s = clock.time()
        units = parse_amount(amount, till.decimals) if amount is not None else None
        released = till.release(now_s)
        held = till.look()
        begun, ready_s = 0, held.ready_s if held.unbonding else 0
        if units is not None or not (released or held.unbonding):
            words = "all that is idle" if units is None else till.words(units)
            confirm(f"Take {words} back? It comes after the unbonding time.", yes=yes)
            if role in POOLS:
                till.retire(role)
            begun, ready_s = till.unstake(units)
            held = till.look()
        now_s, frozen_s = clock.time(), clock.allowance() if clock.frozen_until() else 0
        if as_json:
            amounts = {"released": released, "begun": begun, "unbonding": held.unbonding, "staked": held.staked}
            shown = {name: format_amount(value, till.decimals) for name, value in amounts.items()}
            print_json({"address": signer.address, "ready_s": ready_s, "symbol": till.symbol, **shown})
            return
        console = out()
        if released:
            console.print(plain(f"{till.words(released)} came back to the wallet"))
        if held.unbonding:
            when = local_time(max(now_s, ready_s) + frozen_s, now_s)
            late = " at the latest, for the network is frozen" if frozen_s else ""
            words = f"{till.words(held.unbonding)} on the way back, until {when}{late}; then call this again"
            console.print(plain(words))
        console.print(plain(f"{till.words(held.staked - held.unbonding)} stay at stake", "dim"))
