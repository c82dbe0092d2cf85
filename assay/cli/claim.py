"""`assay claim`: take what was earned."""

from assay.cli.place import DEFAULT_ACCOUNT, AccountOption, HomeOption, JsonOption, PasswordOption


def run(
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Claim what an account has earned in every job, in whatever it was paid, and withdraw it to its wallet.

    Examples:

    - `assay claim`

    - `assay claim --account alice --json`
    """
    from assay.api.money import Till, tokens_of
    from assay.cli.place import open_home, open_till, unlock
    from assay.cli.terminal import out, plain, print_json
    from assay.protocol.units import format_amount

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        own, console, whole = open_till(place, signer), out(), dict[str, object]()
        others: list[dict[str, object]] = []
        for token in tokens_of(own.ledger, own.kind):
            till, jobs = Till(own.ledger, token), dict[int, int]()
            claimed, withdrawn = till.claim(jobs.__setitem__)
            if token != own.kind and not (jobs or withdrawn):
                continue
            held = till.look()
            amounts = {"claimed": claimed, "withdrawn": withdrawn, "wallet": held.wallet}
            told = {
                "jobs": {str(job): format_amount(units, till.decimals) for job, units in jobs.items()},
                "symbol": till.symbol,
                **{name: format_amount(units, till.decimals) for name, units in amounts.items()},
            }
            if token == own.kind:
                whole = {"address": signer.address, **told}
            else:
                others.append({"token": till.token, **told})
            if not as_json:
                for job, units in jobs.items():
                    console.print(plain(f"job {job}: {till.words(units)}"))
                console.print(plain(f"{till.words(withdrawn)} withdrawn; the wallet holds {till.words(held.wallet)}"))
        if as_json:
            print_json({**whole, "others": others})
