"""`assay claim`: take what was earned."""

from assay.cli.place import DEFAULT_ACCOUNT, AccountOption, HomeOption, JsonOption, PasswordOption


def run(
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Claim what an account has earned in every job, and withdraw it to its wallet.

    Examples:

    - `assay claim`

    - `assay claim --account alice --json`
    """
    from assay.api.money import Till
    from assay.cli.place import open_home, unlock
    from assay.cli.terminal import out, plain, print_json
    from assay.protocol.units import format_amount

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        till = Till(place.ledger(signer), place.token)
        jobs: dict[int, int] = {}
        claimed, withdrawn = till.claim(lambda job, units: jobs.update({job: units}))
        held = till.look()
        if as_json:
            shown = {str(job): format_amount(units, till.decimals) for job, units in jobs.items()}
            amounts = {"claimed": claimed, "withdrawn": withdrawn, "wallet": held.wallet}
            whole = {name: format_amount(units, till.decimals) for name, units in amounts.items()}
            print_json({"address": signer.address, "jobs": shown, "symbol": till.symbol, **whole})
            return
        console = out()
        for job, units in jobs.items():
            console.print(plain(f"job {job}: {till.words(units)}"))
        console.print(plain(f"{till.words(withdrawn)} withdrawn; the wallet holds {till.words(held.wallet)}"))
