"""`assay post`: publish a job and pay for it, after showing what becomes public; then watch it."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.place import DEFAULT_ACCOUNT, AccountOption, HomeOption, JsonOption, PasswordOption, YesOption


def run(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="A job file, see assay init.")],
    yes: YesOption = False,
    again: Annotated[bool, typer.Option("--again", help="Post another one even if this job stands already.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not watch it; assay watch does later.")] = False,
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> int | None:
    """Post a job: show what becomes public and what it may cost, ask, publish, pay into escrow, and watch.

    The model is captured here and its programs are published, not your Python, which runs here after asking once.
    Training data, the job file and all weights become readable by anybody, for good. Nothing is published or paid
    when anything is refused. Interrupting it after that changes nothing: the job goes on, and `assay watch` shows it
    again.

    Examples:

    - `assay post job.toml`

    - `assay post job.toml --yes --detach --json`
    """
    from assay.api.job import Job
    from assay.cli.place import aside, ask_to_run, confirm
    from assay.cli.session import open_account
    from assay.cli.terminal import out, own_name, plain, print_json
    from assay.cli.watch import follow
    from assay.cli.words import public_lines, quote_lines

    job, console = Job.load(job_file, consent=ask_to_run(yes=yes)), out()
    with open_account(home, account, password_file) as network:
        with aside():
            draft = network.draft(job)
        client = network.client
        client.check(draft)
        client.check_funds(draft)
        quoted = draft.to_json(client.world.compute, client.gas_price_wei())
        if not as_json:
            console.print(quote_lines(quoted))
            console.print()
            console.print(plain("This becomes public, and stays so:", "bold"))
            console.print(public_lines(quoted))
            console.print()
        price = f"{quoted['cost']['total']} {quoted['token']['symbol']}"
        confirm(f"Publish this and pay up to {price} into escrow?", yes=yes)
        number = client.post(draft, again=again)
        if as_json:
            cost = quoted["cost"]["total"]
            print_json({"job": number, "account": client.world.address, "cost": cost, "public": quoted["public"]})
            return None
        console.print(plain(f"job {number} is posted; watch it any time with: {own_name()} watch {number}"))
        return None if detach else follow(network, number, console, as_json=False)
