"""Freezing a network and thawing it, by whoever operates it; and how long it may be."""

from typing import Any

from assay.api.home import CREW, Home
from assay.chain.contracts.clock import Frozen
from assay.chain.keystore import open_keystore, read_password
from assay.chain.signer import KeySigner
from assay.protocol.errors import Refused, Reverted

DAY_S = 86_400
REFUSALS = {
    "AlreadyFrozen": ("the network is frozen already", "thaw it, or let it be"),
    "NoneLeft": ("14 of the last 365 days were frozen already", "wait until a year has passed since they were"),
    "NotFrozen": ("the network is not frozen", "look with the verb status"),
    "NotOwner": ("the network belongs to somebody else than this home's operator", "ask whoever deployed it"),
}
"""By the contract's error: what it means, and what to do."""


def open_operator(home: Home) -> KeySigner:
    """The key that has deployed this home's network, and owns its limits and its clock. Errors: `Refused` where it is
    not here, `Malformed`."""
    from assay.api.crew import OPERATOR, crew_signer

    path = home.path / "crew.password"
    if not path.is_file() or not home.has_account(CREW):
        raise Refused(f"{home.path} does not operate its network", hint="do it where `up` was called first")
    return crew_signer(open_keystore(home.keys, CREW, read_password(path)), OPERATOR)


def freeze(home: Home) -> dict[str, Any]:
    """Freezes it: from when, and until when at the latest, in the chain's seconds. Errors: `Refused`."""
    clock = home.ledger(open_operator(home)).clock
    try:
        event = clock.find(clock.freeze().send(), Frozen)[0].event
    except Reverted as error:
        raise _refused(error) from error
    return {"frozen": True, "from_s": event.instant, "until_s": event.until}


def thaw(home: Home) -> dict[str, Any]:
    """Lets it go on: how long it could be frozen again now, in seconds. Errors: `Refused`."""
    clock = home.ledger(open_operator(home)).clock
    try:
        clock.thaw().send()
    except Reverted as error:
        raise _refused(error) from error
    return {"frozen": False, "allowance_s": clock.allowance()}


def _refused(error: Reverted) -> Exception:
    name = str(error.fields.get("contract_error", ""))
    if name not in REFUSALS:
        return error
    words, hint = REFUSALS[name]
    return Refused(words, hint=hint)
