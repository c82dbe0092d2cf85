"""`assay simulate`: what would become of a job, with so many providers and such cheats; nothing is spent."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.place import JsonOption, YesOption
from assay.cli.values import complete_cheats

SEED_MAX = (1 << 63) - 1


def run(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="A job file, see assay init.")],
    providers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Slots, with those of cheats; the job file's if left out."),
    ] = None,
    cheaters: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help='Cheats that take part, see "assay zoo"; none if left out.',
            autocompletion=complete_cheats,
        ),
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Rounds of training; the job file's if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="The same seed, the same course of things.")] = 7,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> int | None:
    """Play a job in this process, with honest parties and cheats, and say what would become of it.

    The job is the one that would be posted: its programs, data, prices, stakes and windows, on a chain of its own whose
    time need not be waited for. It says the outcome, where the money would go, what would be detected, and the gas.
    Nothing is published or spent, and no network is needed. Ends with 8 when the job would not come to its end.

    Examples:

    - `assay simulate job.toml`

    - `assay simulate job.toml --providers 10 --cheaters skipper --rounds 3`

    - `assay simulate job.toml --cheaters lazy,rubber-stamp --json`
    """
    from assay.api.job import Job

    Job.load(job_file)  # a file that will not do is refused before anything heavy is loaded

    from assay.api.simulate import WhatIf, plan
    from assay.cli.place import ask_to_run
    from assay.cli.terminal import out, print_json
    from assay.cli.verbs import FOUND

    named = tuple(name for name in (part.strip() for part in cheaters.split(",")) if name)
    play = plan(job_file, WhatIf(providers, rounds, named, seed), ask_to_run(yes=yes))
    if as_json:
        with contextlib.redirect_stdout(sys.stderr):
            report = play(lambda _: None)
        print_json(report)
    else:
        from assay.cli.board import watch
        from assay.cli.closing import print_closing

        console = out()
        with watch(console, f"what if: {job_file}") as note:
            report = play(note)
        console.print()
        print_closing(console, report, (), _next(str(job_file)))
    return None if report["complete"] else FOUND


def _next(job_file: str) -> list[tuple[str, str]]:
    from assay.cli.terminal import own_name

    name = own_name()
    return [
        (f"{name} simulate {job_file} --cheaters lazy,rubber-stamp", "other cheats; assay zoo lists them"),
        (f"{name} quote {job_file}", "what it costs, and what stakes and samples deter"),
        (f"{name} post {job_file}", "post it"),
    ]
