"""The contracts under the same moves as the model: real parties' keys, signatures and tables, one running job."""

import time
from dataclasses import dataclass
from hashlib import sha256

from assay.chain.client import Call
from assay.chain.contracts.containers import Order, RoundView, Windows
from assay.chain.ledger import Ledger
from assay.protocol.commitment import Commitment, bitmap, bitmap_slots, commitment_proof, commitment_root
from assay.protocol.errors import Reverted
from assay.protocol.transcript import SlotName, Transcript, leaves_of, secret_hash
from assay.protocol.typed import typed_digest
from assay.protocol.words import words_hash
from assay.roles.clerk import chain_opening, on_chain
from assay.roles.network import AGGREGATOR, VALIDATOR, Network
from assay.roles.nonces import Nonces
from assay.roles.party import sealed, sealed_bid
from assay.roles.vote import Result, aggregate_values, fault_values, root_values
from assay.roles.world import World
from tests.model.machine import DRAWN, NOBODY, STANDBY, Name, No, Size

PRICE = 1_000_000
ROOT, SALT = sha256(b"root").digest(), sha256(b"salt").digest()
BID_S = 2
REDOS = 200
"""So many that money is never short."""


@dataclass
class Standing:
    """What is to be compared with the model."""

    rounds: dict[Name, RoundView]


class Contracts:
    """One job of a size, started; every move raises `No` where a contract refuses it."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.network = Network(sha256(b"model").digest(), time.perf_counter)
        self.ground, self.chain = self.network.ground, self.network.chain
        cost = size.slots * PRICE + size.seats * PRICE + PRICE
        self.order = self._order(cost)
        self.consumer = self._party("consumer", self.network.ledger.jobs.cost(self.order))
        self.providers = [self._party(f"provider-{at}", cost + 2 * PRICE, stake=cost) for at in range(size.slots)]
        self.validators = [self._party(f"validator-{at}", cost, stake=cost, role=VALIDATOR) for at in range(size.seats)]
        self.leads = {
            NOBODY: self._party("nobody", 0),
            DRAWN: self._party("drawn", cost, stake=cost, role=AGGREGATOR),
            STANDBY: self._party("standby", cost, stake=cost),
        }
        self.nonces = {world.address: Nonces(world) for world in self.validators}
        self._match()

    # setting up

    def _order(self, cost: int) -> Order:
        size, token = self.size, self.network.token.address
        windows = Windows(BID_S, BID_S, BID_S, size.train, size.table, size.open, size.aggregate, size.challenge)
        profile, no_canaries = b"exact15".ljust(32, b"\0"), bytes(32)
        hashes = (ROOT, profile, ROOT, ROOT, ROOT, ROOT, no_canaries, ROOT)
        people = (size.slots, size.reports_min, size.seats, size.quorum)
        stakes = (cost, cost, cost)
        return Order(
            token,
            *hashes,
            size.rounds,
            1,
            1,
            *people,
            1,
            size.lookahead,
            REDOS,
            PRICE,
            PRICE,
            PRICE,
            *stakes,
            1,
            windows,
        )

    def _party(self, name: str, wealth: int, stake: int = 0, role: int | None = None) -> World:
        world = self.network.world(name, wealth)
        if stake:
            self.network.stake(world, stake, role)
        return world

    def _fund(self, world: World, amount: int) -> None:
        ledger = world.ledger
        type(self.network.token)(ledger.web3, self.network.token.address, ledger.sender).approve(
            ledger.vault.address, amount
        ).send()
        ledger.vault.deposit(self.network.token.address, amount).send()

    def _match(self) -> None:
        jobs = self.consumer.ledger.jobs
        self._fund(self.consumer, jobs.cost(self.order))
        jobs.post(self.order).send()
        self.job = 1
        for world in self.providers:
            self._fund(world, 2 * PRICE)
            world.ledger.jobs.commit_bid(self.job, sealed_bid(self.job, world.address, PRICE, SALT)).send()
        self.wait(BID_S)
        for world in self.providers:
            world.ledger.jobs.reveal_bid(self.job, PRICE, SALT).send()
        jobs.close(self.job).send()
        for _ in range(self.network.limits.beacon_delay + 1):
            self.chain.mine()
        jobs.draw(self.job).send()
        for world in self.validators:
            world.ledger.jobs.enlist(self.job, self.nonces[world.address].begin(self.job)).send()
        jobs.start(self.job).send()
        self.seat_order = [
            next(world for world in self.validators if world.address == account)
            for account in jobs.validators_of(self.job)
        ]
        by_slot = jobs.providers_of(self.job)
        self.providers.sort(key=lambda world: by_slot.index(world.address))

    # looking

    @property
    def rounds(self) -> "Ledger.rounds":  # type: ignore[name-defined]
        """The client that reads."""
        return self.network.ledger.rounds

    def view(self, name: Name) -> RoundView:
        """A round."""
        return self.rounds.view_of(self.job, *name)

    def aggregator(self) -> int:
        """Who aggregates."""
        account = self.network.ledger.jobs.aggregator_of(self.job)
        return next((lead for lead, world in self.leads.items() if lead and world.address == account), NOBODY)

    # moves, named as the model's

    def wait(self, seconds: int = 1) -> None:
        """Seconds pass, and a block."""
        self.ground.approach(self.ground.now_s() + seconds)

    def _send(self, call: Call) -> None:
        try:
            call.send()
        except Reverted as refusal:
            raise No(refusal.message) from refusal

    def _signed(self, kind: str, values: dict[str, object]) -> list[bytes]:
        live = self.network.ledger.jobs.seats_live(self.job)
        signers = [world for at, world in enumerate(self.seat_order) if live >> at & 1]
        digest = typed_digest(self.network.domain, kind, values)
        signers.sort(key=lambda world: int(world.address, 16))
        # Too few of them are sent all the same: the contract has to refuse.
        return [world.signer.sign_digest(digest) for world in signers] or [bytes(65)]

    def _bits(self, slots: set[int]) -> list[int]:
        return bitmap(sorted(slots), self.size.slots)

    def _transcript(self, name: Name, slot: int) -> Transcript:
        place = SlotName(self.job, *name, slot, self.providers[slot].address)
        secret = words_hash("assay.model.secret", *name, slot)
        return Transcript(place, secret, leaves_of([ROOT, ROOT], [0, 0], ROOT))

    def _commitment(self, name: Name, slot: int, sealed_hash: bytes = ROOT) -> Commitment:
        transcript = self._transcript(name, slot)
        start = self.view(name).start_root
        provider = self.providers[slot].address
        return Commitment(
            self.job, *name, slot, provider, start, transcript.root, secret_hash(transcript.secret), sealed_hash
        )

    def _sign_commitment(self, commitment: Commitment) -> bytes:
        digest = typed_digest(self.network.domain, "Commitment", commitment.typed)
        return self.providers[commitment.slot].signer.sign_digest(digest)

    def _leaves(self, name: Name, slots: set[int]) -> dict[int, bytes]:
        domain = self.network.domain
        return {slot: self._commitment(name, slot).leaf(domain.chain_id, domain.rounds) for slot in slots}

    def commit(self, name: Name, by: int, present: set[int], *, vouched: bool) -> None:
        """See the model, here and below."""
        root = commitment_root(self._leaves(name, present), self.size.slots)
        bits, full = self._bits(present), (self.job, *name)
        signatures = self._signed("Root", root_values(full, root, bits)) if vouched else []
        self._send(self.leads[by].ledger.rounds.commit(*full, root, bits, signatures))

    def commit_slot(self, name: Name, slot: int) -> None:
        self._send(self.providers[slot].ledger.rounds.commit_slot(on_chain(self._commitment(name, slot))))

    def _table(self, name: Name, seat: int) -> tuple[World, bytes]:
        world = self.seat_order[seat]
        drawing = self.view(name).drawing
        return world, self.nonces[world.address].at(self.job, drawing + 1)

    def commit_table(self, name: Name, seat: int) -> None:
        world, nonce = self._table(name, seat)
        self._send(world.ledger.rounds.commit_table(self.job, *name, sealed(ROOT, nonce, SALT)))

    def reveal_table(self, name: Name, seat: int) -> None:
        world, nonce = self._table(name, seat)
        self._send(world.ledger.rounds.reveal_table(self.job, *name, ROOT, nonce, SALT))

    def _proof(self, name: Name, slot: int) -> list[bytes]:
        root = self.view(name).commitment_root
        for slots in ({at for at in range(self.size.slots) if bits >> at & 1} for bits in range(1 << self.size.slots)):
            leaves = self._leaves(name, slots)
            if slot in slots and commitment_root(leaves, self.size.slots) == root:
                return commitment_proof(leaves, self.size.slots, slot)
        return []

    def demand_secret(self, name: Name, seat: int, slot: int) -> None:
        commitment = self._commitment(name, slot)
        signature = self._sign_commitment(commitment)
        rounds = self.seat_order[seat].ledger.rounds
        self._send(rounds.demand_secret(on_chain(commitment), self._proof(name, slot), signature))

    def reveal_secret(self, name: Name, slot: int) -> None:
        opening = chain_opening(self._transcript(name, slot))
        rounds = self.providers[slot].ledger.rounds
        self._send(rounds.reveal_secret(on_chain(self._commitment(name, slot)), self._proof(name, slot), opening))

    def default_secret(self, name: Name, slot: int) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.default_secret(self.job, *name, slot))

    def equivocate(self, name: Name, slot: int) -> None:
        one, other = self._commitment(name, slot), self._commitment(name, slot, SALT)
        signed = (on_chain(one), self._sign_commitment(one), on_chain(other), self._sign_commitment(other))
        self._send(self.leads[NOBODY].ledger.rounds.equivocate(*signed))

    def include(self, name: Name, by: int, accepted: set[int], *, quorum: bool) -> None:
        view, bits = self.view(name), self._bits(accepted)
        result = Result(tuple(bits), tuple(bits), view.tables_revealed, ROOT)
        signatures = self._signed("Result", result.values((self.job, *name), view.drawing)) if quorum else []
        self._send(
            self.leads[by].ledger.rounds.include(self.job, *name, bits, bits, view.tables_revealed, ROOT, signatures)
        )

    def aggregate(self, name: Name, by: int, *, quorum: bool) -> None:
        root = words_hash("assay.model.end", *name)
        signatures = self._signed("Aggregate", aggregate_values((self.job, *name), root)) if quorum else []
        self._send(self.leads[by].ledger.rounds.aggregate(self.job, *name, root, signatures))

    def finalise(self, name: Name) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.finalise(self.job, *name))

    def advance(self, name: Name, by: int) -> None:
        self._send(self.leads[by].ledger.rounds.advance(self.job, *name))

    def attest_fault(self, name: Name) -> None:
        signatures = self._signed("Fault", fault_values((self.job, *name), ROOT))
        self._send(self.leads[NOBODY].ledger.rounds.attest_fault(self.job, *name, ROOT, signatures))

    def proceed(self) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.proceed(self.job))

    def cancel(self) -> None:
        self._send(self.consumer.ledger.jobs.cancel(self.job))

    def end(self) -> None:
        self._send(self.leads[NOBODY].ledger.jobs.end(self.job))


def slots_of(rows: tuple[int, ...]) -> set[int]:
    """A bitmap as a set."""
    return set(bitmap_slots(rows))


def seats_of(bits: int) -> set[int]:
    """A word of bits as a set."""
    return {at for at in range(bits.bit_length()) if bits >> at & 1}
