"""Keys of a job file: what each may hold, its default, and its one line of documentation.

A section is a frozen dataclass whose fields are made by `key`. Reading, writing, hints and the reference pages all come
from those fields, so a key is described in one place.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from assay.protocol.errors import SHOWN_MAX, BadInput, BadKey, MissingKey, UnknownKey, WrongValue, show
from assay.protocol.units import format_amount, parse_amount, parse_duration_s

AMOUNT_DECIMALS = 60
"""Places that an amount's text may have before the token is known."""

Section = TypeVar("Section")


@dataclass(frozen=True)
class Kind:
    """What a key may hold. `read` takes a TOML or JSON value and raises `BadInput`; `write` undoes it, canonically."""

    words: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value


def key(kind: Kind, doc: str, default: Any = MISSING, *, derived: bool = False) -> Any:
    """A field of a section; without a default the key must be given. `derived`: the default stands for what is chosen
    from other keys, as the documentation says."""
    metadata = {"kind": kind, "doc": doc, "derived": derived}
    return (
        dataclasses.field(metadata=metadata)
        if default is MISSING
        else dataclasses.field(default=default, metadata=metadata)
    )


def _wrong(value: object, words: str) -> BadInput:
    return BadInput(f"{show(value)} will not do", hint=f"give {words}")


def integer(low: int, high: int) -> Kind:
    """A whole number in low..high."""
    words = f"a whole number from {low} to {high}"

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(value, words)
        return int(value)

    return Kind(words, read)


def number(low: float, high: float, open_low: bool = False) -> Kind:
    """A finite number in low..high; `open_low` leaves `low` itself out."""
    words = f"a number {'above' if open_low else 'from'} {low:g} to {high:g}"

    def read(value: Any) -> float:
        # Compared and not converted: there are whole numbers beyond every float. NaN lies in no range.
        fits = type(value) in (int, float) and low <= value <= high
        if not fits or (open_low and value == low):
            raise _wrong(value, words)
        return float(value)

    return Kind(words, read)


def flag() -> Kind:
    """true or false."""

    def read(value: Any) -> bool:
        if type(value) is not bool:
            raise _wrong(value, "true or false")
        return value

    return Kind("true or false", read)


def text(pattern: str, words: str) -> Kind:
    """Text that wholly matches `pattern`."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise _wrong(value, words)
        return value

    return Kind(words, read)


def choice(*names: str) -> Kind:
    """One of some words."""
    words = "one of " + ", ".join(f'"{name}"' for name in names)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            near = get_close_matches(value[:SHOWN_MAX], names, 1) if isinstance(value, str) else []
            hint = f'did you mean "{near[0]}"? give {words}' if near else f"give {words}"
            raise BadInput(f"{show(value)} will not do", hint=hint)
        return value

    return Kind(words, read)


def amount() -> Kind:
    """Whole tokens as decimal text; "" where it is derived."""

    def read(value: Any) -> str:
        return value if value == "" else format_amount(parse_amount(value, AMOUNT_DECIMALS), AMOUNT_DECIMALS)

    return Kind('whole tokens of the payment token as decimal text, like "250"', read)


def duration(low_s: int = 1, high_s: int = 366 * 86400) -> Kind:
    """Seconds, written like "30m"."""
    words = f'a duration from {low_s}s to {high_s}s, like "90s", "30m" or "12h"'

    def read(value: Any) -> int:
        seconds = parse_duration_s(value)
        if not low_s <= seconds <= high_s:
            raise _wrong(value, words)
        return seconds

    return Kind(words, read, lambda seconds: f"{seconds}s")


def rates() -> Kind:
    """One learning rate, or one per step."""
    words = "a number above 0 to 1000, or a list of 1 to 65536 numbers, one per step (the last stays)"
    one = number(0, 1000, open_low=True)

    def read(value: Any) -> float | tuple[float, ...]:
        if isinstance(value, list):
            if not 1 <= len(value) <= 65_536:
                raise _wrong(f"a list of {len(value)}", words)
            return tuple(one.read(each) for each in value)
        return float(one.read(value))

    return Kind(words, read, lambda value: list(value) if isinstance(value, tuple) else value)


def pair(kind: Kind) -> Kind:
    """Two values of a kind."""
    words = f"two values, each {kind.words}"

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != 2:
            raise _wrong(value, words)
        return tuple(kind.read(each) for each in value)

    return Kind(words, read, list)


def quorum() -> Kind:
    """k of m, as text; "" for a majority."""
    words = 'a text like "3 of 5"'

    def read(value: Any) -> tuple[int, int]:
        match = re.fullmatch(r"([1-9][0-9]{0,3}) of ([1-9][0-9]{0,3})", value) if isinstance(value, str) else None
        if not match:
            raise _wrong(value, words)
        return int(match[1]), int(match[2])

    return Kind(words, read, lambda value: f"{value[0]} of {value[1]}")


def options() -> Kind:
    """A small table of names and plain values; kept as sorted pairs."""
    words = "a table of at most 32 names with numbers, texts, or true and false"
    whole = range(-(1 << 63), 1 << 63)

    def read(value: Any) -> tuple[tuple[str, Any], ...]:
        if not isinstance(value, Mapping) or len(value) > 32:
            raise _wrong(value, words)
        for name, entry in value.items():
            plain = type(entry) is bool or (type(entry) is int and entry in whole)
            plain |= type(entry) is float and math.isfinite(entry)
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or not (
                plain or (isinstance(entry, str) and len(entry) <= 200)
            ):
                raise _wrong({str(name)[:SHOWN_MAX]: entry}, words)
        return tuple(sorted(value.items()))

    return Kind(words, read, dict)


def table(section: type[Any]) -> Kind:
    """A nested table with keys of its own; None where it is left out."""
    words = "a table with " + ", ".join(field.name for field in dataclasses.fields(section))

    def read(value: Any) -> Any:
        return read_section(section, value, "")

    return Kind(words, read, lambda value: None if value is None else write_section(value))


def whole_or_none(low: int, high: int) -> Kind:
    """A whole number in low..high, of which `low` is what is meant where nothing is said, and is not written."""
    one = integer(low, high)
    return Kind(one.words, one.read, lambda value: None if value == low else value)


def text_or_table(short: Kind, section: type[Any]) -> Kind:
    """A text, or a table with a `name` of its own; a table that says no more than the name is the text."""
    long = table(section)

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return short.read(value)
        entry = long.read(value)
        return entry.name if set(write_section(entry)) == {"name"} else entry

    return Kind(
        f"{short.words}, or {long.words}", read, lambda value: value if isinstance(value, str) else long.write(value)
    )


def choice_by_place(default: str, *names: str) -> Kind:
    """One of some words, or a table of them by place in the model; kept as sorted pairs, "default" among them."""
    one = choice(*names)
    words = f'{one.words}, or a table of at most 64 of them by module path, with "default" for the rest'

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return one.read(value)
        if len(value) > 64:
            raise _wrong(f"a table of {len(value)}", words)
        for place in value:
            if not re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*", str(place)) or len(place) > 200:
                raise _wrong({str(place)[:SHOWN_MAX]: "..."}, words)
        pairs = {"default": default, **{place: one.read(entry) for place, entry in value.items()}}
        return pairs["default"] if len(pairs) == 1 else tuple(sorted(pairs.items()))

    return Kind(words, read, lambda value: value if isinstance(value, str) else dict(value))


def key_name(field: "dataclasses.Field[Any]") -> str:
    """Name of a key in the file: durations carry their unit in the value, so `_s` is left out there."""
    return field.name.removesuffix("_s")


def nearest(name: str, names: Sequence[str]) -> str:
    """A hint for an unknown name."""
    near = get_close_matches(name[:SHOWN_MAX], names, 1)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(names)}"


def read_section(section: type[Section], value: Any, path: str) -> Section:
    """A section from a table. Errors: `UnknownKey` with the nearest known key, `WrongValue` with what the key may hold,
    `MissingKey`."""
    if not isinstance(value, Mapping):
        names = ", ".join(key_name(field) for field in dataclasses.fields(section))  # type: ignore[arg-type]
        words = f"{path or 'this'} must be a table"
        raise WrongValue(words, hint=f"it has the keys {names}", key=path, value=show(value), allowed="a table")
    fields = {key_name(field): field for field in dataclasses.fields(section)}  # type: ignore[arg-type]
    given = {}
    for name, entry in value.items():
        where = f"{path}.{name}".lstrip(".")
        if name not in fields:
            shown, known = where[:SHOWN_MAX], list(fields)
            raise UnknownKey(
                f"{shown} is not a key of a job", hint=nearest(str(name), known), key=shown, allowed=", ".join(known)
            )
        field = fields[name]
        kind: Kind = field.metadata["kind"]
        try:
            given[field.name] = kind.read(entry)
        except BadKey as error:
            raise _below(error, where) from error
        except BadInput as error:
            raise WrongValue(
                f"{where}: {error.message}", hint=error.hint, key=where, value=show(entry), allowed=kind.words
            ) from error
    missing = [name for name, field in fields.items() if field.default is MISSING and field.name not in given]
    if missing:
        where = f"{path}.{missing[0]}".lstrip(".")
        words = fields[missing[0]].metadata["kind"].words
        raise MissingKey(f"{where} is missing", hint=f"give {words}", key=where, allowed=words)
    return section(**given)


def _below(error: BadKey, where: str) -> BadKey:
    """An error about a key of a nested table, as one of the table's own."""
    inner = error.fields["key"]
    fields = {**error.fields, "key": f"{where}.{inner}".rstrip(".")}
    words = error.message.removeprefix(inner) if inner else f" {error.message.removeprefix('this ')}"
    return type(error)(fields["key"] + words, hint=error.hint, **fields)


def write_section(section: Any) -> dict[str, Any]:
    """A section as plain values, every key present but those that are None."""
    rows = {}
    for field in dataclasses.fields(section):
        value = field.metadata["kind"].write(getattr(section, field.name))
        if value is not None:
            rows[key_name(field)] = value
    return rows


def describe(section: type[Any], path: str) -> Iterator[tuple[str, str, str, str]]:
    """Rows (key, what it may hold, default, documentation) of a section and the tables in it, for the reference."""
    for field in dataclasses.fields(section):
        kind: Kind = field.metadata["kind"]
        yield f"{path}.{key_name(field)}", kind.words, _default(field), field.metadata["doc"]


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is MISSING:
        return "required"
    value = None if field.metadata["derived"] else field.metadata["kind"].write(field.default)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
