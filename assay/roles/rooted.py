"""Which commitments a round's root was made of: what was heard need not be what the aggregator had heard by then."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from assay.protocol.commitment import bitmap_slots, commitment_root
from assay.roles.book import RoundBook

TWINS_MAX = 6
"""Slots with two commitments whose choice is searched for; each doubles the search."""


def find_leaves(
    page: RoundBook,
    root: bytes,
    rows: Sequence[int],
    direct: Callable[[int], bytes | None],
    place: tuple[int, str],
    slot_count: int,
) -> dict[int, bytes] | None:
    """Leaves by slot that give a commitment root, or nothing when they have not all been heard.

    `rows` is the bitmap of those present; `direct` tells the leaf of a slot that was entered by its provider itself;
    `place` is (chain id, address of Rounds).
    """
    heard = {slot: commitment.leaf(*place) for slot, (commitment, _) in page.commitments.items()}
    twins = {slot: pair[2].leaf(*place) for slot, pair in sorted(page.equivocations.items())[:TWINS_MAX]}
    for base in _candidates(heard, set(bitmap_slots(rows)), direct):
        here = [slot for slot in twins if slot in base]
        for choice in product((False, True), repeat=len(here)):
            leaves = {**base, **{slot: twins[slot] for slot, other in zip(here, choice, strict=True) if other}}
            if commitment_root(leaves, slot_count) == root:
                return leaves
    return None


def _candidates(
    heard: Mapping[int, bytes], present: set[int], direct: Callable[[int], bytes | None]
) -> Iterator[dict[int, bytes]]:
    counted = {slot: leaf for slot, leaf in heard.items() if slot in present}
    yield counted
    yield {slot: leaf for slot, leaf in counted.items() if direct(slot) is None}
    yield dict(heard)
