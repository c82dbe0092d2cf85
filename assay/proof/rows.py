"""What each node of one run gave, as the roots that a dispute is narrowed by.

A run begins with the tensors of states and updates that are committed (its *origins*) and may take samples beside
them. Every value that is no tensor of an origin has a *row*: `value_root`, or `tensor_root` where the program ends in
it, so that a state's root is made of rows. The rows' tree is what a defender is asked for first in a disputed step.
"""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from assay.protocol.merkle import levels, tensor_root, value_root
from assay.work.program import Program
from assay.work.state import DTYPE_NAMES, content_of
from assay.work.walk import Fault

ZERO = bytes(32)
"""In place of a root where there is none."""


@dataclass(frozen=True)
class Rows:
    """The rows of a run in order, up to its first fault if there is one. `first` is the number of the first value that
    has a row."""

    program: Program
    first: int
    roots: tuple[bytes, ...]
    fault: Fault | None = None

    @property
    def count(self) -> int:
        """How many rows a run without a fault has."""
        return len(self.program.values) - self.first

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """The tree that a defender stands for, rows first. Those that a fault has kept a run from having are zero."""
        return levels([*self.roots, *[ZERO] * (self.count - len(self.roots))])

    def root_of(self, value: int) -> bytes:
        """The row of a value."""
        return self.roots[value - self.first]


def is_end(program: Program, value: int) -> bool:
    """Whether a row is a tensor's of what the program ends in. A sample's never is, wherever it comes out again."""
    return value >= len(program.inputs) and value in program.outputs


def row_root(program: Program, value: int, tensor: Tensor) -> bytes:
    """The root of a value, by its place in the program."""
    hashed = tensor_root if is_end(program, value) else value_root
    return hashed(DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), content_of(tensor))
