"""Where an element comes from: `Maps` on an EVM against the type rules and the reference in plain integers."""

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assay.exact.index import unfold_size
from assay.exact.primitives import PRIMITIVES
from assay.exact.rules import Call
from assay.exact.values import Value
from assay.protocol.errors import Malformed
from tests.conformance.arbiter.harness import Harness
from tests.reference import arrays
from tests.reference.arrays import Array, Shape

IOTA, ADD, RESHAPE, PERMUTE, EXPAND, SLICE, PAD, CONCAT, UNFOLD, FLIP = 0x02, 0x10, *range(0x50, 0x58)
GATHER, PICK, EXPONENT, CONTRACT, AMAX, SUM_AT = 0x60, 0x61, 0x70, 0x72, 0x78, 0x75
ROWS = 0x73
"""The harness's number of `rowStart`; the rule of `amax` has no limit of its own."""
GATHER_AT, PICK_AT, IN_GROUP = 0x160, 0x161, 0x170
ZERO = (1 << 256) - 1
OUTSIDE = ZERO - 1
WORD = (1 << 32) - 1
GAS = {ADD: 28_000, CONCAT: 270_000, UNFOLD: 13_000}
GAS_OF_OTHERS = 10_000
"""At most, the harness's own dispatch included."""
WORDS = (0, 1, 2, 3, 7, (1 << 24) - 1, 1 << 24, (1 << 32) - 1, 1 << 32, 1 << 63, 1 << 128, 1 << 255, ZERO)
INTEGERS = (-(1 << 255), -(1 << 63), -(1 << 32), -7, -2, -1, *WORDS[:-2], (1 << 255) - 1)
VECTORS = Path(__file__).parents[3] / "vectors" / "exact" / "primitives.json"
BY_OPCODE = {each.opcode: each for each in PRIMITIVES}
INPUT_TYPES = {
    GATHER: ("F32", "I64"), PICK: ("F32", "I64"), CONTRACT: ("I16", "I16"), SUM_AT: ("I16", "I64"),
}  # fmt: skip
RESULT_TYPES = {IOTA: "I64", EXPONENT: "I16", CONTRACT: "I64", SUM_AT: "I64"}


class Node(NamedTuple):
    """Shapes and attributes of a use."""

    opcode: int
    sources: tuple[Shape, ...]
    shape: Shape
    attributes: tuple[int, ...] = ()


@cache
def harness() -> Harness:
    return Harness("MapsHarness")


def answers(node: Node, indices: Sequence[int], value: int = 0) -> tuple[bool, list[tuple[int, ...]]]:
    """Whether the node is accepted, which no index changes, and the answers. Checks the gas."""
    oks, found, most = harness().call("map", node, indices, value)
    assert len(set(oks)) == 1, node
    assert most <= GAS.get(node.opcode, GAS_OF_OTHERS), (node, most)
    assert oks[0] or not any(map(any, found)), node
    return oks[0], list(found)


def accepted(node: Node) -> bool:
    """By the rules."""
    if any(len(shape) > 6 or not all(0 < size < 1 << 32 for size in shape) for shape in (*node.sources, node.shape)):
        return False
    attributes = (*node.attributes, 8, 127) if node.opcode == EXPONENT else node.attributes
    types = INPUT_TYPES.get(node.opcode, ("F32",) * len(node.sources))
    values = tuple(Value(dtype, shape, 127) for dtype, shape in zip(types, node.sources, strict=True))
    declared = Value(RESULT_TYPES.get(node.opcode, "F32"), node.shape)
    call = Call(tuple(range(len(values))), values, attributes, declared)
    try:
        BY_OPCODE[AMAX if node.opcode == ROWS else node.opcode].infer(call)
    except Malformed:
        return False
    return True


def numbered(shape: Shape, first: int = 1) -> Array:
    """Elements that tell their places."""
    return Array("I64", shape, list(range(first, first + prod(shape))))


def expected(node: Node) -> list[tuple[int, ...]]:
    """The answers for all elements, by the reference."""
    _, sources, shape, at = node
    first = numbered(sources[0]) if sources else numbered(())
    if node.opcode == CONCAT:
        parts = [numbered(source, which * 10_000) for which, source in enumerate(sources)]
        return [divmod(item, 10_000) for item in arrays.concat(parts, at[0]).items]
    if node.opcode == CONTRACT:
        left, right = (arrays.rows_of(numbered(source, 0)) for source in sources)
        size, rows, columns = shape
        pairs = [(s * rows + m, s * columns + n) for s in range(size) for m in range(rows) for n in range(columns)]
        return [(left[m][0], right[n][0], len(left[m])) for m, n in pairs]
    if node.opcode == ROWS:
        return [(row[0] - 1, len(row)) for row in arrays.rows_of(first)]
    if node.opcode == SUM_AT:
        return [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    if node.opcode == GATHER:
        wide = (*sources[1], *(1 for _ in sources[0][1:]))
        return [(item - 1,) for item in arrays.expand(numbered(wide), shape).items]
    if node.opcode == PICK:
        return [(each,) for each in range(prod(shape))]
    if node.opcode == EXPONENT:
        return [(item - 1,) for item in arrays.expand(numbered(shape), sources[0]).items]
    rank = len(shape)
    found = {
        IOTA: lambda: arrays.iota(shape, at[0]),
        RESHAPE: lambda: arrays.reshape(first, shape),
        PERMUTE: lambda: arrays.permute(first, at),
        EXPAND: lambda: arrays.expand(first, shape),
        SLICE: lambda: arrays.cut(first, at[:rank], at[rank:], shape),
        PAD: lambda: arrays.pad(first, at[:rank], at[rank:]),
        UNFOLD: lambda: arrays.unfold(first, at, shape),
        FLIP: lambda: arrays.flip(first, at[0]),
    }[node.opcode]()
    if node.opcode == IOTA:
        return [(item,) for item in found.items]
    return [(item - 1 if item else ZERO,) for item in found.items]


def drawn_shape(draw: random.Random, rank: int | None = None) -> Shape:
    rank = draw.randint(0, 6) if rank is None else rank
    return tuple(draw.choice((1, 2, 2, 3, 4, 5)[: 6 if rank < 4 else 4]) for _ in range(rank))


def drawn(draw: random.Random, opcode: int) -> Node:
    """A node that the rules accept, most of the time."""
    source = drawn_shape(draw, 4 if opcode == UNFOLD else None)
    rank = len(source)
    axis, mask = draw.randrange(max(rank, 1)), draw.randrange(1, max(1 << rank, 2))
    if opcode == IOTA:
        return Node(opcode, (), source, (axis,))
    if opcode == RESHAPE:
        sizes = [size for size in source if size > 1] + [1] * draw.randint(0, 2)
        draw.shuffle(sizes)
        return Node(opcode, (source,), tuple(sizes[:6]))
    if opcode == PERMUTE:
        axes = draw.sample(range(rank), rank)
        return Node(opcode, (source,), tuple(source[each] for each in axes), tuple(axes))
    if opcode == EXPAND:
        narrow = tuple(draw.choice((1, size)) for size in source[draw.randint(0, rank) :])
        return Node(opcode, (narrow,), source)
    if opcode == SLICE:
        starts = [draw.randrange(size) for size in source]
        steps = [draw.randint(1, size) for size in source]
        room = [(size - 1 - start) // step + 1 for size, start, step in zip(source, starts, steps, strict=True)]
        return Node(opcode, (source,), tuple(draw.randint(1, each) for each in room), (*starts, *steps))
    if opcode == PAD:
        amounts = [draw.choice((0, 0, 1, 2)) for _ in range(2 * rank)]
        shape = tuple(amounts[i] + source[i] + amounts[rank + i] for i in range(rank))
        return Node(opcode, (source,), shape, tuple(amounts))
    if opcode == CONCAT:
        parts = [(*source[:axis], draw.randint(1, 3), *source[axis + 1 :]) for _ in range(draw.randint(1, 5))]
        joined = sum(each[axis] for each in parts)
        return Node(opcode, tuple(parts), (*source[:axis], joined, *source[axis + 1 :]), (axis,))
    if opcode == UNFOLD:
        source = (draw.randint(1, 2), draw.randint(1, 2), draw.randint(1, 5), draw.randint(1, 5))
        kernels, strides = [[draw.randint(1, 3), draw.randint(1, 3)] for _ in range(2)]
        pads = [draw.choice((0, 1, 2)) for _ in range(4)]
        dilations, wides = [[draw.choice((1, 1, 2, 3)), draw.choice((1, 1, 2))] for _ in range(2)]
        out = [
            unfold_size(source[2 + i], kernels[i], strides[i], pads[2 * i], pads[2 * i + 1], dilations[i], wides[i])
            for i in range(2)
        ]
        shape = (source[0], *(max(each, 1) for each in out), source[1], *kernels)
        return Node(opcode, (source,), shape, (*kernels, *strides, *pads, *dilations, *wides))
    if opcode == FLIP:
        return Node(opcode, (source,), source, (mask,))
    if opcode == GATHER:
        places = drawn_shape(draw, draw.randint(0, 3))
        return Node(opcode, (source, places), places + source[1:])
    if opcode == PICK:
        return Node(opcode, (source, source[:-1]), source[:-1])
    if opcode == EXPONENT:
        shape = tuple(1 if mask >> each & 1 else size for each, size in enumerate(source))
        return Node(opcode, (source,), shape, (mask,))
    if opcode == CONTRACT:
        size, rows, columns, length = drawn_shape(draw, 4)
        return Node(opcode, ((size, rows, length), (size, columns, length)), (size, rows, columns))
    if opcode == SUM_AT:
        rows, columns, targets = drawn_shape(draw, 3)
        return Node(opcode, ((rows, columns), (rows,)), (targets, columns))
    if opcode == ROWS:
        return Node(opcode, (source,), source[:-1])
    assert opcode == ADD
    operands = [tuple(draw.choice((1, size)) for size in source[draw.choice((0, 0, rank)) :]) for _ in range(2)]
    aligned = [[1] * (rank - len(each)) + list(each) for each in operands]
    return Node(opcode, tuple(operands), draw.choice((source, tuple(map(max, *aligned)))))


def changed(draw: random.Random, node: Node) -> Node:
    """The node with one thing changed: a size, an attribute, a rank."""

    def once(values: Sequence[int], choices: Sequence[int]) -> tuple[int, ...]:
        result, at = list(values), draw.randrange(len(values) + 1)
        kind = draw.randrange(6)
        if kind == 0:
            result.insert(at, draw.choice((0, 1, 2)))
        elif at < len(values) and kind == 1:
            del result[at]
        elif at < len(values):
            result[at] = draw.choice((result[at] + 1, result[at] - 1, draw.choice(choices)))
        return tuple(result)

    sizes = [size for size in WORDS if size <= 1 << 32]
    part = draw.randrange(len(node.sources) + 1)
    if part < len(node.sources):
        sources = tuple(
            tuple(abs(size) for size in once(source, sizes)) if at == part else source
            for at, source in enumerate(node.sources)
        )
        return node._replace(sources=sources)
    if node.attributes and draw.randrange(4):
        attributes = once(node.attributes, INTEGERS)
        # `group` takes one mask; the rule's other attributes are not its own.
        return node._replace(attributes=(*attributes, 0)[:1] if node.opcode == EXPONENT else attributes)
    return node._replace(shape=tuple(abs(size) for size in once(node.shape, sizes)))


ALL = (
    *(IOTA, ADD, RESHAPE, PERMUTE, EXPAND, SLICE, PAD, CONCAT, UNFOLD, FLIP, GATHER, PICK),
    *(EXPONENT, CONTRACT, ROWS, SUM_AT),
)


@pytest.mark.parametrize("opcode", ALL, ids=hex)
def test_every_element_of_small_nodes_comes_from_its_place(opcode: int) -> None:
    draw = random.Random(opcode)
    refused, whole = 0, 0
    for turn in range(120):
        node = drawn(draw, opcode)
        if turn % 2:
            node = changed(draw, node)
        if max(prod(shape) for shape in (*node.sources, node.shape)) > 1_000:
            assert answers(node, [0, 1, 77])[0] == accepted(node), node
            continue
        # One more than there are: the first again.
        count = prod(node.sources[0] if opcode == EXPONENT else node.shape)
        ok, found = answers(node, range(max(count, 1) + 1))
        assert ok == accepted(node), node
        refused += not ok
        if ok and opcode != ADD:
            wanted = expected(node)
            assert [each[: len(wanted[0])] for each in found] == [*wanted, wanted[0]], node
        whole += ok
    assert min(refused - 10, whole - 40) >= 0, (refused, whole)


@pytest.mark.parametrize(("opcode", "look_up"), [(GATHER, GATHER_AT), (PICK, PICK_AT)])
def test_an_index_leads_into_the_table_or_outside(opcode: int, look_up: int) -> None:
    draw, reference = random.Random(opcode), {GATHER: arrays.gather, PICK: arrays.pick}[opcode]
    for _ in range(40):
        node = drawn(draw, opcode)
        table, places = node.sources
        if draw.randrange(4) == 0:
            node = changed(draw, node)
        size = table[0 if opcode == GATHER else -1] if table else 1
        for value in (*range(size), -1, size, *draw.sample(INTEGERS, 2)):
            count = prod(node.shape)
            ok, found = answers(node._replace(opcode=look_up), range(count) if 0 < count < 1_000 else [0], value)
            assert ok == accepted(node), (node, value)
            if not ok or node.sources != (table, places) or len(found) != count:
                continue
            if 0 <= value < size:
                items = reference(numbered(table), Array("I64", places, [value] * prod(places))).items
                assert [each[0] for each in found] == [item - 1 for item in items], (node, value)
            else:
                assert {each[0] for each in found} == {OUTSIDE}, (node, value)


def test_a_group_has_its_elements_and_no_others() -> None:
    draw = random.Random(3)
    for _ in range(25):
        node = drawn(draw, EXPONENT)
        if not accepted(node):
            continue
        owners = [place for (place,) in expected(node)]
        for group in {0, prod(node.shape) - 1, draw.randrange(prod(node.shape))}:
            ok, found = answers(node._replace(opcode=IN_GROUP), range(len(owners)), group)
            assert ok
            assert [bool(each[0]) for each in found] == [owner == group for owner in owners], (node, group)


def coordinates(index: int, shape: Shape) -> list[int]:
    """Of a flat place."""
    result = []
    for size in reversed(shape):
        index, at = divmod(index, size)
        result.append(at)
    return result[::-1]


def test_large_shapes_keep_to_the_definition() -> None:
    """Places up to 2^192, by the formulas of the page on coordinates."""
    draw = random.Random(5)
    most = (1 << 32) - 1
    source: Shape = (most, 3, most - 1, most, most, most - 7)
    steps = arrays.strides(source)

    def check(node: Node, to: Callable[[list[int]], Sequence[int] | None]) -> None:
        indices = [0, prod(node.shape) - 1, *(draw.randrange(prod(node.shape)) for _ in range(20))]
        ok, found = answers(node, indices)
        assert (ok, accepted(node)) == (True, True), node
        for index, (place, *_) in zip(indices, found, strict=True):
            at = to(coordinates(index, node.shape))
            assert place == (ZERO if at is None else sum(map(int.__mul__, at, steps))), (node, index)

    axes = (3, 0, 5, 1, 2, 4)
    check(
        Node(PERMUTE, (source,), tuple(source[axis] for axis in axes), axes),
        lambda at: [at[axes.index(i)] for i in range(6)],
    )
    check(Node(RESHAPE, (source,), source), lambda at: at)
    check(Node(FLIP, (source,), source, (0b101001,)), lambda at: [
        source[i] - 1 - each if 0b101001 >> i & 1 else each for i, each in enumerate(at)
    ])  # fmt: skip
    starts, by = (0, 1, 5, most - 1, 77, 0), (3, 1, 1 << 20, most, 2, 1)
    room = tuple((size - 1 - start) // step + 1 for size, start, step in zip(source, starts, by, strict=True))
    check(Node(SLICE, (source,), room, starts + by), lambda at: [
        start + each * step for start, each, step in zip(starts, at, by, strict=True)
    ])  # fmt: skip
    beyond = Node(SLICE, (source,), (room[0] + 1, *room[1:]), starts + by)
    assert (answers(beyond, [0])[0], accepted(beyond)) == (False, False)
    wide = (1 << 24) - 1
    source = (most - 2 * wide, 1, most - wide)
    steps = arrays.strides(source)
    node = Node(PAD, (source,), (most, 2, most), (wide, 0, 0, wide, 1, wide))

    def unpadded(at: list[int]) -> list[int] | None:
        inside = [at[0] - wide, at[1], at[2]]
        return inside if all(0 <= each < size for each, size in zip(inside, source, strict=True)) else None

    check(node, unpadded)
    steps = [2, 0, 1]
    check(Node(EXPAND, ((most, 1, 2),), (most, most, 2)), lambda at: at)


def test_unfold_is_refused_at_its_bounds() -> None:
    plain = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1)

    def padded(amount: int, kernel: int) -> Node:
        size = 1 + 2 * amount - kernel + 1
        attributes = (kernel, kernel, 1, 1, amount, amount, amount, amount, 1, 1, 1, 1)
        return Node(UNFOLD, ((1, 1, 1, 1),), (1, size, size, 1, kernel, kernel), attributes)

    nodes = [padded(amount, 2 * amount + 1) for amount in (0, 1, 127, 128, 300)]
    nodes += [Node(UNFOLD, ((2, 3, 4, 5),), (2, 4, 5, 3, 1, 1), (*plain[:at], value, *plain[at + 1 :]))
              for at in range(12) for value in (-1, 0, 1, 65_535, 65_536, 1 << 64)]  # fmt: skip
    # Rows apart: the padded image grows with nothing to show for it.
    nodes += [
        Node(UNFOLD, ((1, 1, size, 1),), (1, 1, 1, 1, 1, 1), (1, 1, 65_535, 1, 0, 0, 0, 0, 1, 1, wide, 1))
        for size, wide in ((2, 65_534), (2, 65_535), (3, 32_768), (3, 32_769))
    ]
    # A padded image of 65,544 elements and of 65,545; with one each in input and result, 65,544 are admitted.
    nodes += [
        Node(UNFOLD, ((1, 1, 1, 1),), (1,) * 6, (1, 1, 65_535, 65_535, top, 0, left, 0, 1, 1, 1, 1))
        for top, left in ((32_771, 1), (13_108, 4))
    ]
    verdicts = [answers(node, [0, 1, 2])[0] for node in nodes]
    assert verdicts == [accepted(node) for node in nodes]
    assert verdicts[-2:] == [True, False]


def test_limits_are_exact() -> None:
    wide, length = 1 << 24, 1 << 16
    for most, beyond in (
        (Node(PAD, ((1,),), (wide,), (wide - 1, 0)), Node(PAD, ((1,),), (wide + 1,), (wide, 0))),
        (Node(PAD, ((1,),), (wide,), (0, wide - 1)), Node(PAD, ((1,),), (wide + 1,), (0, wide))),
        (
            Node(CONTRACT, ((1, 1, length), (1, 2, length)), (1, 1, 2)),
            Node(CONTRACT, ((1, 1, length + 1), (1, 2, length + 1)), (1, 1, 2)),
        ),
        (Node(SUM_AT, ((length, 2), (length,)), (3, 2)), Node(SUM_AT, ((length + 1, 2), (length + 1,)), (3, 2))),
        (Node(CONCAT, ((2,), (1,)), (3,), (0,)), Node(CONCAT, ((2,), (0,), (1,)), (3,), (0,))),
        (Node(CONCAT, ((3,),), (3,), (0,)), Node(CONCAT, ((ZERO,), (4,)), (3,), (0,))),
        (Node(RESHAPE, ((WORD, 1),), (WORD,)), Node(RESHAPE, ((WORD + 1, 1),), (1, WORD + 1))),
        (Node(RESHAPE, ((1,) * 6,), ()), Node(RESHAPE, ((1,) * 7,), ())),
    ):
        assert [accepted(most), accepted(beyond)] == [True, False]
        assert [answers(most, [0, 1])[0], answers(beyond, [0, 1])[0]] == [True, False], (most, beyond)


def test_up_to_256_inputs_are_joined() -> None:
    sizes = [(2, 1 + at % 3, 3) for at in range(257)]
    for count in (256, 257):
        node = Node(CONCAT, tuple(sizes[:count]), (2, sum(size[1] for size in sizes[:count]), 3), (1,))
        ok, found = answers(node, range(0, prod(node.shape), 131))
        assert ok == accepted(node) == (count == 256)
        assert not ok or [each[:2] for each in found] == expected(node)[::131]
    six = Node(CONCAT, ((1,) * 6,) * 256, (1, 1, 1, 1, 1, 256), (5,))
    assert answers(six, [255]) == (True, [(255, 0, 0)])
    assert not answers(Node(CONCAT, (), (1,), (0,)), [0])[0]


def test_three_operands_have_one_shape() -> None:
    three = ((3, 1), (1, 2, 1, 4), (1,))
    for sources, shape, wanted in (
        (three, (1, 2, 3, 4), True), (three, (1, 2, 3, 5), False), (three, (2, 3, 4), False),
        (three[:1], (3, 2), False), ((), (1,), False), ((*three, (1,)), (1, 2, 3, 4), False), (((), ()), (), True),
        (((), ()), (1,), False),
        (((2, 1, 3, 2, 2, 3), (1, 3, 3, 2, 2, 3), (2, 3, 3, 2, 2, 3)), (2, 3, 3, 2, 2, 3), True),
    ):  # fmt: skip
        assert answers(Node(ADD, sources, shape), [0])[0] == wanted, (sources, shape)


def rebuilt(node: Node, inputs: list[list[int]]) -> list[int]:
    """The result's elements from those of the inputs, one by one."""
    ok, found = answers(node, range(prod(node.shape)))
    assert ok, node
    if node.opcode == IOTA:
        return [each[0] for each in found]
    if node.opcode == CONCAT:
        return [inputs[which][place] for which, place, _ in found]
    if node.opcode in (GATHER, PICK):
        look_up = node._replace(opcode={GATHER: GATHER_AT, PICK: PICK_AT}[node.opcode])
        places = [answers(look_up, [at], inputs[1][each[0]])[1][0][0] for at, each in enumerate(found)]
        return [inputs[0][place] for place in places]
    return [0 if each[0] == ZERO else inputs[0][each[0]] for each in found]


def test_the_frozen_vectors_are_rebuilt() -> None:
    rows: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))
    seen = set()
    for row in rows:
        if row["opcode"] not in (IOTA, *range(RESHAPE, FLIP + 1), GATHER, PICK):
            continue
        inputs = [list(map(int, each["items"])) for each in row["inputs"]]
        shapes = tuple(tuple(each["shape"]) for each in row["inputs"])
        node = Node(row["opcode"], shapes, tuple(row["result"]["shape"]), tuple(row["attributes"]))
        assert rebuilt(node, inputs) == list(map(int, row["result"]["items"])), row["name"]
        seen.add(row["opcode"])
    assert len(seen) == 11


def test_nothing_reverts_whatever_the_arguments() -> None:
    draw = random.Random(9)

    def shape() -> Shape:
        rank = draw.choice((0, 1, 2, 3, 4, 6, 6, 7, 9))
        return tuple(draw.choice((1, 2, 3, draw.choice(WORDS))) for _ in range(rank))

    for opcode in (*ALL, GATHER_AT, PICK_AT, IN_GROUP):
        for _ in range(60):
            attributes = tuple(draw.choice(INTEGERS) for _ in range(draw.choice((0, 1, 1, 2, 6, 12, 12, 13))))
            node = Node(opcode, tuple(shape() for _ in range(draw.choice((0, 1, 2, 3, 5)))), shape(), attributes)
            value = draw.choice(INTEGERS)
            answers(node, draw.sample(WORDS, 3), value)
            # Half valid ones come further.
            node = drawn(draw, opcode & 0xFF if opcode != IN_GROUP else EXPONENT)._replace(opcode=opcode)
            answers(changed(draw, changed(draw, node)), draw.sample(WORDS, 3), value)
