"""Whether contracts can decide whatever a job's programs give: each move of a game has to fit one transaction.

What most moves show is bounded by the primitives, the order and the limits on programs: at most 64 hashes of a tree,
256 addends, three values that a node follows from, the states of 1,024 steps. What is not:

    joined values    `concat` shows each of up to 256 with what it takes to show that it is the run's: up to 17 siblings
                     of a row; of a tensor that a state or an update is made of, up to 128 roots of its neighbours
    records          one sample is hashed as a whole, so it is shown as a whole
    samples          that a program ends in have no leaves of a state's size, so that no end is right
    tensors          of a state or an update: 64 groups of 64 have a root
    demands          24 in a game

Sizes are those of the calls, exactly. Gas is bounded by them: `python -m bench.affordable` measures how closely.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from assay.exact.primitives import BY_OPCODE
from assay.proof.opened import LEVELS
from assay.proof.rows import is_end
from assay.protocol.errors import Undecidable
from assay.protocol.merkle import ARITY, LEAF_BYTES, VALUE_LEAF_BYTES, depth
from assay.protocol.transaction import SIZE_LIMIT_BYTES
from assay.work.node import TYPE
from assay.work.program import Bundle, Program

NARROW = 3
"""Values that a node of any kind but `concat` follows from, at most. What its operands show is below 64 KiB: six at the
most (`integer_sum_at` shows four rows one by one), of a leaf of 4 KiB or two, their siblings, and 128 roots of
neighbours."""
GAS_BASE, GAS_PER_BYTE = 400_000, 40
"""Of a move: 40 a byte is the least that calldata costs (EIP-7623), and more than what is done with it. The largest
that nodes take is a third of what a transaction may use."""
DEMANDS_LIMIT = 24
"""`Games.DEMANDS_LIMIT`."""
TENSORS_LIMIT = ARITY * ARITY
"""Under one root: groups of 64 are opened, and 64 of them."""
RECORDS_DEPTH = 22
"""Of the tree over as many samples as a job may have (`Limits.samples`)."""
WORD_BYTES = 32
ENVELOPE_BYTES = 256
"""Of a transaction, beside the call: its fields, its signature, how they are packed, and the call's selector."""
CLAIM_WORDS, EVIDENCE_WORDS, OPERAND_WORDS, SAMPLE_WORDS = 23, 12, 15, 14
"""Fixed parts, with their offsets and lengths: of a claim without its origins; of evidence without its lists; of an
operand in a list, whose type has no axes; of a sample with its types and lists that are empty."""


@dataclass(frozen=True)
class Part:
    """A program, how it is disputed, and how many tensors each root that its runs begin with is of."""

    words: str
    program: Program
    origins: tuple[int, ...]

    @property
    def first(self) -> int:
        """Number of the first value that has a row."""
        return sum(self.origins)

    @property
    def row_count(self) -> int:
        """Rows of a run."""
        return len(self.program.values) - self.first


def parts_of(bundle: Bundle) -> Iterator[Part]:
    """The programs of a job that can be disputed."""
    tensors, updates = len(bundle.rules), len(bundle.emit.outputs)
    yield Part("the training step", bundle.step, (tensors,))
    yield Part("the update", bundle.emit, (tensors, tensors))
    yield Part("the evaluation", bundle.evaluate, (tensors,))
    for count, program in sorted(bundle.aggregate.items()):
        yield Part(f"the aggregate of {count}", program, (tensors, *(updates,) * count))


def check(bundle: Bundle, record_bytes: int, segment_steps: int) -> None:
    """Refuses programs, or samples of so many bytes, that no game can decide. `segment_steps`: of a segment. Errors:
    `Undecidable`."""
    for part in parts_of(bundle):
        check_part(part)
        if len(part.program.inputs) > part.first:
            actual, limit = sample_bytes(part, record_bytes, segment_steps), SIZE_LIMIT_BYTES
            if actual > limit:
                raise Undecidable(
                    f"a sample of {record_bytes:,} bytes cannot be disputed: to show it takes a transaction of"
                    f" {actual:,} bytes, nodes take {limit:,}",
                    hint=f"make samples smaller: at most {record_bytes - actual + limit:,} bytes of x and y together",
                    actual=actual,
                    limit=limit,
                )


def check_part(part: Part) -> None:
    """The same of one program's values. Errors: `Undecidable`."""
    program, inputs = part.program, len(part.program.inputs)
    if max(part.origins) > TENSORS_LIMIT:
        most = max(part.origins)
        raise _refusal(part, f"begins with {most:,} tensors under one root", most, TENSORS_LIMIT)
    for output in program.outputs:
        if part.first <= output < inputs:
            raise Undecidable(
                f"{part.words} ends in one of its samples as it is (input {output}), of which no state can be made",
                hint="keep a copy that is computed, like x + 0",
                program=part.words,
                output=output,
            )
    most = demands_of(part)
    if most > DEMANDS_LIMIT:
        raise _refusal(part, f"takes {most} demands to be narrowed down", most, DEMANDS_LIMIT)
    for position, node in enumerate(program.nodes):
        if len(node.inputs) <= NARROW:
            continue
        actual = evidence_bytes(part, position)
        if actual > SIZE_LIMIT_BYTES:
            source = program.side.sources[position] if position < len(program.side.sources) else ""
            name, place = BY_OPCODE[node.opcode].name, f" at {source}" if source else ""
            raise Undecidable(
                f"{part.words} joins {len(node.inputs)} values at once{place}: to dispute node {position} ({name})"
                f" takes a transaction of {actual:,} bytes ({gas_of(actual):,} gas), nodes take {SIZE_LIMIT_BYTES:,}",
                hint="join a few at a time, and then what came of that",
                program=part.words,
                node=position,
                operator=name,
                source=source,
                actual=actual,
                limit=SIZE_LIMIT_BYTES,
            )


def _refusal(part: Part, what: str, actual: int, limit: int) -> Undecidable:
    return Undecidable(
        f"{part.words} {what}, and a game takes at most {limit:,}",
        hint="make the model of fewer and larger tensors",
        program=part.words,
        actual=actual,
        limit=limit,
    )


def gas_of(size_bytes: int) -> int:
    """Gas of a move of this size, at most."""
    return GAS_BASE + GAS_PER_BYTE * size_bytes


def evidence_bytes(part: Part, position: int) -> int:
    """Size of the transaction that shows an element of a node which takes whole values: `Games.prove`."""
    program, node = part.program, part.program.nodes[position]
    number = len(program.inputs) + position
    leaf_words = -(-len(node.leaf(is_end(program, number))) // WORD_BYTES)
    words = 4 + _claim_words(part) + EVIDENCE_WORDS + leaf_words + depth(len(program.nodes))
    words += sum(_operand_words(part, each) for each in (number, *node.inputs))
    # The claimed element, and that of the one input that it comes from.
    words += _window_words(part, number) + max(_window_words(part, each) for each in node.inputs)
    return ENVELOPE_BYTES + WORD_BYTES * words


def sample_bytes(part: Part, record_bytes: int, steps: int) -> int:
    """Size of the transaction that shows a sample: `Games.answerFaultySample`, whose states are no fewer than what else
    `proveSample` has."""
    first = part.first
    words = 6 + _claim_words(part) + (steps - 1) + SAMPLE_WORDS + -(-record_bytes // WORD_BYTES)
    words += 2 * (-(-TYPE.size // WORD_BYTES) + depth(len(part.program.inputs))) + RECORDS_DEPTH
    words += max(_operand_words(part, each) + _window_words(part, each) for each in (first, first + 1))
    return ENVELOPE_BYTES + WORD_BYTES * words


def demands_of(part: Part) -> int:
    """Demands that lead to an element, at most: the states, rows, leaves, a leaf, and the parts of a sum, twice."""
    program = part.program
    size_bytes = max((each.size_bytes for each in program.values[part.first :]), default=0)
    levels = depth(part.row_count), depth(-(-size_bytes // VALUE_LEAF_BYTES))
    return 4 + sum(-(-each // LEVELS) for each in levels)


def _leaf_bytes(part: Part, number: int) -> int:
    return LEAF_BYTES if number < part.first or is_end(part.program, number) else VALUE_LEAF_BYTES


def _claim_words(part: Part) -> int:
    return CLAIM_WORDS + 2 * len(part.origins)


def _operand_words(part: Part, number: int) -> int:
    """Of a value that is shown to be the run's, without its bytes."""
    words = OPERAND_WORDS + len(part.program.values[number].shape)
    if number >= part.first:
        return words + depth(part.row_count)
    for count in part.origins:
        if number < count:
            groups = -(-count // ARITY)
            size = min(ARITY, count - ARITY * (number // ARITY))
            return words + size + (groups if groups > 1 else 0)
        number -= count
    raise IndexError(number)


def _window_words(part: Part, number: int) -> int:
    """Of one leaf of a value, with its siblings."""
    value, leaf_bytes = part.program.values[number], _leaf_bytes(part, number)
    leaves = -(-value.size_bytes // leaf_bytes)
    return -(-min(value.size_bytes, leaf_bytes) // WORD_BYTES) + depth(leaves)
