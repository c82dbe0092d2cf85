"""Verification schemes by name: one module each in this room, its facts here for quotes and refusals."""

from dataclasses import dataclass

from assay.protocol.errors import BadInput, Refused


@dataclass(frozen=True)
class Scheme:
    """What a scheme needs and gives."""

    name: str
    line: str
    private_data: bool
    """Whether it holds on data that checkers may not see."""
    bitwise: bool
    """Whether its verdict is equality of bits, so that a contract can decide a dispute."""


SCHEMES = {
    "recompute": Scheme(
        "recompute", "validators re-execute a blind sample of segments; anybody may dispute the rest", False, True
    ),
}


def get_scheme(name: str, private_data: bool = False) -> Scheme:
    """The scheme of this name. Errors: `BadInput` for an unknown one, `Refused` where it does not hold for the data."""
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise BadInput(f"no verification scheme is called {name!r}", hint=f"use one of {', '.join(SCHEMES)}")
    if private_data and not scheme.private_data:
        raise Refused(
            f"{name} cannot check work on private data: whoever re-executes it would have to see the data",
            hint="publish the data, or wait for a scheme that scores updates on held-out data",
        )
    return scheme
