"""The vectors for a second implementation: PyTorch and the reference both give what is frozen."""

import json
from typing import Any

import pytest

from assay.exact import kernels
from assay.exact.primitives import BY_NAME, PRIMITIVES
from assay.exact.values import Value
from assay.work.interpret import Runner
from assay.work.program import Program
from assay.work.walk import Fault
from tests.conformance.exact import exact_vectors
from tests.properties.exact import drawn
from tests.reference import programs
from tests.reference.arrays import Array
from tests.reference.binary32 import is_finite

ROWS: dict[str, list[dict[str, Any]]] = {
    name: json.loads((exact_vectors.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("primitives", "programs")
}


def read(entry: dict[str, Any]) -> Array:
    """An array of a row; what is not finite as infinity."""
    items = [0x7F80_0000 if item is None else int(item) for item in entry["items"]]
    return Array(entry["type"], tuple(entry["shape"]), items)


def test_primitives_are_what_the_reference_gives() -> None:
    text = (exact_vectors.FOLDER / "primitives.json").read_text(encoding="utf-8")
    assert text == exact_vectors.text_of(exact_vectors.primitive_vectors())
    assert {row["name"] for row in ROWS["primitives"]} == {each.name for each in PRIMITIVES} - {"constant"}


@pytest.mark.parametrize("row", ROWS["primitives"], ids=lambda row: row["name"])
def test_primitives_give_the_frozen_bits(row: dict[str, Any]) -> None:
    wanted = read(row["result"])
    declared = Value(wanted.dtype, wanted.shape)
    primitive = BY_NAME[row["name"]]
    assert primitive.opcode == row["opcode"]
    result = primitive.apply(
        [drawn.to_tensor(read(each)) for each in row["inputs"]], tuple(row["attributes"]), declared
    )
    got = drawn.to_array(result, wanted.dtype)
    if wanted.dtype == "F32":
        got = Array("F32", got.shape, [item if is_finite(item) else 0x7F80_0000 for item in got.items])
    assert got == wanted


@pytest.mark.parametrize("row", ROWS["programs"], ids=lambda row: f"{row['name']}{'-fault' * ('fault' in row)}")
def test_programs_give_the_frozen_bytes(row: dict[str, Any]) -> None:
    content = bytes.fromhex(row["program"])
    program, independent = Program.from_bytes(content), programs.read_program(content)
    assert program.root.hex() == independent.root.hex() == row["root"]
    inputs = [
        programs.read_elements(value.dtype, value.shape, bytes.fromhex(text))
        for value, text in zip(program.inputs, row["inputs"], strict=True)
    ]
    wanted = programs.run(independent, inputs)
    for path in kernels.PATHS:
        if not kernels.agrees(path):
            continue
        got = Runner(program, path).run([drawn.to_tensor(each) for each in inputs])
        if isinstance(got, Fault) or isinstance(wanted, programs.Fault):
            assert isinstance(got, Fault)
            assert isinstance(wanted, programs.Fault)
            assert [got.node_index, got.operator, got.reason] == row["fault"]
            assert [wanted.node_index, wanted.operator, wanted.reason] == row["fault"]
        else:
            assert [each.numpy().tobytes().hex() for each in got] == row["outputs"]
            assert [programs.write_elements(each).hex() for each in wanted] == row["outputs"]
