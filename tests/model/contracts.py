"""The contracts under the same moves as the model: real keys, signatures, proofs and tables, one running job.

The judge of disputes is left out here as in the model: an account takes its place, so that every verdict can fall.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.chain.client import Call
from assay.chain.contracts.containers import Order, RoundView, Windows
from assay.chain.contracts.rounds import Rounds
from assay.chain.deploy import DEMO_LIMITS
from assay.chain.ground import SimulatedGround
from assay.chain.state import Change
from assay.protocol.commitment import Commitment, bitmap, bitmap_slots, commitment_proof, commitment_root
from assay.protocol.errors import Reverted
from assay.protocol.score import NEVER, UNSCORED
from assay.protocol.transcript import SlotName, Transcript, leaves_of, secret_hash
from assay.protocol.typed import typed_digest
from assay.protocol.words import words_hash
from assay.roles.candidacy import AGGREGATOR, VALIDATOR
from assay.roles.forms import chain_opening, on_chain
from assay.roles.network import Network
from assay.roles.nonces import Nonces
from assay.roles.seals import sealed, sealed_bid
from assay.roles.vote import Result, aggregate_values, fault_values, root_values, unserved_values
from assay.roles.world import World
from tests.model.money import Key, No, Size, Slots, seat_of, slot_of
from tests.model.moves import subsets
from tests.model.state import DRAWN, NOBODY, STANDBY, Name

STAKE = 2_000_000
"""More than the pools' minimum; a lock is a part of it."""
ROOT, SALT = sha256(b"root").digest(), sha256(b"salt").digest()
BID_S = 2
FREE, STAKED, BOND, ESCROW, CREDIT = range(5)
"""`IVault.Kind`."""
JOB = 1


def order_of(size: Size, token: str) -> Order:
    """The order that starts a job of a size."""
    windows = Windows(BID_S, BID_S, BID_S, size.train_s, size.table_s, size.open_s, size.aggregate_s, size.challenge_s)
    return Order(
        token=token, programs=ROOT, profile=b"exact15".ljust(32, b"\0"), data_root=ROOT, test_root=ROOT,
        state_root=ROOT, document=ROOT, canary_root=bytes(32), seed=ROOT, rounds=size.rounds, steps_per_round=1,
        steps_per_segment=1, providers=size.slots, reports_min=size.reports_min, validators=size.seats,
        quorum=size.quorum, samples_per_validator=1, lookahead=size.lookahead, redo_rounds=size.redos,
        price_ceiling=size.price, validator_fee=size.fee, aggregator_fee=size.lead_fee, provider_stake=size.stake,
        validator_stake=size.stake, aggregator_stake=size.stake, fault_deposit=size.deposit, stop_score=NEVER,
        scores_loss=False, windows=windows,
    )  # fmt: skip


def bond_key(kind: str, *account: str) -> bytes:
    """Where the vault keeps a bond of the job."""
    return bytes(keccak(encode(["string", "uint256", *["address"] * len(account)], [kind, JOB, *account])))


class Contracts:
    """One job of a size, started; every move raises `No` where a contract refuses it."""

    def __init__(self, size: Size) -> None:
        self.size = size
        limits = replace(DEMO_LIMITS, beacon_delay=size.delay)
        self.ground = SimulatedGround()
        self.network = Network(sha256(b"model").digest(), time.perf_counter, limits, self.ground)
        self.chain = self.ground.chain
        self.order = order_of(size, self.network.token.address)
        self.consumer = self._party("consumer")
        self.slots = [self._party(f"provider-{at}") for at in range(size.slots)]
        self.seats = [self._party(f"validator-{at}", VALIDATOR) for at in range(size.seats)]
        self.leads = {DRAWN: self._party("drawn", AGGREGATOR), STANDBY: self._party("standby")}
        self.leads[NOBODY] = self.network.world("nobody", 0)
        self.nonces = {world.address: Nonces(world) for world in self.seats}
        self._start()
        self.court = self._seat_court()
        self.base = 0
        self.base = self.purse()["free"]

    def _party(self, name: str, role: int | None = None) -> World:
        world = self.network.world(name, 2 * STAKE)
        self.network.stake(world, STAKE, role)
        token = type(self.network.token)(world.ledger.web3, self.network.token.address, world.ledger.sender)
        token.approve(world.ledger.vault.address, STAKE).send()
        world.ledger.vault.deposit(token.address, STAKE).send()
        return world

    def _start(self) -> None:
        """Post, bid, draw, enlist, start: until the first round has opened."""
        size, jobs = self.size, self.consumer.ledger.jobs
        jobs.post(self.order).send()
        for world in self.slots:
            world.ledger.jobs.commit_bid(JOB, sealed_bid(JOB, world.address, size.price, SALT)).send()
        self.wait(BID_S)
        for world in self.slots:
            world.ledger.jobs.reveal_bid(JOB, size.price, SALT).send()
        jobs.close(JOB).send()
        for _ in range(self.network.limits.beacon_delay + 1):
            self.chain.mine()
        jobs.draw(JOB).send()
        for world in self.seats:
            world.ledger.jobs.enlist(JOB, self.nonces[world.address].tip(JOB)).send()
        jobs.start(JOB).send()
        validators, providers = jobs.validators_of(JOB), jobs.providers_of(JOB)
        self.seats.sort(key=lambda world: validators.index(world.address))
        self.slots.sort(key=lambda world: providers.index(world.address))

    def _seat_court(self) -> Rounds:
        """Has `Rounds` take an account's word for what it would take from games."""
        rounds, judge = (
            bytes.fromhex(self.network.deployment.get_address(name)[2:]) for name in ("Rounds", "Disputes")
        )
        account, word = self.chain.state.get(rounds), int.from_bytes(judge, "big")
        (place,) = [at for at, value in account.storage.items() if value == word]
        court = self.network.world("court", 0)
        seated = {place: int(court.address, 16)}
        self.chain.change({rounds: Change(account.balance, account.nonce, storage=seated)})
        return court.ledger.rounds

    # ------------------------------------------------------------ looking

    @property
    def rounds(self) -> Rounds:
        """The client that reads."""
        return self.network.ledger.rounds

    def view(self, name: Name) -> RoundView:
        """A round."""
        return self.rounds.view_of(JOB, *name)

    def aggregator(self) -> str:
        """Who aggregates."""
        account = self.network.ledger.jobs.aggregator_of(JOB)
        return next((lead for lead, world in self.leads.items() if lead and world.address == account), NOBODY)

    def parties(self) -> dict[str, World]:
        """Who takes part, by the model's names."""
        slots = {slot_of(at): world for at, world in enumerate(self.slots)}
        return slots | {seat_of(at): world for at, world in enumerate(self.seats)} | {
            lead: self.leads[lead] for lead in (DRAWN, STANDBY)
        }  # fmt: skip

    def purse(self) -> dict[Key, int]:
        """Whose the money is, by the model's names. A released lock and all that is free count as free."""
        vault, token, key = self.network.ledger.vault, self.order.token, JOB.to_bytes(32, "big")

        purse: dict[Key, int] = {
            "escrow": vault.balance(token, ESCROW, key),
            "credit": vault.balance(token, CREDIT, key),
            "burned": vault.burned(token),
            "deposit": vault.balance(token, BOND, bond_key("assay.fault.1")),
        }
        for at, world in enumerate(self.slots):
            purse["bond", at] = vault.balance(token, BOND, bond_key("assay.bond.1", world.address))
        for party, world in self.parties().items():
            purse["lock", party] = self._locked(world)
        locks = sum(amount for name, amount in purse.items() if name[0] == "lock")
        return purse | {"free": self._loose() - locks - self.base}

    def earned(self) -> dict[str, int]:
        """What each party has earned."""
        return {party: self.rounds.earned(JOB, world.address) for party, world in self.parties().items()}

    def _locked(self, world: World) -> int:
        stakes = self.network.ledger.stakes
        lock = stakes.lock_of(self.network.ledger.jobs.obligation(JOB, world.address))
        return 0 if lock.released else lock.amount

    def _loose(self) -> int:
        """All that is free or staked, of anybody."""
        vault, token = self.network.ledger.vault, self.order.token
        return vault.total(token, FREE) + vault.total(token, STAKED)

    # ------------------------------------------------------------ moves, named as the model's

    def wait(self, seconds: int = 1) -> None:
        """Seconds pass, and a block."""
        self.ground.approach(self.ground.now_s() + seconds)

    def _send(self, call: Call[Any]) -> None:
        try:
            call.send()
        except Reverted as refusal:
            raise No(refusal.message) from refusal

    def _signed(self, kind: str, values: dict[str, object]) -> list[bytes]:
        """The word of whoever holds a seat. Too few of them are sent all the same: the contract has to refuse."""
        live = seats_of(self.network.ledger.jobs.seats_live(JOB))
        signers = sorted((self.seats[at] for at in live), key=lambda world: int(world.address, 16))
        digest = typed_digest(self.network.domain, kind, values)
        return [world.signer.sign_digest(digest) for world in signers] or [bytes(65)]

    def _bits(self, slots: Slots) -> list[int]:
        return bitmap(sorted(slots), self.size.slots)

    def _transcript(self, name: Name, slot: int) -> Transcript:
        place = SlotName(JOB, *name, slot, self.slots[slot].address)
        return Transcript(place, words_hash("assay.model.secret", *name, slot), leaves_of([ROOT, ROOT], [0, 0], ROOT))

    def _commitment(self, name: Name, slot: int, sealed_hash: bytes = ROOT) -> Commitment:
        transcript, provider = self._transcript(name, slot), self.slots[slot].address
        beacon = self.network.ledger.jobs.view_of(JOB).beacon
        roots = (beacon, self.view(name).start_root, transcript.root, secret_hash(transcript.secret), sealed_hash)
        return Commitment(JOB, *name, slot, provider, *roots)

    def _sign(self, commitment: Commitment) -> bytes:
        digest = typed_digest(self.network.domain, "Commitment", commitment.typed)
        return self.slots[commitment.slot].signer.sign_digest(digest)

    def _leaves(self, name: Name, slots: Slots) -> dict[int, bytes]:
        domain = self.network.domain
        return {slot: self._commitment(name, slot).leaf(domain.chain_id, domain.rounds) for slot in slots}

    def _proof(self, name: Name, slot: int) -> list[bytes]:
        """Of a slot's leaf in the round's root, whichever slots that was made over."""
        root, leaves = self.view(name).commitment_root, self._leaves(name, frozenset(range(self.size.slots)))
        for some in subsets(frozenset(leaves)):
            part = {at: leaves[at] for at in some}
            if slot in part and commitment_root(part, self.size.slots) == root:
                return commitment_proof(part, self.size.slots, slot)
        return []

    def commit(self, name: Name, by: str, present: Slots, *, vouched: bool) -> None:
        """See the model, here and below."""
        root, bits = commitment_root(self._leaves(name, present), self.size.slots), self._bits(present)
        signatures = self._signed("Root", root_values((JOB, *name), root, bits)) if vouched else []
        self._send(self.leads[by].ledger.rounds.commit(JOB, *name, root, bits, signatures))

    def commit_slot(self, name: Name, slot: int) -> None:
        self._send(self.slots[slot].ledger.rounds.commit_slot(on_chain(self._commitment(name, slot))))

    def _nonce(self, name: Name, seat: int) -> bytes:
        return self.nonces[self.seats[seat].address].at(JOB, self.view(name).drawing + 1)

    def commit_table(self, name: Name, seat: int) -> None:
        table = sealed(ROOT, self._nonce(name, seat), SALT)
        self._send(self.seats[seat].ledger.rounds.commit_table(JOB, *name, table))

    def reveal_table(self, name: Name, seat: int) -> None:
        self._send(self.seats[seat].ledger.rounds.reveal_table(JOB, *name, ROOT, self._nonce(name, seat), SALT))

    def demand_secret(self, name: Name, seat: int, slot: int) -> None:
        claimed = self._commitment(name, slot)
        rounds = self.seats[seat].ledger.rounds
        self._send(rounds.demand_secret(on_chain(claimed), self._proof(name, slot), self._sign(claimed)))

    def reveal_secret(self, name: Name, slot: int) -> None:
        opening, claimed = chain_opening(self._transcript(name, slot)), on_chain(self._commitment(name, slot))
        self._send(self.slots[slot].ledger.rounds.reveal_secret(claimed, self._proof(name, slot), opening))

    def default_secret(self, name: Name, slot: int) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.default_secret(JOB, *name, slot))

    def equivocate(self, name: Name, slot: int) -> None:
        one, other = self._commitment(name, slot), self._commitment(name, slot, SALT)
        signed = (on_chain(one), self._sign(one), on_chain(other), self._sign(other))
        self._send(self.leads[NOBODY].ledger.rounds.equivocate(*signed))

    def bill_unserved(self, name: Name, slot: int) -> None:
        signatures = self._signed("Unserved", unserved_values((JOB, *name), slot))
        self._send(self.leads[NOBODY].ledger.rounds.bill_unserved(JOB, *name, slot, signatures))

    def penalise_silent(self, name: Name, seat: int) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.penalise_silent(JOB, *name, seat))

    def include(self, name: Name, by: str, accepted: Slots, included: Slots, *, quorum: bool) -> None:
        view, (yes, entering) = self.view(name), (self._bits(accepted), self._bits(included))
        result = Result(tuple(yes), tuple(entering), view.tables_revealed, ROOT)
        signatures = self._signed("Result", result.values((JOB, *name), view.drawing)) if quorum else []
        rounds = self.leads[by].ledger.rounds
        self._send(rounds.include(JOB, *name, yes, entering, view.tables_revealed, ROOT, signatures))

    def aggregate(self, name: Name, by: str, *, quorum: bool) -> None:
        root = words_hash("assay.model.end", *name)
        signatures = self._signed("Aggregate", aggregate_values((JOB, *name), root, UNSCORED)) if quorum else []
        self._send(self.leads[by].ledger.rounds.aggregate(JOB, *name, root, UNSCORED, signatures))

    def aggregate_fault(self, name: Name, by: str) -> None:
        self._send(self.leads[by].ledger.rounds.aggregate_fault(JOB, *name, 0, ROOT))

    def finalise(self, name: Name) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.finalise(JOB, *name))

    def advance(self, name: Name, by: str) -> None:
        self._send(self.leads[by].ledger.rounds.advance(JOB, *name))

    def dispute(self, name: Name) -> None:
        self._send(self.court.dispute_opened(JOB, *name))

    def decide(self, name: Name, verdict: str, who: int = 0) -> None:
        """Closed first, then the verdict, as the judge does it."""
        court, challenger = self.court, self.leads[NOBODY].address
        reason = b"model".ljust(32, b"\0")
        self._send(court.dispute_closed(JOB, *name))
        if verdict == "slot":
            self._send(court.disproved_slot(JOB, *name, who, challenger, reason))
        elif verdict == "seat":
            seat = self.seats[who].address
            self._send(court.disproved_validator(JOB, *name, seat, challenger, reason))
        elif verdict == "aggregate":
            self._send(court.disproved_aggregate(JOB, *name, challenger, reason))
        elif verdict == "fault":
            self._send(court.job_fault(JOB, *name))

    def attest_fault(self, name: Name) -> None:
        signatures = self._signed("Fault", fault_values((JOB, *name), ROOT))
        self._send(self.leads[NOBODY].ledger.rounds.attest_fault(JOB, *name, ROOT, signatures))

    def proceed(self) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.proceed(JOB))

    def cancel(self) -> None:
        self._send(self.consumer.ledger.jobs.cancel(JOB))

    def end(self) -> None:
        self._send(self.leads[NOBODY].ledger.jobs.end(JOB))

    def claim(self, party: str) -> None:
        self._send(self.leads[NOBODY].ledger.rounds.claim(JOB, self.parties()[party].address))


def slots_of(rows: Sequence[int]) -> Slots:
    """A bitmap over slots as a set."""
    return frozenset(bitmap_slots(rows))


def seats_of(bits: int) -> Slots:
    """A bitmap over seats as a set."""
    return frozenset(at for at in range(bits.bit_length()) if bits >> at & 1)
