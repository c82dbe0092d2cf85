"""What provider, validator and aggregator have in common: a place in a job, what they heard, what they checked."""

import functools
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Protocol

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim, Order
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.protocol.commitment import commitment_proof
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.message import Message
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, State, fetch_assignment
from assay.roles.book import Book, RoundName, drop
from assay.roles.clerk import Clerk, on_chain
from assay.roles.notices import ROUNDS_END
from assay.roles.overdue import Overdue
from assay.roles.rooted import find_leaves
from assay.roles.voice import Voice
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import Compute, World
from assay.work.program import Limits
from assay.work.state import state_root


class Check(Protocol):
    """What share of this machine's time a job takes; `busy` is the share that is promised elsewhere."""

    def __call__(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """Errors: `Refused`, `LimitExceeded` where it is more than there is."""
        ...


Standing = tuple[ChainCommitment, list[bytes], bytes]
"""A commitment, its place in the round's root, its signature: as contracts ask for them."""
PAUSE_MAX_S = 64
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
        self.voice = Voice(world, self.clerk)
        self.overdue = Overdue(self.clerk)
        self.limits = limits or Limits()
        self._assignments: dict[int, Assignment] = {}
        self.troubles: dict[int, str] = {}
        """By job, why a turn in it could not be taken."""
        self._pauses_s: dict[int, int] = {}
        self._unread: deque[Message] = deque()
        self._fits: dict[int, bool] = {}
        self._abstained: set[int] = set()
        self._shares: dict[int, float] = {}
        """By job, the share of this machine's time that it may take."""
        self._unfit: dict[int, tuple[Order, AssayError]] = {}
        self._final: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)
        """By job: up to which round it was final, and the block in which that was seen."""
        self._leaves: dict[RoundName, tuple[Any, dict[int, bytes] | None]] = {}

    def listen(self) -> None:
        """Begins a turn: looks at the chain anew, enters what was said, and lets go of what is final."""
        self.clerk.refresh()
        for job in self.clerk.rewritten():
            # What was concluded from what never happened is concluded anew; what was heard was heard all the same.
            self.forget(job, ROUNDS_END)
        # One by one: what the node keeps from being entered now is entered the next time.
        self._unread.extend(self.world.peers.poll())
        while self._unread:
            self.book.note([self._unread[0]])
            self._unread.popleft()
        for job in self.book.jobs() | set(self._assignments):
            if self.clerk.put_away(job):
                self.book.close(job)
                self.clerk.forget(job, ROUNDS_END)
                self.forget(job, ROUNDS_END)
                self._assignments.pop(job, None)
                self._final.pop(job, None)
            else:
                self.let_go(job)

    def let_go(self, job: int) -> None:
        """Forgets the rounds of a job that are final for good."""
        below, seen = self.held_from(job), self._final[job]
        while seen and seen[-1][0] > below:
            seen.pop()
        if below and (not seen or seen[-1][0] < below):
            seen.append((below, self.clerk.head if self.world.depth_blocks else 0))
        while seen and self.clerk.settled(seen[0][1]):
            settled, _ = seen[0]
            if settled > self.book.below(job):
                self.book.forget(job, settled)
                self.clerk.forget(job, settled)
                self.forget(job, settled)
            if len(seen) == 1:
                break  # stays, as the latest that was seen
            seen.popleft()

    def held_from(self, job: int) -> int:
        """Index of the first round that something may yet be said of: not final, or of an earlier generation and still
        judged."""
        return min(name[2] for name in [(job, 0, self.clerk.progress(job)[1]), *self.clerk.orphans(job)])

    def each_job(self, turn: Callable[[int], Wake]) -> Wake:
        """A turn in every job. What is wrong with one job, or not to be had, does not keep a party from the others."""
        wake = IDLE
        for job in self.clerk.jobs():
            try:
                wake |= turn(job) | self.voice.repeat(job)
                self.tell_states(job)
                self._pauses_s.pop(job, None)
            except AssayError as trouble:
                if not isinstance(trouble, Unavailable):
                    self.troubles[job] = trouble.message
                # It may pass, as a node's wrong answer does, so it is tried again: ever more rarely, for it may not.
                pause_s = self._pauses_s[job] = min(2 * self._pauses_s.get(job, 0) or 1, PAUSE_MAX_S)
                wake |= wake_at(self.world.clock() + pause_s)
        return wake

    def consider(self, job: int, *checks: Check) -> Wake:
        """Stays out of the draw of a job that is not what its order says, or too much for this machine beside what it
        has promised elsewhere. Errors: `Unavailable` where something of it is not to be had yet."""
        if job not in self._fits:
            self._fits[job] = False
            try:
                self.take_on(self.assignment(job), *checks)
                self._fits[job] = True
            except Unavailable:
                del self._fits[job]
                raise
            except AssayError as trouble:
                self.troubles[job] = trouble.message
        if self._fits[job] or job in self._abstained:
            return IDLE
        wake = self.clerk.attempt(self.world.ledger.jobs.abstain(job))
        self._abstained.add(job)
        return wake

    def take_on(self, assignment: Assignment, *checks: Check) -> None:
        """Counts on a job's work. Errors: `Refused` and `LimitExceeded` where there is not the time for it."""
        job, busy = assignment.job, self.busy()
        self._shares[job] = sum(check(assignment, self.world.compute, busy=busy) for check in checks)

    def busy(self) -> float:
        """The share of this machine's time that is promised to jobs it has, or may be drawn for."""
        self._shares = {job: share for job, share in self._shares.items() if self.serves(job)}
        return sum(self._shares.values())

    def serves(self, job: int) -> bool:
        """Whether this party has a part in a job, or may yet get one."""
        if self.clerk.closed(job):
            return False
        return self.clerk.view(job).phase < JobPhase.ENLISTING or self.world.address in self.clerk.parties(job)

    def forget(self, job: int, below: int) -> None:
        """Drops what was concluded of rounds of a job that are final."""
        self.voice.forget(job, below)
        drop(self._leaves, job, below)

    def expose(self, job: int) -> Wake:
        """Shows two commitments that were signed for one slot to the chain, while there is a lock to lose."""
        wake = IDLE
        ledger = self.world.ledger
        for page in [page for name, page in self.book.rounds.items() if name[0] == job]:
            for slot, (one, one_signature, other, other_signature) in page.equivocations.items():
                if slot in self.clerk.open_slots(job) and self._at_stake(job, one.provider):
                    wake |= self.clerk.attempt(
                        ledger.rounds.equivocate(on_chain(one), one_signature, on_chain(other), other_signature)
                    )
        return wake

    def _at_stake(self, job: int, account: str) -> int:
        ledger = self.world.ledger
        return ledger.stakes.lock_of(ledger.jobs.obligation(job, account)).amount

    def assignment(self, job: int) -> Assignment:
        """The job's programs, state and samples, checked once. Errors: `Malformed`, `Refused`, `Unavailable`."""
        order = self.clerk.order(job)
        if job not in self._assignments or self._assignments[job].order is not order:
            known = self._unfit.get(job)
            if known is not None and known[0] is order:
                # To find it out once more might take as long as its consumer likes.
                raise known[1].with_traceback(None)
            try:
                self._assignments[job] = fetch_assignment(self.world, order, job, self.limits)
            except Unavailable:
                raise
            except AssayError as flaw:
                self._unfit[job] = (order, flaw)
                raise
        assignment = self._assignments[job]
        if self.clerk.view(job).phase >= JobPhase.ENLISTING:
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
        generation, first_open, _ = self.clerk.progress(job)
        self.voice.say((job, generation, first_open), "seek", {"root": root.hex()}, topic=root)
        return None

    def tell_states(self, job: int) -> None:
        """Says where a state is to whoever looks for it and this party holds it."""
        for name, page in [item for item in self.book.rounds.items() if item[0][0] == job and item[1].sought]:
            states = self._assignments[job].states if job in self._assignments else {}
            for asker, root in [item for item in page.sought if item[1] in states]:
                del page.sought[asker, root]
                cid = self.world.blobs.put(self.assignment(job).signature.encode(states[root]))
                self.voice.answer(name, "aggregate", {"root": root.hex(), "cid": cid}, asker, root)


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
