"""The challenger's side of a game: where a claim is wrong, followed down to one element.

Each move is a function of what is known: what the challenger re-executed, and what was opened. It follows the first
difference, from the runs to their rows, to the leaves of a value, to an element. It reads nothing but what the defender
was made to open, and where both agree it uses its own. Moves are calls of `Games` by name, with what follows the game
and the claim among their arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.exact.values import ITEM_BYTES
from assay.proof.claim import Claim, Records, Replay
from assay.proof.elements import addends_of, faulty_element, largest, sums_of
from assay.proof.evidence import (
    PART_BYTES,
    PARTS_LIMIT,
    ROWS_LIMIT,
    SUM_LIMIT,
    Exhibitor,
    Kind,
    Question,
    number_at,
    show_sample,
)
from assay.proof.opened import Key, Move, Tree, below, hashes_in
from assay.proof.rows import ZERO, is_end
from assay.protocol.merkle import (
    ARITY,
    DTYPE_CODES,
    LEAF_BYTES,
    VALUE_LEAF_BYTES,
    depth,
    leaf_hashes,
    levels,
    merkle_proof,
    roots_hash,
)
from assay.work.node import Node
from assay.work.state import content_of


@dataclass(frozen=True)
class Challenger:
    """Who has re-executed a claim and found another end. `known` is all that was opened about it."""

    claim: Claim
    work: Replay
    records: Records | None = None
    """The samples, where the runs take any."""

    def move(self, known: Mapping[Key, bytes]) -> Move:
        """The next move; `resign` where nothing is wrong."""
        claimed = [*hashes_in(known.get(("steps",), b"")), self.claim.end]
        step = next(
            (at for at, (mine, theirs) in enumerate(zip(self.work.ends, claimed, strict=True)) if mine != theirs), None
        )
        if step is None:
            if self.claim.loss_bits in (None, self.work.loss_bits):
                return Move("resign")
            step = self.claim.steps - 1
        if self.work.faulty is not None:
            # Behind a fault there is nothing to compare: that it is one is to be shown, whatever is claimed to follow.
            step = min(step, self.work.faulty)
        top = depth(self.claim.row_count)
        if not self.claim.row_count:
            return self._ends(step, self._rows(step), known)
        if ("rows", step, top, 0) not in known:
            return Move("demandRun", (step, hashes_in(known.get(("steps",), b""))))
        rows = self._rows(step)
        height, index = top, 0
        while True:
            if ("rows", step, height, index) not in known:
                return Move("demandRows", (step, height, index))
            rows.enter(height, index, hashes_in(known["rows", step, height, index]))
            found = rows.first_difference(height, index)
            if found is None:
                return self._ends(step, rows, known)
            height, index = below(height), found
            if height == 0:
                return self._value(step, index, rows, known)

    def _rows(self, step: int) -> Tree:
        """The claimed rows of a run, of which nothing was opened yet."""
        return Tree(self.claim.row_count, self.work.rows(step).levels)

    def _exhibitor(self, step: int, rows: Tree) -> Exhibitor:
        return Exhibitor(self.claim.program, self.claim.first, self.work.origins(step), rows.root, rows.proof)

    # where all rows agree

    def _ends(self, step: int, rows: Tree, known: Mapping[Key, bytes]) -> Move:
        """The values are the same, so the state is not made of them, or the loss is another, or it is no fault: then
        nothing can be opened where the run cannot go on."""
        claimed = [*hashes_in(known.get(("steps",), b"")), self.claim.end][step]
        fault = self.work.rows(step).fault
        exhibitor = self._exhibitor(step, rows)
        outputs = self.claim.program.trees[1]
        if claimed == self.work.ends[step]:
            if ("state", step, 0) not in known:
                return Move("demandState", (step, 0))
            number = self.claim.program.outputs[self.claim.end_count]
            value = self.work.values(step, [number])[number]
            proof = merkle_proof(outputs, self.claim.end_count)
            return Move("proveLoss", (number, proof, exhibitor.operand(number, value, [(0, 1)])))
        if fault is not None:
            return Move("demandContent", (step, self.claim.first_faulty(fault), 0))
        mine = self.work.end_roots(step)
        if ("state", step, 0) not in known:
            return Move("demandState", (step, 0))
        # Behind the first group's roots stand the hashes of all groups: no more than one more is asked for.
        groups = [mine[at : at + ARITY] for at in range(0, len(mine), ARITY)]
        above = hashes_in(known["state", step, 0])[len(groups[0]) :] or [claimed]
        for group, own in enumerate(groups):
            if above[group] == roots_hash(own):
                continue
            if ("state", step, group) not in known:
                return Move("demandState", (step, group))
            roots = hashes_in(known["state", step, group])
            at = next(at for at, root in enumerate(own) if roots[at] != root)
            output = ARITY * group + at
            number = self.claim.program.outputs[output]
            value = self.work.values(step, [number])[number]
            operand = exhibitor.operand(number, value, [])
            return Move("proveOutput", (step, output, number, merkle_proof(outputs, output), operand, roots))
        return Move("resign")

    # a value that differs

    def _value(self, step: int, row: int, rows: Tree, known: Mapping[Key, bytes]) -> Move:
        number = self.claim.first + row
        node = self.claim.program.nodes[number - len(self.claim.program.inputs)] if self._is_node(number) else None
        if rows.node(0, row) == ZERO:
            # A run that is said to end in a fault here: that is shown in the value's place.
            return Move("demandContent", (step, row, 0))
        wanted = {number, *(node.inputs if node else ())}
        values = self.work.values(step, wanted)
        mine = values.get(number)
        if mine is None and node is None:
            mine = self.work.batch(step)[row]  # the run ended before it had looked at it
        shape = self.claim.program.values[number]
        leaf_bytes = self._leaf_bytes(number)
        size = shape.size_bytes
        count = -(-size // leaf_bytes)
        if mine is None:
            own: list[list[bytes]] = [[ZERO] * (-(-count >> level)) for level in range(depth(count) + 1)]
        else:
            own = levels(leaf_hashes(content_of(mine), leaf_bytes))
        tree = Tree(count, own)
        leaf = self._leaf(step, row, tree, known, self._faulty(step, row, node, values))
        if isinstance(leaf, Move):
            return leaf
        content = known["content", step, row, leaf]
        if count == 1:
            tree.nodes[0, 0] = leaf_hashes(content, leaf_bytes)[0]
        faulty = self._faulty(step, row, node, values)
        element, claimed = self._element(number, leaf * leaf_bytes, content, mine, faulty)
        header = (3 if leaf_bytes == LEAF_BYTES else 4, DTYPE_CODES[shape.dtype], list(shape.shape), tree.root)
        operand = (header, rows.proof(row), (leaf, content, tree.proof(leaf)))
        if node is None:
            assert self.records is not None, "runs that take samples have some"
            return Move("proveSample", (step, show_sample(self.claim, self.records, step, row, element, operand)))
        return self._prove(step, node, number, element, claimed, operand, values, rows, known)

    def _leaf_bytes(self, number: int) -> int:
        return LEAF_BYTES if is_end(self.claim.program, number) else VALUE_LEAF_BYTES

    def _is_node(self, number: int) -> bool:
        return number >= len(self.claim.program.inputs)

    def _leaf(self, step: int, row: int, tree: Tree, known: Mapping[Key, bytes], wanted: int | None) -> int | Move:
        """The first leaf that differs, or the one that holds a wanted byte; its opening, if it is not known yet."""
        leaf_bytes = self._leaf_bytes(self.claim.first + row)
        height, index = depth(tree.count), 0
        while height > 0:
            if ("leaves", step, row, height, index) not in known:
                return Move("demandLeaves", (step, row, height, index))
            tree.enter(height, index, hashes_in(known["leaves", step, row, height, index]))
            lower = below(height)
            found = tree.first_difference(height, index) if wanted is None else (wanted // leaf_bytes) >> lower
            if found is None:
                return Move("resign")
            height, index = lower, found
        if ("content", step, row, index) not in known:
            return Move("demandContent", (step, row, index))
        return index

    def _faulty(self, step: int, row: int, node: Node | None, values: Mapping[int, Tensor]) -> int | None:
        """First byte of an element that is none, where the run cannot go on from this row; nothing where it can."""
        fault = self.work.rows(step).fault
        if fault is None or row != self.claim.first_faulty(fault):
            return None
        if node is None:
            sample = self.work.batch(step)[row]
            return int((~sample.isfinite()).reshape(-1).nonzero()[0]) * sample.element_size()
        return faulty_element(node, values) * ITEM_BYTES[node.dtype]

    def _element(
        self, number: int, offset: int, content: bytes, mine: Tensor | None, faulty: int | None
    ) -> tuple[int, int]:
        """The element to ask about, and what is claimed of it."""
        dtype = self.claim.program.values[number].dtype
        item = ITEM_BYTES[dtype]
        if faulty is not None:
            element = faulty // item
        else:
            assert mine is not None
            own = content_of(mine)[offset : offset + len(content)]
            at = next(at for at in range(0, len(content), item) if own[at : at + item] != content[at : at + item])
            element = (offset + at) // item
        raw = content[element * item - offset : (element + 1) * item - offset]
        return element, int.from_bytes(raw, "little", signed=dtype not in ("F32", "BOOL"))

    def _prove(
        self,
        step: int,
        node: Node,
        number: int,
        element: int,
        claimed: int,
        operand: tuple[Any, ...],
        values: Mapping[int, Tensor],
        rows: Tree,
        known: Mapping[Key, bytes],
    ) -> Move:
        exhibitor, position = self._exhibitor(step, rows), number - len(self.claim.program.inputs)
        name = BY_OPCODE[node.opcode].name
        question = Question(position, element)
        if name in ("exponent", "amax", "argmax"):
            at = largest(name, node, values[node.inputs[0]], element)
            question = Question(position, element, _side(name, claimed, number_at(values[number], element)), at)
        elif name in ("contract", "integer_sum", "integer_sum_at"):
            found = self._part(step, position, name, node, element, claimed, values, known)
            if found is not None:
                sum_, parts, part, question = found
                return Move("provePart", (sum_, parts, part, exhibitor.put(question, values, operand, claimed)))
        return Move("prove", (step, exhibitor.put(question, values, operand, claimed)))

    def _part(
        self,
        step: int,
        position: int,
        name: str,
        node: Node,
        element: int,
        claimed: int,
        values: Mapping[int, Tensor],
        known: Mapping[Key, bytes],
    ) -> tuple[tuple[Any, ...], bytes, int, Question] | None:
        """The narrowest part of a sum that was opened and is wrong; nothing where none was opened."""
        addends = addends_of(name, node, values, element)
        limit = ROWS_LIMIT if name == "integer_sum_at" else SUM_LIMIT
        first, count, total, wraps = 0, len(addends), claimed, True
        found = None
        while (opened := known.get(("parts", step, position, element, first, count))) is not None:
            size = max(limit, -(-count // PARTS_LIMIT))
            sum_ = (step, position, element, first, count, size, total, wraps)
            parts = [
                int.from_bytes(opened[at : at + PART_BYTES], "big", signed=True)
                for at in range(0, len(opened), PART_BYTES)
            ]
            mine = sums_of(addends[first : first + count], size)
            part = next(at for at, (a, b) in enumerate(zip(mine, parts, strict=True)) if a != b)
            first, count, total, wraps = first + part * size, min(size, count - part * size), parts[part], False
            found = (sum_, opened, part, Question(position, element, Kind.PART, first, count, total))
        return found


def _side(name: str, claimed: int, mine: int) -> Kind:
    """Whether the claim is too small, which an element shows, or too large, which none shows."""
    if name == "argmax":
        return Kind.ELEMENT
    if name == "exponent":
        return Kind.LARGER if claimed < mine else Kind.ABSENT
    return Kind.LARGER if _order(claimed) < _order(mine) else Kind.ABSENT


def _order(pattern: int) -> int:
    """Floats in the order of their size, as integers."""
    return -(pattern & 0x7FFF_FFFF) if pattern >> 31 else pattern
