"""`assay quote`: what a job would cost, how long it would take and how well it would be checked; nothing is spent."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.place import HomeOption, JsonOption, YesOption


def run(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="A job file, see assay init.")],
    at_risk: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="What a fraud would be worth, in whole tokens: proposes a scheme for it."),
    ] = None,
    home: HomeOption = None,
    offline: Annotated[bool, typer.Option(help="Ask no network: prices without gas.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a job's price, seconds, gas, cost of verification, chance to catch a cheat, stakes and scheme.

    The model is captured and the data read as if it were posted, so what would be refused is refused here. Nothing is
    spent, published or signed. A Python file that the job names is run for that, after asking once.

    With `--at-risk` it proposes the scheme: what a cheat in one segment would make on average, and how many samples, or
    what stake, turn that into a loss.

    Examples:

    - `assay quote job.toml`

    - `assay quote job.toml --at-risk 1000`

    - `assay quote job.toml --json`

    - `assay quote job.toml --offline`
    """
    from assay.cli.terminal import out, print_json
    from assay.cli.words import quote_lines

    quoted = _quote(job_file, home, offline, at_risk, yes)
    if as_json:
        print_json(quoted)
        return
    console = out()
    console.print(quote_lines(quoted))


def _quote(job_file: Path, home: Path | None, offline: bool, at_risk: str | None, yes: bool) -> dict[str, Any]:
    import time

    from assay.api.job import Job
    from assay.cli.place import aside, ask_to_run
    from assay.cli.session import open_network, use_one_thread

    job = Job.load(job_file, consent=ask_to_run(yes=yes))
    if offline:
        from assay.api.draft import make_draft
        from assay.roles.world import Compute

        use_one_thread()
        with aside():
            draft = make_draft(job)
        return draft.to_json(Compute(time.perf_counter), at_risk=at_risk)
    with open_network(home) as network, aside():
        return network.quote(job, at_risk=at_risk)
