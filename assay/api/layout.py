"""How large what is disputed is: steps, values of a step, leaves of a value, elements of a leaf."""

from dataclasses import dataclass

from assay.exact.primitives import BY_OPCODE
from assay.exact.values import ITEM_BYTES
from assay.proof.rows import is_end
from assay.protocol.merkle import LEAF_BYTES, VALUE_LEAF_BYTES
from assay.protocol.phase import Target
from assay.work.program import Bundle, Program

UNITS = {
    "steps": "steps",
    "rows": "values",
    "leaves": "leaves",
    "content": "elements",
    "state": "tensors",
    "parts": "parts",
    "witness": "elements",
}
"""What a level of this kind is made of."""
STATE = "state:"
"""How side tables call the tensors of a state."""


@dataclass(frozen=True)
class Layout:
    """How large a claim is: `first` is the number of the first value that has a row, `end_count` how many tensors the
    end has."""

    program: Program
    first: int
    steps: int
    end_count: int
    first_step: int = 0
    """Of the round, where steps are counted from."""
    whole: str = ""
    """Of what is one run and no step, what that gives: the update of a slot, the aggregate, or a batch's mark."""

    @property
    def row_count(self) -> int:
        """Values of a run."""
        return len(self.program.values) - self.first

    def number_of(self, row: int) -> int | None:
        """The number of the value in a row."""
        return self.first + row if 0 <= row < self.row_count else None

    def words(self, run: int) -> str:
        """A run, for people."""
        return self.whole or f"step {self.first_step + run}"

    def leaf_bytes(self, number: int) -> int:
        """How long the leaves of a value are."""
        return LEAF_BYTES if is_end(self.program, number) else VALUE_LEAF_BYTES

    def item_bytes(self, number: int) -> int:
        """How long an element of a value is."""
        return ITEM_BYTES[self.program.values[number].dtype]

    def leaf_count(self, number: int) -> int:
        """Leaves of a value."""
        return -(-self.program.values[number].size * self.item_bytes(number) // self.leaf_bytes(number))

    def elements_per_leaf(self, number: int) -> int:
        """Elements in a leaf of a value but the last."""
        return self.leaf_bytes(number) // self.item_bytes(number)


def layout_of(bundle: Bundle, target: Target, steps: int, segment: int, updates: int = 0) -> Layout | None:
    """How large it is what a dispute is about, in segments of `steps`, or of so many updates; nothing where the job has
    no program for as many."""
    state = len(bundle.rules)
    if target in (Target.SEGMENT, Target.TABLE):
        return Layout(bundle.step, state, steps, state, segment * steps)
    if target == Target.SCORE:
        return Layout(bundle.evaluate, state, 1, len(bundle.evaluate.outputs) - 1, whole="the mark of a batch")
    if target == Target.EMIT:
        return Layout(bundle.emit, 2 * state, 1, len(bundle.emit.outputs), whole="the update")
    if target == Target.AGGREGATE and updates in bundle.aggregate:
        program = bundle.aggregate[updates]
        return Layout(program, len(program.inputs), 1, state, whole="the aggregate")
    return None


def operator_of(program: Program, number: int) -> str:
    """What gives a value: a node's operator, or that it is an input."""
    node = number - len(program.inputs)
    return "input" if node < 0 else BY_OPCODE[program.nodes[node].opcode].name


def source_of(program: Program, number: int) -> str:
    """Module path and line that a node comes from, where its side table says so."""
    node, sources = number - len(program.inputs), program.side.sources
    return sources[node] if 0 <= node < len(sources) else ""


def name_of(program: Program, number: int) -> str:
    """What a value is called that a program begins with or ends in; of those between nothing."""
    side = program.side
    if number < len(program.inputs):
        return side.input_names[number].removeprefix(STATE) if number < len(side.input_names) else f"input {number}"
    if number in program.outputs:
        place = program.outputs.index(number)
        return side.output_names[place].removeprefix(STATE) if place < len(side.output_names) else f"output {place}"
    return ""
