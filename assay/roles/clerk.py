"""What every role does at the chain's counter: which jobs there are, where they stand, and sending what may race."""

from collections.abc import Iterator
from typing import Any

from assay.chain.client import Call
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import JobView, Order, RoundView
from assay.chain.contracts.rounds import SecretDemanded
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.events import read_log
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Reverted
from assay.protocol.phase import JobPhase
from assay.roles.book import RoundName
from assay.roles.wake import ACTED, IDLE, Wake
from assay.roles.world import World


class Clerk:
    """One party's dealings with the contracts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.refusals: list[Reverted] = []
        self._closed: set[int] = set()
        self._orders: dict[int, Order] = {}
        self._providers: dict[int, tuple[str, ...]] = {}
        self._demands: set[tuple[int, int, int, int]] = set()
        self._demands_block = 0

    def jobs(self) -> list[int]:
        """Jobs that this party has not closed its file on."""
        return [job for job in range(1, self.ledger.jobs.job_count() + 1) if job not in self._closed]

    def close(self, job: int) -> Wake:
        """Nothing more to do in this job."""
        self._closed.add(job)
        return IDLE

    def order(self, job: int) -> Order:
        """The order; it never changes."""
        if job not in self._orders:
            self._orders[job] = self.ledger.jobs.order_of(job)
        return self._orders[job]

    def view(self, job: int) -> JobView:
        """Where a job stands now."""
        return self.ledger.jobs.view_of(job)

    def providers(self, job: int) -> tuple[str, ...]:
        """Who holds which slot; fixed by the match, nobody before it."""
        if job not in self._providers:
            if self.view(job).phase < JobPhase.DRAWING:
                return ()
            self._providers[job] = self.ledger.jobs.providers_of(job)
        return self._providers[job]

    def slots(self, job: int, account: str) -> list[int]:
        """The slots that an account holds."""
        return [slot for slot, provider in enumerate(self.providers(job)) if provider == account]

    def rounds(self, job: int) -> Iterator[tuple[RoundName, RoundView]]:
        """Rounds of the present generation that are not final, oldest first."""
        progress = self.ledger.rounds.progress(job)
        for index in range(progress.first_open, progress.next):
            generation = self.ledger.rounds.generation_of(job, index)
            yield (job, generation, index), self.ledger.rounds.view_of(job, generation, index)

    def segments(self, job: int) -> int:
        """Segments of one slot's round, N."""
        order = self.order(job)
        return order.steps_per_round // order.steps_per_segment

    @property
    def place(self) -> tuple[int, str]:
        """(chain id, `Rounds` address): where commitments count."""
        return self.world.domain.chain_id, self.world.domain.rounds

    def fund(self, token: str, amount: int) -> bool:
        """Brings the free balance up to `amount` from the wallet; whether there is enough now."""
        missing = amount - self.ledger.vault.free(token, self.world.address)
        if missing <= 0:
            return True
        if int(token, 16):
            coin = TestStablecoin(self.ledger.web3, token, self.ledger.sender)
            if not self.attempt(coin.approve(self.ledger.vault.address, missing)).acted:
                return False
        value_wei = 0 if int(token, 16) else missing
        return self.attempt(self.ledger.vault.deposit(token, missing, value_wei=value_wei)).acted

    def beacon(self, target: int) -> tuple[bytes, int] | None:
        """The recorded hash of a block fixed in advance and its misses; records it as soon as it can be seen."""
        value, misses = self.ledger.beacon.read(target)
        if not any(value) and self.ledger.rpc.get_head() > target:
            self.attempt(self.ledger.beacon.record(target))
            value, misses = self.ledger.beacon.read(target)
        return (value, misses) if any(value) else None

    def attempt(self, call: Call[Any]) -> Wake:
        """Sends a transaction that somebody else may already have sent, or that may still be too early."""
        try:
            call.send()
        except Reverted as refusal:
            self.refusals.append(refusal)
            return IDLE
        return ACTED

    def secret_demanded(self, name: RoundName, slot: int) -> bool:
        """Whether a slot's secret was called for on chain; reads the events since the last question."""
        head = self.ledger.rpc.get_head()
        if head > self._demands_block:
            query = {
                "address": self.ledger.rounds.address,
                "topics": ["0x" + SecretDemanded.TOPIC.hex()],
                "fromBlock": hex(self._demands_block + 1),
                "toBlock": hex(head),
            }
            for raw in self.ledger.rpc.request("eth_getLogs", query):
                demand = SecretDemanded.decode(read_log(raw))
                self._demands.add((demand.job, demand.generation, demand.round, demand.slot))
            self._demands_block = head
        return (*name, slot) in self._demands


def on_chain(commitment: Commitment) -> ChainCommitment:
    """A commitment in the form that the contracts take."""
    return ChainCommitment(**vars(commitment))
