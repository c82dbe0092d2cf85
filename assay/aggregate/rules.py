"""Aggregation rules by the names that a job file gives them."""

from collections.abc import Callable

from assay.aggregate.krum import Krum
from assay.aggregate.mean import Mean
from assay.protocol.errors import BadInput
from assay.work.capture import Rule

RULES: dict[str, Callable[[int], Rule]] = {"mean": lambda _: Mean(), "krum": Krum}


def get_rule(name: str, byzantine_count: int = 0) -> Rule:
    """The rule of this name, which is to bear so many arbitrary updates. Errors: `BadInput` for no rule's name."""
    if name not in RULES:
        raise BadInput(f"unknown aggregation rule {name!r}", hint=f"choose one of {', '.join(RULES)}")
    return RULES[name](byzantine_count)
