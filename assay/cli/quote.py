"""`assay quote`: what a job would cost, how long it would take and how well it would be checked; nothing is spent."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.place import HomeOption, JsonOption


def run(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="A job file, see assay init.")],
    home: HomeOption = None,
    offline: Annotated[bool, typer.Option(help="Ask no network: prices without gas.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a job's price, seconds, gas, cost of verification, chance to catch a cheat, stakes and scheme.

    The model is captured and the data read as if it were posted, so what would be refused is refused here. Nothing is
    spent, published or signed.

    Examples:

    - `assay quote job.toml`

    - `assay quote job.toml --json`

    - `assay quote job.toml --offline`
    """
    from assay.cli.terminal import out, print_json
    from assay.cli.words import quote_lines

    quoted = _quote(job_file, home, offline)
    if as_json:
        print_json(quoted)
        return
    console = out()
    console.print(quote_lines(quoted))


def _quote(job_file: Path, home: Path | None, offline: bool) -> dict[str, Any]:
    import time

    from assay.api.draft import make_draft
    from assay.api.job import Job
    from assay.cli.session import open_network, use_one_thread
    from assay.roles.world import Compute

    job = Job.load(job_file)
    if offline:
        use_one_thread()
        return make_draft(job).to_json(Compute(time.perf_counter))
    with open_network(home) as network:
        return network.quote(job)
