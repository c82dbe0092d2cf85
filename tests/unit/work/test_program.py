"""Programs as bytes: canonical, bounded, and harmless whatever the bytes."""

import dataclasses
import struct
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.architectures import mlp
from assay.exact.primitives import BY_NAME
from assay.exact.profile import EXACT15
from assay.exact.values import TORCH_DTYPES, Value
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.merkle import bytes_root, leaf_hash, merkle_proof, merkle_root, roots_hash, verify
from assay.work.capture import capture
from assay.work.initial import Rule
from assay.work.interpret import Runner
from assay.work.node import HEAD, Node
from assay.work.normal import Graph
from assay.work.program import HEADER, Bundle, Limits, Program
from assay.work.walk import Fault

SMALL = Limits(nodes=500, value_elements=1 << 16, live_bytes=1 << 22, operations=1 << 22)


@cache
def small_bundle() -> Bundle:
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    spec = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    return capture(mlp(6, (5,), 3), "cross_entropy", spec, x, y, init="seed:1", counts=[1, 2])


def example_inputs(program: Program) -> list[torch.Tensor]:
    return [torch.ones(value.shape, dtype=TORCH_DTYPES[value.dtype]) for value in program.inputs]


def test_bytes_round_trip() -> None:
    bundle = small_bundle()
    for _, _, program in bundle.sections():
        again = Program.from_bytes(program.to_bytes())
        assert again == program
        assert again.to_bytes() == program.to_bytes()
        assert again.root == program.root
    again_bundle = Bundle.from_bytes(bundle.to_bytes())
    assert again_bundle == bundle
    assert again_bundle.root == bundle.root
    assert again_bundle.step.side == bundle.step.side
    assert list(again_bundle.state) == list(bundle.state)
    assert all(torch.equal(a, b) for a, b in zip(again_bundle.state.values(), bundle.state.values(), strict=True))


def test_each_node_has_a_proof_under_the_root() -> None:
    program = small_bundle().step
    trees = [merkle_root(hashes) for hashes in program.trees]
    assert roots_hash([leaf_hash(program.head), *trees]) == program.root
    for root, hashes, leaves in zip(trees, program.trees, program.leaves, strict=True):
        at = min(17, len(hashes) - 1)
        assert verify(root, len(hashes), at, leaf_hash(leaves[at]), merkle_proof(hashes, at))


def test_a_leaf_says_what_is_an_output_and_has_the_tree_of_a_payload() -> None:
    program = small_bundle().step
    ends = {output - len(program.inputs) for output in program.outputs}
    for at, (node, leaf) in enumerate(zip(program.nodes, program.leaves[2], strict=True)):
        content = node.to_bytes()[: len(node.to_bytes()) - len(node.payload)]
        assert leaf[5] == (at in ends)
        assert leaf[:5] + leaf[6:] == content[:5] + content[6:] + (
            bytes_root(node.payload, 1024) if node.payload else b""
        )
    assert ends
    assert any(node.payload for node in program.nodes)


def test_a_node_is_laid_out_as_documented() -> None:
    node = Node(0x53, 1, "F32", (2, 3), (7,), (0, 1, 1, 2))
    content = node.to_bytes()
    assert len(content) == 40 + 4 + 4 * 8
    assert content[:2] == b"\x00\x53"
    assert struct.unpack_from(">6I", content, 16) == (2, 3, 0, 0, 0, 0)
    assert struct.unpack_from(">I", content, 40) == (7,)
    assert struct.unpack_from(">4q", content, 44) == (0, 1, 1, 2)
    assert HEAD.size == 40


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.integers(0, 10**6))
def test_a_flipped_bit_is_refused_or_another_program(place: int, bit: int, where: int) -> None:
    program = [small_bundle().step, small_bundle().evaluate, small_bundle().aggregate[2]][where % 3]
    content = bytearray(program.to_bytes())
    content[place % len(content)] ^= 1 << bit
    try:
        other = Program.from_bytes(bytes(content), SMALL)
    except Malformed:
        return
    assert other.root != program.root
    assert other.to_bytes() == bytes(content)
    result = Runner(other).run(example_inputs(other))
    reference = Runner(other, "int64").run(example_inputs(other))
    assert isinstance(result, Fault) == isinstance(reference, Fault)
    if isinstance(result, Fault) or isinstance(reference, Fault):
        assert result == reference
    else:
        assert all(torch.equal(a, b) for a, b in zip(result, reference, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_bundle_is_refused_or_another(place: int, byte: int) -> None:
    content = bytearray(small_bundle().to_bytes())
    content[place % len(content)] = byte
    try:
        Bundle.from_bytes(bytes(content), SMALL)
    except Malformed:
        return


@pytest.mark.parametrize(
    "row",
    [
        ["w", "F32", [2], "uniform", 10**400],
        ["w", "F32", [2], "uniform", float("nan")],
        ["w", "F32", [2], "normal", 1e300],
        ["w", "I64", [2], "constant", 1e30],
        ["w", "I64", [2], "uniform", 1],
        ["w", "I16", [2], "constant", 1],
        ["w", "F32", [0], "constant", 1],
        ["w", "F32", [1] * 7, "constant", 1],
        ["w", "F32", [1 << 40], "constant", 1],
        ["w", "F32", [2], "secret", 1],
        ["w", "F32", [2], "constant"],
        {"name": "w"},
    ],
)
def test_odd_rules_of_a_state_are_refused(row: object) -> None:
    with pytest.raises(Malformed, match="not a rule"):
        Rule.from_json(row)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        Program.from_bytes(content)
    with pytest.raises(Malformed):
        Bundle.from_bytes(content)


def test_truncation_and_trailing_bytes_are_refused() -> None:
    content = small_bundle().step.to_bytes()
    for size in range(0, len(content), 97):
        with pytest.raises(Malformed):
            Program.from_bytes(content[:size])
    with pytest.raises(Malformed, match="left over"):
        Program.from_bytes(content + b"\x00")


def node(name: str, shape: tuple[int, ...], inputs: tuple[int, ...], *attributes: int, dtype: str = "F32") -> Node:
    return Node(BY_NAME[name].opcode, 1, dtype, shape, inputs, attributes)


def program_of(*nodes: Node, shape: tuple[int, ...] = (4, 4), limits: Limits = SMALL) -> Program:
    return Program(EXACT15, (Value("F32", shape),), nodes, (len(nodes),), limits=limits)


def test_forward_and_cyclic_references_are_refused() -> None:
    for value in (1, 2, 1000):
        with pytest.raises(Malformed, match="earlier"):
            program_of(node("neg", (4, 4), (value,)), node("neg", (4, 4), (0,)))


def test_oversize_is_refused_before_it_is_made() -> None:
    with pytest.raises(LimitExceeded, match="largest value"):
        program_of(node("expand", (1 << 20, 4, 4), (0,)))
    wide = [node("expand", (4096, 4, 4), (0,)) for _ in range(9)]
    joined = node("concat", (36864, 4, 4), tuple(range(1, 10)), 0)
    with pytest.raises(LimitExceeded, match="memory"):
        program_of(*wide, joined, limits=dataclasses.replace(SMALL, value_elements=1 << 20))
    with pytest.raises(LimitExceeded, match="node count"):
        program_of(*(node("neg", (4, 4), (0,)) for _ in range(501)))
    with pytest.raises(LimitExceeded, match="size in bytes"):
        Program.from_bytes(bytes(100), dataclasses.replace(SMALL, program_bytes=99))
    far = (1, 1, 60000, 60000, 0, 0, 0, 0, 1, 1, 60000, 60000)
    with pytest.raises(Malformed, match="far beyond"):
        Program(EXACT15, (Value("F32", (1, 1, 4, 4)),), (node("unfold", (1, 4, 4, 1, 1, 1), (0,), *far),), (1,))
    header = HEADER.pack(b"ASSAYPRG", 1, 15, 16319, 0, 1 << 31, 0)
    with pytest.raises(LimitExceeded, match="node count"):
        Program.from_bytes(header)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (node("add", (4, 4), (0,)), "takes 2 inputs"),
        (node("reshape", (4, 5), (0,)), "number of elements"),
        (node("permute", (4, 4), (0,), 0, 0), "each axis once"),
        (node("slice", (4, 4), (0,), 1, 0, 1, 1), "leaves its input"),
        (node("slice", (1, 4), (0,), 0, 0, 1 << 62, 1), "starts and steps"),
        (node("exp", (4, 5), (0,)), "declares"),
        (node("exponent", (4, 1), (0,), 2, 15, 16320, dtype="I16"), "bits and limit"),
        (node("exponent", (4, 1), (0,), 8, 15, 16319, dtype="I16"), "axes"),
        (node("quantise", (4, 4), (0, 0), 15, dtype="I16"), "its own exponents"),
        (node("rescale", (4, 4), (0, 0), 0), "integers may exceed"),
        (node("contract", (4, 4, 4), (0, 0), dtype="I64"), "quantised operands"),
        (Node(0xFFFF, 1, "F32", (4, 4)), "no primitive"),
        (Node(BY_NAME["exp"].opcode, 2, "F32", (4, 4), (0,)), "no primitive"),
        (Node(BY_NAME["constant"].opcode, 1, "F32", (1,), payload=struct.pack("<f", float("nan"))), "not finite"),
        (Node(BY_NAME["constant"].opcode, 1, "F32", (2,), payload=b"\x00" * 4), "payload"),
        (Node(BY_NAME["constant"].opcode, 1, "BOOL", (1,), payload=b"\x02"), "neither 0 nor 1"),
    ],
)
def test_broken_rules_are_refused(bad: Node, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        program_of(bad)


def test_a_fault_names_the_first_node_on_every_path() -> None:
    graph = Graph(EXACT15)
    x = graph.add_input("x", "F32", (3,))
    graph.source = "fine"
    shifted = graph.map("add", x, graph.scalar(1.0))
    graph.source = "here"
    inverse = graph.map("div", graph.scalar(1.0), x)
    graph.source = "later"
    hidden = graph.map("where", graph.compare("gt", shifted, graph.scalar(0.5)), shifted, inverse)
    program = graph.finish([hidden], ["out"])
    for path in ("float64", "int64"):
        runner = Runner(program, path)
        assert isinstance(runner.run([torch.tensor([1.0, 2.0, 4.0])]), list)
        fault = runner.run([torch.tensor([0.0, 2.0, 4.0])])
        assert isinstance(fault, Fault)
        assert (fault.operator, fault.source, fault.reason) == ("div", "here", "not finite")
        bad_input = runner.run([torch.tensor([float("nan"), 2.0, 4.0])])
        assert isinstance(bad_input, Fault)
        assert (bad_input.node_index, bad_input.operator, bad_input.source) == (-1, "input", "x")


def test_a_large_finite_value_is_no_fault() -> None:
    graph = Graph(EXACT15)
    x = graph.add_input("x", "F32", (4,))
    program = graph.finish([graph.map("neg", x)], ["out"])
    result = Runner(program).run([torch.full((4,), 3e38)])
    assert isinstance(result, list)
    assert result[0].tolist() == [float(torch.tensor(-3e38))] * 4


def test_an_index_outside_its_axis_is_a_fault() -> None:
    bundle = small_bundle()
    state = list(bundle.state.values())
    y = torch.tensor([0, 1, 2, 3])
    for path in ("float64", "int64"):
        fault = Runner(bundle.step, path).run([*state, torch.zeros(4, 6), y])
        assert isinstance(fault, Fault)
        assert fault.operator == "pick"


def test_training_that_diverges_faults_at_one_node() -> None:
    x, y = torch.ones(4, 6), torch.zeros(4, dtype=torch.int64)
    bundle = capture(mlp(6, (5,), 3), "cross_entropy", {"name": "sgd", "lr": 1e30}, x, y, init="seed:1", counts=[1])
    faults = []
    for path in ("float64", "int64"):
        runner, state = Runner(bundle.step, path), list(bundle.state.values())
        for step in range(20):
            result = runner.run([*state, x, y])
            if isinstance(result, Fault):
                faults.append((step, result))
                break
            state = result[:-1]
    assert len(faults) == 2
    assert faults[0] == faults[1]
    assert faults[0][1].reason == "not finite"


def test_outputs_share_no_memory_with_inputs() -> None:
    graph = Graph(EXACT15)
    x = graph.add_input("x", "F32", (4,))
    program = graph.finish([x, graph.reshape(x, (2, 2))], ["same", "view"])
    values = torch.arange(4.0)
    same, view = Runner(program).run([values])
    values.zero_()
    assert same.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert view.tolist() == [[0.0, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), (1,) * 7, (-1,)])
def test_an_empty_value_and_one_of_seven_axes_are_refused(shape: tuple[int, ...]) -> None:
    """Where a program is made as where it is read: its bytes could not say them."""
    value = Value("F32", shape)
    with pytest.raises(Malformed, match=r"input 0.*no shape"):
        Program(EXACT15, (value,), (), (0,))
    node = Node(BY_NAME["neg"].opcode, 1, "F32", shape, (0,))
    with pytest.raises(Malformed, match=r"node 0.*no shape"):
        Program(EXACT15, (Value("F32", (2,)),), (node,), (1,))


@pytest.mark.parametrize("path", ["float64", "int64"])
def test_the_exponent_of_a_zero_group_is_zero_for_other_integers_too(path: str) -> None:
    """A program may rescale integers by the exponents of another value, whose groups may be zero."""
    graph = Graph(EXACT15)
    x, zero = graph.add_input("x", "F32", (2,)), graph.add_input("zero", "F32", (2,))
    integers, _ = graph.quantise(x, (0,))
    _, exponents = graph.quantise(zero, (0,))
    program = graph.finish([graph.rescale(integers, (exponents,), 0), exponents], ["out", "exponents"])
    result = Runner(program, path).run([torch.tensor([0.5, -0.25]), torch.zeros(2)])
    assert isinstance(result, list)
    assert result[0].tolist() == [8192.0, -4096.0]
    assert result[1].tolist() == [0]
