"""What a round is called, and letting go of what is remembered by that name."""

from collections.abc import MutableMapping, MutableSet
from typing import Any

RoundName = tuple[int, int, int]
"""(job, generation, round)"""


def drop(known: MutableMapping[Any, Any] | MutableSet[Any], job: int, below: int) -> None:
    """Takes a job's rounds below an index out of what is remembered by round, or by (round, ...)."""
    for key in list(known):
        name = key[0] if isinstance(key[0], tuple) else key
        if name[0] == job and name[2] < below:
            if isinstance(known, MutableSet):
                known.discard(key)
            else:
                del known[key]
