"""The defender's side of a game: what it has committed is opened as it is asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.values import ITEM_BYTES
from assay.proof.claim import Claim, Records, Replay
from assay.proof.elements import addends_of, faulty_element, largest, sums_of
from assay.proof.evidence import (
    NOTHING,
    PART_BYTES,
    Exhibitor,
    Kind,
    Question,
    View,
    show_sample,
    show_value,
    tuple_proof,
)
from assay.proof.opened import Key, Move, below, opening, reach_of
from assay.proof.rows import is_end
from assay.protocol.merkle import ARITY, LEAF_BYTES, VALUE_LEAF_BYTES, leaf_hashes, levels, merkle_proof
from assay.protocol.transcript import operator_hash
from assay.work.state import DTYPE_NAMES, content_of


@dataclass(frozen=True)
class Defender:
    """Who stands for a claim, and opens what is asked for of the work that it has committed."""

    claim: Claim
    work: Replay
    records: Records | None = None
    """The samples, where the runs take any."""
    shown: Collection[tuple[int, int]] = ()
    """(run, row) of values of which something was opened before."""

    def move(self, demand: Key, sum_: tuple[Any, ...] | None = None) -> Move | None:
        """The answer; nothing where there is none, as for a witness that does not exist. `sum_` is the sum whose parts
        are asked for."""
        kind, *where = demand
        if self.work.faulty is not None and (self.work.faulty, self._fault_row) < reach_of(demand):
            return self._fault(self.work.faulty)
        if kind == "steps":
            return Move("answerSteps", (self.work.ends[:-1],))
        if kind == "rows":
            return self._rows(*where)
        if kind == "leaves":
            return self._leaves(*where)
        if kind == "content":
            return self._content(*where)
        if kind == "state":
            step, group = where
            return Move("answerState", (step, group, tuple_proof(self.work.end_roots(step), ARITY * group)))
        if kind == "parts":
            assert sum_ is not None
            return self._parts(sum_)
        return self._witness(*where)

    @property
    def _fault_row(self) -> int:
        """The row that the run with a fault cannot give."""
        assert self.work.faulty is not None
        fault = self.work.rows(self.work.faulty).fault
        assert fault is not None
        return self.claim.first_faulty(fault)

    def _tree(self, step: int) -> list[list[bytes]]:
        return self.work.rows(step).levels

    def _rows(self, step: int, height: int, index: int) -> Move:
        rows = self._tree(step)
        return Move("answerRows", (step, height, index, *opening(rows, height, index)))

    def _shown(self, step: int, row: int) -> tuple[tuple[Any, ...], Tensor, int]:
        """The row with its node or type, its value, and how long its leaves are."""
        number = self.claim.first + row
        position = number - len(self.claim.program.inputs)
        tree, at = (0, number) if position < 0 else (2, position)
        leaf, proof = self.claim.program.leaves[tree][at], merkle_proof(self.claim.program.trees[tree], at)
        if (step, row) in self.shown:
            leaf, proof = b"", []
        return (step, row, leaf, proof), self.work.values(step, [number])[number], self._leaf_bytes(number)

    def _leaf_bytes(self, number: int) -> int:
        return LEAF_BYTES if is_end(self.claim.program, number) else VALUE_LEAF_BYTES

    def _operand(self, step: int, row: int, tensor: Tensor, view: View) -> tuple[Any, ...]:
        header, window = show_value(tensor, self._leaf_bytes(self.claim.first + row), view)
        return header, [] if (step, row) in self.shown else merkle_proof(self._tree(step)[0], row), window

    def _leaves(self, step: int, row: int, height: int, index: int) -> Move:
        shown, tensor, leaf_bytes = self._shown(step, row)
        tree = levels(leaf_hashes(content_of(tensor), leaf_bytes))
        operand = self._operand(step, row, tensor, [])
        is_part = height < len(tree) and index << (height - below(height)) < len(tree[below(height)])
        # Who asks for what the value has not got is told so by the value's type.
        nodes, proof = opening(tree, height, index) if is_part else ([], [])
        again = (step, row) in self.shown
        return Move("answerLeaves", (shown, height, index, operand, nodes, proof), again)

    def _content(self, step: int, row: int, leaf: int) -> Move:
        shown, tensor, leaf_bytes = self._shown(step, row)
        first = leaf * leaf_bytes // ITEM_BYTES[DTYPE_NAMES[tensor.dtype]]
        view = [(first, 1)] if first < tensor.numel() else []
        operand = self._operand(step, row, tensor, view)
        return Move("answerContent", (shown, leaf, operand), (step, row) in self.shown)

    def exhibit(self, step: int, position: int, question: Question) -> tuple[Any, ...]:
        """Evidence about a node of its own work."""
        rows = self._tree(step)
        number = len(self.claim.program.inputs) + position
        node = self.claim.program.nodes[position]
        values = self.work.values(step, {number, *node.inputs})
        return self._exhibitor(step, rows).show(question, values, values[number])

    def _exhibitor(self, step: int, rows: list[list[bytes]]) -> Exhibitor:
        origins = self.work.origins(step)
        return Exhibitor(
            self.claim.program, self.claim.first, origins, rows[-1][0], lambda row: merkle_proof(rows[0], row)
        )

    def _parts(self, sum_: tuple[Any, ...]) -> Move:
        step, position, element, first, count, *_ = sum_
        node = self.claim.program.nodes[position]
        number = len(self.claim.program.inputs) + position
        values = self.work.values(step, {number, *node.inputs})
        addends = addends_of(BY_OPCODE[node.opcode].name, node, values, element)[first : first + count]
        parts = sums_of(addends, sum_[5])
        # Whoever has claimed another total has to put the difference somewhere.
        missing = sum_[6] - sum(parts)
        if sum_[7]:
            missing = (missing + (1 << 63)) % (1 << 64) - (1 << 63)
        parts[0] += missing
        return Move("answerParts", (sum_, b"".join(part.to_bytes(PART_BYTES, "big", signed=True) for part in parts)))

    def _witness(self, step: int, position: int, element: int) -> Move:
        node = self.claim.program.nodes[position]
        source = self.work.values(step, [node.inputs[0]])[node.inputs[0]]
        at = largest(BY_OPCODE[node.opcode].name, node, source, element)
        question = Question(position, element, Kind.WITNESS, at)
        return Move("answerWitness", (step, self.exhibit(step, position, question)))

    def _fault(self, step: int) -> Move | None:
        found = self.work.rows(step)
        fault = found.fault
        assert fault is not None
        run = (step, self.work.ends[:-1], found.levels[-1][0])
        if fault.node_index < 0:
            if self.records is None:
                return None
            row = self.claim.first_faulty(fault)
            sample = self.work.batch(step)[row]
            element = int((~sample.isfinite()).reshape(-1).nonzero()[0])
            shown = show_sample(self.claim, self.records, step, row, element, NOTHING)
            return Move("answerFaultySample", (*run, shown))
        rows, node = found.levels, self.claim.program.nodes[fault.node_index]
        values = self.work.values(step, node.inputs)
        question = Question(fault.node_index, faulty_element(node, values), Kind.FAULT)
        evidence = self._exhibitor(step, rows).put(question, values, NOTHING, 0)
        return Move("answerFault", (*run, operator_hash(fault.operator), evidence))
