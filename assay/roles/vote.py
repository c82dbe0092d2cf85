"""A quorum off chain: drawn validators sign the same typed value, and whoever has enough signatures shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.protocol.errors import Malformed
from assay.protocol.merkle import EMPTY, leaf_hash, merkle_root
from assay.protocol.typed import Domain, bitmap_hash, recover, typed_digest
from assay.protocol.words import words_hash
from assay.roles.page import Page
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.wake import Wake

WORDS_MAX = 4
"""Words of a bitmap over slots."""


def result_root(
    name: RoundName, tables: dict[int, bytes], secrets: dict[int, bytes], validator_count: int, slot_count: int
) -> bytes:
    """Root over what a round was judged by: tables' roots by validator, opened secrets by slot."""
    rows = [leaf_hash(tables[at]) if at in tables else EMPTY for at in range(validator_count)]
    opened = [leaf_hash(secrets[slot]) if slot in secrets else EMPTY for slot in range(slot_count)]
    return words_hash("assay.result.1", *name, merkle_root(rows), merkle_root(opened))


@dataclass(frozen=True)
class Result:
    """What a round comes to: bitmaps over slots as words, a bitmap over seats, and what it was judged by."""

    accepted: tuple[int, ...]
    included: tuple[int, ...]
    served: int
    root: bytes

    def values(self, name: RoundName, drawing: int) -> dict[str, object]:
        """The typed value `Result`; `drawing` is the round's, so that the word of an earlier one counts no more."""
        return {
            **_round(name),
            "drawing": drawing,
            "accepted": bitmap_hash(list(self.accepted)),
            "included": bitmap_hash(list(self.included)),
            "served": self.served,
            "resultRoot": self.root,
        }

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        accepted, included = list(self.accepted), list(self.included)
        return {"accepted": accepted, "included": included, "served": self.served, "root": self.root.hex()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Result | None":
        """From outside; nothing where it cannot be read."""
        try:
            accepted, included, served = tuple(value["accepted"]), tuple(value["included"]), value["served"]
            root = bytes.fromhex(value["root"])
        except (KeyError, TypeError, ValueError):
            return None
        whole = all(type(row) is int and 0 <= row < 1 << 256 for row in (*accepted, *included, served))
        if not whole or len(root) != 32 or len(accepted) != len(included) or len(accepted) > WORDS_MAX:
            return None
        return cls(accepted, included, served, root)


def root_values(name: RoundName, root: bytes, present: list[int]) -> dict[str, object]:
    """The typed value `Root`: the commitments of a round, all of them."""
    return {**_round(name), "root": root, "present": bitmap_hash(present)}


def unserved_values(name: RoundName, slot: int) -> dict[str, object]:
    """The typed value `Unserved`."""
    return {**_round(name), "slot": slot}


def aggregate_values(name: RoundName, end_root: bytes, score: int) -> dict[str, object]:
    """The typed value `Aggregate`."""
    return {**_round(name), "endRoot": end_root, "score": score}


def fault_values(name: RoundName, digest: bytes) -> dict[str, object]:
    """The typed value `Fault`."""
    return {**_round(name), "digest": digest}


def _round(name: RoundName) -> dict[str, object]:
    return {"job": name[0], "generation": name[1], "round": name[2]}


def cast(party: Party, name: RoundName, kind: str, values: dict[str, object], shown: dict[str, object]) -> Wake:
    """Signs `values` and tells everyone, with what a reader needs to rebuild them."""
    signature = party.world.signer.sign_digest(typed_digest(party.world.domain, kind, values))
    return party.voice.say(name, "vote", {"type": kind, "signature": signature.hex(), **shown}, topic=kind)


def proposals(page: Page) -> list[Result]:
    """The different results that validators have signed, most signed first."""
    counts: dict[Result, int] = {}
    for vote in page.votes.get("Result", {}).values():
        result = Result.from_json(vote)
        if result is not None:
            counts[result] = counts.get(result, 0) + 1
    return sorted(counts, key=lambda result: (-counts[result], result.accepted, result.served, result.root))


def faults(page: Page) -> list[bytes]:
    """The different faults that validators have signed."""
    digests = set()
    for vote in page.votes.get("Fault", {}).values():
        try:
            digest = bytes.fromhex(vote["digest"])
        except (KeyError, TypeError, ValueError):
            continue
        if len(digest) == 32:
            digests.add(digest)
    return sorted(digests)


def gather(
    domain: Domain, page: Page, kind: str, values: dict[str, object], validators: Sequence[str], quorum: int
) -> list[bytes] | None:
    """Signatures over exactly these values by `quorum` drawn validators in ascending order of address, or nothing."""
    digest = typed_digest(domain, kind, values)
    signed: dict[str, bytes] = {}
    for sender, content in page.votes.get(kind, {}).items():
        if sender not in validators:
            continue
        try:
            signature = bytes.fromhex(
                content["signatures"][str(values["slot"])] if kind == "Unserved" else content["signature"]
            )
            if recover(digest, signature) == sender:
                signed[sender] = signature
        except (KeyError, TypeError, ValueError, Malformed):
            continue
    if len(signed) < quorum:
        return None
    return [signed[signer] for signer in sorted(signed, key=lambda address: int(address, 16))[:quorum]]
