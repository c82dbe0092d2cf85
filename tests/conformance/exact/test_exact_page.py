"""The written specification says what the code and the reference do: opcodes, constants, zeros, profiles, links."""

import re
from pathlib import Path

import pytest

from assay.exact import elementwise
from assay.exact.primitives import BY_OPCODE
from assay.exact.profile import PROFILES
from assay.exact.random import MULTIPLIER_0, MULTIPLIER_1, WEYL_0, WEYL_1
from assay.exact.reduce import sum_bits, sum_limit
from assay.exact.values import TORCH_DTYPES
from assay.protocol.merkle import DTYPE_CODES
from tests.properties.exact.drawn import pattern_of
from tests.reference import binary32, functions, groups
from tests.reference import philox as words

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/exact-arithmetic.md").read_text(encoding="utf-8")
SECTIONS = {int(number): body for number, body in re.findall(r"^## (\d+) [^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)}
FUNCTIONS = {
    "exp": (elementwise.LOG2_E, elementwise.LN2_HIGH, elementwise.LN2_LOW, elementwise.EXP_TERMS, -87.0, 89.0, 1.0),
    "log": (elementwise.LN2_HIGH, elementwise.LN2_LOW, elementwise.LOG_TERMS, 0.70710678118654752440, 0.5, 1.0),
    "tanh": (elementwise.TANH_TERMS, 0.625, 20.0, 40.0, 1.0, 2.0),
    "erf": (elementwise.ERF_TERMS, elementwise.ERF_TAIL_TERMS, elementwise.ERF_TAIL_SLOPE, 6.0, 1.0),
    "sin and cos": (
        *(elementwise.TWO_OVER_PI, elementwise.HALF_PI_PARTS, elementwise.SIN_TERMS, elementwise.COS_TERMS, 0.5, 1.0),
    ),
}


def rows(section: int) -> list[list[str]]:
    """Cells of a section's tables."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_primitive_has_its_row() -> None:
    listed = {int(cells[0], 16): cells[1] for cells in rows(5) if cells[0].startswith("0x")}
    assert listed == {opcode: primitive.name for opcode, primitive in BY_OPCODE.items()}
    assert {primitive.version for primitive in BY_OPCODE.values()} == {1}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_constants_of_the_code(name: str) -> None:
    body = re.search(rf"^### {name}\n(.*?)(?=^###|\Z)", SECTIONS[6], re.S | re.M)
    assert body is not None
    written = [int(each, 16) for each in re.findall(r"0x([0-9A-F]{8})", body[1])]
    known = [each for entry in FUNCTIONS[name] for each in (entry if isinstance(entry, tuple) else (entry,))]
    assert set(written) <= set(map(pattern_of, known))
    for terms in (entry for entry in FUNCTIONS[name] if isinstance(entry, tuple)):
        bits = list(map(pattern_of, terms))
        assert any(written[at : at + len(bits)] == bits for at in range(len(written)))


def test_functions_of_zero_are_as_listed() -> None:
    listed = {cells[0]: cells[1:] for cells in rows(6) if len(cells) == 3 and cells[0] != "function"}
    named = {0: "+0", binary32.SIGN: "-0", binary32.ONE: "1"}
    for name, results in listed.items():
        function = getattr(functions, name, None) or getattr(binary32, name)
        assert [named[function(zero)] for zero in (0, binary32.SIGN)] == results, name
    assert functions.log(binary32.ONE) == 0
    assert listed.keys() == {"sqrt", "exp", "tanh", "erf", "sin", "cos"}


def test_types_and_profiles_are_as_listed() -> None:
    assert {cells[1]: int(cells[0]) for cells in rows(3) if cells[0].isdigit()} == {
        name: DTYPE_CODES[name] for name in TORCH_DTYPES
    }
    listed = {cells[0]: (int(cells[1]), int(cells[2].split(" = ")[0]), cells[3]) for cells in rows(7)[1:]}
    assert listed == {name: (each.bits, each.limit, each.dtype) for name, each in PROFILES.items()}
    assert {name: (each.bits, each.limit) for name, each in PROFILES.items()} == groups.PROFILES
    for length in (1, 2, 3, 4, 255, 256, 257, 65_535, 65_536, 1 << 23, (1 << 23) + 1, 1 << 30):
        bits = sum_bits(length)
        assert groups.sum_profile(length) == (bits, sum_limit(bits))


def test_random_constants_and_the_published_answer_are_as_written() -> None:
    body = SECTIONS[10]
    for constant in (MULTIPLIER_0, MULTIPLIER_1, WEYL_0, WEYL_1):
        assert f"0x{constant:08X}" in body
    answer = words.philox((0, 0, 0, 0), (0, 0))
    assert ", ".join(f"{word:08X}" for word in answer) in body


def test_the_reference_names_sections_that_there_are() -> None:
    named = [
        int(number)
        for path in (ROOT / "tests/reference").glob("*.py")
        for line in re.findall(r"[Ss]ections? [\d and]+ of\s+docs/reference", path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", line)
    ]
    assert set(named) == {2, 4, 5, 6, 7, 8, 9, 10, 11, 12}
    assert set(named) <= SECTIONS.keys()
