"""Elements, sums, inner products, integers of groups: `Integers` on an EVM against the plain-integer reference."""

import json
import random
from collections.abc import Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.arbiter.harness import Harness
from tests.properties.exact.drawn import EDGES, FLOATS, finite, near_edge, pattern_of
from tests.reference import arrays, groups
from tests.reference.arrays import Array
from tests.reference.binary32 import INFINITE, SIGN, SIZE, parts, shift_even
from tests.reference.groups import PROFILES, group_exponent, quantise_one, sum_profile

CODES = {"F32": 1, "I16": 4, "I32": 5, "I64": 6, "BOOL": 8}
BYTES = {"F32": 4, "I16": 2, "I32": 4, "I64": 8, "BOOL": 1}
DOT_GAS = {2: 8_300, 4: 17_000}
SUM_GAS = {"I16": 4_400, "I32": 7_300, "I64": 13_000, "BOOL": 2_900}
SUM_AT_GAS = 51_000
LOAD_GAS = 1_100
GROUP_GAS = 5_500
FAR = 1 << 200
"""A size from which `quantise` tells no numbers apart."""
HUGE = (1 << 255, (1 << 256) - 1, (1 << 256) - 32, 1 << 64, 1 << 32)
WIDE = st.integers(-(1 << 255), (1 << 255) - 1) | st.sampled_from([-(1 << 255), (1 << 255) - 1, -1, 0, 1, 31, 1 << 17])
VECTORS = Path(__file__).parents[3] / "vectors" / "exact" / "primitives.json"


@cache
def harness() -> Harness:
    return Harness("IntegersHarness")


def stored(items: Sequence[int], dtype: str) -> bytes:
    """Little endian, as tensors are."""
    size = BYTES[dtype]
    return b"".join((item % (1 << 8 * size)).to_bytes(size, "little") for item in items)


def limits(dtype: str) -> tuple[int, int]:
    """The least and the largest integer."""
    if dtype in ("F32", "BOOL"):
        return 0, (1 << 8 * BYTES[dtype]) - 1 if dtype == "F32" else 1
    half = 1 << (8 * BYTES[dtype] - 1)
    return -half, half - 1


def drawn(draw: random.Random, dtype: str, count: int) -> list[int]:
    """Any, or limits alone."""
    low, high = limits(dtype)
    if draw.randrange(3) == 0:
        return [draw.choice((low, high, 0, 1, max(low, -1))) for _ in range(count)]
    return [draw.randint(low, high) for _ in range(count)]


def dot(left: Sequence[int], right: Sequence[int], dtype: str, shifts: tuple[int, int], rest: bytes = b"") -> int:
    """With bytes before and after that do not belong to it."""
    before = [bytes(255 - each % 7 for each in range(shift)) for shift in shifts]
    a, b = (head + stored(items, dtype) + rest for head, items in zip(before, (left, right), strict=True))
    ok, total, spent = harness().call("dot", a, shifts[0], b, shifts[1], len(left), BYTES[dtype])
    assert ok
    assert spent <= DOT_GAS[BYTES[dtype]], spent
    return int(total)


@pytest.mark.parametrize("dtype", ["I16", "I32"])
def test_inner_products_are_exact(dtype: str) -> None:
    draw = random.Random(1)
    for count in (*range(1, 36), 47, 48, 63, 64, 65, 127, 128, 200, 240, 255, 256):
        left, right = drawn(draw, dtype, count), drawn(draw, dtype, count)
        shifts, rest = (draw.randint(0, 40), draw.randint(0, 40)), draw.randbytes(draw.choice((0, 1, 50)))
        assert dot(left, right, dtype, shifts, rest) == sum(map(int.__mul__, left, right)), (count, shifts)
    low, high = limits(dtype)
    for first in (low, high, -1, 0, 1):
        for second in (low, high, -1, 1):
            for count in (1, 2, 15, 16, 17, 255, 256):
                assert dot([first] * count, [second] * count, dtype, (1, 0)) == count * first * second
    alternating = [low, high] * 128
    for right in (alternating, alternating[::-1], [low] * 256):
        assert dot(alternating, right, dtype, (0, 3)) == sum(map(int.__mul__, alternating, right))


@pytest.mark.parametrize("dtype", ["I16", "I32"])
def test_each_pair_counts_alone(dtype: str) -> None:
    for at in (*range(20), 250, 255):
        left, right = [0] * 256, [limits(dtype)[1]] * 256
        left[at], right[at] = -3, limits(dtype)[0]
        assert dot(left, right, dtype, (0, 0)) == -3 * limits(dtype)[0]


@pytest.mark.parametrize("dtype", ["I16", "I32", "I64", "BOOL"])
def test_sums_are_exact(dtype: str) -> None:
    draw, size = random.Random(2), BYTES[dtype]
    low, high = limits(dtype)
    rows = [drawn(draw, dtype, count) for count in (*range(36), 63, 64, 65, 128, 200, 255, 256)]
    rows += [[each] * count for each in (low, high, max(low, -1)) for count in (1, 255, 256)]
    for row in rows:
        offset = draw.randint(0, 40)
        content = draw.randbytes(offset) + stored(row, dtype) + draw.randbytes(draw.choice((0, 1, 50)))
        ok, total, spent = harness().call("sum", content, offset, len(row), CODES[dtype])
        assert (ok, total) == (True, sum(row)), (len(row), offset)
        assert spent <= SUM_GAS[dtype], spent
        wrapped = harness().call("wrap", total)
        assert wrapped == groups.integer_sum(Array(dtype, (len(row),), row)).items[0]
        assert not harness().call("sum", content, len(content) - len(row) * size + 1, len(row) or 1, CODES[dtype])[0]


def test_a_boolean_is_0_or_1() -> None:
    for value in (2, 3, 128, 254, 255):
        for at in (0, 30, 31, 32, 69):
            content = bytearray(70)
            content[at] = value
            assert not harness().call("sum", bytes(content), 0, 70, CODES["BOOL"])[0]
            assert harness().call("sum", bytes(content), at + 1, 69 - at, CODES["BOOL"])[:2] == (True, 0)
            assert harness().call("sum", bytes(content), 0, at, CODES["BOOL"])[:2] == (True, 0)
            assert harness().call("load", bytes(content), [at], CODES["BOOL"])[0] == (False,)


def test_elements_are_little_endian() -> None:
    draw = random.Random(3)
    for dtype, size in BYTES.items():
        low, high = limits(dtype)
        items = [low, high, *drawn(draw, dtype, 20)]
        content = b"\xff\x01\x80" + stored(items, dtype)
        oks, values, most = harness().call("load", content, [3 + size * at for at in range(len(items))], CODES[dtype])
        assert (set(oks), list(values)) == ({True}, items)
        assert most <= LOAD_GAS, most
        outside = [len(content) - size + 1, len(content), *HUGE]
        assert not any(harness().call("load", content, outside, CODES[dtype])[0])
    for code in (0, 2, 3, 7, 9, *HUGE):
        assert harness().call("load", bytes(64), [0], code)[0] == (False,)


@pytest.mark.parametrize("dtype", ["I16", "I32"])
def test_rows_are_summed_at_their_index(dtype: str) -> None:
    draw, size = random.Random(4), BYTES[dtype]
    low, high = limits(dtype)
    for count in (*range(1, 12), 31, 100, 255, 256):
        width = draw.choice((1, 1, 2, 3, 7))
        rows = draw.choice(([low] * count * width, [high] * count * width, drawn(draw, dtype, count * width)))
        places = [draw.choice((0, 0, 1, 2, -1, -2, 1 << 62, -(1 << 63))) for _ in range(count)]
        before, after = draw.randint(0, 9), draw.randint(0, 9)
        content, indices = draw.randbytes(before) + stored(rows, dtype), draw.randbytes(after) + stored(places, "I64")
        wanted = groups.integer_sum_at(Array(dtype, (count, width), rows), Array("I64", (count,), places), (3, width))
        for target in range(3):
            for column in {0, width - 1}:
                offset = before + size * column
                ok, total, spent = harness().call(
                    "sumAt", content, offset, size * width, CODES[dtype], indices, after, count, target
                )
                assert (ok, total) == (True, wanted.items[target * width + column])
                assert spent <= SUM_AT_GAS, spent
        for target in (-1, -(1 << 63), 1 << 63, (1 << 64) - 1, -(1 << 255)):
            total = harness().call(
                "sumAt", content, before, size * width, CODES[dtype], indices, after, count, target
            )[1]  # fmt: skip
            assert total == sum(row for row, place in zip(rows[::width], places, strict=True) if place == target)


def seen(value: int) -> int:
    return max(min(value, FAR), -FAR)


def check_groups(patterns: Sequence[int], bits: int, limit: int, exponents: Sequence[int]) -> None:
    for e in exponents:
        values, small, needed, most = harness().call("grouped", patterns, bits, limit, e)
        wanted = [quantise_one(pattern, e, bits) for pattern in patterns]
        assert list(map(seen, values)) == list(map(seen, wanted)), (bits, e)
        assert list(small) == [abs(value) > limit for value in values], (bits, limit, e)
        assert list(needed) == [group_exponent(pattern & SIZE, bits, limit) for pattern in patterns], (bits, limit)
        assert most <= GROUP_GAS, most


ALL_PROFILES = [
    *PROFILES.values(),
    *(sum_profile(length) for length in (2, 3, 65_536, 1 << 40)),
    (2, 1),
    (30, 536_870_911),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=20), st.sampled_from(ALL_PROFILES), st.integers(-30, 30))
def test_integers_of_groups_follow_the_reference(patterns: list[int], profile: tuple[int, int], offset: int) -> None:
    bits, limit = profile
    own = group_exponent(max(pattern & SIZE for pattern in patterns), bits, limit)
    check_groups(patterns, bits, limit, (own, own + 1, own - 1, own + offset))


def test_ties_and_ends_of_ranges() -> None:
    for bits, limit in ALL_PROFILES:
        # Next to the limit and half a unit above it, at all sizes.
        near = [pattern_of(float((2 * limit + 1) << 7)) + offset for offset in (-2, -1, 0, 1, 2)]
        patterns = [
            pattern | sign
            for field in (-30, -1, 0, 1, 30)
            for pattern in (each + (field << 23) for each in near)
            for sign in (0, SIGN)
        ]
        subnormal = [sign | each for each in (0, 1, 2, 3, 5, 0x40_0000, 0x7F_FFFF, 0x80_0000) for sign in (0, SIGN)]
        ends = [near_edge(edge, offset, 0) for edge in (*EDGES[:12], INFINITE - 1) for offset in (-1, 0, 1)]
        everything = [*patterns, *subnormal, *ends]
        check_groups(everything, bits, limit, (-148, -140, -127, -1, 0, 1, bits - 1, 20, 128, 129))
    halves = [pattern_of(each / 2) | sign for each in range(70) for sign in (0, SIGN)]
    check_groups(halves, 8, 127, (7, 8, 9, 6))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, (1 << 256) - 1) | st.integers(0, 0xFFFF_FFFF), WIDE, WIDE, WIDE)
def test_groups_take_any_arguments(pattern: int, bits: int, limit: int, e: int) -> None:
    values, small, _, most = harness().call("grouped", [pattern], bits, limit, e)
    assert most <= GROUP_GAS, most
    if all(abs(each) < 1 << 15 for each in (bits, e)) and pattern & INFINITE != INFINITE:
        magnitude, unit = parts(pattern)
        exact = shift_even(magnitude, unit + bits - 1 - e)
        assert abs(values[0]) == exact if exact < FAR else abs(values[0]) >= FAR
        assert small[0] == (abs(values[0]) > limit)


def test_only_what_exponent_takes_is_a_profile() -> None:
    for bits in (-(1 << 255), -1, 0, 1, 2, 3, 8, 15, 22, 29, 30, 31, 256, (1 << 255) - 1):
        half = 1 << (bits - 2) if 2 <= bits < 40 else 64
        for limit in (
            -(1 << 255),
            -1,
            0,
            1,
            half - 1,
            half,
            half + 1,
            2 * half - 2,
            2 * half - 1,
            2 * half,
            2 * half + 1,
        ):
            wanted = 2 <= bits <= 30 and limit % 2 == 1 and (1 << (bits - 1)) > limit >= 1 << (bits - 2)
            assert harness().call("isProfile", bits, limit) == wanted, (bits, limit)


def test_integers_wrap() -> None:
    draw = random.Random(5)
    for value in (
        0,
        -1,
        (1 << 63) - 1,
        1 << 63,
        -(1 << 63),
        -(1 << 63) - 1,
        1 << 64,
        -(1 << 255),
        draw.getrandbits(254),
    ):
        assert harness().call("wrap", value) == groups.wrap(value)


def read(entry: dict[str, Any]) -> Array:
    return Array(entry["type"], tuple(entry["shape"]), list(map(int, entry["items"])))


def test_the_frozen_vectors_are_given() -> None:
    rows: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))
    names = set()
    for row in rows:
        name, at, inputs = row["name"], row["attributes"], [read(each) for each in row["inputs"]]
        if name in ("exponent", "quantise", "contract", "integer_sum", "integer_sum_at", "to_integer"):
            names.add(name)
            given_items = arranged(name, at, inputs, tuple(row["result"]["shape"]))
            assert given_items == read(row["result"]).items, name
    assert len(names) == 6


def arranged(name: str, at: list[int], inputs: list[Array], shape: tuple[int, ...]) -> list[int]:
    """The result of a use, element by element."""
    first = inputs[0]
    call, code = harness().call, CODES[first.dtype]
    content, size = stored(first.items, first.dtype), BYTES[first.dtype]
    if name == "to_integer":
        return list(call("load", content, range(0, len(content), size), code)[1])
    if name == "exponent":
        owners = arrays.expand(Array("I64", shape, list(range(prod(shape)))), first.shape).items
        largest = [max(item & SIZE for item, owner in zip(first.items, owners, strict=True) if owner == group)
                   for group in range(prod(shape))]  # fmt: skip
        return list(call("grouped", largest, at[1], at[2], 0)[2])
    if name == "quantise":
        exponents = arrays.expand(inputs[1], first.shape).items
        return [call("grouped", [item], at[0], 1, e)[0][0] for item, e in zip(first.items, exponents, strict=True)]
    if name == "integer_sum":
        length = first.shape[-1]
        sums = [call("sum", content, size * length * row, length, code)[1] for row in range(prod(shape))]
        return [call("wrap", each) for each in sums]
    second = stored(inputs[1].items, inputs[1].dtype)
    if name == "contract":
        batch, rows, columns = shape
        step = size * first.shape[2]
        return [
            call("dot", content, (s * rows + m) * step, second, (s * columns + n) * step, first.shape[2], size)[1]
            for s in range(batch) for m in range(rows) for n in range(columns)
        ]  # fmt: skip
    count, width = shape
    return [
        call("sumAt", content, size * column, size * width, code, second, 0, first.shape[0], target)[1]
        for target in range(count) for column in range(width)
    ]  # fmt: skip


def test_bytes_that_are_missing_are_told() -> None:
    call = harness().call
    a = bytes(range(200))
    for at, count, ok in (
        (0, 100, True),
        (1, 100, False),
        (0, 101, False),
        (200, 0, True),
        (201, 0, False),
        (198, 1, True),
    ):
        assert call("dot", a, at, bytes(512), 0, count, 2)[0] == ok, (at, count)
        assert call("dot", bytes(512), 0, a, at, count, 2)[0] == ok, (at, count)
        assert call("sum", a, at, count, CODES["I16"])[0] == ok, (at, count)
    for count in (257, *HUGE):
        assert not call("dot", bytes(4_000), 0, bytes(4_000), 0, count, 2)[0]
        assert not call("sum", bytes(4_000), 0, count, CODES["I16"])[0]
        assert not call("sumAt", bytes(4_000), 0, 2, CODES["I16"], bytes(4_000), 0, count, 0)[0]
    for size in (0, 1, 3, 8, *HUGE):
        assert not call("dot", bytes(64), 0, bytes(64), 0, 1, size)[0]
    for stride, ok in ((2, True), (0, True), (12, True), (13, False), (1 << 255, False), ((1 << 256) - 2, False)):
        assert call("sumAt", bytes(38), 0, stride, CODES["I16"], bytes(32), 0, 4, 0)[0] == ok, stride
    # Steps that lead around the word, back to the first element.
    for stride, count in ((1 << 255, 3), (1 << 254, 5), (1 << 248, 256)):
        assert not call("sumAt", bytes(38), 0, stride, CODES["I16"], bytes(2_048), 0, count, 0)[0], stride
    for place, ok in ((0, True), (1, False), *((each, False) for each in HUGE)):
        assert call("sumAt", bytes(8), 0, 2, CODES["I16"], bytes(32), place, 4, 0)[0] == ok, place
        assert call("sumAt", bytes(8), place, 2, CODES["I16"], bytes(32), 0, 4, 0)[0] == ok, place


def test_nothing_reverts_whatever_the_arguments() -> None:
    draw, call = random.Random(6), harness().call

    def word() -> int:
        return draw.choice((0, 1, 2, 4, 5, 6, 8, 30, 255, 256, 257, draw.getrandbits(256), draw.randrange(64), *HUGE))

    for _ in range(150):
        a, b = draw.randbytes(draw.choice((0, 1, 31, 64, 600))), draw.randbytes(draw.choice((0, 8, 63, 600)))
        assert call("dot", a, word(), b, word(), word(), word())[2] <= DOT_GAS[4]
        assert call("sum", a, word(), word(), word())[2] <= SUM_GAS["I64"]
        assert call("load", a, [word()], word())[2] <= LOAD_GAS
        target = draw.choice((finite(draw.getrandbits(32)), -(1 << 255), 0))
        assert call("sumAt", a, word(), word(), word(), b, word(), word(), target)[2] <= SUM_AT_GAS
