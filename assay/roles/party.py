"""What provider, validator and aggregator have in common: a place in a job, what they heard, what they checked."""

import functools
from collections import deque
from collections.abc import Callable
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.protocol.commitment import commitment_proof
from assay.protocol.errors import AssayError, Refused, Unavailable
from assay.protocol.message import Message
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, State, fetch_assignment
from assay.roles.book import Book, RoundName, drop
from assay.roles.clerk import Clerk, on_chain
from assay.roles.rooted import find_leaves
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import Compute, World
from assay.work.program import Limits
from assay.work.state import state_root

Standing = tuple[ChainCommitment, list[bytes], bytes]
"""A commitment, its place in the round's root, its signature: as contracts ask for them."""
ROUNDS_END = 1 << 32
"""Above every round's index."""
CLAIM_TYPE = (
    "(uint8,(uint256,uint32,uint32,uint16,address,bytes32,bytes32,bytes32,bytes32),bytes32[],bytes,bytes32,"
    "(uint32,bytes32,uint32,bytes32),bytes32[],(uint32,bytes32,uint32,bytes32),bytes32[],address,"
    "(uint16,uint32,bytes32),uint32,uint32,bytes32[])"
)
"""`IDisputes.Claim` as the ABI writes it."""


class Party:
    """A key at work in jobs. `behaviour` is `honest`, or the name of a cheat of the zoo."""

    behaviour = "honest"

    def __init__(self, world: World, limits: Limits | None = None) -> None:
        self.world = world
        self.clerk = Clerk(world)
        self.book = Book(world.domain, self.clerk)
        self.limits = limits or Limits()
        self._assignments: dict[int, Assignment] = {}
        self.troubles: dict[int, str] = {}
        """By job, why a turn in it could not be taken."""
        self._unread: deque[Message] = deque()
        self._forgotten: dict[int, int] = {}
        self._considered: set[int] = set()
        self._exposed: set[tuple[RoundName, int]] = set()
        self._leaves: dict[RoundName, tuple[Any, dict[int, bytes] | None]] = {}

    def listen(self) -> None:
        """Begins a turn: looks at the chain anew, enters what was said, and lets go of what is final."""
        self.clerk.refresh()
        # One by one: what the node keeps from being entered now is entered the next time.
        self._unread.extend(self.world.peers.poll())
        while self._unread:
            self.book.note([self._unread[0]])
            self._unread.popleft()
        for job in self.book.jobs() | set(self._assignments):
            if self.clerk.closed(job):
                self.book.close(job)
                self.forget(job, ROUNDS_END)
                self._assignments.pop(job, None)
                continue
            below = self.held_from(job)
            if below > self._forgotten.get(job, 0):
                self._forgotten[job] = below
                self.book.forget(job, below)
                self.forget(job, below)

    def held_from(self, job: int) -> int:
        """Index of the first round that something may yet be said of: not final, or of an earlier generation and still
        judged."""
        return min(name[2] for name in [(job, 0, self.clerk.progress(job)[1]), *self.clerk.orphans(job)])

    def each_job(self, turn: Callable[[int], Wake]) -> Wake:
        """A turn in every job. What is wrong with one job, or not to be had, does not keep a party from the others."""
        wake = IDLE
        for job in self.clerk.jobs():
            try:
                wake |= turn(job)
            except Unavailable:
                wake |= wake_at(self.world.clock() + 1)
            except AssayError as trouble:
                self.troubles[job] = trouble.message
        return wake

    def consider(self, job: int, *checks: Callable[[Assignment, Compute], None]) -> Wake:
        """Stays out of the draw of a job whose windows are too short for this machine.

        What is wrong with a job otherwise is attested once it runs.
        """
        if job in self._considered:
            return IDLE
        assignment = self.assignment(job)
        self._considered.add(job)
        try:
            for check in checks:
                check(assignment, self.world.compute)
        except Refused:
            return self.clerk.attempt(self.world.ledger.jobs.abstain(job))
        return IDLE

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        self.clerk.forget(job, below)
        drop(self._exposed, job, below)
        drop(self._leaves, job, below)

    def expose(self, job: int) -> Wake:
        """Shows two commitments that were signed for one slot to the chain, while there is a lock to lose."""
        wake = IDLE
        ledger = self.world.ledger
        for name, page in [(name, page) for name, page in self.book.rounds.items() if name[0] == job]:
            for slot, (one, one_signature, other, other_signature) in page.equivocations.items():
                if (name, slot) in self._exposed:
                    continue
                self._exposed.add((name, slot))
                if ledger.stakes.lock_of(ledger.jobs.obligation(job, one.provider)).amount:
                    wake |= self.clerk.attempt(
                        ledger.rounds.equivocate(on_chain(one), one_signature, on_chain(other), other_signature)
                    )
        return wake

    def assignment(self, job: int) -> Assignment:
        """The job's programs, state and samples, checked once. Errors: `Malformed`, `Refused`, `Unavailable`."""
        if job not in self._assignments:
            self._assignments[job] = fetch_assignment(self.world, self.clerk.order(job), job, self.limits)
        assignment = self._assignments[job]
        if not any(assignment.beacon) and self.clerk.view(job).phase >= JobPhase.ENLISTING:
            assignment.beacon = self.clerk.view(job).beacon
        return assignment

    def standing(self, name: RoundName, slot: int) -> Standing:
        """A slot's commitment with what shows that it stands; no proof where the root's leaves are not all here."""
        commitment, signature = self.book.round(name).commitments[slot]
        leaves = self.leaves(name)
        proof = commitment_proof(leaves, self.clerk.order(name[0]).providers, slot) if leaves else []
        return on_chain(commitment), proof, signature

    def leaves(self, name: RoundName) -> dict[int, bytes] | None:
        """The leaves of a round's commitment root, as far as they have been heard."""
        page, view = self.book.round(name), self.clerk.round(name)
        key = (view.commitment_root, len(page.commitments), len(page.equivocations))
        if self._leaves.get(name, (None, None))[0] != key:
            slot_count = self.clerk.order(name[0]).providers
            direct = functools.partial(self.clerk.notices.leaf, name)
            found = find_leaves(page, view.commitment_root, view.present, direct, self.clerk.place, slot_count)
            self._leaves[name] = (key, found)
        return self._leaves[name][1]

    def validators(self, job: int) -> tuple[str, ...]:
        """Who checks this job, by seat."""
        return self.clerk.validators(job)

    def seat(self, job: int) -> int | None:
        """This party's seat among the job's validators."""
        validators = self.validators(job)
        return validators.index(self.world.address) if self.world.address in validators else None

    def state(self, job: int, root: bytes) -> State | None:
        """The state with this root: remembered, or published by anybody and verified; nothing if nobody has it yet."""
        assignment = self.assignment(job)
        if root in assignment.states:
            return assignment.states[root]
        signature = assignment.signature
        for cid in self.book.published.get((job, root), ()):
            try:
                state = signature.decode(self.world.blobs.get(cid, signature.encoded_bytes))
            except AssayError:
                continue
            if state_root(state) == root:
                assignment.keep(root, state)
                return state
        return None


def sealed(root: bytes, nonce: bytes, salt: bytes) -> bytes:
    """keccak256(abi.encode(root, nonce, salt)): how a table is committed before it is shown."""
    return keccak(root + nonce + salt)


def sealed_bid(job: int, bidder: str, price: int, salt: bytes) -> bytes:
    """keccak256(abi.encode(job, bidder, price, salt)): how a bid is committed before it is opened."""
    return keccak(abi_encode(["uint256", "address", "uint128", "bytes32"], [job, bidder, price, salt]))


def sealed_challenge(claim: Claim, challenger: str, salt: bytes) -> bytes:
    """keccak256(abi.encode(claim, challenger, salt)): how a challenge is committed before it is shown."""
    return keccak(abi_encode([CLAIM_TYPE, "address", "bytes32"], [claim.to_abi(), challenger, salt]))


def sealed_vote(dispute: int, voter: str, digest: bytes, salt: bytes) -> bytes:
    """keccak256(abi.encode(dispute, voter, digest, salt)): how a vote is committed before it is shown."""
    return keccak(abi_encode(["uint256", "address", "bytes32", "bytes32"], [dispute, voter, digest, salt]))
