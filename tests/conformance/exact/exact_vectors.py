"""Makes vectors for a second implementation: `python -m tests.conformance.exact.exact_vectors`.

    vectors/exact/primitives.json   uses of every primitive and their results by the reference in plain integers
    vectors/exact/programs.json     small training steps: canonical bytes, root, inputs, outputs or the fault

An F32 is its 32-bit pattern, integers above 2^53 are decimal texts, null is an element that is not finite. Bytes are
hex; tensors of programs are row-major and little endian. Running it must change nothing, unless a primitive gets a new
version or capturing gives other programs.
"""

import json
import random
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import torch

from tests.conformance.exact.small_nets import bundle_of, step_inputs, to_array
from tests.properties.exact.drawn import finite, near_edge, pattern_of
from tests.reference import arrays, groups, nodes, programs
from tests.reference.arrays import Array, Shape
from tests.reference.binary32 import INFINITE, SIGN, NotFinite

FOLDER = Path(__file__).parents[3] / "vectors" / "exact"
FUNCTIONS = {name: (opcode, function) for opcode, (name, function) in nodes.PRIMITIVES.items()}
UNARY = ("neg", "abs", "sqrt", "exp", "log", "tanh", "erf", "sin", "cos")
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
EDGES = (
    *(0, 1, 0x7F_FFFF, 0x80_0000, 0x100_0000, INFINITE - 1),
    *map(
        pattern_of, (0.5, 0.625, 0.70710677, 1.0, 1.5, 2.5, 6.0, 20.0, 87.0, 88.72284, 89.0, 1.5707964, 2.0**-114, 1e30)
    ),
)
"""Where a definition changes its branch, and the ends of the ranges."""
Case = tuple[list[Array], tuple[int, ...], str, Shape]


def floats(draw: random.Random, shape: Shape) -> Array:
    """Of every kind: edges and their neighbours, any pattern, mild ones, halves."""
    makers: list[Callable[[], int]] = [
        lambda: near_edge(draw.choice(EDGES), draw.randint(-1, 1), draw.choice([0, SIGN])),
        lambda: finite(draw.getrandbits(32)),
        lambda: pattern_of(draw.randint(-4000, 4000) / 64),
        lambda: pattern_of(draw.randint(-9, 9) / 2),
    ]
    return Array("F32", shape, [draw.choice(makers)() for _ in range(prod(shape))])


def integers(draw: random.Random, shape: Shape, most: int, dtype: str = "I64") -> Array:
    """Integers up to a size, often that size."""
    items = [draw.choice([draw.randint(-most, most), most, -most, 0, 1]) for _ in range(prod(shape))]
    return Array(dtype, shape, items)


def truths(draw: random.Random, shape: Shape) -> Array:
    """Booleans."""
    return Array("BOOL", shape, [draw.getrandbits(1) for _ in range(prod(shape))])


def elementwise(name: str, draw: random.Random) -> Iterator[Case]:
    """Cases of the primitives that map elements."""
    wide, rows, columns = (48,), (12, 1), (1, 12)
    both = (12, 12)
    if name in UNARY:
        yield [floats(draw, wide)], (), "F32", wide
    elif name in BINARY:
        yield [floats(draw, rows), floats(draw, columns)], (), "F32", both
    elif name in COMPARISONS:
        yield [floats(draw, rows), floats(draw, columns)], (), "BOOL", both
        yield [integers(draw, rows, 2**63 - 1), integers(draw, columns, 3)], (), "BOOL", both
    elif name in ("and", "or"):
        yield [truths(draw, wide), truths(draw, wide)], (), "BOOL", wide
    elif name == "not":
        yield [truths(draw, wide)], (), "BOOL", wide
    elif name == "where":
        yield [truths(draw, both), floats(draw, rows), floats(draw, columns)], (), "F32", both
    elif name.startswith("integer_") and name[8:] in ("add", "sub", "mul"):
        yield [integers(draw, rows, 2**63 - 1), integers(draw, columns, 2**33)], (), "I64", both
    elif name == "to_float":
        yield [integers(draw, wide, 2**63 - 1)], (), "F32", wide
        yield [Array("I64", wide, [2**25 + at - 24 for at in range(48)])], (), "F32", wide
    elif name == "to_integer":
        yield [integers(draw, wide, 2**15 - 1, "I16")], (), "I64", wide


def others(draw: random.Random) -> dict[str, list[Case]]:
    """Cases of the primitives that move, look up or reduce."""
    image, rows = floats(draw, (2, 3, 4, 5)), floats(draw, (6, 9))
    kernel = (3, 2, 2, 1, 1, 0, 0, 1, 1, 2, 1, 2)
    profiles = [*groups.PROFILES.values(), groups.sum_profile(9)]
    exponents = [groups.exponent(rows, 2, *profile) for profile in profiles]
    quantised = [
        ([rows, e], (bits,), "I16" if limit < 1 << 15 else "I32", (6, 9))
        for e, (bits, limit) in zip(exponents, profiles, strict=True)
    ]
    small = [integers(draw, (2, size, 11), 16_319, "I16") for size in (3, 4)]
    sums = integers(draw, (6, 9), 2**53)
    spread = Array("I16", (6, 1), [-148, -90, -60, 0, 40, 129])
    return {
        "iota": [([], (1,), "I64", (2, 5))],
        "reshape": [([image], (), "F32", (6, 20))],
        "permute": [([image], (2, 0, 3, 1), "F32", (4, 2, 5, 3))],
        "expand": [([Array("F32", (6, 1), rows.items[:6])], (), "F32", (2, 6, 3))],
        "slice": [([rows], (1, 2, 2, 3), "F32", (3, 3))],
        "pad": [([rows], (1, 0, 0, 2), "F32", (7, 11))],
        "concat": [([rows, floats(draw, (6, 2))], (1,), "F32", (6, 11))],
        "unfold": [([image], kernel, "F32", (2, 2, 8, 3, 3, 2))],
        "flip": [([image], (12,), "F32", image.shape)],
        "gather": [([rows, Array("I64", (2, 2), [5, 0, 3, 3])], (), "F32", (2, 2, 9))],
        "pick": [([rows, Array("I64", (6,), [0, 8, 4, 4, 1, 7])], (), "F32", (6,))],
        "exponent": [
            *(([rows], (2, *profile), "I16", (6, 1)) for profile in profiles),
            ([image], (13, *profiles[1]), "I16", (1, 3, 1, 1)),
        ],
        "quantise": quantised,
        "contract": [(small, (), "I64", (2, 3, 4))],
        "integer_sum": [([integers(draw, (4, 7), 2**63 - 1)], (), "I64", (4,)), ([truths(draw, (9,))], (), "I64", ())],
        "rescale": [
            ([sums, spread], (-28,), "F32", (6, 9)),
            ([sums, spread, Array("I16", (9,), [-148, -100, -41, -7, 0, 0, 5, 30, 60])], (-14,), "F32", (6, 9)),
        ],
        "integer_sum_at": [
            ([integers(draw, (6, 3), 2**29, "I32"), Array("I64", (6,), [0, 3, -1, 2, 3, 4])], (), "I64", (4, 3))
        ],
        "amax": [([rows], (), "F32", (6,)), ([Array("F32", (2, 2), [SIGN, SIGN, SIGN, 0])], (), "F32", (2,))],
        "argmax": [([rows], (), "I64", (6,)), ([Array("F32", (3,), [SIGN, 0, SIGN])], (), "I64", ())],
        "random": [([Array("I64", (2,), [7, -8]), Array("I64", (), [9 + (3 << 32)])], (10,), "I64", (11,))],
    }


def results(name: str, case: Case) -> list[int | None]:
    """Elements by the reference, None for what is not finite."""
    inputs, attributes, dtype, shape = case
    function = FUNCTIONS[name][1]
    try:
        return list(function(inputs, attributes, dtype, shape).items)
    except NotFinite:
        columns = zip(*(arrays.expand(each, shape).items for each in inputs), strict=True)
    items: list[int | None] = []
    for row in columns:
        scalars = [Array(each.dtype, (), [item]) for each, item in zip(inputs, row, strict=True)]
        try:
            items += function(scalars, attributes, dtype, ()).items
        except NotFinite:
            items.append(None)
    return items


def plain(items: list[Any]) -> list[Any]:
    """Numbers that any reader of JSON keeps."""
    return [str(item) if item is not None and abs(item) > 1 << 53 else item for item in items]


def primitive_vectors() -> list[dict[str, Any]]:
    """Every primitive but `constant`, whose value is in a program's bytes."""
    moved = others(random.Random("others"))
    rows = []
    for name, (opcode, _) in FUNCTIONS.items():
        for case in moved.get(name) or elementwise(name, random.Random(name)):
            inputs, attributes, dtype, shape = case
            taken = [{"type": each.dtype, "shape": list(each.shape), "items": plain(each.items)} for each in inputs]
            given = {"type": dtype, "shape": list(shape), "items": plain(results(name, case))}
            rows.append(
                {"name": name, "opcode": opcode, "attributes": list(attributes), "inputs": taken, "result": given}
            )
    return rows


def program_vectors() -> list[dict[str, Any]]:
    """The first training step of small nets, and one that faults."""
    rows = []
    for name, profile in (("mlp", "exact15"), ("cnn", "exact15"), ("gpt", "exact15"), ("dropout", "exact22")):
        bundle = bundle_of(name, profile)
        inputs = step_inputs(bundle, list(bundle.state.values()), 0)
        broken = [*inputs[:-1], torch.full_like(inputs[-1], 10)]
        for taken in (inputs, broken) if name == "mlp" else (inputs,):
            program = programs.read_program(bundle.step.to_bytes())
            tensors = [to_array(each) for each in taken]
            result = programs.run(program, tensors)
            row: dict[str, Any] = {
                "name": name,
                "profile": profile,
                "program": bundle.step.to_bytes().hex(),
                "root": program.root.hex(),
                "inputs": [programs.write_elements(each).hex() for each in tensors],
            }
            if isinstance(result, programs.Fault):
                row["fault"] = [result.node_index, result.operator, result.reason]
            else:
                row["outputs"] = [programs.write_elements(each).hex() for each in result]
            rows.append(row)
    return rows


def text_of(rows: list[dict[str, Any]]) -> str:
    """A file's text, a row a line."""
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n"


if __name__ == "__main__":
    (FOLDER / "primitives.json").write_text(text_of(primitive_vectors()), encoding="utf-8")
    (FOLDER / "programs.json").write_text(text_of(program_vectors()), encoding="utf-8")
