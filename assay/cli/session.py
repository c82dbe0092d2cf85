"""What verbs on a network share: the options that say which one and who one is, and opening it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from assay.api.sdk import Network

PASSWORD_LIMIT_BYTES = 1 << 10

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="ASSAY_HOME", metavar="PATH", help="Folder of the network; ~/.assay if left out."),
]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="Whose key signs; the only one if left out.")
]
PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="PATH", help="A file with the account's password; asked for if left out."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@contextmanager
def open_network(home: Path | None) -> Iterator["Network"]:
    """A network to look at; no key is opened."""
    with _opened(home, None, None) as network:
        yield network


@contextmanager
def open_account(home: Path | None, account: str | None, password_file: Path | None) -> Iterator["Network"]:
    """A network as an account of one's own."""

    def ask(name: str) -> str:
        return read_password(password_file, name)

    with _opened(home, account, ask) as network:
        yield network


@contextmanager
def _opened(home: Path | None, account: str | None, ask: Any) -> Iterator["Network"]:
    from assay.api.home_client import open_home
    from assay.api.sdk import Network

    use_one_thread()
    with Network(*open_home(home, account, ask)) as network:
        yield network


def use_one_thread() -> None:
    """Tensors of small models are slower on two threads than on one; the bits are the same."""
    import torch

    torch.set_num_threads(1)


def read_password(path: Path | None, name: str) -> str:
    """The password of an account, from a file or asked for. Errors: `BadInput`; no password is ever shown."""
    from assay.protocol.errors import BadInput

    if path is None:
        if not sys.stdin.isatty():
            raise BadInput(f"the password of {name} cannot be asked for here", hint="give --password-file PATH")
        return str(typer.prompt(f"password of {name}", hide_input=True, err=True))
    try:
        with path.open("rb") as file:
            content = file.read(PASSWORD_LIMIT_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}", hint="name the password's file") from error
    if len(content) > PASSWORD_LIMIT_BYTES:
        raise BadInput(f"{path} is too long for a password", hint="name the password's file")
    try:
        return content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text", hint="name the password's file") from error


def confirm(question: str, yes: bool, as_json: bool) -> None:
    """Asks, unless told not to; a no ends the verb. Errors: `BadInput` where nobody can be asked."""
    from assay.protocol.errors import BadInput

    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise BadInput("this has to be confirmed and nobody can be asked here", hint="look at it, then add --yes")
    typer.confirm(question, abort=True, err=True)
