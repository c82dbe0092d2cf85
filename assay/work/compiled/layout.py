"""How values are held in memory by native code, and which are held at all.

Everything elementwise and every index map is computed where it is read, unless several loops would compute it again.
"""

from dataclasses import dataclass, field

from assay.exact import kernels
from assay.exact.contract import INT8_LENGTH
from assay.exact.primitives import BY_OPCODE
from assay.exact.values import EXACT_INTEGER, Value
from assay.work.program import Program

ELEMENTWISE = frozenset({
    "add", "sub", "mul", "div", "neg", "abs", "sqrt", "maximum", "minimum", "exp", "log", "tanh", "erf", "sin", "cos",
    "eq", "ne", "gt", "ge", "lt", "le", "and", "or", "not", "where", "integer_add", "integer_sub", "integer_mul",
    "to_float", "to_integer", "rescale", "quantise",
})  # fmt: skip
MAPS = frozenset({"reshape", "permute", "expand", "slice", "pad", "unfold", "flip"})
VIEWS = frozenset({"reshape", "permute", "flip", "expand"})
LOOKUPS = frozenset({"pick", "gather"})
REDUCTIONS = frozenset({"exponent", "integer_sum", "amax", "argmax"})
INLINE = ELEMENTWISE | MAPS | LOOKUPS
REPEATING = frozenset({"unfold", "expand", "gather"})
PARTIAL = frozenset({"slice", "unfold", "pick", "gather"})
"""Through these not every element of an operand is read, so that what is not finite in it could leave no trace."""
CHEAP = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "and", "or", "not", "neg", "abs", "to_integer", "iota"})
INT8_LENGTH_MIN, INT8_WORK = 8, 1 << 15
"""What is packed by loops of our own pays off far below what `kernels.contraction` asks for."""
SLICE_LIMIT = 127
C_TYPES = {"F32": "float", "I16": "int16_t", "I32": "int32_t", "I64": "int64_t", "BOOL": "uint8_t"}
"""What a value of an element type is held as."""


@dataclass
class Layout:
    """What is planned of a program's values. `names`: primitive by value, `input` for inputs."""

    program: Program
    path: str
    wanted: frozenset[int] = frozenset()
    """Values that are to have memory of their own in any case."""
    names: list[str] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    """Values that have memory of their own, beside inputs and constants."""
    outside: set[int] = field(default_factory=set)
    """Values that a tensor operation of the reference computes."""
    counted: set[int] = field(default_factory=set)
    """Exact integers that travel as binary64."""
    turned: set[int] = field(default_factory=set)
    """Contractions whose result lies column by column."""
    products: dict[int, int] = field(default_factory=dict)
    """Where the products of a contraction are, by its value."""
    _plain: set[int] = field(default_factory=set)
    """Values that others than loops read: in their declared types."""

    def __post_init__(self) -> None:
        program = self.program
        self.names = ["input"] * len(program.inputs) + [BY_OPCODE[node.opcode].name for node in program.nodes]
        uses = self._uses()
        for value, name in enumerate(self.names):
            if name not in ("input", "constant") and self._is_outside(value):
                self.outside.add(value)
                self.held.update((value, *self.inputs_of(value)))
                self._plain.update(self.inputs_of(value))
        self._plain.update(program.outputs)
        for value, name in enumerate(self.names):
            if name in ("input", "constant"):
                continue
            if name in REDUCTIONS or value in program.outputs or not uses[value] or value in self.wanted:
                self.held.add(value)
            if self._is_counted(value):
                self.counted.add(value)
        for value, name in enumerate(self.names):
            if name in PARTIAL or name == "pad":
                self._hold(self.inputs_of(value)[0])
        # What costs more to compute again than to read; from the end, so that uses through what is inline are known.
        reads = [0] * len(self.names)
        for value in range(len(self.names) - 1, -1, -1):
            reads[value] = self._reads(value, uses, reads)
            if self.names[value] in ELEMENTWISE and self.names[value] not in CHEAP and reads[value] > 1:
                self.held.add(value)
        self.held = {value for value in self.held if self.names[value] not in ("input", "constant")}

    def type_of(self, value: int) -> Value:
        """A value's declared type."""
        return self.program.values[value]

    def inputs_of(self, value: int) -> tuple[int, ...]:
        """What a node reads."""
        count = len(self.program.inputs)
        return self.program.nodes[value - count].inputs if value >= count else ()

    def attributes_of(self, value: int) -> tuple[int, ...]:
        """A node's attributes."""
        return self.program.nodes[value - len(self.program.inputs)].attributes

    def c_type(self, value: int) -> str:
        """What a value is held as in memory."""
        return "double" if value in self.counted else C_TYPES[self.type_of(value).dtype]

    def slices(self, value: int) -> int:
        """How many int8 slices the operands of a contraction are cut into; 0 where they go as binary64."""
        if not self._is_int8(value):
            return 0
        return 1 if max(self.type_of(each).bound for each in self.inputs_of(value)) <= SLICE_LIMIT else 2

    def _is_int8(self, value: int) -> bool:
        left, right = (self.type_of(each) for each in self.inputs_of(value))
        batches, rows, length = left.shape
        if self.path != "int8" or batches != 1 or max(left.bound, right.bound) > kernels.INT8_LIMIT:
            return False
        work = rows * right.shape[1] * length
        return INT8_LENGTH_MIN <= length <= INT8_LENGTH and work >= INT8_WORK

    def viewed(self, value: int) -> int:
        """The value of which another is only a view: the same elements, each at least once."""
        while self.names[value] in VIEWS and value not in self.held:
            (value,) = self.inputs_of(value)
        return value

    def _hold(self, value: int) -> None:
        self.held.add(self.viewed(value))

    def _is_outside(self, value: int) -> bool:
        name, kind = self.names[value], self.type_of(value)
        if kind.size == 0 or any(self.type_of(each).size == 0 for each in self.inputs_of(value)):
            return True
        return name not in INLINE and name not in REDUCTIONS and name not in ("contract", "iota", "constant")

    def _is_counted(self, value: int) -> bool:
        name = self.names[value]
        if self.type_of(value).dtype != "I64" or self.type_of(value).bound > EXACT_INTEGER or value in self.outside:
            return False
        if value in self._plain:
            return False
        if name in ("contract", "integer_sum"):
            return True
        return name in (*MAPS, "integer_add", "integer_sub") and all(
            each in self.counted for each in self.inputs_of(value)
        )

    def _uses(self) -> list[list[int]]:
        uses: list[list[int]] = [[] for _ in self.names]
        for value in range(len(self.names)):
            for each in self.inputs_of(value):
                uses[each].append(value)
        return uses

    def _reads(self, value: int, uses: list[list[int]], reads: list[int]) -> int:
        """How often a value's elements are read by loops, 2 for more: through maps and what is computed where it is
        read, of which `reads` says it already."""
        count = 0
        for user in uses[value]:
            name = self.names[user]
            if name in REPEATING and self.type_of(user).size > self.type_of(value).size:
                return 2
            if user in self.held or name not in (*MAPS, *INLINE):
                count += 1
            elif name in MAPS or name in CHEAP:
                count += reads[user]
            else:
                count += max(1, reads[user])
        return min(count, 2)
