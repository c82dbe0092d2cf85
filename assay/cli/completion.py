"""`assay completion`: what a shell needs to complete verbs, options and their values."""

from typing import Annotated

import click
import typer

from assay.cli.place import JsonOption

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ASSAY_COMPLETE"
"""Where the shell says what is to be completed; `assay.cli.verbs` answers."""


def run(
    shell: Annotated[str, typer.Argument(click_type=click.Choice(SHELLS), metavar="SHELL", help="bash, zsh or fish.")],
    as_json: JsonOption = False,
) -> None:
    """Print what makes a shell complete `assay`'s verbs, options and values with the tab key.

    Put it into the file that the shell reads when it starts: `~/.bashrc`, `~/.zshrc` (below `compinit`), or a file in
    `~/.config/fish/completions`.

    Examples:

    - `assay completion bash >> ~/.bashrc`

    - `assay completion zsh >> ~/.zshrc`

    - `assay completion fish > ~/.config/fish/completions/assay.fish`

    - `assay completion bash --json`
    """
    import sys

    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    from assay.cli.terminal import print_json

    script = get_completion_script(prog_name="assay", complete_var=VARIABLE, shell=shell)
    if as_json:
        print_json({"shell": shell, "script": script})
        return
    sys.stdout.write(script + "\n")
