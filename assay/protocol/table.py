"""A validator's table: what it found by re-executing its samples, committed before anybody's secret is out."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.protocol.merkle import leaf_hash, merkle_proof, merkle_root
from assay.protocol.words import words, words_hash


def segment_digest(state_root: bytes, loss_bits: int) -> bytes:
    """What a re-executed segment came to."""
    return words_hash("assay.digest.segment.1", state_root, loss_bits)


def emit_digest(update_root: bytes) -> bytes:
    """What the update from a start and an end state came to."""
    return words_hash("assay.digest.emit.1", update_root)


def score_digest(end_root: bytes, score: int) -> bytes:
    """What a round's end state scores."""
    return words_hash("assay.digest.score.1", end_root, score)


@dataclass(frozen=True)
class Entry:
    """One row: the segment and the digest that its re-execution gave."""

    slot: int
    segment: int
    digest: bytes

    def leaf(self) -> bytes:
        """Hash of this row as a leaf."""
        return leaf_hash(words("assay.entry.1", self.slot, self.segment, self.digest))


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
