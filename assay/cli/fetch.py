"""`assay fetch`: a trained model as files."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.place import HomeOption, JsonOption


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job that is complete.")],
    out_folder: Annotated[Path, typer.Option("--out", metavar="PATH", help="Folder for the files.")] = Path("model"),
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the model that a job made: weights as safetensors, programs, model card and lineage.

    Everything is compared with the hashes that stand on chain before it is written.

    Examples:

    - `assay fetch 1`

    - `assay fetch 1 --out digits --json`
    """
    from assay.cli.session import open_network
    from assay.cli.terminal import out, own_name, plain, print_json

    with open_network(home) as network:
        written = [str(path) for path in network.job(job).fetch(out_folder)]
    if as_json:
        print_json({"job": job, "folder": str(out_folder), "files": written})
        return
    console = out()
    for path in written:
        console.print(plain(path))
    console.print(plain(f"ask it something: {own_name()} infer {out_folder} --input x.npy", "dim"))
