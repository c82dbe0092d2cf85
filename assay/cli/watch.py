"""`assay watch`: what happens in a job, from its beginning, live until it is over."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.place import DEFAULT_ACCOUNT, HomeOption, JsonOption, PasswordOption

if TYPE_CHECKING:
    from rich.console import Console

    from assay.api.sdk import Network


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job.")],
    once: Annotated[bool, typer.Option("--once", help="Show how it stands now and end.")] = False,
    home: HomeOption = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Whose key takes due steps; nobody's if left out.")
    ] = None,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> int | None:
    """Watch a job: its story from the beginning, then live, with a line for whatever it waits for.

    Interrupt and resume it whenever you like. With an account it also takes the steps that anybody may take, such as
    closing the bids, where nobody else does. With `--json` one object comes at the end.

    Examples:

    - `assay watch 1`

    - `assay watch 1 --once --json`
    """
    from assay.cli.session import open_account, open_network
    from assay.cli.terminal import out

    signs = account is not None or password_file is not None
    opened = open_account(home, account or DEFAULT_ACCOUNT, password_file) if signs else open_network(home)
    with opened as network:
        return follow(network, job, out(), as_json=as_json, once=once)


def follow(network: "Network", number: int, console: "Console", *, as_json: bool, once: bool = False) -> int | None:
    """Shows a job until it is over. Errors: as for `PostedJob.check_complete`."""
    from assay.cli.board import watch
    from assay.cli.terminal import own_name, plain, print_json
    from assay.cli.words import facts

    job = network.job(number)
    if once:
        status = job.status()
    else:
        if as_json:
            for _ in job.events():
                pass
        else:
            with watch(console, f"job {number}") as note:
                for event in job.events():
                    note(_shown(event))
        status = job.status()
    if as_json:
        print_json(status)
    else:
        console.print()
        console.print(facts(status_rows(status, network.client.payment_of(number).symbol)))
    if not once:
        job.check_complete()
        if not as_json:
            name = own_name()
            console.print()
            console.print(plain(f"  {name} fetch {number} --out model    its weights, model card and lineage", "dim"))
            console.print(plain(f"  {name} audit {number}/0/0    execute a slot's work again and compare", "dim"))
    return None


def _shown(event: Any) -> dict[str, Any]:
    """An event as the display takes it: a wait is a step of which there is one line."""
    return {"kind": "step", "text": event["text"]} if event["kind"] == "wait" else dict(event)


def status_rows(status: dict[str, Any], symbol: str) -> list[tuple[str, object]]:
    """How a job stands, for people."""
    rounds = status["rounds"]
    rows: list[tuple[str, object]] = [("job", f"{status['job']}: {status['phase']}")]
    if status["waiting_for"]:
        rows.append(("now", status["waiting_for"]))
    rows.append(("rounds", f"{rounds['done']} of {rounds['ordered']}"))
    if status["accuracy"] is not None:
        rows.append(("accuracy", f"{status['accuracy']:.2%} on held-out samples"))
    rows.append(
        ("escrow", f"{status['deposited']} {symbol}, of it {status['credited']} earned and {status['refunded']} back")
    )
    rows += [(who, "; ".join(why)) for who, why in status["found_out"].items()]
    if status["model"]:
        rows.append(("model", f"{status['model']}, state {status['state_root']}"))
    return rows
