"""`assay aggregate`: root commitments and add updates up, for a fee."""

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


def run(
    memory_mb: MemoryOption = 0,
    compiled: CompileOption = False,
    token: TokenOption = DEFAULT_TOKEN,
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Aggregate rounds of jobs that draw you, until you stop it, and take over where another falls silent.

    It holds no power: what it commits is signed by others, what it adds up anybody can add up again.

    Examples:

    - `assay aggregate`

    - `assay aggregate --account alice --yes`
    """
    from assay.cli.place import open_home, open_till, unlock
    from assay.cli.shift import check_ready, play, use_one_thread
    from assay.cli.terminal import err, plain

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        use_one_thread()
        place.warmth.compiles = compiled
        till = open_till(place, signer, token)
        check_ready(till, "aggregator", account)
        held = till.look()
        words = (
            f"at stake: {till.words(held.staked)};"
            " a false aggregate loses a round's cost, a missed deadline the job's lock"
        )
        if not as_json:
            err().print(plain(words, "dim"))
        terms = {"token": till.kind, "memory_mb": memory_mb}
        play(place, signer, "aggregator", "Aggregate with this stake?", yes=yes, as_json=as_json, **terms)
