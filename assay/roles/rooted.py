"""Which commitments a round's root was made of: what was heard need not be what the aggregator had heard by then.

A quorum vouches for a root, so somebody honest knows what it is of, and whoever does not asks. Where nobody has vouched
every provider has had the time to enter by itself, and needs no root.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import Commitment, bitmap_slots, commitment_proof, commitment_root
from assay.roles.book import Book
from assay.roles.content import commitment_content
from assay.roles.forms import on_chain
from assay.roles.page import Page
from assay.roles.register import Register
from assay.roles.round import RoundName, drop
from assay.roles.voice import Voice
from assay.roles.wake import IDLE, Wake

TWINS_MAX = 6
"""Slots with two commitments whose choice is searched for, where nobody has told it; each doubles the search."""
Standing = tuple[ChainCommitment, list[bytes], bytes]
"""A commitment, its place in the round's root, its signature: as contracts ask for them."""
Leaves = dict[int, bytes]


class Rooted:
    """The commitments that stand on chain, as far as they have been heard."""

    def __init__(self, register: Register, book: Book, voice: Voice) -> None:
        self._register, self._book, self._voice = register, book, voice
        self._found: dict[RoundName, tuple[bytes, Leaves]] = {}
        self._sought: dict[RoundName, tuple[object, ...]] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._found, job, below)
        drop(self._sought, job, below)

    def standing(self, name: RoundName, slot: int) -> Standing:
        """A slot's commitment with what shows that it stands; no proof where the root's leaves are not all here."""
        commitment, signature = self._book.round(name).commitments[slot]
        return on_chain(commitment), self.proof(name, slot), signature

    def proof(self, name: RoundName, slot: int) -> list[bytes]:
        """What shows a slot's leaf in the round's root; nothing where the root's leaves are not all here."""
        leaves = self.leaves(name)
        return commitment_proof(leaves, self._register.order(name[0]).providers, slot) if leaves else []

    def leaves(self, name: RoundName) -> Leaves | None:
        """The leaves of a round's commitment root, as far as they have been heard. What has been made out once stays
        so: more that is heard of slots changes nothing that stands."""
        page, view = self._book.round(name), self._register.round(name)
        root, found = self._found.get(name, (b"", {}))
        if root == view.commitment_root:
            return found
        leaves = self._told(page, view.commitment_root) or self._search(name, page, view)
        if leaves is not None:
            self._found[name] = (view.commitment_root, leaves)
        return leaves

    def _told(self, page: Page, root: bytes) -> Leaves | None:
        """What somebody has said the root is made of: it is, or it would not have been entered."""
        told = (commitments for known, commitments in page.sets.values() if known == root)
        place = self._register.place
        return next(({slot: signed[0].leaf(*place) for slot, signed in each.items()} for each in told), None)

    def _search(self, name: RoundName, page: Page, view: RoundView) -> Leaves | None:
        key = (view.commitment_root, tuple(view.present), page.changes)
        if self._sought.get(name) == key:
            return None
        self._sought[name] = key
        slot_count = self._register.order(name[0]).providers
        direct = {slot: self._register.notices.leaf(name, slot) for slot in bitmap_slots(view.present)}
        return find_leaves(page, view.commitment_root, view.present, direct.get, self._register.place, slot_count)

    # among those who check

    def seek(self, name: RoundName, view: RoundView) -> Wake:
        """Asks what a root is made of that cannot be made out here, and for what was entered directly and is not here,
        while something of the round hangs on it."""
        wake = self._seek_direct(name, view)
        if self.leaves(name) is not None:
            self._voice.hush(name, "seek", topic="root")
            return wake
        if all(self._register.notices.leaf(name, slot) for slot in bitmap_slots(view.present)):
            return wake
        return wake | self._voice.say(name, "seek", {"root": view.commitment_root.hex()}, topic="root")

    def _seek_direct(self, name: RoundName, view: RoundView) -> Wake:
        """A provider may tell some of its peers another commitment than it has entered: who heard the one passes it
        on."""
        wake, heard = IDLE, self._direct(name)
        for slot in bitmap_slots(view.present):
            leaf = self._register.notices.leaf(name, slot)
            if leaf is None or leaf in heard:
                self._voice.hush(name, "seek", topic=f"slot {slot}")
            else:
                wake |= self._voice.say(name, "seek", {"root": leaf.hex()}, topic=f"slot {slot}")
        return wake

    def _direct(self, name: RoundName) -> dict[bytes, tuple[Commitment, bytes]]:
        """The signed commitments that are here of those that were entered directly, by their leaf."""
        page = self._book.round(name)
        known = [*page.commitments.values(), *(pair[2:] for pair in page.equivocations.values())]
        by_leaf = {signed[0].leaf(*self._register.place): signed for signed in known}
        return {leaf: each for leaf, each in by_leaf.items() if self._register.notices.leaf(name, each[0].slot) == leaf}

    def tell(self, name: RoundName, view: RoundView) -> Wake:
        """Tells who has a part in the job and asks."""
        wake, page, parties = IDLE, self._book.round(name), self._register.parties(name[0])
        for asker, root in [item for item in page.sought if item[1] == view.commitment_root]:
            leaves = self.leaves(name) if asker in parties else None
            signed = self._signed(page, leaves or {})
            if signed:
                del page.sought[asker, root]
                content: dict[str, object] = {
                    "commitments": [commitment_content(*each) for each in signed],
                    "root": root.hex(),
                    "present": list(view.present),
                }
                wake |= self._voice.answer(name, "commitments", content, asker, root)
        direct = self._direct(name) if page.sought else {}
        for asker, leaf in [item for item in page.sought if item[1] in direct and item[0] in parties]:
            del page.sought[asker, leaf]
            content = {"commitments": [commitment_content(*direct[leaf])]}
            wake |= self._voice.answer(name, "commitments", content, asker, leaf)
        return wake

    def _signed(self, page: Page, leaves: Leaves) -> list[tuple[Commitment, bytes]]:
        """The commitments behind leaves, with their signatures; nothing where one of them is not here any more: who
        told the leaves may have told another set since."""
        signed = []
        for slot, leaf in sorted(leaves.items()):
            heard = [page.commitments[slot]] if slot in page.commitments else []
            heard += [page.equivocations[slot][2:]] if slot in page.equivocations else []
            heard += [commitments[slot] for _, commitments in page.sets.values() if slot in commitments]
            signed += [each for each in heard if each[0].leaf(*self._register.place) == leaf][:1]
        return signed if len(signed) == len(leaves) else []


def find_leaves(
    page: Page,
    root: bytes,
    rows: Sequence[int],
    direct: Callable[[int], bytes | None],
    place: tuple[int, str],
    slot_count: int,
) -> Leaves | None:
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
) -> Iterator[Leaves]:
    counted = {slot: leaf for slot, leaf in heard.items() if slot in present}
    yield counted
    yield {slot: leaf for slot, leaf in counted.items() if direct(slot) is None}
    yield dict(heard)
