"""A program run node by node, each value as it is declared: for whoever has to see them all.

The bits are those of `assay.work.interpret`, which does not keep to declared types between nodes. A value is dropped
after its last use, so a run takes no more memory than it has to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.exact.contract import contract_float64
from assay.exact.primitives import BY_OPCODE, OutsideDomain
from assay.exact.values import TORCH_DTYPES
from assay.work.limits import Allowance
from assay.work.node import Node
from assay.work.program import Program

Visit = Callable[[int, Tensor], Tensor | None]
"""Sees a value by its number; what it gives takes the value's place, for whoever asks what would follow."""


@dataclass(frozen=True)
class Fault:
    """The first node whose result is not finite or whose index leaves its domain; input i counts as node -1 - i."""

    node_index: int
    operator: str
    source: str
    reason: str


def walk(
    program: Program,
    inputs: Sequence[Tensor],
    visit: Visit,
    *,
    constants: Mapping[int, Tensor] | None = None,
    allowance: Allowance | None = None,
) -> Fault | None:
    """Give every value to `visit`, inputs first, in order, up to the first fault, which is returned.

    `constants` are values that are known already. Errors: `LimitExceeded` where the allowance is spent.
    """
    held: dict[int, Tensor] = dict(enumerate(inputs))
    values, known, count = program.values, constants or {}, len(program.inputs)
    for place, tensor in enumerate(inputs):
        if values[place].dtype == "F32" and not bool(torch.isfinite(tensor).all()):
            names = program.side.input_names
            return Fault(-1 - place, "input", names[place] if place < len(names) else "", "not finite")
        held[place] = _or(visit(place, tensor), tensor)
    for position, node in enumerate(program.nodes):
        value = count + position
        primitive = BY_OPCODE[node.opcode]
        if allowance is not None:
            allowance.check()
        args = [held[each] for each in node.inputs]
        try:
            if value in known:
                result = known[value]
            elif primitive.name == "constant":
                result = read_constant(node)
            elif primitive.name == "contract":
                result = contract_float64(args[0].double(), args[1].double()).long()
            else:
                result = primitive.apply(args, node.attributes, values[value])
        except OutsideDomain as error:
            return fault_at(program, position, primitive.name, str(error))
        if values[value].dtype == "F32" and not bool(torch.isfinite(result).all()):
            return fault_at(program, position, primitive.name, "not finite")
        held[value] = _or(visit(value, result), result)
        for each in {value, *node.inputs}:
            if program.last_uses[each] == position:
                held.pop(each, None)
    return None


def _or(replaced: Tensor | None, value: Tensor) -> Tensor:
    return value if replaced is None else replaced


def fault_at(program: Program, position: int, operator: str, reason: str) -> Fault:
    """A fault with the node's source, where it is known."""
    sources = program.side.sources
    return Fault(position, operator, sources[position] if position < len(sources) else "", reason)


def read_constant(node: Node) -> Tensor:
    """The tensor of a constant node."""
    dtype = TORCH_DTYPES[node.dtype]
    flat = torch.frombuffer(bytearray(node.payload), dtype=dtype) if node.payload else torch.empty(0, dtype=dtype)
    return flat.reshape(node.shape)
