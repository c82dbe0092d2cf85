"""What provider, validator and aggregator have in common: a place in a job, what they heard, what they checked."""

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim
from assay.protocol.errors import Malformed, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.assignment import Assignment, State, fetch_assignment
from assay.roles.book import Book
from assay.roles.clerk import Clerk
from assay.roles.world import World
from assay.work.program import Limits
from assay.work.state import state_root

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
        self.book = Book(world.domain, self.clerk.providers)
        self.limits = limits or Limits()
        self._assignments: dict[int, Assignment] = {}

    def assignment(self, job: int) -> Assignment:
        """The job's programs, state and samples, checked once. Errors: `Malformed`, `Refused`, `Unavailable`."""
        if job not in self._assignments:
            self._assignments[job] = fetch_assignment(self.world, self.clerk.order(job), job, self.limits)
        assignment = self._assignments[job]
        if not any(assignment.beacon) and self.clerk.view(job).phase >= JobPhase.ENLISTING:
            assignment.beacon = self.clerk.view(job).beacon
        return assignment

    def validators(self, job: int) -> tuple[str, ...]:
        """Who checks this job, by seat."""
        return self.world.ledger.jobs.validators_of(job)

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
        for cid in self.book.published.get(root, ()):
            try:
                state = signature.decode(self.world.blobs.get(cid, signature.encoded_bytes))
            except (Malformed, Unavailable):
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
