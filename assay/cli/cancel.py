"""`assay cancel`: call a job off."""

from typing import Annotated

import typer

from assay.cli.place import DEFAULT_ACCOUNT, AccountOption, HomeOption, JsonOption, PasswordOption, YesOption


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job of your own.")],
    yes: YesOption = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a job off. Before the match everything comes back; after it no further round opens.

    Work that is committed by then is paid, and what was published stays public.

    Examples:

    - `assay cancel 1`

    - `assay cancel 1 --yes --json`
    """
    from assay.cli.place import confirm
    from assay.cli.session import open_account
    from assay.cli.terminal import out, own_name, plain, print_json
    from assay.protocol.phase import JobPhase

    with open_account(home, account, password_file) as network:
        network.client.view(job)
        confirm(f"Call job {job} off?", yes=yes)
        phase = network.client.cancel(job)
        refunded = phase == JobPhase.CANCELLED
        if as_json:
            print_json({"job": job, "phase": phase.name.lower(), "refunded": refunded})
        elif refunded:
            out().print(plain(f"job {job} is cancelled, everything came back"))
        else:
            out().print(plain(f"job {job} opens no further round; see its end with: {own_name()} watch {job}"))
