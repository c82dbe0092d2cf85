"""What is opened of committed trees in a game, and how: parts of six levels, named by height and index.

The same as `contracts/src/disputes/Trees.sol`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.protocol.merkle import EMPTY, depth, node_hash

LEVELS = 6
CLAIMLESS = {
    "answerParts",
    "answerRows",
    "answerState",
    "answerSteps",
    "demandContent",
    "demandLeaves",
    "demandRows",
    "demandState",
    "recall",
    "resign",
}
NO_CLAIM: tuple[Any, ...] = (
    bytes(32),
    "0x" + "00" * 20,
    (bytes(32), bytes(32), bytes(32), 0, 0, 0),
    [],
    (bytes(32), 0, 0, 0, 0, 0, bytes(32)),
    *(0, 0, 0, False, 0, bytes(32)),
)
"""In the claim's place where it is not looked at."""
Key = tuple[Any, ...]
"""What was demanded: ("steps",), ("rows", run, height, index), ("leaves", run, row, height, index), ("content", run,
row, leaf), ("state", run, group), ("parts", run, node, element, from, count) or ("witness", run, node, element)."""


@dataclass(frozen=True)
class Move:
    """A call of `Games`."""

    name: str
    arguments: tuple[Any, ...] = ()
    again: bool = False
    """Whether it is about a value that was shown before, so that the claim need not be said."""

    def call(self, game: int, claim: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments: the game, the claim as the contracts take it where it is said, and those of the move."""
        said = () if self.name in CLAIMLESS else (NO_CLAIM,) if self.again else (claim,)
        return game, *said, *self.arguments


def below(height: int) -> int:
    """Height of the nodes that open a part of a tree; `Trees.below`."""
    return 0 if height == 0 else (height - 1) // LEVELS * LEVELS


def reach_of(demand: Key) -> tuple[int, int]:
    """The first (run, row) that an answer to this has nothing to do with: a fault before that answers too."""
    kind, *where = demand
    if kind == "rows":
        return where[0], 0
    if kind == "state":
        return where[0] + 1, 0
    return (where[0], where[1] + 1) if kind in ("leaves", "content") else (0, 0)


def places_in(demands: Iterable[Key]) -> set[tuple[int, int]]:
    """(run, row) of each value of which something was opened."""
    return {(key[1], key[2]) for key in demands if key[0] in ("leaves", "content")}


def hashes_in(content: bytes) -> list[bytes]:
    """What was opened, hash by hash."""
    return [content[at : at + 32] for at in range(0, len(content), 32)]


@dataclass
class Tree:
    """A claimed Merkle tree over `count` leaves, as far as it was opened; `own` is the other side's, which stands in
    where nothing was."""

    count: int
    own: Sequence[Sequence[bytes]]
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def enter(self, height: int, index: int, opened: Sequence[bytes]) -> None:
        """A part that was opened."""
        level, row = below(height), list(opened)
        first = index << (height - level)
        while True:
            self.nodes.update({(level, first + at): each for at, each in enumerate(row)})
            if level == height:
                return
            row = [node_hash(row[at], row[at + 1] if at + 1 < len(row) else EMPTY) for at in range(0, len(row), 2)]
            level, first = level + 1, first >> 1

    def node(self, height: int, index: int) -> bytes:
        """A node, opened or the own one."""
        found = self.nodes.get((height, index))
        if found is not None:
            return found
        row = self.own[height]
        return row[index] if index < len(row) else EMPTY

    def proof(self, index: int) -> list[bytes]:
        """Siblings of a leaf, lowest first."""
        return [self.node(height, index >> height ^ 1) for height in range(depth(self.count))]

    @property
    def root(self) -> bytes:
        """The claimed root."""
        return self.node(depth(self.count), 0)

    def first_difference(self, height: int, index: int) -> int | None:
        """Of an opened part the first node that is not the own one."""
        level = below(height)
        first = index << (height - level)
        for at in range(first, first + (1 << (height - level))):
            if (level, at) in self.nodes and (
                at >= len(self.own[level]) or self.nodes[level, at] != self.own[level][at]
            ):
                return at
        return None


def opening(tree: Sequence[Sequence[bytes]], height: int, index: int) -> tuple[list[bytes], list[bytes]]:
    """(nodes that open a part, siblings of the part)."""
    level = below(height)
    first = index << (height - level)
    nodes = list(tree[level][first : first + (1 << (height - level))])
    proof = []
    for at in range(height, len(tree) - 1):
        sibling = index >> (at - height) ^ 1
        proof.append(tree[at][sibling] if sibling < len(tree[at]) else EMPTY)
    return nodes, proof
