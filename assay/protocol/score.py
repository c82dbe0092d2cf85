"""How good a state is, as one integer that contracts compare: greater is better.

Accuracy in millionths, or a loss in millionths below zero, both rounded down. A round is measured where the order says
when to stop, and the last one always is. A score follows from the marks of all batches of the held-out samples, which
whoever aggregates shows a contract: the same integers as `contracts/src/disputes/Scores.sol`. What is measured comes
from a stranger's program: a score is an int64 whatever that says, or nobody honest could enter the round that it is of.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from assay.protocol.errors import Malformed
from assay.protocol.transcript import ZERO

MILLION = 1_000_000
UNSCORED = -(1 << 63)
"""Of rounds that nobody has to measure and of states that cannot be measured; `Types.sol:UNSCORED`."""
NEVER = (1 << 63) - 1
"""A score that no state reaches: the job has all its rounds."""
MARK = struct.Struct(">qqI")
BATCHES_MAX = 4_096
"""Batches of a job's held-out samples. Marks of so many are 80 KiB in one transaction, of which nodes take 128 KiB: 3.3
million gas at the 40 for a byte that it costs at the least, and 4.2 million to show them (bench/gas.json, of the 16.7
that a transaction may use, EIP-7825)."""
LOSS_SHIFT = 40
EXPONENT = 0xFF << 23
"""Of a binary32 that is not finite all these bits are set."""


@dataclass(frozen=True)
class BatchMark:
    """What `evaluate` says of one batch: right answers, targets, and the bits of the binary32 sum of losses."""

    correct_count: int
    target_count: int
    loss_bits: int

    def to_bytes(self) -> bytes:
        """20 bytes, big endian: both counts as int64, the loss's bits as uint32."""
        return MARK.pack(self.correct_count, self.target_count, self.loss_bits)

    @property
    def is_possible(self) -> bool:
        """Whether a batch can come to this: no more right answers than targets, and a loss that is finite."""
        return 0 <= self.correct_count <= self.target_count and self.loss_bits & EXPONENT != EXPONENT

    @property
    def loss_sum(self) -> float:
        """The sum of losses."""
        loss: float = struct.unpack(">f", self.loss_bits.to_bytes(4, "big"))[0]
        return loss

    @property
    def loss_fixed(self) -> int:
        """The same in units of 2^-40, rounded down. Of what is possible only."""
        return floor(Fraction(self.loss_sum) * (1 << LOSS_SHIFT))


@dataclass(frozen=True)
class Marks:
    """A state's marks; `Marks` of `IDisputes.sol`. Those of all batches from the first on. Of a state that cannot be
    measured the batch that shows it: `first` is its number, and it has an impossible mark, or ends in the digest of a
    fault and has none."""

    first: int
    batches: tuple[BatchMark, ...]
    fault: bytes = ZERO

    @property
    def content(self) -> bytes:
        """All marks, one after another."""
        return b"".join(each.to_bytes() for each in self.batches)

    @classmethod
    def of_content(cls, first: int, content: bytes, fault: bytes) -> "Marks":
        """Back from what a contract was shown. Errors: `Malformed`."""
        if len(content) % MARK.size:
            raise Malformed("marks of batches are not so many bytes")
        return cls(first, tuple(BatchMark(*row) for row in MARK.iter_unpack(content)), fault)

    def at(self, batch: int) -> BatchMark | bytes | None:
        """What is said of a batch: its mark, the fault that it ends in, or nothing."""
        if self.fault != ZERO:
            return self.fault if batch == self.first else None
        place = batch - self.first
        return self.batches[place] if 0 <= place < len(self.batches) else None

    def first_other(self, told: "Marks") -> int | None:
        """The first batch of which somebody has told something else; nothing where there is none."""
        count = len(told.batches) if told.fault == ZERO else 1
        batches = range(told.first, told.first + count)
        return next((each for each in batches if self.at(each) not in (None, told.at(each))), None)

    def score(self, scores_loss: bool) -> int:
        """What they come to: accuracy, or loss where that is what scores; `UNSCORED` where there is no such thing."""
        if self.fault != ZERO or not all(each.is_possible for each in self.batches):
            return UNSCORED
        target_count = max(1, sum(each.target_count for each in self.batches))
        if not scores_loss:
            return sum(each.correct_count for each in self.batches) * MILLION // target_count
        loss = sum(each.loss_fixed for each in self.batches)
        return _within(-loss * MILLION // (target_count << LOSS_SHIFT))


def score_at(metric: str, value: float) -> int:
    """The least score of a state whose accuracy is at least, or whose loss is at most, `value` as it was written."""
    exact = Fraction(repr(value))
    return _within(ceil((exact if metric == "accuracy" else -exact) * MILLION))


def value_of(metric: str, score: int) -> float | None:
    """The metric's value again, to the millionth; nothing where there is none."""
    if score == UNSCORED:
        return None
    return (score if metric == "accuracy" else -score) / MILLION


def score_plain(metric: str, score: int) -> dict[str, object] | None:
    """A score as plain values for people and programs; nothing where there is none."""
    return None if score == UNSCORED else {"metric": metric, "value": value_of(metric, score), "millionths": score}


def is_due(stop_score: int, round_index: int, round_count: int) -> bool:
    """Whether the round's end state is measured."""
    return stop_score != NEVER or round_index == round_count - 1


def _within(score: int) -> int:
    return max(UNSCORED + 1, min(NEVER - 1, score))
