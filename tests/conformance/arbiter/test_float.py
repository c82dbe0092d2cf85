"""The arbiter's floats give the bits that section 2 and section 6 of docs/reference/exact-arithmetic.md define.

numpy's float32 has basic operations by the same definition; where it is not finite the arbiter says `FAULT`. Functions
and `scale` are held against the reference in plain integers, and functions against what a job computes, too.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from assay.exact import elementwise
from tests.conformance.arbiter.harness import Harness
from tests.reference import binary32, functions
from tests.reference.binary32 import INFINITE, SIGN, SIZE, NotFinite

Patterns = NDArray[np.uint32]
Words = NDArray[np.uint8]
"""[cases, 32], big endian."""

FAULT = 0x7FC0_0000
CHUNK = 20_000
GAS = {
    "isFinite": (85, 95), "neg": (115, 115), "abs": (110, 110), "add": (445, 850), "sub": (450, 850),
    "mul": (365, 1_150), "div": (410, 1_200), "sqrt": (530, 850), "maximum": (335, 345), "minimum": (335, 345),
    "eq": (270, 270), "ne": (270, 270), "gt": (270, 270), "ge": (270, 270), "lt": (270, 270), "le": (270, 270),
    "whole": (225, 300), "integer": (225, 550), "scale": (555, 700), "exp": (9_000, 16_000), "log": (12_250, 16_000),
    "tanh": (8_750, 14_000), "erf": (11_400, 20_000), "sin": (7_100, 13_000), "cos": (7_500, 13_000),
}  # fmt: skip
"""What a call costs at most: on average over normal operands of similar size, and whatever the words are."""
SIZES = (
    0, 1, 2, 3, 0x3F_FFFF, 0x40_0000, 0x7F_FFFE, 0x7F_FFFF, 0x80_0000, 0x80_0001, 0xFF_FFFF, 0x100_0000,
    0x1F80_0000, 0x2000_0000, 0x337F_FFFF, 0x3380_0000, 0x3380_0001, 0x3400_0000, 0x3EFF_FFFF, 0x3F00_0000,
    0x3F00_0001, 0x3F7F_FFFF, 0x3F80_0000, 0x3F80_0001, 0x3FC0_0000, 0x4000_0000, 0x4020_0000, 0x4AFF_FFFF,
    0x4B00_0000, 0x4B00_0001, 0x4B7F_FFFF, 0x4B80_0000, 0x5F7F_FFFF, 0x5F80_0000, 0x72FF_FFFF, 0x7300_0000,
    0x7300_0001, 0x7E7F_FFFF, 0x7F00_0000, 0x7F7F_FFFE, 0x7F7F_FFFF, INFINITE, INFINITE + 1, FAULT, SIZE,
)  # fmt: skip
EDGES = np.array([sign | size for size in SIZES for sign in (0, SIGN)], np.uint32)
THRESHOLDS = (
    0x42AE_0000, 0x42B2_0000, 0x42B1_7218, 0x42B4_0000, 0x3F35_04F3, 0x3FB5_04F3, 0x3F20_0000, 0x41A0_0000,
    0x3F80_0000, 0x40C0_0000, 0x3F49_0FDB, 0x3FC9_0FDB, 0x4049_0FDB, 0x4096_CBE4, 0x40C9_0FDB,
)  # fmt: skip
"""Where functions take another branch, and multiples of a quarter of pi."""


@pytest.fixture(scope="module")
def floats() -> Harness:
    return Harness("FloatHarness")


def run(floats: Harness, name: str, *operands: Words) -> tuple[Words, NDArray[np.int64]]:
    """Results of one operation on many cases, and the gas of each call."""
    results, gas = _measured(floats, name, *operands)
    assert gas.max() <= GAS[name][1], f"{name} takes {gas.max()} gas"
    return results, gas


def _measured(floats: Harness, name: str, *operands: Words) -> tuple[Words, NDArray[np.int64]]:
    answer = floats.call(name, np.concatenate(operands, axis=1).tobytes())
    words = np.frombuffer(answer, np.uint8).reshape(-1, 2, 32)
    gas = words[:, 1, 24:].copy().view(">i8")[:, 0].astype(np.int64)
    return words[:, 0], gas if name == "second" else gas - _cost_of_measuring(floats)


def _cost_of_measuring(floats: Harness) -> int:
    blank = np.zeros((1, 32), np.uint8)
    return int(_measured(floats, "second", blank, blank)[1][0])


def words_of(patterns: Patterns, rng: np.random.Generator) -> Words:
    """Patterns below 224 bits of anything."""
    words = rng.integers(0, 256, (len(patterns), 32), np.uint8)
    words[:, 28:] = patterns.astype(">u4").view(np.uint8).reshape(-1, 4)
    return words


def patterns_of(words: Words) -> Patterns:
    assert not words[:, :28].any()
    return words[:, 28:].copy().view(">u4")[:, 0].astype(np.uint32)


def given(floats: Harness, name: str, rng: np.random.Generator, *operands: Patterns) -> Patterns:
    """Results as patterns, of operands as patterns."""
    return patterns_of(run(floats, name, *(words_of(each, rng) for each in operands))[0])


def same(name: str, found: Patterns, expected: Patterns, *operands: Patterns) -> None:
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        at = wrong[0]
        shown = ", ".join(f"{each[at]:08x}" for each in operands)
        pytest.fail(f"{name}({shown}) is {found[at]:08x}, not {expected[at]:08x}; so {len(wrong)} of {len(found)}")


def faults(results: NDArray[np.float32], *operands: Patterns) -> Patterns:
    """The patterns of results, FAULT where one of them or of their operands is not finite."""
    patterns = results.view(np.uint32).copy()
    patterns[~np.isfinite(results)] = FAULT
    return strict(patterns, *operands)


def strict(patterns: Patterns, *operands: Patterns) -> Patterns:
    for each in operands:
        patterns = np.where(finite(each), patterns, np.uint32(FAULT))
    return patterns


def finite(patterns: Patterns) -> NDArray[np.bool_]:
    answer: NDArray[np.bool_] = patterns & INFINITE != INFINITE
    return answer


def real(patterns: Patterns) -> NDArray[np.float32]:
    return patterns.view(np.float32)


# What is drawn.


def made(sign: NDArray[np.int64], field: NDArray[np.int64], fraction: NDArray[np.int64]) -> Patterns:
    return (sign << 31 | np.clip(field, 0, 254) << 23 | fraction & 0x7F_FFFF).astype(np.uint32)


def drawn(rng: np.random.Generator, count: int, field: NDArray[np.int64], zeros: int = 0) -> Patterns:
    """Patterns with these fields; the fraction's last bits are zeros."""
    return made(rng.integers(0, 2, count), field, rng.integers(0, 1 << 23, count) >> zeros << zeros)


def pairs(rng: np.random.Generator, count: int) -> tuple[Patterns, Patterns]:
    """Operands of two: each kind draws an equal share."""
    part = -(-count // 10)
    any_field = rng.integers(0, 255, part)
    a = drawn(rng, part, any_field)
    normal = drawn(rng, part, rng.integers(25, 255, part))
    low = rng.integers(0, 3, part)
    edge = np.where(rng.integers(0, 2, part), rng.integers(-24, 4, part), rng.integers(252, 257, part))
    half = normal - np.uint32(24 << 23) & np.uint32(0x7F80_0000)
    with np.errstate(all="ignore"):
        middle = real(normal).astype(np.float64) * (2 * rng.integers(1 << 23, 1 << 24, part) + 1)
        divided = (middle * 2.0**-24).astype(np.float32).view(np.uint32)
    kinds = (
        (rng.integers(0, 1 << 32, part).astype(np.uint32), rng.integers(0, 1 << 32, part).astype(np.uint32)),
        (a, drawn(rng, part, any_field + rng.integers(-3, 4, part))),
        (a, drawn(rng, part, any_field + rng.integers(-45, 46, part), 18)),
        (a, (a ^ rng.integers(0, 8, part).astype(np.uint32)) ^ np.uint32(SIGN)),
        (drawn(rng, part, low), drawn(rng, part, rng.integers(0, 255, part) * rng.integers(0, 2, part))),
        (a, drawn(rng, part, edge + 127 - any_field)),
        (a, drawn(rng, part, any_field + 127 - edge, 20)),
        # Products of 25 bits, of which the last is a half.
        (
            drawn(rng, part, any_field, 12) | np.uint32(1 << 12),
            drawn(rng, part, 254 - any_field, 11) | np.uint32(1 << 11),
        ),
        # Half of the last bit, and its neighbours.
        (
            normal,
            (half + rng.integers(-1, 2, part)).astype(np.uint32) ^ rng.integers(0, 2, part).astype(np.uint32) << 31,
        ),
        (divided, normal),
    )
    first, second = (np.concatenate([kind[side] for kind in kinds]) for side in (0, 1))
    swapped = rng.integers(0, 2, len(first)).astype(bool)
    swapped[-part:] = False
    return np.where(swapped, second, first)[-count:], np.where(swapped, first, second)[-count:]


def singles(rng: np.random.Generator, count: int) -> Patterns:
    """Operands of one, and squares next to the middle of two roots."""
    a, _ = pairs(rng, count)
    roots = 2 * rng.integers(1 << 23, 1 << 24, count // 4) + 1
    squares = roots.astype(np.float64) ** 2 * 2.0 ** rng.integers(-180, 70, count // 4)
    a[: count // 4] = squares.astype(np.float32).view(np.uint32)
    a[::2] = np.where(finite(a[::2]), a[::2] & SIZE, a[::2])
    return a


def arguments(rng: np.random.Generator, count: int) -> Patterns:
    """Arguments of functions: of every size, and many of those that functions are asked for."""
    part = count // 4
    near = np.array([base + step for base in THRESHOLDS for step in range(-2, 3)], np.uint32)
    ladder = np.exp2(rng.uniform(-30, 40, part)) * rng.choice((-1.0, 1.0), part)
    quarters = rng.integers(-(1 << 14), 1 << 14, part) * (np.pi / 4)
    values = np.concatenate([rng.normal(0, 3, part), rng.uniform(-110, 110, part), ladder, quarters]).astype(np.float32)
    edges = np.concatenate([EDGES, near, near | np.uint32(SIGN)])
    rest = rng.integers(0, 1 << 32, max(count - len(edges) - len(values), part // 2)).astype(np.uint32)
    return np.concatenate([edges, values.view(np.uint32), rest])


# Basic operations.

Pair = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
Relation = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.bool_]]
ARITHMETIC: dict[str, Pair] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
}
RELATIONS: dict[str, Relation] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
}
COUNTS = (20_000, pytest.param(1_000_000, marks=pytest.mark.long))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [*ARITHMETIC, *RELATIONS])
def test_two_operands(floats: Harness, name: str, count: int) -> None:
    rng = np.random.default_rng(len(name) * count)
    a, b = (each.reshape(-1) for each in np.meshgrid(EDGES, EDGES))
    held(floats, name, a, b, rng)
    for _ in range(-(-(count - len(a)) // CHUNK)):
        held(floats, name, *pairs(rng, min(count, CHUNK)), rng)


def held(floats: Harness, name: str, a: Patterns, b: Patterns, rng: np.random.Generator) -> None:
    with np.errstate(all="ignore"):
        if name in ARITHMETIC:
            expected = faults(ARITHMETIC[name](real(a), real(b)), a, b)
        else:
            expected = strict(RELATIONS[name](real(a), real(b)).astype(np.uint32), a, b)
    same(name, given(floats, name, rng, a, b), expected, a, b)


@pytest.mark.parametrize("count", COUNTS)
def test_roots(floats: Harness, count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(count // CHUNK):
        a = np.concatenate([EDGES, singles(rng, CHUNK)])
        with np.errstate(all="ignore"):
            expected = faults(np.sqrt(real(a)), a)
        same("sqrt", given(floats, "sqrt", rng, a), expected, a)


def test_one_operand(floats: Harness) -> None:
    rng = np.random.default_rng(1)
    small = rng.uniform(-300, 300, 2_000).astype(np.float32)
    halves = (rng.integers(-(1 << 23), 1 << 23, 2_000) / 2).astype(np.float32)
    a = np.concatenate([EDGES, singles(rng, CHUNK), small.view(np.uint32), halves.view(np.uint32)])
    same("neg", given(floats, "neg", rng, a), strict(a ^ np.uint32(SIGN), a), a)
    same("abs", given(floats, "abs", rng, a), strict(a & np.uint32(SIZE), a), a)
    same("isFinite", given(floats, "isFinite", rng, a), finite(a).astype(np.uint32), a)
    with np.errstate(all="ignore"):
        whole = faults(np.rint(real(a)), a)
    same("whole", given(floats, "whole", rng, a), whole, a)
    whole = whole[finite(whole)]
    integers, _ = run(floats, "integer", words_of(whole, rng))
    for pattern, word in zip(whole, integers, strict=True):
        assert int.from_bytes(word.tobytes(), signed=True) == int(real(np.array([pattern]))[0])


# One rounding of a product with a power of two.


def test_scale(floats: Harness) -> None:
    rng = np.random.default_rng(2)
    cases = [*edge_scales(), *drawn_scales(rng, 20_000)]
    results, _ = run(floats, "scale", *(integer_words([case[side] for case in cases]) for side in (0, 1)))
    expected = np.array([fault_of(binary32.scaled, *case) for case in cases], np.uint32)
    found = patterns_of(results)
    wrong = np.flatnonzero(found != expected)
    assert not len(wrong), f"{cases[wrong[0]]} gives {found[wrong[0]]:08x}, not {expected[wrong[0]]:08x}"


def edge_scales() -> list[tuple[int, int]]:
    sizes = (0, 1, 3, (1 << 24) - 1, (1 << 24) + 1, (1 << 25) - 1, (1 << 25) + 1, (1 << 63) - 1, 1 << 63)
    large = ((1 << 64) - 1, (1 << 128) - 1, 1 << 128, (1 << 200) - 1, (1 << 255) - 1, 1 << 255)
    ends = (0, 1, -1, -148, -149, -150, -151, -174, 103, 104, 127, 128, 1000, 1001, -1000, -1001, 1 << 200)
    far = ((1 << 255) - 1, -(1 << 255), -(1 << 200))
    signed = [sign * size for size in (*sizes, *large) for sign in (1, -1) if sign * size < 1 << 255]
    return [(c, e) for c in signed for e in (*ends, *far)]


def drawn_scales(rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
    """Results of every size, and ties of 24 bits and a half, where the last bit of all may make them none."""
    cases = []
    for _ in range(count):
        wide, low, step, spot, tie = (int(each) for each in rng.integers(0, 1 << 30, 5))
        c = int.from_bytes(rng.bytes(25)) >> wide % 200 | 1
        if tie % 2:
            c = ((c >> 1 & 0xFF_FFFF) << 1 | 1) << low % 170
            c = max(c + step % 3 - 1, 1)
        top = (spot % 400 - 200, spot % 30 - 152, spot % 4 + 125, c.bit_length())[tie % 4]
        cases.append((c if tie >> 2 & 1 else -c, top - c.bit_length()))
    return cases


def integer_words(values: list[int]) -> Words:
    return np.frombuffer(b"".join(each.to_bytes(32, signed=True) for each in values), np.uint8).reshape(-1, 32)


def fault_of(function: Callable[..., int], *operands: int) -> int:
    try:
        return function(*operands)
    except NotFinite:
        return FAULT


# Functions.

FUNCTIONS = ("exp", "log", "tanh", "erf", "sin", "cos")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_the_reference(floats: Harness, name: str) -> None:
    rng = np.random.default_rng(3)
    a = arguments(rng, 1_500)
    found = given(floats, name, rng, a)
    function = getattr(functions, name)
    expected = np.array(
        [fault_of(function, int(each)) if binary32.is_finite(int(each)) else FAULT for each in a], np.uint32
    )
    same(name, found, expected, a)


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_what_a_job_computes(floats: Harness, name: str, count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(count // CHUNK):
        a = arguments(rng, CHUNK)
        a = a[finite(a)]
        computed = getattr(elementwise, name)(torch.from_numpy(real(a).copy())).numpy()
        same(name, given(floats, name, rng, a), faults(computed), a)


# Totality and gas.


@pytest.mark.parametrize("name", GAS)
def test_any_words_give_a_result_in_bounded_gas(floats: Harness, name: str) -> None:
    rng = np.random.default_rng(4)
    words = rng.integers(0, 256, (6_000, 32), np.uint8)
    words[:2_000] = words_of(rng.choice(EDGES, 2_000), rng)
    words[2_000:3_000, :31] = 0
    words[3_000:4_000, :31] = 255
    rng.shuffle(words)
    results, gas = run(floats, name, words, rng.permutation(words)) if takes_two(name) else run(floats, name, words)
    assert gas.min() >= 0
    assert name == "integer" or len(patterns_of(results)) == len(words)


@pytest.mark.parametrize("name", GAS)
def test_usual_words_take_the_gas_that_is_said(floats: Harness, name: str) -> None:
    _, gas = usual(floats, name)
    assert gas.mean() <= GAS[name][0]


def usual(floats: Harness, name: str) -> tuple[Words, NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    patterns = [drawn(rng, 4_000, rng.integers(120, 135, 4_000)) for _ in range(2)]
    if name in ("sqrt", "log"):
        patterns[0] &= np.uint32(SIZE)
    operands = [words_of(each, rng) for each in patterns]
    if name == "scale":
        operands = [
            integer_words([int(each) for each in rng.integers(-8, 8, 4_000) << 40]),
            integer_words([-30] * 4_000),
        ]
    return run(floats, name, *(operands if takes_two(name) else operands[:1]))


def takes_two(name: str) -> bool:
    return name in ARITHMETIC or name in RELATIONS or name == "scale"
