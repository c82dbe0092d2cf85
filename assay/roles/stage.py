"""Setting a network up for one job: who plays which part, with what money and stake, and what came of it.

stage = Stage(network, job, bundle, train, test)
stage.enter("provider", Provider, Provider, CHEATS["skipper"].load())
stage.enter("validator", ...); stage.enter("aggregator", ...)
stage.play()
"""

from collections.abc import Callable
from typing import Any, TypeVar

from assay.chain.contracts.rounds import Claimed
from assay.chain.events import Event
from assay.protocol.job import Job
from assay.roles.candidacy import AGGREGATOR, VALIDATOR
from assay.roles.consumer import Consumer, chain_order
from assay.roles.network import Network, Role
from assay.roles.world import World
from assay.store.samples import Samples
from assay.work.program import Bundle

E = TypeVar("E", bound=Event)
DECIMALS = 6
"""Of the test stablecoin."""
POOLS = {"provider": None, "validator": VALIDATOR, "aggregator": AGGREGATOR}


class Stage:
    """One job on one network. Parties are called `provider-1`, `validator-1`, ... in the order in which they enter."""

    def __init__(
        self,
        network: Network,
        job: Job,
        bundle: Bundle,
        train: Samples,
        test: Samples,
        consumer: Callable[[World], Consumer] = Consumer,
    ) -> None:
        self.network = network
        self.consumer = consumer(network.world("consumer", 0))
        document, roots = self.consumer.publish(job, bundle, train, test)
        self.order = chain_order(job, document, roots, network.token.address, DECIMALS)
        network.mint(self.consumer.world, network.ledger.jobs.cost(self.order))
        network.parties["consumer"] = self.consumer
        self.job = 0
        self._cursor = network.ledger.open_cursor()
        self._events: list[Event] = []

    def enter(self, role: str, *kinds: Callable[..., Role], enrol: bool = True, **settings: Any) -> list[Role]:
        """Gives each a key, money and a stake; validators and aggregators enrol in their pools, or only stand by."""
        entered = []
        for kind in kinds:
            index = sum(name.startswith(f"{role}-") for name in self.network.parties) + 1
            name, stake = f"{role}-{index}", getattr(self.order, f"{role}_stake")
            spare = 2 * self.order.price_ceiling if role == "provider" else self.network.challenge_bonds(self.order)
            world = self.network.world(name, stake + spare)
            self.network.stake(world, stake, POOLS[role] if enrol else None)
            party = kind(world, self.order.price_ceiling) if role == "provider" else kind(world, **settings)
            self.network.parties[name] = party
            entered.append(party)
        return entered

    def watch(self, kind: Callable[..., Role], **settings: Any) -> Role:
        """Somebody without a stake, with money for challenges."""
        world = self.network.world("watcher", self.network.challenge_bonds(self.order))
        self.network.parties["watcher"] = watcher = kind(world, **settings)
        return watcher

    def post(self) -> int:
        """Posts the job."""
        self.job = self.consumer.post(self.order)
        return self.job

    def play(self, *, turns_max: int = 5_000) -> None:
        """Posts the job unless it is posted, and runs it until it has ended and everybody has taken what is theirs."""
        self.job = self.job or self.post()
        self.network.run(self.over, turns_max=turns_max)

    def over(self) -> bool:
        """Whether the job has ended and every file on it is closed."""
        if not self.network.ledger.jobs.view_of(self.job).ended:
            return False
        return all(self.job not in party.clerk.jobs() for party in self.network.parties.values())

    def events(self) -> list[Event]:
        """Everything that the contracts have said so far, in order."""
        for log in self._cursor.drain().added:
            emitted = self.network.ledger.decode(log)
            if emitted is not None:
                self._events.append(emitted.event)
        return self._events

    def said(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    def address(self, name: str) -> str:
        """A party's address."""
        return self.network.worlds[name].address

    def paid(self, name: str) -> int:
        """What a party has claimed, in the token's smallest unit."""
        return sum(event.amount for event in self.said(Claimed) if event.account == self.address(name))

    def honest(self, role: str) -> list[str]:
        """Names of a role's honest parties."""
        parties = self.network.parties.items()
        return [name for name, party in parties if name.startswith(f"{role}-") and party.behaviour == "honest"]

    def price(self) -> int:
        """The cleared price per slot and round."""
        return self.network.ledger.jobs.view_of(self.job).price
