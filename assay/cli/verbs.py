"""The table of verbs, and how running one ends: its exit code, or a message with a hint instead of a traceback.

Exit codes: 0 done, 2 wrong usage, 3 to 7 a refusal (docs/reference/errors.md), 8 found to differ from what was
committed, 9 the doctor found something, 130 interrupted, 141 when whoever read the output has left. A bug crashes
with 1.
"""

import difflib
import errno
import os
import sys
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import click
import typer
from typer.completion import completion_init  # type: ignore[attr-defined]
from typer.core import TyperGroup

from assay.cli import INTERRUPTED
from assay.cli.interrupt import NOTE

VERBS = (
    "demo",
    "up",
    "down",
    "status",
    "doctor",
    "faucet",
    "init",
    "quote",
    "simulate",
    "post",
    "watch",
    "cancel",
    "fetch",
    "audit",
    "dispute",
    "replay",
    "models",
    "infer",
    "export",
    "verify-bundle",
    "provide",
    "validate",
    "aggregate",
    "stake",
    "unstake",
    "claim",
    "freeze",
    "thaw",
    "zoo",
    "completion",
    "version",
)
"""In the order in which help lists them; each is the function `run` of the module of its name."""

UNREAD = 141
"""As a shell shows a process that SIGPIPE ended."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a stream answers when what it writes to takes no more; errors about a file carry its name."""
BARRED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
"""What a path answers that is not ours, or cannot be one."""
HELP = {"help_option_names": ["-h", "--help"]}
FOUND = 8
"""What was looked at is not as it was committed: the end of an audit, a replay or a bundle's check."""

_ABOUT = """Train on strangers' machines and pay only for training that tests true.

Start with:  assay demo
"""


class Verbs(TyperGroup):
    """Finds a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of this name, or None."""
        if cmd_name not in VERBS:
            return None
        verb = typer.Typer(add_completion=False, rich_markup_mode="markdown", context_settings=HELP)
        run = import_module(f"assay.cli.{cmd_name.replace('-', '_')}").run
        verb.command(cmd_name)(run)
        command = typer.main.get_command(verb)
        _restore_help(command, run)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest verb named when there is none."""
        name = args[0]
        if not name.startswith("-") and name not in VERBS:
            near = difflib.get_close_matches(name, VERBS, n=1)
            advice = f'did you mean "{near[0]}"?' if near else f"verbs are {', '.join(VERBS)}"
            ctx.fail(f'there is no verb "{name}"; {advice}')
        return super().resolve_command(ctx, args)


def _restore_help(command: click.Command, run: Any) -> None:
    """Arguments' sentences, which typer sets and click from 8.5 on sets back to nothing."""
    hints = get_type_hints(run, include_extras=True)
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.name in hints:
            notes = getattr(hints[parameter.name], "__metadata__", ())
            setattr(parameter, "help", next((note.help for note in notes if hasattr(note, "help")), None))  # noqa: B010


def command() -> click.Command:
    """The whole command line as click sees it."""
    completion_init()
    app = typer.Typer(
        cls=Verbs,
        add_completion=False,
        rich_markup_mode="markdown",
        no_args_is_help=True,
        help=_ABOUT,
        context_settings=HELP,
    )
    app.callback()(_top)
    return typer.main.get_command(app)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        sys.stdout.write(f"assay {metadata.version('assay')}\n")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: list[str]) -> int:
    """Run a verb; return the exit code."""
    as_json = "--json" in arguments
    try:
        ended: Any = command().main(args=arguments, prog_name="assay", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as asked:
        sys.stdout.write(asked.format_message() + "\n")
        return 2
    except click.ClickException as wrong:
        return _report(as_json, _usage(wrong), wrong.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except (BrokenPipeError, SystemExit) as left:
        if NOTE.is_set:
            return _interrupted()
        # click turns a broken pipe into an exit with 1.
        if isinstance(left, SystemExit) and not isinstance(left.__context__, BrokenPipeError):
            raise
        _forget_output()
        return UNREAD
    except Exception as error:
        if NOTE.is_set:
            return _interrupted()
        from assay.protocol.errors import AssayError, BadInput, Unavailable, show

        if isinstance(error, OSError) and error.filename is not None and error.errno in FULL + BARRED:
            kind = Unavailable if error.errno in FULL else BadInput
            barred = kind(f"cannot use {show(str(error.filename))}: {error.strerror}", hint="name another path")
            return _report(as_json, barred.to_json(), barred.exit_code)
        if isinstance(error, OSError) and error.errno in FULL:
            _forget_output()
            lost = Unavailable(f"the output cannot be written: {error.strerror}", hint="write it to another place")
            return _report(False, lost.to_json(), lost.exit_code)
        if not isinstance(error, AssayError):
            raise
        return _report(as_json, error.to_json(), error.exit_code)
    if ended == INTERRUPTED:
        return _interrupted()
    return ended if isinstance(ended, int) else 0


def _forget_output() -> None:
    """What is still buffered has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted() -> int:
    sys.stderr.write("\ninterrupted\n")
    return INTERRUPTED


def _usage(wrong: click.ClickException) -> dict[str, Any]:
    context = getattr(wrong, "ctx", None)
    hint = f"see {context.command_path} --help" if context else "see assay --help"
    return {"error": "bad-input", "message": wrong.format_message(), "hint": hint}


def _report(as_json: bool, failure: dict[str, Any], exit_code: int) -> int:
    from assay.cli.terminal import err, plain, print_json

    if as_json:
        print_json({name: _bare(value) for name, value in failure.items()})
        return exit_code
    console = err()
    console.print(plain("assay: ", "bold red") + plain(failure["message"], "bold"))
    if "allowed" in failure:
        value = f" = {failure['value']}" if "value" in failure else ""
        console.print(plain(f"  field: {failure['key']}{value}; allowed: {failure['allowed']}", "dim"))
    if failure["hint"]:
        console.print(plain("  hint: ", "cyan") + plain(failure["hint"]))
    console.print(plain(f"  code: {failure['error']}", "dim"))
    return exit_code


def _bare(value: Any) -> Any:
    """Fields of an error as JSON has them."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
