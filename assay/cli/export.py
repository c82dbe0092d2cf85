"""`assay export`: a job's evidence in one file."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.place import HomeOption, JsonOption


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="The bundle; job-N.assay if left out.")
    ] = None,
    light: Annotated[bool, typer.Option("--light", help="Without programs, samples and states.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a portable bundle of evidence: commitments, openings, tables, signatures, money, and the bytes behind them.

    Whoever gets it can check it without a network: `assay verify-bundle`.

    Examples:

    - `assay export 1`

    - `assay export 1 --light --out evidence.assay --json`
    """
    from assay.api.export import export_job
    from assay.cli.session import open_network
    from assay.cli.terminal import out, own_name, plain, print_json

    path = out_file or Path(f"job-{job}.assay")
    with open_network(home) as network:
        written = export_job(network.client, job, path, light=light)
    if as_json:
        print_json(written)
        return
    words = f"{written['logs']} logs, {written['rounds']} rounds, {written['blobs']} blobs, {written['bytes']:,} bytes"
    out().print(plain(f"wrote {path}: {words}"))
    out().print(plain(f"  {own_name()} verify-bundle {path} --recompute", "dim"))
