"""`assay aggregate`: root commitments and add updates up, for a fee."""

from assay.cli.place import (
    DEFAULT_ACCOUNT,
    AccountOption,
    HomeOption,
    JsonOption,
    MemoryOption,
    PasswordOption,
    YesOption,
)


def run(
    memory_mb: MemoryOption = 0,
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
    from assay.api.money import Till
    from assay.cli.place import open_home, unlock
    from assay.cli.shift import check_ready, play, use_one_thread
    from assay.cli.terminal import err, plain

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        use_one_thread()
        till = Till(place.ledger(signer), place.token)
        check_ready(till, "aggregator")
        held = till.look()
        words = (
            f"at stake: {till.words(held.staked)};"
            " a false aggregate loses a round's cost, a missed deadline the job's lock"
        )
        if not as_json:
            err().print(plain(words, "dim"))
        question = "Aggregate with this stake?"
        play(place, signer, "aggregator", question, yes=yes, as_json=as_json, memory_mb=memory_mb)
