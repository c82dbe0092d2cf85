"""A slot's commitment: what a provider binds itself to before anybody checks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.protocol.merkle import EMPTY, leaf_hash, merkle_proof, merkle_root
from assay.protocol.words import words


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
        content = words(
            "assay.commitment.2",
            chain_id,
            rounds,
            self.job,
            self.generation,
            self.round,
            self.slot,
            self.provider,
            self.beacon,
            self.start_root,
            self.transcript_root,
            self.secret_hash,
            self.sealed_hash,
        )
        return leaf_hash(content)

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
    return [256 * at + bit for at, row in enumerate(rows) for bit in range(256) if row >> bit & 1]
