"""What a program from outside may ask of this machine."""

from dataclasses import dataclass

from assay.protocol.errors import LimitExceeded


@dataclass(frozen=True)
class Limits:
    """Bounds on a program's size, memory and work."""

    program_bytes: int = 64 << 20
    nodes: int = 65_536
    inputs: int = 4_096
    outputs: int = 4_096
    constant_bytes: int = 1 << 20
    value_elements: int = 1 << 31
    live_bytes: int = 8 << 30
    operations: int = 1 << 44


DEFAULT_LIMITS = Limits()


def admit(name: str, actual: int, limit: int) -> None:
    """Refuse what is larger than admitted. Errors: `LimitExceeded`."""
    if actual > limit:
        raise LimitExceeded(
            f"the program's {name} is {actual}, at most {limit} is admitted", limit=limit, actual=actual
        )
