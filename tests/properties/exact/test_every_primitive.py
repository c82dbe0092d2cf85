"""Every primitive against the reference in plain integers, bit by bit, on tensors of every layout."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.exact.primitives import BY_NAME, PRIMITIVES, OutsideDomain
from assay.exact.values import Value
from tests.properties.exact import drawn
from tests.properties.exact.cases import BINARY, CASES, COMPARISONS, UNARY, Case
from tests.reference import arrays as layout
from tests.reference import binary32, functions, nodes
from tests.reference.arrays import Array, Shape
from tests.reference.binary32 import SIGN, NotFinite, is_finite

FUNCTIONS = dict(nodes.PRIMITIVES.values())


def test_no_primitive_is_forgotten() -> None:
    assert {primitive.name for primitive in PRIMITIVES} == CASES.keys() | {"constant"}
    assert {primitive.opcode: primitive.name for primitive in PRIMITIVES if primitive.name != "constant"} == {
        opcode: name for opcode, (name, _) in nodes.PRIMITIVES.items()
    }


def expected(name: str, inputs: list[Array], case: Case) -> list[int | None]:
    """Elements by the reference; None for what is not finite."""
    try:
        result = FUNCTIONS[name](inputs, case.attributes, case.dtype, case.shape)
    except NotFinite:
        rows = zip(*(layout.expand(each, case.shape).items for each in inputs), strict=True)
        return [one_expected(name, row, inputs, case) for row in rows]
    assert (result.dtype, result.shape) == (case.dtype, case.shape)
    return list(result.items)


def one_expected(name: str, row: tuple[int, ...], inputs: list[Array], case: Case) -> int | None:
    """One element of an elementwise primitive."""
    scalars = [Array(each.dtype, (), [item]) for each, item in zip(inputs, row, strict=True)]
    try:
        return FUNCTIONS[name](scalars, case.attributes, case.dtype, ()).items[0]
    except NotFinite:
        return None


@pytest.mark.parametrize("name", CASES)
def test_a_primitive_gives_the_bits_of_the_reference(name: str) -> None:
    @settings(max_examples=90)
    @given(CASES[name], st.sampled_from(drawn.LAYOUTS))
    def check(case: Case, kind: str) -> None:
        laid = [drawn.lay(each, kind) for each in case.inputs]
        for follow in case.dependent:
            laid.append(drawn.lay(follow(laid[0][0]), "contiguous"))
        inputs, tensors = [each for each, _ in laid], [each for _, each in laid]
        before = [tensor.clone() for tensor in tensors]
        declared = Value(case.dtype, case.shape)
        try:
            wanted = expected(name, inputs, case)
        except layout.OutsideDomain as error:
            with pytest.raises(OutsideDomain, match=str(error)):
                BY_NAME[name].apply(tensors, case.attributes, declared)
            return
        result = BY_NAME[name].apply(tensors, case.attributes, declared)
        assert tuple(result.shape) == case.shape
        got = drawn.to_array(result, case.dtype).items
        if case.dtype == "F32":
            got = [item if want is None or is_finite(item) else -1 for item, want in zip(got, wanted, strict=True)]
            assert not any(is_finite(item) for item, want in zip(got, wanted, strict=True) if want is None)
        assert [item for item, want in zip(got, wanted, strict=True) if want is not None] == [
            want for want in wanted if want is not None
        ]
        kept = zip(tensors, before, inputs, strict=True)
        assert all(drawn.to_array(a, c.dtype) == drawn.to_array(b, c.dtype) for a, b, c in kept)

    check()


EMPTY = (*UNARY, *BINARY, *COMPARISONS, "and", "or", "not", "where", "integer_mul", "to_float")


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
def test_an_elementwise_primitive_of_nothing_is_nothing(name: str, shape: Shape) -> None:
    boolean, whole = name in ("and", "or", "not"), name in ("integer_mul", "to_float")
    taken = "BOOL" if boolean else "I64" if whole else "F32"
    dtype = "BOOL" if boolean or name in COMPARISONS else "I64" if name == "integer_mul" else "F32"
    empty = drawn.to_tensor(Array(taken, shape, []))
    inputs = [empty] * BY_NAME[name].arity
    if name == "where":
        inputs[0] = drawn.to_tensor(Array("BOOL", shape, []))
    assert drawn.to_array(BY_NAME[name].apply(inputs, (), Value(dtype, shape)), dtype) == Array(dtype, shape, [])


def marked(function: Callable[..., int], *items: int) -> int | None:
    """An element, None where it is not finite."""
    try:
        return function(*items)
    except NotFinite:
        return None


def agree(name: str, *columns: list[int]) -> None:
    """A primitive of long vectors gives what the reference gives element by element."""
    function = ELEMENTS[name]
    wanted = [marked(function, *items) for items in zip(*columns, strict=True)]
    tensors = [drawn.to_tensor(Array("F32", (len(column),), column)) for column in columns]
    result = BY_NAME[name].apply(tensors, (), Value("F32", (len(wanted),)))
    got = drawn.to_array(result, "F32").items
    wrong = [
        (*items, want, item)
        for *items, want, item in zip(*columns, wanted, got, strict=True)
        if (is_finite(item) if want is None else item != want)
    ]
    assert not wrong, wrong[:3]


ELEMENTS = {name: getattr(functions, name) for name in ("exp", "log", "tanh", "erf", "sin", "cos")} | {
    "neg": binary32.neg,
    "abs": binary32.absolute,
    **{name: getattr(binary32, name) for name in ("sqrt", *BINARY)},
}


@pytest.mark.parametrize("name", BINARY)
def test_every_pair_of_edges_agrees(name: str) -> None:
    edges = [drawn.near_edge(edge, offset, sign) for edge in drawn.EDGES for offset in (-1, 0, 1) for sign in (0, SIGN)]
    edges = sorted(set(edges))[:: 1 if name == "add" else 2]
    agree(name, [a for a in edges for _ in edges], edges * len(edges))


@pytest.mark.parametrize("name", UNARY)
def test_long_vectors_agree(name: str) -> None:
    """Lengths that leave a rest behind every width of vector code, over all patterns evenly and over mild ones."""
    spread = [drawn.finite(index * 2_654_435_761 % (1 << 32)) for index in range(6_007)]
    mild = [drawn.pattern_of((index - 4_000) * 0.02345) for index in range(8_003)]
    edges = [
        drawn.near_edge(edge, offset, sign) for edge in drawn.EDGES for offset in range(-3, 4) for sign in (0, SIGN)
    ]
    agree(name, spread + mild + edges)
    agree(name, spread[:1])
    agree(name, mild[:15])
