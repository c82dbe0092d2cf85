"""`assay validate`: check other people's work for a fee."""

from typing import Annotated

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


def run(
    watch: Annotated[
        bool, typer.Option("--watch", help="Re-execute whole rounds too, of every job, and challenge what is false.")
    ] = False,
    memory_mb: MemoryOption = 0,
    compiled: CompileOption = False,
    token: TokenOption = DEFAULT_TOKEN,
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check rounds of jobs that draw you, until you stop it: re-execute samples, judge, sign, dispute.

    Stop it with Ctrl-C and start it again: it goes on from its journal. While you are in the pool you may be drawn, and
    a validator that was drawn and is silent loses a round's cost; leave the pool with `assay unstake`.

    Examples:

    - `assay validate`

    - `assay validate --watch --account alice --yes`
    """
    from assay.cli.place import open_home, open_till, unlock
    from assay.cli.shift import check_ready, play, use_one_thread
    from assay.cli.terminal import err, plain

    with open_home(home) as place:
        signer = unlock(place, account, password_file)
        use_one_thread()
        place.warmth.compiles = compiled
        till = open_till(place, signer, token)
        check_ready(till, "validator", account)
        held = till.look()
        words = (
            f"at stake: {till.words(held.staked)};"
            " silence once drawn, and a false word, lose up to a round's cost each time"
        )
        if not as_json:
            err().print(plain(words, "dim"))
        terms = {"watch": watch, "token": till.kind, "memory_mb": memory_mb}
        play(place, signer, "validator", "Validate with this stake?", yes=yes, as_json=as_json, **terms)
