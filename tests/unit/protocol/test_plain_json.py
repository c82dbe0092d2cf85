"""JSON from outside: whatever it holds, the process lives."""

import sys
from collections.abc import Iterator

import pytest

from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.plain import read_plain, write_plain


@pytest.fixture
def raised_recursion_limit() -> Iterator[None]:
    """What a process that imports a library for elliptic curves runs with."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("raised_recursion_limit")
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'["",' * 100_000,
        b'["\\"",' * 100_000,
        b'["]",' * 100_000,
        b'["\\\\",' * 100_000,
        b'"' + b"[" * 10 + b'",' + b"[" * 500_000,
        b'"' + b"[" * 100_000,
    ],
)
def test_deep_nesting_is_refused_before_it_is_parsed(content: bytes) -> None:
    with pytest.raises(Malformed):
        read_plain(content, 1 << 23)


def test_countless_values_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(LimitExceeded):
        read_plain(b"[" + b"[]," * 1_000_000 + b"[]]", 1 << 23)
    assert len(read_plain(b"[" + b"1," * 100_000 + b"1]", 1 << 23)) == 100_001


def test_depth_counts_brackets_outside_of_texts_only() -> None:
    assert read_plain(b"[" * 32 + b"]" * 32, 1000)
    with pytest.raises(LimitExceeded):
        read_plain(b"[" * 33 + b"]" * 33, 1000)
    assert read_plain(b'["' + b"[" * 100 + b'"]', 1000) == ["[" * 100]
    assert read_plain(b'["\\"' + b"[" * 100 + b'"]', 1000) == ['"' + "[" * 100]
    assert read_plain(b"[" + b"[]," * 100 + b"[]]", 1000) == [[]] * 101


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe[\x00]\x00",
        b"\x00",
        b"nul",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1,"a":2}',
        b'[{"b":{"a":1,"a":1}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[1e999]",
        b"9" * 5000,
        b'"\n"',
        b'"\\u12"',
        b"1 2",
    ],
)
def test_what_is_not_strict_json_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        read_plain(content, 10_000)


def test_length_is_limited_first() -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_plain(b"[" * 11, 10)
    assert caught.value.fields == {"limit": 10, "actual": 11}


def test_canonical_json_round_trips() -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ä": "\n", "z": -0.0}}
    content = write_plain(value)
    assert content == b'{"a":{"z":-0.0,"\\u00e4":"\\n"},"b":[1,2.5,null,true]}'
    assert read_plain(content, 1000) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_plain([float("nan")])
