"""A program: a training step, an update, an aggregate or an answer, as data.

    header = "ASSAYPRG" | format u16 | profile bits u16 | profile limit u32 | input count u32 | node count u32
             | output count u32 | per input: element type u8, rank u8, zero u16, six sizes u32 | per output: value u32
    bytes  = header | nodes                           (a node's layout: assay.work.node)
    root   = roots_hash([leaf_hash(head), tree of inputs, tree of outputs, tree of nodes])
                            head: the header without its lists; tree: merkle_root(leaf_hash(item) for each item)
                            of a constant's node the leaf has the tree of its payload, in leaves of 1 KiB, in its place,
                            of an output's node a 1 at offset 5, where its bytes have a zero

Values are numbered by position: inputs first, then nodes, each of which uses earlier values only. Names of inputs and
outputs and the source line of each node are a side table, outside the hash.
"""

import json
import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.profile import PROFILES, Profile
from assay.exact.rules import Call
from assay.exact.values import RANK_LIMIT, Value
from assay.protocol.errors import BadInput, Malformed
from assay.protocol.merkle import DTYPE_CODES, leaf_hash, levels, merkle_root, roots_hash
from assay.protocol.plain import read_plain
from assay.work.initial import Rule, draw_state
from assay.work.limits import DEFAULT_LIMITS, admit
from assay.work.limits import Limits as Limits
from assay.work.node import TYPE, Node, Reader, check_payload, read_node, read_type

MAGIC = b"ASSAYPRG"
FORMAT = 1
HEADER = struct.Struct(">8sHHIIII")
PHYSICAL_BYTES = 8
"""Bytes an element may take while a program runs, whatever its type: integers travel as float64 on some paths."""
CONSTANT = BY_NAME["constant"].opcode
PREPARED = (CONSTANT, BY_NAME["iota"].opcode)
"""Nodes without inputs, computed before a program runs and kept."""


@dataclass(frozen=True)
class Side:
    """What people want to know of a program and no hash covers: names and, per node, where it came from."""

    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"inputs": list(self.input_names), "outputs": list(self.output_names), "sources": list(self.sources)}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Side":
        """From plain values. Errors: `Malformed`."""
        rows = []
        for key in ("inputs", "outputs", "sources"):
            texts = entry.get(key)
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise Malformed(f"the side table's {key} are not a list of texts")
            rows.append(tuple(texts))
        return cls(*rows)


def check_shape(value: Value, place: str) -> None:
    """No value is empty or of too many axes: its bytes could not be read again. Errors: `Malformed`."""
    if len(value.shape) > RANK_LIMIT or not all(size > 0 for size in value.shape):
        raise Malformed(
            f"{place}: {list(value.shape)} is no shape", hint="a value has at most 6 axes, none of them empty"
        )


@dataclass(frozen=True)
class Program:
    """Nodes over typed inputs. Construction checks every rule; errors: `Malformed`, `LimitExceeded`."""

    profile: Profile
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    side: Side = field(default=Side(), compare=False)
    limits: Limits = field(default=DEFAULT_LIMITS, compare=False, repr=False)

    def __post_init__(self) -> None:
        admit("node count", len(self.nodes), self.limits.nodes)
        admit("input count", len(self.inputs), self.limits.inputs)
        admit("output count", len(self.outputs), self.limits.outputs)
        admit("operation count", self.operations, self.limits.operations)
        admit("memory in bytes", self.live_bytes, self.limits.live_bytes)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Types of all values: inputs, then nodes."""
        known = list(self.inputs)
        for place, value in enumerate(known):
            check_shape(value, f"input {place}")
            admit("largest value", value.size, self.limits.value_elements)
        for position, node in enumerate(self.nodes):
            primitive = BY_OPCODE.get(node.opcode)
            if primitive is None or primitive.version != node.version:
                raise Malformed(f"node {position}: no primitive {node.opcode:#x} version {node.version}")
            if any(value >= len(known) for value in node.inputs):
                raise Malformed(f"node {position}: an input is not an earlier value")
            declared = Value(node.dtype, node.shape)
            check_shape(declared, f"node {position}")
            admit("largest value", declared.size, self.limits.value_elements)
            admit("largest constant", len(node.payload), self.limits.constant_bytes)
            check_payload(node, node.opcode == CONSTANT)
            call = Call(node.inputs, tuple(known[value] for value in node.inputs), node.attributes, declared)
            try:
                known.append(primitive.infer(call))
            except Malformed as error:
                raise Malformed(f"node {position}: {error.message}", hint=error.hint) from error
        if any(value >= len(known) for value in self.outputs):
            raise Malformed("an output is not a value")
        return tuple(known)

    @cached_property
    def last_uses(self) -> tuple[int, ...]:
        """Per value the last node that reads it, the value's own node if none does, or -1; outputs live to the end."""
        count = len(self.inputs)
        last = [max(value - count, -1) for value in range(count + len(self.nodes))]
        for position, node in enumerate(self.nodes):
            for value in node.inputs:
                last[value] = position
        for value in self.outputs:
            last[value] = len(self.nodes)
        return tuple(last)

    @cached_property
    def live_bytes(self) -> int:
        """Most memory that values take at once while the program runs, at most; constants stay throughout."""
        sizes = [value.size * PHYSICAL_BYTES for value in self.values]
        kept = {len(self.inputs) + place for place, node in enumerate(self.nodes) if node.opcode in PREPARED}
        ends: dict[int, list[int]] = {}
        for value, position in enumerate(self.last_uses):
            ends.setdefault(position, []).append(value)
        count = len(self.inputs)
        live = peak = sum(sizes[:count])
        for position in range(len(self.nodes)):
            live += sizes[count + position]
            peak = max(peak, live)
            live -= sum(sizes[value] for value in ends.get(position, ()) if value not in kept)
        return peak

    @cached_property
    def prepared_bytes(self) -> int:
        """Most memory of what is computed before the program runs and kept, at most."""
        rows = zip(self.nodes, self.values[len(self.inputs) :], strict=True)
        return sum(value.size * PHYSICAL_BYTES for node, value in rows if node.opcode in PREPARED)

    @cached_property
    def operations(self) -> int:
        """Multiplications of the inner products plus elements of all operands and results."""
        return self.products + self.elements

    @cached_property
    def products(self) -> int:
        """Multiplications of the inner products."""
        count, contract = len(self.inputs), BY_NAME["contract"].opcode
        rows = enumerate(self.nodes)
        return sum(
            self.values[count + at].size * self.values[node.inputs[0]].shape[-1]
            for at, node in rows
            if node.opcode == contract
        )

    @cached_property
    def elements(self) -> int:
        """Elements of the operands of all nodes, and of the results but for inner products."""
        values, contract = self.values, BY_NAME["contract"].opcode
        operands = sum(values[each].size for node in self.nodes for each in node.inputs)
        rows = zip(self.nodes, values[len(self.inputs) :], strict=True)
        return operands + sum(value.size for node, value in rows if node.opcode != contract)

    @cached_property
    def head(self) -> bytes:
        """Profile and counts: how the header begins."""
        counts = (len(self.inputs), len(self.nodes), len(self.outputs))
        return HEADER.pack(MAGIC, FORMAT, self.profile.bits, self.profile.limit, *counts)

    @cached_property
    def leaves(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """What each leaf binds: of the trees of inputs, of outputs, and of nodes."""
        types = []
        for value in self.inputs:
            sizes = (*value.shape, *(0,) * (RANK_LIMIT - len(value.shape)))
            types.append(TYPE.pack(DTYPE_CODES[value.dtype], len(value.shape), 0, *sizes))
        outputs = [struct.pack(">I", output) for output in self.outputs]
        ends, count = set(self.outputs), len(self.inputs)
        return types, outputs, [node.leaf(count + at in ends) for at, node in enumerate(self.nodes)]

    @cached_property
    def trees(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """Hashes of these leaves."""
        inputs, outputs, nodes = ([leaf_hash(each) for each in leaves] for leaves in self.leaves)
        return inputs, outputs, nodes

    @cached_property
    def node_levels(self) -> list[list[bytes]]:
        """The tree over the nodes, leaves first: whoever shows nodes shows many."""
        return levels(self.trees[2])

    @cached_property
    def root(self) -> bytes:
        """The root that binds every input, output and node by its position, so that a contract can be shown one."""
        return roots_hash([leaf_hash(self.head), *map(merkle_root, self.trees)])

    def to_bytes(self) -> bytes:
        """The canonical bytes, without the side table."""
        types, outputs, _ = self.leaves
        return b"".join([self.head, *types, *outputs, *(node.to_bytes() for node in self.nodes)])

    @classmethod
    def from_bytes(cls, content: bytes, limits: Limits = DEFAULT_LIMITS, side: Side | None = None) -> "Program":
        """Read and check a program. Errors: `Malformed`, `LimitExceeded`; nothing else, whatever the bytes."""
        admit("size in bytes", len(content), limits.program_bytes)
        reader = Reader(content)
        magic, version, bits, limit, inputs, nodes, outputs = HEADER.unpack(reader.take(HEADER.size))
        if magic != MAGIC or version != FORMAT:
            raise Malformed("these bytes are not a program of this format")
        profile = next((each for each in PROFILES.values() if (each.bits, each.limit) == (bits, limit)), None)
        if profile is None:
            raise Malformed(f"no arithmetic profile has {bits} bits and limit {limit}")
        admit("input count", inputs, limits.inputs)
        admit("node count", nodes, limits.nodes)
        admit("output count", outputs, limits.outputs)
        types = []
        for _ in range(inputs):
            code, rank, zero, *sizes = reader.unpack(TYPE)
            if zero:
                raise Malformed("reserved bytes are not zero")
            types.append(Value(*read_type(code, rank, tuple(sizes))))
        results = struct.unpack(f">{outputs}I", reader.take(4 * outputs))
        body = tuple(read_node(reader, limits.constant_bytes) for _ in range(nodes))
        reader.finish()
        return cls(profile, tuple(types), body, results, side or Side(), limits)


SIDE_BYTES = 8 << 20
"""Of a side table. JSON of nothing but brackets takes a second for each megabyte."""
BUNDLE_MAGIC = b"ASSAYBDL"
BUNDLE_HEADER = struct.Struct(">8sHHI")
SECTION = struct.Struct(">HHI")
KINDS = ("step", "emit", "evaluate", "predict", "aggregate")
AGGREGATES = 256


@dataclass(frozen=True)
class Bundle:
    """The programs of a job, the rules of its initial state, and that state where it is known.

    Bytes: magic | format u16 | section count u16 | side size u32 | per section: kind u16, count u16, size u32, program
    | side table as JSON. Only programs are hashed; the state has a root of its own.
    """

    step: Program
    emit: Program
    evaluate: Program
    predict: Program
    aggregate: dict[int, Program]
    rules: tuple[Rule, ...]
    init: str = "given"
    state: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        admit("prepared values in bytes", self.prepared_bytes, self.step.limits.prepared_bytes)
        self.check_signatures()

    @property
    def prepared_bytes(self) -> int:
        """The same of all programs."""
        return sum(program.prepared_bytes for _, _, program in self.sections())

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors, in order."""
        return tuple(rule.name for rule in self.rules)

    @property
    def is_random(self) -> bool:
        """Whether `step` takes a key (int64 [2]) and a step number (int64 []) after x and y."""
        return len(self.step.inputs) == len(self.rules) + 4

    def check_signatures(self) -> None:
        """Programs take and give the state that the rules describe. Errors: `Malformed`."""
        state = [(rule.dtype, rule.shape) for rule in self.rules]
        count = len(state)
        step, emit = Interface.of(self.step), Interface.of(self.emit)
        evaluate, predict = Interface.of(self.evaluate), Interface.of(self.predict)
        x, y = step.inputs[count : count + 1], step.inputs[count + 1 : count + 2]
        random = [("I64", (2,)), ("I64", ())]
        updates = emit.outputs
        fits = [
            len(set(self.state_names)) == count,
            len(y) == 1 and step.inputs in (state + x + y, state + x + y + random),
            step.outputs == [*state, ("F32", ())],
            emit.inputs == state + state,
            all(each[0] == "F32" for each in updates),
            evaluate == Interface(state + x + y, [("I64", ()), ("I64", ()), ("F32", ())]),
            predict.inputs == state + x,
            0 < len(self.aggregate) <= AGGREGATES,
            *(Interface.of(each) == Interface(state + updates * n, state) for n, each in self.aggregate.items()),
        ]
        if not all(fits):
            raise Malformed("the bundle's programs do not fit each other", fits=fits)

    def sections(self) -> list[tuple[str, int, Program]]:
        """Kind, count of updates and program, in the order of the root."""
        single = [(kind, 0, getattr(self, kind)) for kind in KINDS[:4]]
        return single + [("aggregate", count, self.aggregate[count]) for count in sorted(self.aggregate)]

    @cached_property
    def leaves(self) -> list[bytes]:
        """Hashes of the programs' roots, each with its kind and count."""
        rows = [SECTION.pack(KINDS.index(kind), count, 0) + program.root for kind, count, program in self.sections()]
        return [leaf_hash(row) for row in rows]

    @cached_property
    def root(self) -> bytes:
        """One hash over all programs."""
        return roots_hash(self.leaves)

    def to_bytes(self) -> bytes:
        """Programs and side tables; not the state."""
        rows, sides = [], []
        for kind, count, program in self.sections():
            content = program.to_bytes()
            rows.append(SECTION.pack(KINDS.index(kind), count, len(content)) + content)
            sides.append(program.side.to_json())
        entry = {"init": self.init, "rules": [rule.to_json() for rule in self.rules], "programs": sides}
        side = json.dumps(entry, separators=(",", ":"), sort_keys=True).encode()
        return BUNDLE_HEADER.pack(BUNDLE_MAGIC, FORMAT, len(rows), len(side)) + b"".join(rows) + side

    @classmethod
    def from_bytes(cls, content: bytes, limits: Limits = DEFAULT_LIMITS, *, draw: bool = True) -> "Bundle":
        """Read and check a bundle; `draw`: with the initial state that follows from it. Errors: `Malformed`,
        `LimitExceeded`."""
        admit("size in bytes", len(content), limits.program_bytes)
        reader = Reader(content)
        magic, version, count, side_size = BUNDLE_HEADER.unpack(reader.take(BUNDLE_HEADER.size))
        if magic != BUNDLE_MAGIC or version != FORMAT:
            raise Malformed("these bytes are not a bundle of this format")
        admit("section count", count, AGGREGATES + len(KINDS))
        bodies = []
        for _ in range(count):
            kind, updates, size = reader.unpack(SECTION)
            bodies.append(((kind, updates), reader.take(size)))
        entry = read_json(reader.take(side_size))
        reader.finish()
        tables, rows, init = entry.get("programs"), entry.get("rules"), entry.get("init")
        if (
            not isinstance(tables, list)
            or len(tables) != count
            or not isinstance(rows, list)
            or not isinstance(init, str)
        ):
            raise Malformed("the side table does not fit the programs")
        counts = [updates for (_, updates), _ in bodies[4:]]
        order = [(kind, 0) for kind in range(4)] + [(4, updates) for updates in sorted(set(counts))]
        if [label for label, _ in bodies] != order or not all(isinstance(table, dict) for table in tables):
            raise Malformed("the bundle's programs are out of order")
        programs: list[Program] = []
        nodes = 0
        for (_, body), table in zip(bodies, tables, strict=True):
            programs.append(Program.from_bytes(body, limits, Side.from_json(table)))
            nodes += len(programs[-1].nodes)
            admit("node count in all parts", nodes, limits.bundle_nodes)
        rules = tuple(Rule.from_json(row) for row in rows)
        step, emit, evaluate, predict = programs[:4]
        aggregate = dict(zip(counts, programs[4:], strict=True))
        bundle = cls(step, emit, evaluate, predict, aggregate, rules, init)
        try:
            return bundle if init == "given" or not draw else replace(bundle, state=draw_state(rules, init))
        except BadInput as error:
            raise Malformed(f"no initial state follows from the side table: {error.message}") from error


@dataclass(frozen=True)
class Interface:
    """Types of a program's inputs and outputs."""

    inputs: list[tuple[str, tuple[int, ...]]]
    outputs: list[tuple[str, tuple[int, ...]]]

    @classmethod
    def of(cls, program: Program) -> "Interface":
        """A program's signature."""
        values = program.values
        return cls(
            [(value.dtype, value.shape) for value in program.inputs],
            [(values[value].dtype, values[value].shape) for value in program.outputs],
        )


def read_json(content: bytes) -> dict[str, Any]:
    """A JSON object. Errors: `Malformed`."""
    entry = read_plain(content, SIDE_BYTES)
    if not isinstance(entry, dict):
        raise Malformed("the side table is not an object")
    return entry
