"""A provider's finished work on a round: trained, salted and sealed, and committed to once."""

from dataclasses import dataclass, field

from assay.proof.served import LeafOpening
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Refused
from assay.protocol.transcript import SlotName, Transcript, secret_hash
from assay.protocol.typed import typed_digest
from assay.roles.assignment import Assignment, State
from assay.roles.footprint import stride_of
from assay.roles.memory import Memory
from assay.roles.pace import patience_s
from assay.roles.round import RoundName
from assay.roles.world import Compute, World
from assay.store.port import hash_of
from assay.work.seal import seal
from assay.work.segment import Plan, SlotWork, train_slot

Origin = tuple[bytes, bytes]
"""The beacon of the job's draw, and the root that the round begins with."""


@dataclass
class Piece:
    """One slot's finished work in one round, kept until the round is settled."""

    slot: int
    commitment: Commitment
    signature: bytes
    transcript: Transcript
    work: SlotWork
    cids: dict[int, str] = field(default_factory=dict)
    """Addresses of the states that were published, by segment."""
    opened: bool = False
    opening: dict[str, object] = field(default_factory=dict)
    """What is said of it then."""

    def has_start(self, slot: int, segment: int) -> bool:
        """Whether a segment of this work begins from a state of its own: the first begins where the round does."""
        return slot == self.slot and 0 < segment < len(self.work.states) - 1

    def state_content(self, segment: int) -> dict[str, object]:
        """A published start state, with the opening of its leaf, as a message says it."""
        leaf = LeafOpening.of(self.transcript, segment).to_json()
        return {"slot": self.slot, "segment": segment, "cid": self.cids[segment], "leaf": leaf}


class Commitments:
    """What one provider has committed to. The secrets are journaled first, so that who commits again after a crash
    commits to the same, since the work is a function too."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._secrets = Memory.of_words(world.journal, "secret")
        self._signed = Memory.of_words(world.journal, "signed")
        self._shown: Memory[set[int]] = Memory(world.journal, "shown", sorted, set)

    def made(self, name: RoundName, slot: int, origin: Origin) -> bool:
        """Whether some work of a round was committed to, as the chain is now."""
        return self._signed.get(*_key(name, slot, origin)) is not None

    def make(
        self, name: RoundName, slot: int, origin: Origin, work: SlotWork, update: bytes
    ) -> tuple[Commitment, Transcript]:
        """Salts the transcript, seals the encoded update, and binds a commitment to both.

        Two different commitments to one slot cost the whole lock, so what was signed is journaled as well. Where the
        chain was rewritten and the work has another origin, it is other work, with a secret of its own. Errors:
        `Refused` where the same work came out differently.
        """
        provider, key = self._world.address, _key(name, slot, origin)
        secret = self._secrets.get(*key) or self._secrets.keep(self._world.entropy.draw(32), *key)
        transcript = work.transcript(SlotName(*name, slot, provider), secret)
        sealed_hash = hash_of(self._world.blobs.put(seal(secret, update)))
        roots = (*origin, transcript.root, secret_hash(secret), sealed_hash)
        commitment = Commitment(*name, slot, provider, *roots)
        digest = self._digest(commitment)
        if (self._signed.get(*key) or self._signed.keep(digest, *key)) != digest:
            raise Refused("other work of this round was signed already", hint="nobody signs twice")
        return commitment, transcript

    def adjoins(self, commitment: Commitment, asker: str, segment: int) -> bool:
        """Whether somebody was shown the start state beside this one: the later of two tells the end of the segment
        before it."""
        return not self._shown_to(commitment, asker).isdisjoint({segment - 1, segment + 1})

    def show(self, commitment: Commitment, asker: str, segment: int) -> None:
        """Remembers, before it is served, which start state somebody is shown."""
        self._shown.keep(self._shown_to(commitment, asker) | {segment}, commitment.transcript_root.hex(), asker)

    def _shown_to(self, commitment: Commitment, asker: str) -> set[int]:
        return self._shown.get(commitment.transcript_root.hex(), asker) or set()

    def sign(self, commitment: Commitment) -> bytes:
        """The provider's word on a commitment."""
        return self._world.signer.sign_digest(self._digest(commitment))

    def _digest(self, commitment: Commitment) -> bytes:
        return typed_digest(self._world.domain, "Commitment", commitment.typed)


def _key(name: RoundName, slot: int, origin: Origin) -> tuple[object, ...]:
    return (*name, slot, *(root.hex() for root in origin))


def train(
    compute: Compute, assignment: Assignment, name: RoundName, slot: int, start: State, start_root: bytes
) -> SlotWork:
    """The training itself: a pure function of the job, the start state, the round and the slot."""
    plan = Plan(assignment.order.steps_per_round, assignment.order.steps_per_segment)
    feed = assignment.course.feed(name[1], name[2], slot)
    step, emit = compute.runner(assignment.bundle.step), compute.runner(assignment.bundle.emit)
    with compute.within(patience_s(assignment.order.windows.train)):
        stride = stride_of(assignment.order, assignment.bundle, compute.space)
        work = train_slot(step, emit, start, feed, plan, compute.timer, start_root=start_root, stride=stride)
    compute.meter.add("train", work.train_s)
    compute.meter.add("hash", work.hash_s)
    return work
