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
from assay.exact.profile import PROFILES
from assay.protocol.errors import Malformed
from assay.protocol.merkle import tensor_root
from assay.work.interpret import Fault, Runner
from assay.work.limits import Limits
from assay.work.normal import Graph
from assay.work.program import Program
from tests.conformance.exact.exact_vectors import BINARY, UNARY
from tests.conformance.exact.five_steps import NAMES
from tests.properties.exact.drawn import EDGES, finite, near_edge, pattern_of
from tests.properties.exact.test_drawn_programs import Maker, inputs_of
from tests.reference.binary32 import SIGN

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "vectors" / "exact"
ANY_SIZE = Limits(value_elements=1 << 200, live_bytes=1 << 220, operations=1 << 220)
"""What a party admits is its own affair: here only the rules of the page refuse."""
HEADER = 28
NODE = 40
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


def some_float(draw: random.Random) -> Tensor:
    """Of any size, near where a definition changes, subnormal, or mild."""
    sign = draw.choice([0, SIGN])
    bits = draw.choice(
        [
            near_edge(draw.choice(EDGES), draw.randint(-2, 2), sign),
            finite(draw.getrandbits(32)),
            sign | draw.randrange(1 << draw.randint(1, 24)),
            pattern_of(draw.uniform(-100, 100)),
        ]
    )
    return torch.tensor(struct.unpack("<f", struct.pack("<I", bits)))


@pytest.mark.parametrize("names", [BINARY, UNARY])
def test_floats_of_every_kind_agree(names: tuple[str, ...]) -> None:
    draw = random.Random(1)
    runs = []
    for name in names:
        graph = Graph(PROFILES["exact15"])
        inputs = [graph.add_input(f"x{at}", "F32", (1,)) for at in range(1 + (names is BINARY))]
        program = graph.finish([graph.map(name, *inputs)], ["out"])
        runs += [(program, [some_float(draw) for _ in inputs]) for _ in range(150)]
    assert 0 < compare(runs) < len(runs) / 2


def test_whole_integers_become_floats_alike() -> None:
    graph = Graph(PROFILES["exact15"])
    value = graph.add_input("x", "I64", (4,))
    program = graph.finish([graph.put("to_float", (value,), shape=(4,), dtype="F32")], ["out"])
    draw = random.Random(2)
    near_ties = [
        [((2 * draw.getrandbits(23) + 1) << draw.randint(0, 39)) + turn for turn in (-1, 0, 1)] for _ in range(60)
    ]
    assert compare([(program, [torch.tensor([draw.getrandbits(63), *each])]) for each in near_ties]) == 0


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
