"""A second implementation, in another language and written from the page alone: the same bits, faults and refusals."""

import json
import random
import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.architectures import load_shipped
from assay.exact.primitives import BY_NAME
from assay.exact.profile import PROFILES
from assay.protocol.errors import Malformed
from assay.protocol.merkle import DTYPE_CODES, tensor_root
from assay.work.interpret import Runner
from assay.work.limits import Limits
from assay.work.normal import Graph
from assay.work.program import Program
from assay.work.walk import Fault
from tests.conformance.exact.exact_vectors import BINARY, UNARY
from tests.conformance.exact.five_steps import NAMES
from tests.properties.exact.drawn import EDGES, finite, near_edge
from tests.properties.exact.test_drawn_programs import Maker, inputs_of
from tests.reference.arrays import Shape
from tests.reference.binary32 import SIGN

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "vectors" / "exact"
ANY_SIZE = Limits(value_elements=1 << 200, live_bytes=1 << 220, operations=1 << 220)
"""What a party admits is its own affair: here only the rules of the page refuse."""
HEADER = 28
NODE = 40
Use = tuple[str, Shape]
"""A value's type and shape."""
Node = tuple[str, Use, list[int], list[int]]
"""A primitive, its result, the values it takes, its attributes."""
ODD = (0, 1, 2, 3, 15, 30, 31, 64, 65, 1 << 16, 1 << 24, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1)

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")


def node(argument: str, jobs: list[dict[str, Any]] | None = None) -> Any:
    """What the second implementation prints."""
    result = subprocess.run(
        ["node", str(ROOT / "tests/second/check.mjs"), argument],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    return json.loads(result.stdout)


def content_of(tensor: Tensor) -> bytes:
    """Its elements."""
    return tensor.contiguous().numpy().tobytes()


def job(program: Program, inputs: list[Tensor]) -> dict[str, Any]:
    """A run to ask for."""
    return {"program": program.to_bytes().hex(), "inputs": [content_of(each).hex() for each in inputs]}


def wanted(program: Program, inputs: list[Tensor]) -> dict[str, Any]:
    """The answer to it."""
    result = Runner(program).run(inputs)
    if isinstance(result, Fault):
        return {"root": program.root.hex(), "fault": [result.node_index, result.operator, result.reason]}
    contents = list(map(content_of, result))
    roots = [
        tensor_root(program.values[value].dtype, program.values[value].shape, content).hex()
        for value, content in zip(program.outputs, contents, strict=True)
    ]
    return {"root": program.root.hex(), "outputs": [each.hex() for each in contents], "commitments": roots}


def compare(runs: list[tuple[Program, list[Tensor]]]) -> int:
    """Both agree on all runs; how many end in a fault."""
    answers = node("--jobs", [job(*each) for each in runs])
    for each, answer in zip(runs, answers, strict=True):
        assert answer == wanted(*each)
    return sum("fault" in answer for answer in answers)


def test_it_agrees_with_all_vectors() -> None:
    for row in node("--json"):
        assert row["cases"] == len(json.loads((VECTORS / f"{row['file']}.json").read_text(encoding="utf-8")))
        assert row["differing"] == []


def test_drawn_programs_agree() -> None:
    programs = [Maker(seed).finish() for seed in range(60)]
    assert 0 < compare([(program, inputs_of(program, seed)) for seed, program in enumerate(programs)]) < 60


def tensor_of(bits: list[int]) -> Tensor:
    """Floats of these bits."""
    return torch.tensor(struct.unpack(f"<{len(bits)}f", struct.pack(f"<{len(bits)}I", *bits)))


def mapping(name: str, *operands: Use, dtype: str = "F32") -> Program:
    """A program that applies one primitive to its inputs."""
    graph = Graph(PROFILES["exact15"])
    inputs = [graph.add_input(f"x{at}", *operand) for at, operand in enumerate(operands)]
    return graph.finish([graph.map(name, *inputs, dtype=dtype)], ["out"])


@pytest.mark.parametrize("name", UNARY)
def test_functions_agree_near_their_edges_and_between(name: str) -> None:
    program = mapping(name, ("F32", (1,)))
    near = {near_edge(edge, offset, sign) for edge in EDGES for offset in (-1, 0, 1) for sign in (0, SIGN)}
    runs = [(program, [tensor_of([bits])]) for bits in sorted(near)]
    many = 1 << 16
    mild = torch.rand(many, generator=torch.Generator().manual_seed(1)) * 16
    runs.append((mapping(name, ("F32", (many,))), [mild if name in ("log", "sqrt") else mild - 8]))
    assert compare(runs) < len(runs)


def test_operations_agree_on_floats_of_every_kind() -> None:
    draw = random.Random(1)

    def some_float() -> Tensor:
        sign = draw.choice([0, SIGN])
        edge = near_edge(draw.choice(EDGES), draw.randint(-2, 2), sign)
        subnormal = sign | draw.randrange(1 << draw.randint(1, 24))
        return tensor_of([draw.choice([edge, finite(draw.getrandbits(32)), subnormal])])

    programs = [mapping(name, ("F32", (1,)), ("F32", (1,))) for name in BINARY]
    runs = [(program, [some_float(), some_float()]) for program in programs for _ in range(200)]
    assert 0 < compare(runs) < len(runs) / 2


def test_integers_near_ties_become_floats_alike() -> None:
    draw = random.Random(2)
    ties = [(1 << 24 | draw.getrandbits(24) | 1) << draw.randint(0, 38) for _ in range(200)]
    integers = torch.tensor([tie + turn for tie in ties for turn in (-1, 0, 1)])
    assert compare([(mapping("to_float", ("I64", (600,))), [integers])]) == 0


def made(inputs: list[Use], *nodes: Node) -> bytes:
    """Bytes of a program without outputs."""

    def sizes(shape: Shape) -> bytes:
        return struct.pack(">6I", *shape, *[0] * (6 - len(shape)))

    parts = [b"ASSAYPRG", struct.pack(">HHIIII", 1, 15, 16319, len(inputs), len(nodes), 0)]
    parts += [struct.pack(">BBH", DTYPE_CODES[dtype], len(shape), 0) + sizes(shape) for dtype, shape in inputs]
    for name, (dtype, shape), used, attributes in nodes:
        head = (BY_NAME[name].opcode, 1, DTYPE_CODES[dtype], len(shape), 0, len(used), len(attributes), 0, 0)
        parts.append(struct.pack(">H4B3HI", *head) + sizes(shape))
        parts.append(struct.pack(f">{len(used)}I{len(attributes)}q", *used, *attributes))
    return b"".join(parts)


def single(name: str, source: Use, shape: Shape, *attributes: int, dtype: str | None = None) -> bytes:
    """A program of one node on one input."""
    return made([source], (name, (dtype or source[0], shape), [0], list(attributes)))


def grouped(length: int, bits: int, limit: int, dtype: str = "I16") -> tuple[list[Use], Node, Node]:
    """A group [1, 1, length], its exponent and its integers: values 0, 1 and 2."""
    exponent: Node = ("exponent", ("I16", (1, 1, 1)), [0], [4, bits, limit])
    return [("F32", (1, 1, length))], exponent, ("quantise", (dtype, (1, 1, length)), [0, 1], [bits])


def contracted(length: int, bits: int, limit: int, dtype: str) -> bytes:
    """The inner product of a group with itself."""
    return made(*grouped(length, bits, limit, dtype), ("contract", ("I64", (1, 1, 1)), [2, 2], []))


def shifted(shift: int) -> bytes:
    """A group of one float and back."""
    return made(*grouped(1, 15, 16319), ("rescale", ("F32", (1, 1, 1)), [2, 1], [shift]))


def scaled_products(rows: int, columns: int) -> bytes:
    """Products of counters, scaled: a bound of (rows - 1) * (columns - 1)."""
    return made(
        [("F32", (1, 1))],
        ("exponent", ("I16", (1, 1)), [0], [1, 15, 16319]),
        ("iota", ("I64", (rows, 1)), [], [0]),
        ("iota", ("I64", (1, columns)), [], [1]),
        ("integer_mul", ("I64", (rows, columns)), [2, 3], []),
        ("rescale", ("F32", (rows, columns)), [4, 1], [0]),
    )


def unfolded(*attributes: int) -> bytes:
    """Windows of one element, two of them, of an image of one."""
    return single("unfold", ("F32", (1, 1, 1, 1)), (1, 2, 1, 1, 1, 1), *attributes)


def joined(count: int) -> bytes:
    """A value joined with itself."""
    return made([("F32", (1,))], ("concat", ("F32", (count,)), [0] * count, [0]))


def summed_at(rows: int) -> bytes:
    """Rows added at indices."""
    return made([("I32", (rows, 1)), ("I64", (rows,))], ("integer_sum_at", ("I64", (3, 1)), [0, 1], []))


def words(stream: int) -> bytes:
    """Random words of a stream."""
    return made([("I64", (2,)), ("I64", ())], ("random", ("I64", (5,)), [0, 1], [stream]))


LAST_AND_NEXT = {
    "pad": (
        single("pad", ("F32", (1,)), (1 << 24,), (1 << 24) - 1, 0),
        single("pad", ("F32", (1,)), ((1 << 24) + 1,), 1 << 24, 0),
    ),
    "slice": (single("slice", ("F32", (4,)), (1,), 3, 4), single("slice", ("F32", (4,)), (1,), 3, 5)),
    "flip": (single("flip", ("F32", (2, 2)), (2, 2), 3), single("flip", ("F32", (2, 2)), (2, 2), 4)),
    "concat": (joined(256), joined(257)),
    "unfold": (
        unfolded(1, 1, 65_535, 1, 65_535, 12, 0, 0, 1, 1, 1, 1),
        unfolded(1, 1, 65_535, 1, 65_535, 13, 0, 0, 1, 1, 1, 1),
    ),
    "dilation": (
        unfolded(1, 1, 1, 1, 1, 0, 0, 0, 65_535, 1, 1, 1),
        unfolded(1, 1, 1, 1, 1, 0, 0, 0, 65_536, 1, 1, 1),
    ),
    "sum": (
        single("integer_sum", ("BOOL", (65_536,)), (), dtype="I64"),
        single("integer_sum", ("BOOL", (65_537,)), (), dtype="I64"),
    ),
    "sum_at": (summed_at(65_536), summed_at(65_537)),
    "length": (contracted(65_536, 8, 127, "I16"), contracted(65_537, 8, 127, "I16")),
    "bound": (contracted(2048, 22, 2_097_151, "I32"), contracted(2049, 22, 2_097_151, "I32")),
    "rescale": (scaled_products((1 << 26) + 1, (1 << 27) + 1), scaled_products((1 << 26) + 1, (1 << 27) + 2)),
    "shift": (shifted(64), shifted(65)),
    "negative shift": (shifted(-64), shifted(-65)),
    "most bits": (made(*grouped(1, 30, (1 << 29) - 1, "I32")), made(*grouped(1, 31, (1 << 30) - 1, "I32"))),
    "least bits": (made(*grouped(1, 2, 1)), made(*grouped(1, 1, 1))),
    "odd limit": (made(*grouped(1, 15, 16_383)), made(*grouped(1, 15, 16_382))),
    "large limit": (made(*grouped(1, 15, 16_383)), made(*grouped(1, 15, 16_385))),
    "small limit": (made(*grouped(1, 15, 8193)), made(*grouped(1, 15, 8191))),
    "wide integers": (made(*grouped(1, 17, 32_769, "I32")), made(*grouped(1, 16, 32_767, "I32"))),
    "stream": (words((1 << 32) - 1), words(1 << 32)),
}
"""For each limit of the page a program that keeps it just so, and one that does not."""


def test_limits_are_the_same() -> None:
    contents = [content for pair in LAST_AND_NEXT.values() for content in pair]
    answers = node("--jobs", [{"program": content.hex()} for content in contents])
    for name, taken, refused, (last, following) in zip(
        LAST_AND_NEXT, answers[::2], answers[1::2], LAST_AND_NEXT.values(), strict=True
    ):
        assert taken.get("root") == root_of(last) is not None, name
        assert "refused" in refused, name
        assert root_of(following) is None, name


def node_starts(content: bytes) -> list[int]:
    """Where each node begins, and the end."""
    inputs, nodes, outputs = struct.unpack(">3I", content[16:HEADER])
    starts = [HEADER + 28 * inputs + 4 * outputs]
    for _ in range(nodes):
        at = starts[-1]
        used, attributes = struct.unpack(">2H", content[at + 6 : at + 10])
        (payload,) = struct.unpack(">I", content[at + 12 : at + 16])
        starts.append(at + NODE + 4 * used + 8 * attributes + payload)
    return starts


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A program's bytes with one thing changed: anywhere, or a field of one node."""
    starts = node_starts(content)
    which = draw.randrange(len(starts) - 1)
    start, end = starts[which : which + 2]
    used, attributes = struct.unpack(">2H", content[start + 6 : start + 10])

    def put(at: int, part: bytes) -> bytes:
        return content[:at] + part + content[at + len(part) :]

    kind = draw.choice(["bit", "head", "cut", "extend", "swap", "size", "size", "input", "input", *["attribute"] * 4])
    if kind == "size":
        at = start + 16 + 4 * draw.randrange(content[start + 4] or 6)
        size = int.from_bytes(content[at : at + 4], "big")
        return put(at, (draw.choice([size + 1, size - 1, 2 * size, *ODD]) % (1 << 32)).to_bytes(4, "big"))
    if kind == "input" and used:
        return put(start + NODE + 4 * draw.randrange(used), draw.randrange(60).to_bytes(4, "big"))
    if kind == "attribute" and attributes:
        at = start + NODE + 4 * used + 8 * draw.randrange(attributes)
        number = int.from_bytes(content[at : at + 8], "big")
        changed = draw.choice([number + 1, number - 1, -number, draw.choice(ODD), -draw.choice(ODD) - 1])
        return put(at, (changed % (1 << 64)).to_bytes(8, "big"))
    if kind == "head":
        return put(start + draw.randrange(NODE), bytes([draw.choice([0, 1, 2, 4, 5, 6, 8, 255])]))
    if kind == "cut":
        at = draw.randrange(len(content))
        return content[:at] + content[at + draw.choice([1, 4, 8, len(content)]) :]
    if kind == "extend":
        return content + draw.randbytes(draw.randint(1, NODE))
    if kind == "swap" and which + 2 < len(starts):
        return content[:start] + content[end : starts[which + 2]] + content[start:end] + content[starts[which + 2] :]
    at = draw.randrange(len(content))
    return put(at, bytes([content[at] ^ 1 << draw.randrange(8)]))


def root_of(content: bytes) -> str | None:
    """The root of a program, or None for bytes that are refused."""
    try:
        return Program.from_bytes(content, ANY_SIZE).root.hex()
    except Malformed:
        return None


def test_the_same_bytes_are_refused() -> None:
    draw = random.Random(3)
    sound = [Maker(seed).finish().to_bytes() for seed in range(40)]
    contents = [mutated(content, draw) for content in sound for _ in range(40)]
    answers = node("--jobs", [{"program": content.hex()} for content in contents])
    for content, answer in zip(contents, answers, strict=True):
        assert answer.get("root") == root_of(content), answer
    reasons = Counter(answer.get("refused") for answer in answers)
    assert reasons[None] > 50
    assert len(reasons) > 25


def test_five_steps_of_the_shipped_programs_agree() -> None:
    golden = json.loads((VECTORS / "steps.json").read_text(encoding="utf-8"))
    bundles = [load_shipped(name) for name in NAMES]
    jobs = [
        {"program": each.step.to_bytes().hex(), "state": [content_of(tensor).hex() for tensor in each.state.values()]}
        for each in bundles
    ]
    for name, answer in zip(NAMES, node("--jobs", jobs), strict=True):
        assert answer == {"root": golden[name]["step_root"], "hash": golden[name]["after_5_steps"]}
