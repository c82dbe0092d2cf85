"""A local crew: honest providers, validators and aggregators with keys of their own, so that one person has a network.

They share this machine, take any job that it can do in time, and bid a share of what the job offers. A keeper besides
sees every job through, so that whoever posts one may leave.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.signer import KeySigner
from assay.protocol.errors import AssayError
from assay.protocol.words import words_hash
from assay.roles.aggregator import Aggregator
from assay.roles.assignment import Assignment
from assay.roles.consumer import Consumer
from assay.roles.network import AGGREGATOR, LOCK_MAX, VALIDATOR, WINDOW_MIN_S
from assay.roles.pace import check_pace
from assay.roles.provider import Provider
from assay.roles.stage import DECIMALS
from assay.roles.validator import Validator
from assay.roles.wake import Wake
from assay.roles.world import Compute, World

SIZES = {"provider": 4, "validator": 5, "aggregator": 2}
POOLS = {"provider": None, "validator": VALIDATOR, "aggregator": AGGREGATOR}
KEEPER, OPERATOR = "keeper", "operator"
WHOLE = 10**DECIMALS
STAKE, WEIGHT, WALLET = 100_000 * WHOLE, 1_000 * WHOLE, 900_000 * WHOLE
"""Staked by each; what of it weighs in the draw, little enough that a person who joins is drawn too; held besides."""
BID_SHARES = (0.80, 0.82, 0.84, 0.86)
"""Of the price that a job offers at most."""


class CrewProvider(Provider):
    """Bids a share of what a job offers, and promises no more than a machine that `shared_by` providers train on."""

    def __init__(self, world: World, share: float, shared_by: int = 1) -> None:
        super().__init__(world, 0)
        self.share, self.shared_by = share, shared_by

    def bid(self, job: int) -> Wake:
        """As any provider does, at this job's price."""
        self.price = max(1, int(self.clerk.order(job).price_ceiling * self.share))
        return super().bid(job)

    def check_pace(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """Whether the machine does it in time, with the others of the crew at work on it."""
        return check_pace(assignment, compute, assignment.order.windows.train // self.shared_by, busy=busy)


class Keeper(Consumer):
    """Sees everybody's jobs through: each step after posting may be taken by anybody."""

    behaviour = "keeper"

    def minds(self, job: int) -> bool:  # noqa: ARG002 - any
        """Every job."""
        return True


def members(sizes: dict[str, int] = SIZES) -> Iterator[tuple[str, str]]:
    """(name, role) of everybody in the crew."""
    for role, count in sizes.items():
        for index in range(1, count + 1):
            yield f"{role}-{index}", role
    yield KEEPER, KEEPER


def crew_signer(seed: KeySigner, name: str) -> KeySigner:
    """A member's key: it follows from the crew's own key, and from nothing else."""
    # A signature that is never shown to anybody: it follows from the key, and the key not from it.
    root = sha256(seed.sign_digest(words_hash("assay.crew.seed"))).digest()
    return KeySigner.create(words_hash("assay.crew.key", root, sha256(name.encode()).digest()))


def make_member(world: World, name: str, role: str, sizes: dict[str, int] = SIZES) -> Any:
    """The role that a member plays."""
    if role == "provider":
        return CrewProvider(world, BID_SHARES[int(name.rpartition("-")[2]) % len(BID_SHARES)], sizes[role])
    kinds: dict[str, Callable[[World], Any]] = {"validator": Validator, "aggregator": Aggregator, KEEPER: Keeper}
    return kinds[role](world)


def settle_in(world: World, token: str, role: str) -> bool:
    """Money and stake for a member that has none yet; whether anything was missing. It may be interrupted anywhere."""
    coin, ledger = TestStablecoin(world.ledger.web3, token, world.ledger.sender), world.ledger
    if role == KEEPER:
        return False
    staked, acted = ledger.stakes.staked(token, world.address), False
    if staked < STAKE:
        missing = STAKE - staked
        free = ledger.vault.free(token, world.address)
        if free < missing:
            if coin.balance_of(world.address) < missing - free + WALLET:
                coin.mint(world.address, STAKE + WALLET).send()
            coin.approve(ledger.vault.address, missing - free).send()
            ledger.vault.deposit(token, missing - free).send()
        ledger.stakes.stake(token, missing).send()
        acted = True
    pool = POOLS[role]
    if pool is not None and not is_enrolled(world, token, pool):
        ledger.stakes.enrol(token, pool, WEIGHT, LOCK_MAX, WINDOW_MIN_S).send()
        acted = True
    return acted


def is_enrolled(world: World, token: str, pool: int) -> bool:
    """Whether a party is in a pool: enrolling again would be refused."""
    try:
        world.ledger.stakes.enrol(token, pool, WEIGHT, LOCK_MAX, WINDOW_MIN_S).ask(world.address)
    except AssayError as refusal:
        return refusal.fields.get("contract_error") == "AlreadyEnrolled"
    return False
