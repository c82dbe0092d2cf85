"""A validator's table: what it found by re-executing its samples, committed before anybody's secret is out."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.protocol.merkle import leaf_hash, merkle_proof, merkle_root
from assay.protocol.words import words, words_hash


def score_digest(end_root: bytes, score: int) -> bytes:
    """What a round's end state scores."""
    return words_hash("assay.digest.score.1", end_root, score)


@dataclass(frozen=True)
class Entry:
    """One row: from which state a segment was re-executed, and what that came to: `Entry` of the contracts.

    It says where it began, so that it is true or false whatever the slot has committed to. Behind a fault of the job
    both roots are its digest.
    """

    slot: int
    segment: int
    start_root: bytes
    state_root: bytes
    loss_bits: int

    def leaf(self) -> bytes:
        """Hash of this row as a leaf."""
        found = (self.start_root, self.state_root, self.loss_bits)
        return leaf_hash(words("assay.entry.2", self.slot, self.segment, *found))


@dataclass(frozen=True)
class Table:
    """All rows of one validator in one round, in the order of its sample."""

    entries: tuple[Entry, ...]

    @property
    def root(self) -> bytes:
        """What is committed; binds the number of rows."""
        return table_root(self.entries)

    def proof(self, index: int) -> list[bytes]:
        """Siblings of row `index`."""
        return merkle_proof([entry.leaf() for entry in self.entries], index)


def table_root(entries: Sequence[Entry]) -> bytes:
    """Root over rows and their count."""
    return words_hash("assay.table.1", len(entries), merkle_root([entry.leaf() for entry in entries]))
