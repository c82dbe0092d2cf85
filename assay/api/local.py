"""A network of one's own inside this process, for notebooks and tests: real contracts, honest parties, simulated time.

It is gone when the process ends. Parties join as jobs are posted, with stakes to spare.
"""

import time
from dataclasses import replace
from secrets import token_bytes

import torch

from assay.api.client import Client
from assay.api.crew import CrewProvider, join
from assay.api.token import NATIVE, Token, balance_of
from assay.chain.contracts.containers import Order
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.protocol.errors import Refused, Unavailable
from assay.roles.aggregator import Aggregator
from assay.roles.candidacy import AGGREGATOR, VALIDATOR
from assay.roles.network import PATIENT_BLOCKS, Network
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World
from assay.store.port import Blobs

STUCK_MAX = 1_000
WEALTH = 10**12
"""Units of the test stablecoin that each party starts with: a million."""
STAKE = 10**11
BID_SHARE = 0.9
"""Of the price that a job offers at most."""
SPARE = 4
"""Jobs in another token that a party has stake and bonds for at once."""
STANDARD = {"provider": 4, "validator": 5, "aggregator": 2}


class LocalNetwork:
    """A network and its crew. The same `seed` gives the same keys; without one they are random."""

    def __init__(self, seed: bytes | None = None, wealth: int = WEALTH) -> None:
        # Tensors this small are slower on two threads than on one; the bits are the same.
        torch.set_num_threads(1)
        self.network = Network(seed or token_bytes(32), time.perf_counter)
        self.token = Token(self.network.token.address, self.network.token.symbol(), self.network.token.decimals())
        self.wealth = wealth
        self._idle = self._stuck = 0
        self._crew = dict.fromkeys(STANDARD, 0)
        self.man(STANDARD)

    @property
    def blobs(self) -> Blobs:
        """Where everybody's bytes are."""
        return self.network.blobs

    def man(self, wanted: dict[str, int]) -> None:
        """Lets parties in until there are as many as wanted of each role."""
        kinds = {"validator": Validator, "aggregator": Aggregator}
        pools = {"provider": None, "validator": VALIDATOR, "aggregator": AGGREGATOR}
        for role, count in wanted.items():
            while self._crew[role] < count:
                self._crew[role] += 1
                name = f"{role}-{self._crew[role]}"
                world = self.network.world(name, WEALTH)
                self.network.stake(world, STAKE, pools[role])
                self.network.parties[name] = (
                    CrewProvider(world, BID_SHARE) if role == "provider" else kinds[role](world)
                )

    def man_for(self, order: Order) -> None:
        """Enough parties for an order, and one validator to spare."""
        self.man({"provider": order.providers, "validator": order.validators + 1})
        if order.token != self.token.address:
            self.stake_for(order)

    def stake_for(self, order: Order) -> None:
        """Lets everybody stake what an order in another token asks for, out of what the operator has of it. Errors:
        `Refused` where that is too little."""
        network, token = self.network, order.token
        stakes = {role: SPARE * getattr(order, f"{role}_stake") for role in self._crew}
        bonds = SPARE * max(2 * order.price_ceiling, network.challenge_bonds(order))
        for name, world in network.worlds.items():
            role = name.partition("-")[0]
            if role not in stakes:
                continue
            held = balance_of(world.ledger, token, world.address) + world.ledger.vault.free(token, world.address)
            missing = max(0, stakes[role] - world.ledger.stakes.staked(token, world.address)) + bonds - held
            if missing > 0:
                self._give(world, token, missing)
            join(world, token, role, stakes[role], stakes[role])

    def _give(self, world: World, token: str, amount: int) -> None:
        """Units of a token from whoever runs this network."""
        held = balance_of(self.network.ledger, token, self.network.sender.address)
        if token == NATIVE or held < amount:
            raise Refused(
                "the parties of this network do not have enough of that token to stake",
                hint=f"transfer some to {self.network.sender.address}, or pay in another job.token",
                key="job.token",
            )
        TestStablecoin(self.network.web3, token, self.network.sender).transfer(world.address, amount).send()

    def client(self, name: str = "consumer") -> Client:
        """An account with money of its own."""
        world = self.network.worlds.get(name) or self.network.world(name, self.wealth)

        def open_world() -> World:
            return replace(world, peers=self.network.board.peers(world.address))

        return Client(open_world, self.token, self.pass_time, self.man_for, is_live=False)

    def pass_time(self, wake: Wake = IDLE) -> None:
        """A turn for everybody; when nobody acts a block, and at last the next deadline."""
        ground = self.network.ground
        for role in self.network.parties.values():
            wake |= role.tick()
        if wake.acted:
            self._idle = self._stuck = 0
            return
        self._idle, self._stuck = self._idle + 1, self._stuck + 1
        if self._stuck > STUCK_MAX:
            raise Unavailable("the network has come to a standstill", hint="this is a bug: please report it")
        next_s = self.network.next_s(wake) if self._idle > PATIENT_BLOCKS else None
        if next_s is not None:
            ground.approach(next_s)
            self._idle = 0
        else:
            ground.pass_block()

    def close(self) -> None:
        """Ends it."""
        self.network.ground.close()
