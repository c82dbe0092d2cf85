"""Which commitments a round's root was made of: what was heard need not be what the aggregator had heard by then."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.protocol.commitment import bitmap_slots, commitment_proof, commitment_root
from assay.roles.book import Book
from assay.roles.forms import on_chain
from assay.roles.page import Page
from assay.roles.register import Register
from assay.roles.round import RoundName, drop

TWINS_MAX = 6
"""Slots with two commitments whose choice is searched for; each doubles the search."""
Standing = tuple[ChainCommitment, list[bytes], bytes]
"""A commitment, its place in the round's root, its signature: as contracts ask for them."""


class Rooted:
    """The commitments that stand on chain, as far as they have been heard."""

    def __init__(self, register: Register, book: Book) -> None:
        self._register, self._book = register, book
        self._found: dict[RoundName, tuple[Any, dict[int, bytes] | None]] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._found, job, below)

    def standing(self, name: RoundName, slot: int) -> Standing:
        """A slot's commitment with what shows that it stands; no proof where the root's leaves are not all here."""
        commitment, signature = self._book.round(name).commitments[slot]
        leaves = self.leaves(name)
        proof = commitment_proof(leaves, self._register.order(name[0]).providers, slot) if leaves else []
        return on_chain(commitment), proof, signature

    def leaves(self, name: RoundName) -> dict[int, bytes] | None:
        """The leaves of a round's commitment root, as far as they have been heard."""
        page, view = self._book.round(name), self._register.round(name)
        key = (view.commitment_root, len(page.commitments), len(page.equivocations))
        if self._found.get(name, (None, None))[0] != key:
            slot_count = self._register.order(name[0]).providers
            direct = functools.partial(self._register.notices.leaf, name)
            found = find_leaves(page, view.commitment_root, view.present, direct, self._register.place, slot_count)
            self._found[name] = (key, found)
        return self._found[name][1]


def find_leaves(
    page: Page,
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
