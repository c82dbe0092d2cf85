"""The page of a party's book that holds what it has heard of one round."""

from dataclasses import dataclass, field
from typing import Any

from assay.protocol.commitment import Commitment
from assay.protocol.table import Entry


@dataclass
class Page:
    """Everything heard about one round. Nothing in it is believed before it is checked."""

    commitments: dict[int, tuple[Commitment, bytes]] = field(default_factory=dict)
    equivocations: dict[int, tuple[Commitment, bytes, Commitment, bytes]] = field(default_factory=dict)
    """By slot: two different commitments of its provider, one pair is enough."""
    changes: int = 0
    """How often the two have changed."""
    sets: dict[str, tuple[bytes, dict[int, tuple[Commitment, bytes]]]] = field(default_factory=dict)
    """By who says so: a root, and the commitments by slot that it was made of, signed or not."""
    openings: dict[int, dict[str, Any]] = field(default_factory=dict)
    proposal: tuple[bytes, tuple[int, ...]] | None = None
    """The root that the aggregator would commit, and the bitmap of slots in it."""
    tables: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    rooted: dict[tuple[str, bytes], tuple[Entry, ...]] = field(default_factory=dict)
    """Tables by whose they are said to be and by their root, whoever says so: the root on chain decides."""
    tables_told: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    """By who says so and whose they are said to be: the roots of these tables."""
    wanted: dict[tuple[str, str], None] = field(default_factory=dict)
    """(who asks, whose table), in the order in which they came."""
    missing: dict[tuple[str, int, int], None] = field(default_factory=dict)
    """(validator, slot, segment): start states that validators say nobody serves them."""
    requests: dict[tuple[str, int, int], None] = field(default_factory=dict)
    """(sender, slot, segment), in the order in which they came; whoever answers one takes it out."""
    sought: dict[tuple[str, bytes], None] = field(default_factory=dict)
    """(who asks, root of a state that it cannot find), in the order in which they came."""
    served: dict[tuple[int, int], dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Start states by slot and segment, then by who says so: each opens itself against the commitment."""
    votes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By type (Result, Aggregate, Fault) and sender: the signed values and the signature."""
    announced: dict[str, int] = field(default_factory=dict)
    """By party, the addresses of states that it has told."""
    asked: dict[str, int] = field(default_factory=dict)
    """By who pays for it, the questions that were entered."""
    spent_bytes: dict[tuple[str, str], int] = field(default_factory=dict)
    """By who pays for it and by kind, what was said."""
    heard: set[bytes] = field(default_factory=set)
    """Hashes of what was entered."""
