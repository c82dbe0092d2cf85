"""Amounts: whole tokens as decimal text for people, the smallest unit as an integer for contracts."""

import re
from decimal import Decimal

from assay.protocol.errors import BadInput, show

_DECIMAL = re.compile(r"[0-9]{1,60}(\.[0-9]{1,60})?")


def parse_amount(text: str, decimals: int) -> int:
    """Whole tokens as decimal text -> smallest units. Never rounds: too many places are refused."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise BadInput(f"{show(text)} is not an amount", hint='write whole tokens as decimal text, like "250" or "0.5"')
    whole, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > decimals:
        raise BadInput(f"{text} has more than {decimals} decimal places", hint="the token has no smaller unit")
    places: int = 10**decimals
    return int(whole) * places + int(fraction.rstrip("0").ljust(decimals, "0") or 0)


def format_amount(units: int, decimals: int) -> str:
    """Smallest units -> whole tokens as decimal text, without trailing zeros."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, fraction = divmod(units, 10**decimals)
    text = f"{whole}.{fraction:0{decimals}d}".rstrip("0").rstrip(".") if decimals else str(whole)
    return sign + text


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration_s(text: str) -> int:
    """ "30m", "12h", "90s", "2d" -> seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])", text) if isinstance(text, str) else None
    if not match:
        raise BadInput(
            f"{show(text)} is not a duration", hint='write a number and a unit, like "90s", "30m", "12h" or "2d"'
        )
    seconds = Decimal(match[1]) * _UNITS_S[match[2]]
    if seconds != int(seconds):
        raise BadInput(f"{text} is not a whole number of seconds", hint='use a smaller unit, like "90s"')
    return int(seconds)
