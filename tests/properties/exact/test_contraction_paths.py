"""Inner products by every path against Python's integers: every length that a chunk or an accumulator ends at."""

from operator import mul

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.exact import kernels
from assay.exact.contract import INT8_LENGTH, contract_int8
from assay.exact.primitives import BY_NAME
from assay.exact.profile import PROFILES, Profile
from assay.exact.rules import Call
from assay.exact.values import EXACT_INTEGER, REDUCTION_LIMIT, Value
from assay.protocol.errors import Malformed
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Program
from tests.properties.exact import drawn
from tests.reference import programs
from tests.reference.arrays import Array

BORDERS = (1, 2, 3, 31, 32, 33, 255, 256, 257, 511, 512, 513)
LONG = (65_535, 65_536, 65_537, 132_095, 132_096, 132_097, 140_000)
KINDS = ("largest", "opposite", "worst of the cross terms", "mixed")


def row(kind: str, length: int, limit: int, turn: int) -> list[int]:
    """One operand's integers."""
    if kind == "largest":
        return [limit] * length
    if kind == "opposite":
        return [limit if turn % 2 else -limit] * length
    if kind == "worst of the cross terms":
        # high = 127 and low = -64: both cross terms are as low as they get.
        return [min(limit, 127 * 128 - 64)] * length
    return [(index * 40_503 + turn * 30_011) % (2 * limit + 1) - limit for index in range(length)]


def products(
    kind: str, sizes: tuple[int, int], length: int, limit: int
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Operands [1, M, K] and [1, N, K] in float64, and all inner products."""
    left, right = ([row(kind, length, limit, turn + size) for turn in range(size)] for size in sizes)
    wanted = [sum(map(mul, a, b)) for a in left for b in right]
    return torch.tensor([left], dtype=torch.float64), torch.tensor([right], dtype=torch.float64), wanted


def check_paths(kind: str, sizes: tuple[int, int], length: int, profile: Profile) -> None:
    """Every path that may take these operands gives the integers."""
    left, right, wanted = products(kind, sizes, length, profile.limit)
    assert length * profile.limit**2 <= EXACT_INTEGER
    for path in ("float64", "int64"):
        got = kernels.PATH_FUNCTIONS[path](left, right)
        assert got.long().flatten().tolist() == wanted, path
        assert not torch.signbit(got[got == 0]).any()
    fits = 2 <= length <= INT8_LENGTH and profile.limit <= kernels.INT8_LIMIT
    if fits and kernels.agrees("int8"):
        assert contract_int8(left, right).long().flatten().tolist() == wanted, "int8"
    # What a plan takes for them, with products of every size admitted to int8.
    planned = kernels.contraction("int8" if kernels.agrees("int8") else "float64", left.shape, sizes[1], profile.limit)
    assert planned(left, right).long().flatten().tolist() == wanted


@pytest.fixture(autouse=True)
def _every_size_by_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "INT8_WORK", 2)
    monkeypatch.setattr(kernels, "INT8_SIDE", 2)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", BORDERS)
def test_short_products(length: int, kind: str, name: str) -> None:
    check_paths(kind, (3, 5), length, PROFILES[name])


@pytest.mark.parametrize("name", ["exact8", "exact15"])
@pytest.mark.parametrize("length", LONG)
def test_long_products(length: int, name: str) -> None:
    for kind in KINDS:
        check_paths(kind, (2, 3), length, PROFILES[name])


def test_the_longest_products_of_wide_operands() -> None:
    for length in (2047, 2048):
        check_paths("largest", (2, 3), length, PROFILES["exact22"])


def test_int8_takes_no_product_that_may_overflow() -> None:
    for length, wide, takes in ((INT8_LENGTH, 16_319, True), (INT8_LENGTH + 1, 16_319, False), (64, 16_320, False)):
        assert (kernels.contraction("int8", (1, 2, length), 2, wide) is contract_int8) == takes
    assert kernels.contraction("int8", (1, 2, 1), 2, 127) is not contract_int8


@settings(max_examples=50)
@given(st.data())
def test_small_products_of_any_layout(data: st.DataObject) -> None:
    profile = data.draw(st.sampled_from(list(PROFILES.values())))
    batch, rows, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
    length = data.draw(st.integers(1, 70))
    elements = drawn.integers(-profile.limit, profile.limit)
    kind = data.draw(st.sampled_from(drawn.LAYOUTS))
    sides = [
        drawn.lay(data.draw(drawn.arrays((batch, size, length), elements, "I64")), kind) for size in (rows, columns)
    ]
    wanted = programs.PRIMITIVES[0x72][1]([each for each, _ in sides], (), "I64", (batch, rows, columns)).items
    left, right = (tensor.double() for _, tensor in sides)
    for path in kernels.PATHS:
        small = path == "int8" and (length < 2 or profile.limit > kernels.INT8_LIMIT)
        if kernels.agrees(path) and not small:
            assert kernels.PATH_FUNCTIONS[path](left, right).long().flatten().tolist() == wanted


def refused(name: str, types: list[Value], attributes: tuple[int, ...], declared: Value) -> None:
    """A use that no program may make."""
    with pytest.raises(Malformed):
        BY_NAME[name].infer(Call(tuple(range(len(types))), tuple(types), attributes, declared))


def test_what_is_too_long_is_refused() -> None:
    operand = Value("I16", (1, 2, REDUCTION_LIMIT), 16_319)
    result = Value("I64", (1, 2, 2))
    BY_NAME["contract"].infer(Call((0, 1), (operand, operand), (), result))
    longer = Value("I16", (1, 2, REDUCTION_LIMIT + 1), 16_319)
    refused("contract", [longer, longer], (), result)
    for length, fits in ((2048, True), (2049, False)):
        wide = Value("I32", (1, 2, length), (1 << 21) - 1)
        if fits:
            BY_NAME["contract"].infer(Call((0, 1), (wide, wide), (), result))
        else:
            refused("contract", [wide, wide], (), result)
            product_of(length, "exact22")  # in two stretches
    refused("integer_sum", [Value("I16", (REDUCTION_LIMIT + 1,), 5)], (), Value("I64", ()))
    rows = [Value("I16", (REDUCTION_LIMIT + 1, 2), 5), Value("I64", (REDUCTION_LIMIT + 1,))]
    refused("integer_sum_at", rows, (), Value("I64", (3, 2)))
    exponents = Value("I16", (), 160, (-1, 15, 16_319))
    refused("rescale", [Value("I64", (), EXACT_INTEGER + 1), exponents], (0,), Value("F32", ()))


FLOATS, WHOLE, TRUTHS = Value("F32", (2,)), Value("I64", (2,)), Value("BOOL", (2,), 1)
SHORT, LONGER = Value("I16", (2,), 9), Value("I32", (2,), 9)
MIXED = {
    **dict.fromkeys(("add", "sub", "mul", "div", "maximum", "minimum"), (FLOATS, WHOLE)),
    **dict.fromkeys(("eq", "ne", "gt", "ge", "lt", "le"), (FLOATS, WHOLE)),
    **dict.fromkeys(("neg", "abs", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos", "not"), (WHOLE,)),
    **dict.fromkeys(("and", "or"), (TRUTHS, WHOLE)),
    **{f"integer_{name}": (WHOLE, SHORT) for name in ("add", "sub", "mul")},
    "where": (TRUTHS, FLOATS, WHOLE),
    "to_float": (SHORT,),
    "to_integer": (FLOATS,),
    "concat": (SHORT, LONGER),
    "integer_sum": (FLOATS,),
    "amax": (WHOLE,),
    "argmax": (WHOLE,),
    "gather": (FLOATS, SHORT),
    "pick": (Value("F32", (2, 2)), SHORT),
    "exponent": (WHOLE,),
    "rescale": (FLOATS, SHORT),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_element_types_are_refused(name: str) -> None:
    attributes = {"concat": (0,), "exponent": (1, 15, 16_319), "rescale": (0,)}.get(name, ())
    for dtype in ("F32", "I64", "BOOL", "I16", "I32"):
        for shape in ((2,), (), (4,)):
            refused(name, list(MIXED[name]), attributes, Value(dtype, shape))


def test_operands_of_two_widths_are_refused() -> None:
    left, right = Value("I16", (1, 2, 3), 127), Value("I32", (1, 2, 3), 127)
    refused("contract", [left, right], (), Value("I64", (1, 2, 2)))


def product_of(length: int, name: str) -> Program:
    """A product [1, 1, K] x [1, 2, K] as a program."""
    graph = Graph(PROFILES[name])
    left, right = graph.add_input("left", "F32", (1, 1, length)), graph.add_input("right", "F32", (1, 2, length))
    return graph.finish([graph.matmul(left, right)], ["out"])


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (1, "exact15"),
        (257, "exact8"),
        (2048, "exact22"),
        (65_537, "exact15"),
        (140_000, "exact15"),
        (132_097, "exact8"),
    ],
)
def test_a_product_as_a_program(length: int, name: str) -> None:
    program = product_of(length, name)
    left = Array("F32", (1, 1, length), [drawn.finite(index * 0x9E37_79B9 & 0x3FFF_FFFF) for index in range(length)])
    right = Array("F32", (1, 2, length), [drawn.pattern_of((index % 4099 - 2049) / 3) for index in range(2 * length)])
    wanted = programs.run(programs.read_program(program.to_bytes()), [left, right])
    assert isinstance(wanted, list)
    for path in kernels.PATHS:
        if kernels.agrees(path):
            got = Runner(program, path).run([drawn.to_tensor(left), drawn.to_tensor(right)])
            assert isinstance(got, list)
            assert drawn.to_array(got[0], "F32") == wanted[0]
