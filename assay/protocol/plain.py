"""JSON from outside and canonical JSON.

Python's parser descends into nested brackets on the machine's stack and relies on the interpreter's recursion limit.
Some libraries raise that to 100,000, and then as many brackets kill the process. So depth is counted before parsing.
"""

import json
import re
from math import isfinite
from typing import Any

from assay.protocol.errors import LimitExceeded, Malformed

DEPTH_MAX = 32
VALUES_MAX = 2_000_000
"""Values in one text: each takes a hundred bytes once it is read, however short it was."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?+|[\[\]{}]', re.DOTALL)
"""A string, closed or not, or a bracket. Possessive: a text is read once, whatever it holds."""


def write_plain(value: object) -> bytes:
    """Plain values as canonical JSON: sorted keys, no spaces, ASCII, finite numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def read_plain(content: bytes, size_max_bytes: int, depth_max: int = DEPTH_MAX) -> Any:
    """Plain values from JSON from outside.

    Errors: `LimitExceeded` for bytes, values or nesting beyond the limits, `Malformed` for what is not JSON in UTF-8,
    names a key twice, or has numbers that are not finite.
    """
    if len(content) > size_max_bytes:
        raise LimitExceeded("a JSON text is too long", limit=size_max_bytes, actual=len(content))
    try:
        text = content.decode("utf-8")
        # At least as many as there are values that do not stand first.
        values = text.count(",") + text.count("[") + text.count("{")
        if values > VALUES_MAX:
            raise LimitExceeded("a JSON text has too many values", limit=VALUES_MAX, actual=values)
        if text.count("[") + text.count("{") > depth_max:
            _check_depth(text, depth_max)
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as error:
        raise Malformed(f"this is not JSON: {error}") from error


def _check_depth(text: str, depth_max: int) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == '"':
            continue
        depth += 1 if token in "[{" else -1
        if depth > depth_max:
            raise LimitExceeded("a JSON text is nested too deeply", limit=depth_max, actual=depth)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    rows = dict(pairs)
    if len(rows) != len(pairs):
        raise ValueError("a key stands twice")
    return rows


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is beyond binary64")
    return number
