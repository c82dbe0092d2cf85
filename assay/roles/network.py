"""A whole network in one process: real contracts on one chain, every role in turn, time that only we advance if we may.

Nothing is shared but the ports, so the same roles run as processes elsewhere. On the embedded chain one thread, a fixed
order of turns and seeded keys make a run a function of its seed.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Protocol

from assay.chain.calendar import Calendar
from assay.chain.contracts.containers import Order
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.deploy import DEMO_LIMITS, Deployment, Limits, deploy, plan_system
from assay.chain.ground import DEPLOY_GAS, PARTY_GAS, Ground, SimulatedGround
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.net.memory import Board
from assay.protocol.errors import Unavailable
from assay.protocol.typed import Domain
from assay.protocol.words import words_hash
from assay.roles.clerk import Clerk
from assay.roles.wake import IDLE, Wake
from assay.roles.world import Compute, MemoryJournal, Meter, SeededEntropy, World
from assay.store.memory import MemoryBlobs
from assay.work.compiled.warm import Warmth

PATIENT_BLOCKS = 4
"""Idle blocks before time jumps to the next deadline: more than the beacon's delay."""
LOCK_MAX, WINDOW_MIN_S = 2**96 - 1, 1
"""What members of the pools accept: any lock they have, and windows as short as this network's time."""


class Role(Protocol):
    """Whoever takes turns."""

    behaviour: str
    clerk: Clerk

    def tick(self) -> Wake:
        """One turn."""
        ...


@dataclass
class Network:
    """One process, one chain, any number of parties. `transaction_s` is how long a transaction takes on the chain."""

    seed: bytes
    timer: Callable[[], float]
    limits: Limits = DEMO_LIMITS
    ground: Ground = field(default_factory=SimulatedGround)
    parties: dict[str, Role] = field(default_factory=dict)
    worlds: dict[str, World] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chain = self.ground.chain
        self.meter = Meter()
        self.warmth = Warmth(compiles=True)
        self.web3 = self.ground.connect(self.timer, partial(self.meter.add, "chain"))
        operator = self.signer("operator", DEPLOY_GAS)
        self.sender = Sender(self.web3, operator)
        began_s, plan = self.ground.now_s(), plan_system(operator.address, self.limits)
        self.deployment: Deployment = deploy(self.sender, plan)
        self.transaction_s = (self.ground.now_s() - began_s) / len(plan)
        self.ledger = Ledger(self.web3, self.deployment, operator)
        self.token = self.ledger.open(TestStablecoin)
        self.blobs = MemoryBlobs()
        self.domain = Domain(self.deployment.chain_id, self.ledger.rounds.address)
        self.board = Board(self.domain, self.ground.now_s)
        self.clock = Calendar(self.ground.now_s)

    def again(self, seed: bytes) -> "Network":
        """Another network on the same contracts: other parties, nothing said, nothing stored."""
        twin = copy(self)
        twin.seed, twin.parties, twin.worlds = seed, {}, {}
        twin.blobs, twin.board = MemoryBlobs(), Board(self.domain, self.ground.now_s)
        twin.clock = Calendar(self.ground.now_s)
        return twin

    def signer(self, name: str, gas: int = PARTY_GAS) -> KeySigner:
        """A key that follows from the seed, with coin for gas."""
        signer = KeySigner.create(words_hash("assay.network.key", self.seed, sha256(name.encode()).digest()))
        self.ground.fund(signer, gas)
        return signer

    def world(self, name: str, wealth: int) -> World:
        """A new party's world, with `wealth` units of the test stablecoin in its wallet."""
        signer = self.signer(name)
        self.worlds[name] = World(
            ledger=Ledger(self.web3, self.deployment, signer),
            blobs=self.blobs,
            peers=self.board.peers(signer.address),
            clock=self.clock,
            signer=signer,
            journal=MemoryJournal(),
            entropy=SeededEntropy(words_hash("assay.network.entropy", self.seed, sha256(name.encode()).digest())),
            compute=Compute(self.timer, warmth=self.warmth),
            domain=self.domain,
            depth_blocks=self.ground.depth_blocks,
        )
        self.mint(self.worlds[name], wealth)
        return self.worlds[name]

    def mint(self, world: World, amount: int) -> None:
        """Gives a party units of the test stablecoin."""
        cap = self.token.mint_max()
        for part in [cap] * (amount // cap) + [amount % cap]:
            if part:
                self.token.mint(world.address, part).send()

    def stake(self, world: World, amount: int, role: int | None = None) -> None:
        """Puts `amount` at stake and, with a role, enters the pool that is drawn from."""
        token, ledger = self.token.address, world.ledger
        TestStablecoin(self.web3, token, ledger.sender).approve(ledger.vault.address, amount).send()
        ledger.vault.deposit(token, amount).send()
        ledger.stakes.stake(token, amount).send()
        if role is not None:
            ledger.stakes.enrol(token, role, amount, LOCK_MAX, WINDOW_MIN_S).send()

    def challenge_bonds(self, order: Order) -> int:
        """Free balance that lets a validator challenge twice at once."""
        round_cost = (
            order.providers * order.price_ceiling + order.validators * order.validator_fee + order.aggregator_fee
        )
        return 2 * max(round_cost * self.limits.challenge_bond_bps // 10_000, order.validators * order.validator_fee)

    def unstake_all(self) -> None:
        """Everybody takes back what is staked and not locked, after the unbonding time."""
        staked = []
        for world in self.worlds.values():
            amount = world.ledger.stakes.available(self.token.address, world.address)
            if amount:
                world.ledger.stakes.unstake(self.token.address, amount).send()
                staked.append(world)
        free_s = self.ground.now_s() + self.limits.unbonding_s
        while self.ground.now_s() < free_s:
            self.ground.approach(free_s)
        for world in staked:
            world.ledger.stakes.release(self.token.address).send()

    def next_s(self, wake: Wake) -> int | None:
        """When there is something to do again, in the chain's time: at a deadline that has not passed yet, or when a
        freeze is over."""
        if wake.at_s is not None and wake.at_s > self.clock():
            return self.clock.when_s(wake.at_s)
        return self.clock.frozen_until_s()

    def run(self, done: Callable[[], bool], *, turns_max: int = 100_000) -> None:
        """Gives everybody turns until `done`. Raises `Unavailable` when nothing moves any more."""
        idle = stuck = 0
        for _ in range(turns_max):
            wake = IDLE
            for role in self.parties.values():
                wake |= role.tick()
            if done():
                return
            if wake.acted:
                idle = stuck = 0
                continue
            idle, stuck = idle + 1, stuck + 1
            next_s = self.next_s(wake) if idle > PATIENT_BLOCKS else None
            if next_s is not None:
                self.ground.approach(next_s)
                idle = 0 if self.ground.now_s() >= next_s else idle
            else:
                self.ground.pass_block()
            if stuck > 1_000:
                break
        raise Unavailable("the network has come to a standstill", hint="this is a bug: keep the seed and report it")
