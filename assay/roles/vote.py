"""A quorum off chain: drawn validators sign the same typed value, and whoever has enough signatures shows them."""

from collections.abc import Sequence

from assay.protocol.errors import Malformed
from assay.protocol.merkle import EMPTY, leaf_hash, merkle_root
from assay.protocol.typed import Domain, bitmap_hash, recover, typed_digest
from assay.protocol.words import words_hash
from assay.roles.book import RoundBook, RoundName
from assay.roles.world import World

WORDS_MAX = 4
"""Words of a bitmap over slots."""


def result_root(
    name: RoundName, tables: dict[int, bytes], secrets: dict[int, bytes], validator_count: int, slot_count: int
) -> bytes:
    """Root over what a round was judged by: tables' roots by validator, opened secrets by slot."""
    rows = [leaf_hash(tables[at]) if at in tables else EMPTY for at in range(validator_count)]
    opened = [leaf_hash(secrets[slot]) if slot in secrets else EMPTY for slot in range(slot_count)]
    return words_hash("assay.result.1", *name, merkle_root(rows), merkle_root(opened))


def result_values(name: RoundName, accepted: list[int], included: list[int], root: bytes) -> dict[str, object]:
    """The typed value `Result`, over the bitmaps' words."""
    return {
        "job": name[0],
        "generation": name[1],
        "round": name[2],
        "accepted": bitmap_hash(accepted),
        "included": bitmap_hash(included),
        "resultRoot": root,
    }


def aggregate_values(name: RoundName, end_root: bytes) -> dict[str, object]:
    """The typed value `Aggregate`."""
    return {"job": name[0], "generation": name[1], "round": name[2], "endRoot": end_root}


def fault_values(name: RoundName, digest: bytes) -> dict[str, object]:
    """The typed value `Fault`."""
    return {"job": name[0], "generation": name[1], "round": name[2], "digest": digest}


def cast(world: World, name: RoundName, kind: str, values: dict[str, object], shown: dict[str, object]) -> None:
    """Signs `values` and tells everyone, with what a reader needs to rebuild them."""
    signature = world.signer.sign_digest(typed_digest(world.domain, kind, values))
    world.say("vote", name, {"type": kind, "signature": signature.hex(), **shown})


def proposals(page: RoundBook) -> list[tuple[list[int], list[int], bytes]]:
    """The different results that validators have signed, most signed first: (accepted, included, result root)."""
    counts: dict[tuple[tuple[int, ...], tuple[int, ...], bytes], int] = {}
    for vote in page.votes.get("Result", {}).values():
        try:
            accepted, included = (list(vote[key]) for key in ("accepted", "included"))
            root = bytes.fromhex(vote["root"])
            whole = all(type(row) is int and 0 <= row < 1 << 256 for row in (*accepted, *included))
        except (KeyError, TypeError, ValueError):
            continue
        if whole and len(root) == 32 and len(accepted) == len(included) <= WORDS_MAX:
            proposal = (tuple(accepted), tuple(included), root)
            counts[proposal] = counts.get(proposal, 0) + 1
    ranked = sorted(counts, key=lambda proposal: (-counts[proposal], proposal))
    return [(list(accepted), list(included), root) for accepted, included, root in ranked]


def faults(page: RoundBook) -> list[bytes]:
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
    domain: Domain, page: RoundBook, kind: str, values: dict[str, object], validators: Sequence[str], quorum: int
) -> list[bytes] | None:
    """Signatures over exactly these values by `quorum` drawn validators in ascending order of address, or nothing."""
    digest = typed_digest(domain, kind, values)
    signed: dict[str, bytes] = {}
    for sender, content in page.votes.get(kind, {}).items():
        if sender not in validators:
            continue
        try:
            signature = bytes.fromhex(content["signature"])
            if recover(digest, signature) == sender:
                signed[sender] = signature
        except (KeyError, TypeError, ValueError, Malformed):
            continue
    if len(signed) < quorum:
        return None
    return [signed[signer] for signer in sorted(signed, key=lambda address: int(address, 16))[:quorum]]
