"""A local crew: honest providers, validators and aggregators with keys of their own, so that one person has a network.

They share this machine, take any job that it can do in time, and bid a share of what the job offers. A keeper besides
sees every job through, so that whoever posts one may leave.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from assay.api.token import NATIVE, balance_of, deposit
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.ground import WEALTH_WEI
from assay.chain.signer import KeySigner
from assay.protocol.words import words_hash
from assay.roles.aggregator import Aggregator
from assay.roles.assignment import Assignment
from assay.roles.bidding import Bidding
from assay.roles.candidacy import AGGREGATOR, VALIDATOR
from assay.roles.consumer import Consumer
from assay.roles.network import LOCK_MAX, WINDOW_MIN_S
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
COIN_STAKE, COIN_WEIGHT = WEALTH_WEI // 10, WEALTH_WEI // 1_000
"""The same of the chain's coin, where members have a wealth of it."""
BID_SHARES = (0.80, 0.82, 0.84, 0.86)
"""Of the price that a job offers at most."""


class AnyToken(Bidding):
    """Bids for jobs in whatever there is a stake in, the chain's coin too: a crew's coin is not its money for gas."""

    def _check_stake(self, job: int) -> None:
        self._token = self._clerk.order(job).token
        super()._check_stake(job)


class CrewProvider(Provider):
    """Bids a share of what a job offers, and promises no more than a machine that `shared_by` providers train on."""

    def __init__(self, world: World, share: float, shared_by: int = 1) -> None:
        super().__init__(world, 0)
        self.share, self.shared_by = share, shared_by
        self.bidding = AnyToken(world, self.clerk, None, 1, self.look)

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
    if role == KEEPER:
        return False
    coin, ledger = TestStablecoin(world.ledger.web3, token, world.ledger.sender), world.ledger
    staked, free = ledger.stakes.staked(token, world.address), ledger.vault.free(token, world.address)
    if free < STAKE - staked and coin.balance_of(world.address) < STAKE - staked - free + WALLET:
        coin.mint(world.address, STAKE + WALLET).send()
    acted = join(world, token, role, STAKE, WEIGHT)
    if balance_of(ledger, NATIVE, world.address) > 2 * COIN_STAKE:
        acted = join(world, NATIVE, role, COIN_STAKE, COIN_WEIGHT) or acted
    return acted


def join(world: World, token: str, role: str, stake: int, weight: int) -> bool:
    """Puts what is missing of a stake there, out of the wallet, and enters the role's pool with some of it; whether
    anything was missing. It may be interrupted anywhere."""
    ledger, address = world.ledger, world.address
    missing, acted = stake - ledger.stakes.staked(token, address), False
    if missing > 0:
        deposit(ledger, token, missing - ledger.vault.free(token, address))
        ledger.stakes.stake(token, missing).send()
        acted = True
    pool = POOLS[role]
    if pool is not None and ledger.stakes.member_of(token, pool, address).account != address:
        ledger.stakes.enrol(token, pool, weight, LOCK_MAX, WINDOW_MIN_S).send()
        acted = True
    return acted
