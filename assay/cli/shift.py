"""Playing a role in the foreground: consent, lines of what is done, and how it ends."""

import json
import sys
from typing import TYPE_CHECKING, Any

from assay.cli.place import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from assay.api.home import Home
    from assay.api.money import Till
    from assay.chain.signer import KeySigner


def use_one_thread() -> None:
    """Tensors of small models are slower on two threads than on one; the bits are the same."""
    import torch

    torch.set_num_threads(1)


def check_ready(till: "Till", role: str, account: str = DEFAULT_ACCOUNT) -> None:
    """Errors: `BadInput` with what is missing, and the command that mends it for this account."""
    from assay.api.shift import ready_for
    from assay.protocol.errors import BadInput

    missing, _, hint = ready_for(till, role).partition(": ")
    if missing:
        named = f" --account {account}" if account != DEFAULT_ACCOUNT else ""
        raise BadInput(missing, hint=hint + named)


def play(
    home: "Home", signer: "KeySigner", role: str, question: str, *, yes: bool, as_json: bool, **settings: Any
) -> None:
    """Asks, and plays the role until it is stopped."""
    from assay.api.shift import waits, work
    from assay.cli.place import confirm
    from assay.cli.terminal import out, plain

    confirm(question, yes=yes)
    console = out()

    def say(event: dict[str, Any]) -> None:
        if as_json:
            print_line(event)
        else:
            style = "red" if event["event"] in ("Slashed", "Penalised", "Late") else ""
            console.print(plain(event["text"], style))

    say({"event": "Started", "text": f"{role} {signer.address}: {waits(home.onlooker(), role)} (Ctrl-C stops)"})
    work(home, signer, role, say, **settings)
    say({"event": "Stopped", "text": "stopped; start it again to go on"})


def print_line(event: dict[str, Any]) -> None:
    """One event as one line of JSON, at once."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
