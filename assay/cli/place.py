"""What verbs on a home share: its options, its accounts and their passwords, and how a person is asked."""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from assay.api.consent import Consent
    from assay.api.home import Home
    from assay.api.money import Till
    from assay.chain.signer import KeySigner

DEFAULT_ACCOUNT, DEFAULT_TOKEN = "me", "default"

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="PATH", help="Folder of the network; ASSAY_HOME, or .assay in yours, if left out."),
]
AccountOption = Annotated[str, typer.Option("--account", metavar="NAME", help="Account whose key signs.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="File with the account's password, readable by you only; else it is asked for."),
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token", metavar="TOKEN", help='"default", "native" for the chain\'s coin, or an ERC-20 by address.'
    ),
]
RPC_HELP = "URL of a node, or @PATH of a file with it that only you can read: arguments are seen by all on a machine."
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
MemoryOption = Annotated[
    int,
    typer.Option(
        min=0, max=2**31, help="Memory that jobs may take, in MiB; 0: half of what is available at the start."
    ),
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile programs that run for long with this machine's C compiler: faster, less safe."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def home_path(given: Path | None) -> Path:
    """The home that is meant."""
    return given or Path(os.environ.get("ASSAY_HOME") or Path.home() / ".assay")


@contextmanager
def open_home(given: Path | None) -> Iterator["Home"]:
    """A home with a network. Errors: `BadInput`, `Malformed`."""
    from assay.api.home import Home

    home = Home.open(home_path(given))
    try:
        yield home
    finally:
        home.close()


def open_till(home: "Home", signer: "KeySigner", token: str = DEFAULT_TOKEN) -> "Till":
    """What an account does with the token of this name. Errors: `BadInput` for no token."""
    from assay.api.money import Till
    from assay.api.token import describe_token, pick_token

    ledger = home.ledger(signer)
    return Till(ledger, pick_token(ledger.web3, token, describe_token(ledger.web3, home.token)))


def unlock(home: "Home", account: str, password_file: Path | None, *, create: bool = False) -> "KeySigner":
    """An account's key, made when there is none and `create`. Errors: `BadInput`, `Malformed`."""
    known = home.has_account(account)
    if not known and not create:
        home.address_of(account)  # refuses, and says what there is
    password = ask_password(account, password_file, confirm=not known)
    return home.account(account, password) if known else home.new_account(account, password)


def ask_password(account: str, password_file: Path | None, *, confirm: bool) -> str:
    """A password from a file, or from whoever sits at the terminal. Errors: `BadInput` where nobody does."""
    from assay.chain.keystore import read_password
    from assay.protocol.errors import BadInput

    if password_file is not None:
        return read_password(password_file)
    if not sys.stdin.isatty():
        raise BadInput(f"account {account} has a password, and nobody is there to ask", hint="use --password-file PATH")
    words = f"a new password for account {account}" if confirm else f"password of account {account}"
    return str(typer.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True))


def confirm(question: str, *, yes: bool) -> None:
    """Goes on when a person agrees. Errors: `BadInput` where nobody is there to ask; `click.Abort` for a no."""
    from assay.protocol.errors import BadInput

    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("this wants somebody's consent, and nobody is there to ask", hint="use --yes")
    typer.confirm(question, abort=True, err=True)


def ask_to_run(*, yes: bool, named: bool = False) -> "Consent":
    """Consent of whoever sits there, asked once for each file; what was agreed to is remembered among one's own things,
    whichever network is meant. `named`: they have named the file themselves. Errors: as for `confirm`."""
    from assay.api.consent import Agreed

    agreed = Agreed(home_path(None))

    def ask(path: Path, content: bytes) -> None:
        from assay.cli.terminal import err, plain

        if agreed.knows(path, content):
            return
        if not named:
            where = f"{path.resolve()}, {len(content.splitlines())} lines, sha256 {sha256(content).hexdigest()[:16]}"
            err().print(plain(f"this runs {path.name}, a file of yours, on this machine: {where}"))
        confirm(f"Run {path.name}? Only if you wrote it, or have read it.", yes=yes)
        agreed.add(path, content)

    return ask


@contextmanager
def aside() -> Iterator[None]:
    """While a file of the user's runs: what it prints goes to standard error, and where it goes we do not follow."""
    with redirect_stdout(sys.stderr), chdir("."):
        yield
