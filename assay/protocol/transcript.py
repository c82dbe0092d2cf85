"""A transcript: the salted list of states that a slot's work went through.

    salt_i = H("assay.salt.1", secret, i)
    loss_i = H("assay.loss.1", secret, i, bits of the segment's last loss)
    leaf_i = H("assay.segment.2", job, generation, round, slot, provider,
                                i, salt_i, state_root_i, loss_i, update_root_i)
    root   = Merkle(leaf_0 .. leaf_N)

`update_root` is zero but in the last leaf, where it binds the update to the work: an honest transcript cannot carry
somebody else's update. The salts keep the end of a segment unknown to whoever re-executes it until the secret is out;
then anybody recomputes the whole root and compares 32 bytes. The losses are sealed by themselves, so that whoever asks
for the state after a segment, instead of the one before it, still has to execute it: its loss belongs to what is
compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from assay.protocol.errors import Malformed
from assay.protocol.merkle import leaf_hash, merkle_proof, merkle_root
from assay.protocol.words import word, words, words_hash

ZERO = bytes(32)
SEGMENTS_MAX = 1_024
"""Of a slot's round: an opening of all leaves has to fit one transaction."""
SEGMENT_STEPS_MAX = 1_024
"""Of a segment: the states between its steps are opened in one transaction too."""


@dataclass(frozen=True)
class Leaf:
    """One opened leaf. Leaf 0 is the start state; leaf i the state after segment i - 1."""

    index: int
    state_root: bytes
    loss_bits: int = 0
    update_root: bytes = ZERO


@dataclass(frozen=True)
class SlotName:
    """Which work a transcript is of."""

    job: int
    generation: int
    round: int
    slot: int
    provider: str


def secret_hash(secret: bytes) -> bytes:
    """What is committed of a secret of 32 bytes."""
    return sha256(secret).digest()


def salt(secret: bytes, index: int) -> bytes:
    """Salt of leaf `index`; one salt tells nothing about another."""
    return words_hash("assay.salt.1", secret, index)


def sealed_loss(secret: bytes, index: int, loss_bits: int) -> bytes:
    """The loss of leaf `index`, as it may be shown before the secret is."""
    return words_hash("assay.loss.1", secret, index, loss_bits)


def segment_leaf(name: SlotName, leaf: Leaf, secret: bytes) -> bytes:
    """Hash of one leaf."""
    sealed = sealed_loss(secret, leaf.index, leaf.loss_bits)
    return shown_leaf(name, leaf.index, salt(secret, leaf.index), leaf.state_root, sealed, leaf.update_root)


def shown_leaf(
    name: SlotName, index: int, leaf_salt: bytes, state_root: bytes, loss_seal: bytes, update_root: bytes
) -> bytes:
    """Hash of one leaf, from what may be shown of it alone."""
    fields = (word(leaf_salt), word(state_root), word(loss_seal), word(update_root))
    return leaf_hash(_head(name) + word(index) + b"".join(fields))


def _head(name: SlotName) -> bytes:
    """What all leaves of a transcript begin with."""
    return words("assay.segment.2", name.job, name.generation, name.round, name.slot, name.provider)


@dataclass(frozen=True)
class Transcript:
    """All leaves of one slot's round, with the secret that salts them."""

    name: SlotName
    secret: bytes
    leaves: tuple[Leaf, ...]

    def hashes(self) -> list[bytes]:
        """The salted leaves: `segment_leaf` of each, what they have in common written once."""
        head = _head(self.name)
        salts, seals = words("assay.salt.1", self.secret), words("assay.loss.1", self.secret)
        hashes = []
        for leaf in self.leaves:
            index = word(leaf.index)
            leaf_salt = sha256(salts + index).digest()
            sealed = sha256(seals + index + word(leaf.loss_bits)).digest()
            hashes.append(leaf_hash(head + index + leaf_salt + word(leaf.state_root) + sealed + word(leaf.update_root)))
        return hashes

    @property
    def root(self) -> bytes:
        """What is committed."""
        return merkle_root(self.hashes())

    def proof(self, index: int) -> list[bytes]:
        """Siblings of leaf `index`."""
        return merkle_proof(self.hashes(), index)

    def to_json(self) -> dict[str, object]:
        """The opening as plain values."""
        return {
            "secret": self.secret.hex(),
            "states": [leaf.state_root.hex() for leaf in self.leaves],
            "losses": [leaf.loss_bits for leaf in self.leaves],
            "update": self.leaves[-1].update_root.hex(),
        }

    @classmethod
    def from_json(cls, name: SlotName, opening: object, segment_count: int) -> "Transcript":
        """An opening from outside. Raises `Malformed` unless it has exactly `segment_count` + 1 well-formed leaves."""
        try:
            if not isinstance(opening, dict):
                raise TypeError("not an object")
            secret = bytes.fromhex(opening["secret"])
            update = bytes.fromhex(opening["update"])
            states = [bytes.fromhex(state) for state in opening["states"]]
            losses = [_loss_bits(loss) for loss in opening["losses"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("a transcript's opening cannot be read") from error
        if len(states) != segment_count + 1 or len(losses) != len(states):
            raise Malformed("a transcript's opening has the wrong number of leaves", limit=segment_count + 1)
        if {len(secret), len(update), *map(len, states)} != {32}:
            raise Malformed("a transcript's opening has fields of the wrong size")
        return cls(name, secret, leaves_of(states, losses, update))


def _loss_bits(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError("a loss is not 32 bits")
    return value


def leaves_of(states: Sequence[bytes], losses: Sequence[int], update_root: bytes) -> tuple[Leaf, ...]:
    """Leaves from their state roots and losses, the update bound in the last."""
    last = len(states) - 1
    return tuple(
        Leaf(index, state, loss, update_root if index == last else ZERO)
        for index, (state, loss) in enumerate(zip(states, losses, strict=True))
    )


def operator_hash(name: str) -> bytes:
    """An operator as a fault's digest has it, and as contracts take it."""
    return sha256(name.encode("ascii")).digest()


def fault_digest(step: int, node: int, code: str) -> bytes:
    """What stands in a leaf in place of a state root when the job itself faults; the same on every machine."""
    return words_hash("assay.fault.1", step, node, operator_hash(code))
