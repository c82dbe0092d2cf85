"""Arithmetic profiles: how many bits an operand of an exact inner product keeps.

Under `exactB` a vector is scaled by a power of two and rounded to integers of at most `limit`; the inner product of
two such vectors is an exact integer, so no order of summation and no hardware can change it.

    exact8    one int8 slice            limit 127
    exact15   q = 128 * high + low      limit 127 * 128 + 63, both slices int8
    exact22   three slices or float64   limit 2^21 - 1
"""

from dataclasses import dataclass

from assay.protocol.errors import BadInput


@dataclass(frozen=True)
class Profile:
    """An arithmetic profile: `bits` of an operand and the largest magnitude `limit` of its integers (odd)."""

    name: str
    bits: int
    limit: int

    @property
    def dtype(self) -> str:
        """Element type of a quantised operand."""
        return "I16" if self.limit < 1 << 15 else "I32"


EXACT8 = Profile("exact8", 8, 127)
EXACT15 = Profile("exact15", 15, 127 * 128 + 63)
EXACT22 = Profile("exact22", 22, (1 << 21) - 1)

PROFILES = {profile.name: profile for profile in (EXACT8, EXACT15, EXACT22)}


def get_profile(name: str) -> Profile:
    """The profile of this name. Errors: `BadInput` for a name that is no profile."""
    if name not in PROFILES:
        raise BadInput(f"unknown arithmetic profile {name!r}", hint=f"choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
