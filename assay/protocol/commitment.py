"""A slot's commitment: what a provider binds itself to before anybody checks it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assay.protocol.merkle import EMPTY, leaf_hash, merkle_proof, merkle_root
from assay.protocol.words import words

WORD = (1 << 256) - 1
LEAVES_KEPT = 1_024


@dataclass(frozen=True)
class Commitment:
    """Leaf of a round's commitment root; the fields of `Types.sol:Commitment`."""

    job: int
    generation: int
    round: int
    slot: int
    provider: str
    beacon: bytes
    start_root: bytes
    transcript_root: bytes
    secret_hash: bytes
    sealed_hash: bytes

    @property
    def origin(self) -> tuple[bytes, bytes]:
        """What the work came from: the beacon of the job's draw, and the root that the round began with. On a chain
        that has others, this is no commitment."""
        return self.beacon, self.start_root

    def leaf(self, chain_id: int, rounds: str) -> bytes:
        """Hash of this commitment as a leaf, bound to one chain and one `Rounds` contract."""
        return _leaf(self, chain_id, rounds)

    @property
    def typed(self) -> dict[str, object]:
        """The message of the EIP-712 signature (type `Commitment`)."""
        return {
            "job": self.job,
            "generation": self.generation,
            "round": self.round,
            "slot": self.slot,
            "provider": self.provider,
            "beacon": self.beacon,
            "startRoot": self.start_root,
            "transcriptRoot": self.transcript_root,
            "secretHash": self.secret_hash,
            "sealedHash": self.sealed_hash,
        }


@lru_cache(maxsize=LEAVES_KEPT)
def _leaf(commitment: Commitment, chain_id: int, rounds: str) -> bytes:
    """Kept, since a party looks for the same few in a round's root at each of its turns."""
    content = words(
        "assay.commitment.2",
        chain_id,
        rounds,
        commitment.job,
        commitment.generation,
        commitment.round,
        commitment.slot,
        commitment.provider,
        commitment.beacon,
        commitment.start_root,
        commitment.transcript_root,
        commitment.secret_hash,
        commitment.sealed_hash,
    )
    return leaf_hash(content)


def _slot_leaves(leaves: Mapping[int, bytes], slot_count: int) -> list[bytes]:
    return [leaves.get(slot, EMPTY) for slot in range(slot_count)]


def commitment_root(leaves: Mapping[int, bytes], slot_count: int) -> bytes:
    """Root over all slots of a round; slots without a leaf are empty."""
    return merkle_root(_slot_leaves(leaves, slot_count))


def commitment_proof(leaves: Mapping[int, bytes], slot_count: int, slot: int) -> list[bytes]:
    """Siblings of one slot's leaf in `commitment_root`."""
    return merkle_proof(_slot_leaves(leaves, slot_count), slot)


def bitmap(slots: list[int], slot_count: int) -> list[int]:
    """A set of slots as 256-bit words, lowest slot in the lowest bit of the first."""
    rows = [0] * ((slot_count + 255) // 256)
    for slot in slots:
        rows[slot // 256] |= 1 << (slot % 256)
    return rows


def bitmap_slots(rows: Sequence[int]) -> list[int]:
    """The slots in a bitmap, ascending."""
    return [256 * at + bit for at, row in enumerate(rows) for bit in _ones(row & WORD)]


def _ones(word: int) -> Iterator[int]:
    while word:
        lowest = word & -word
        yield lowest.bit_length() - 1
        word ^= lowest
