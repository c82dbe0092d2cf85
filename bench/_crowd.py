"""A crowd on the real contracts: real keys, bids, roots, tables and signatures; the work behind them is a hash.

Whoever trains, re-executes or talks is left out, so a thousand providers fit: what is measured is what the chain does.
"""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from assay.chain.artifacts import load_artifact
from assay.chain.contracts.containers import Order, Windows
from assay.chain.deploy import DEMO_LIMITS, deploy, plan_system
from assay.chain.ground import SimulatedGround
from assay.chain.ledger import Ledger
from assay.chain.reverts import compute_selector
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.protocol.commitment import Commitment, bitmap, commitment_proof, commitment_root
from assay.protocol.phase import JobPhase
from assay.protocol.score import NEVER, UNSCORED
from assay.protocol.transcript import SlotName, Transcript, leaves_of, secret_hash
from assay.protocol.typed import Domain, typed_digest
from assay.protocol.words import words_hash
from assay.roles.candidacy import AGGREGATOR, VALIDATOR
from assay.roles.forms import chain_opening, on_chain
from assay.roles.network import LOCK_MAX, WINDOW_MIN_S
from assay.roles.seals import sealed, sealed_bid
from assay.roles.vote import Result, aggregate_values, root_values

COIN = "0x" + "00" * 20
CEILING, FEE, DEPOSIT = 1_000, 100, 500
WINDOW_S = 60
SPARE = 100
"""Jobs that one account could hold a part in."""
ROOT, SALT = sha256(b"root").digest(), sha256(b"salt").digest()
LIMITS = replace(DEMO_LIMITS, providers_max=1_024)
"""The contracts' ceiling; a deployment's own limit is 256 unless its owner sets another."""
CHAIN = 8
"""Nonces of a validator for a job."""
CONTRACTS = ("Vault", "Stakes", "Jobs", "Rounds", "Beacon")
ROUND_CALLS = ("commit", "commitTable", "revealTable", "include", "aggregate", "finalise")


@dataclass
class Tally:
    """What was sent in between, by the function's name; seconds that the chain took, and requests to it."""

    gas: Counter[str] = field(default_factory=Counter)
    count: Counter[str] = field(default_factory=Counter)
    calldata: Counter[str] = field(default_factory=Counter)
    highest: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    requests: int = 0

    def of(self, names: Iterable[str]) -> dict[str, int]:
        """Sums over some functions."""
        chosen = tuple(names)
        return {
            "gas": sum(self.gas[name] for name in chosen),
            "transactions": sum(self.count[name] for name in chosen),
            "calldata_bytes": sum(self.calldata[name] for name in chosen),
            "highest_gas": max((self.highest[name] for name in chosen), default=0),
        }


class Crowd:
    """So many accounts, each with a stake and enrolled to validate and to aggregate."""

    def __init__(self, size: int, stake: int) -> None:
        self.ground = SimulatedGround()
        self.chain = self.ground.chain
        self.seconds, self.requests = 0.0, 0
        self.web3 = self.ground.connect(time.perf_counter, self._note)
        operator = self._signer("operator")
        self.deployment = deploy(Sender(self.web3, operator), plan_system(operator.address, LIMITS))
        self.ledger = Ledger(self.web3, self.deployment, operator)
        self.domain = Domain(self.deployment.chain_id, self.ledger.rounds.address)
        self.names = {
            compute_selector(entry): entry["name"]
            for name in CONTRACTS
            for entry in load_artifact(name).get_entries("function")
        }
        self.consumer = self._enter("consumer", 0, 10**18)
        self.members = [self._enter(f"member-{at}", stake, SPARE * 2 * CEILING) for at in range(size)]
        self.by_address = {member.address: member for member in self.members}

    def _note(self, spent_s: float) -> None:
        self.seconds, self.requests = self.seconds + spent_s, self.requests + 1

    def _signer(self, name: str) -> KeySigner:
        signer = KeySigner.create(sha256(f"scale {name}".encode()).digest())
        self.ground.fund(signer)
        return signer

    def _enter(self, name: str, stake: int, free: int) -> Ledger:
        signer = self._signer(name)
        ledger = Ledger(self.web3, self.deployment, signer)
        ledger.vault.deposit(COIN, stake + free, value_wei=stake + free).send()
        if stake:
            ledger.stakes.stake(COIN, stake).send()
            for role in (VALIDATOR, AGGREGATOR):
                ledger.stakes.enrol(COIN, role, stake, LOCK_MAX, WINDOW_MIN_S).send()
        return ledger

    def tally(self) -> "Mark":
        """Counts what is sent from here on."""
        return Mark(self)


class Mark:
    """A place in the chain to count from."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._block = crowd, len(crowd.chain.blocks)
        self._seconds, self._requests = crowd.seconds, crowd.requests

    def read(self) -> Tally:
        """What was sent since."""
        crowd, tally = self._crowd, Tally()
        for block in crowd.chain.blocks[self._block :]:
            for receipt in block.receipts:
                name = crowd.names.get(bytes(receipt.transaction.data[:4]), "other")
                tally.gas[name] += receipt.gas_used
                tally.count[name] += 1
                tally.calldata[name] += len(receipt.transaction.data)
                tally.highest[name] = max(tally.highest[name], receipt.gas_used)
        tally.seconds, tally.requests = crowd.seconds - self._seconds, crowd.requests - self._requests
        return tally


def order_of(slots: int, seats: int, segments: int, rounds: int) -> Order:
    """An order as `quote` would make it: everybody locks a round's cost."""
    cost = slots * CEILING + seats * FEE + FEE
    return Order(
        token=COIN, programs=ROOT, profile=b"exact15".ljust(32, b"\0"), data_root=ROOT, test_root=ROOT, state_root=ROOT,
        document=ROOT, canary_root=bytes(32), seed=ROOT, rounds=rounds, steps_per_round=segments, steps_per_segment=1,
        providers=slots, reports_min=1, validators=seats, quorum=seats // 2 + 1, samples_per_validator=1, lookahead=2,
        redo_rounds=1, price_ceiling=CEILING, validator_fee=FEE, aggregator_fee=FEE, provider_stake=cost,
        validator_stake=cost, aggregator_stake=cost, fault_deposit=DEPOSIT, stop_score=NEVER,
        scores_loss=False, windows=Windows(*[WINDOW_S] * 8),
    )  # fmt: skip


class Crowded:
    """One job of a crowd, phase by phase, so that many can be in the same phase at once."""

    def __init__(self, crowd: Crowd, order: Order, bidders: Sequence[Ledger], seed: int) -> None:
        self.crowd, self.order, self.bidders = crowd, order, list(bidders)
        self.chance = random.Random(seed)
        self.prices = {each.address: self.chance.randrange(1, CEILING + 1) for each in bidders}

    def post(self) -> None:
        """The order, and the bids, sealed."""
        self.crowd.consumer.jobs.post(self.order).send()
        self.job = self.crowd.ledger.jobs.job_count()
        for bidder in self.bidders:
            price = self.prices[bidder.address]
            bidder.jobs.commit_bid(self.job, sealed_bid(self.job, bidder.address, price, SALT)).send()

    def open(self) -> None:
        """The bids, opened, and the match."""
        for bidder in self.bidders:
            bidder.jobs.reveal_bid(self.job, self.prices[bidder.address], SALT).send()
        self.crowd.consumer.jobs.close(self.job).send()

    def start(self) -> None:
        """Draw, enlist, start."""
        jobs = self.crowd.consumer.jobs
        while jobs.view_of(self.job).phase == JobPhase.DRAWING:
            jobs.draw(self.job).send()
        self.seats = [self.crowd.by_address[address] for address in jobs.validators_of(self.job)]
        self.nonces = []
        for seat in self.seats:
            chain = [sha256(f"{self.job} {seat.address}".encode()).digest()]
            for _ in range(CHAIN):
                chain.append(sha256(chain[-1]).digest())
            self.nonces.append(chain[::-1])
            seat.jobs.enlist(self.job, self.nonces[-1][0]).send()
        jobs.start(self.job).send()
        self.slots = [self.crowd.by_address[address] for address in jobs.providers_of(self.job)]
        self.lead = self.crowd.by_address[jobs.aggregator_of(self.job)]
        self.signers = sorted(self.seats, key=lambda seat: int(seat.address, 16))[: self.order.quorum]

    def begin(self, round_: int) -> None:
        """Every slot's commitment, and the aggregator's root over them."""
        self.name = (self.job, 0, round_)
        domain, self.view = self.crowd.domain, self.crowd.ledger.rounds.view_of(*self.name)
        self.beacon = self.crowd.ledger.jobs.view_of(self.job).beacon
        self.commitments = [self._commitment(slot) for slot in range(len(self.slots))]
        self.leaves = {each.slot: each.leaf(domain.chain_id, domain.rounds) for each in self.commitments}
        self.bits = bitmap(sorted(self.leaves), len(self.slots))
        root = commitment_root(self.leaves, len(self.slots))
        votes = self._votes("Root", root_values(self.name, root, self.bits))
        self.lead.rounds.commit(*self.name, root, self.bits, votes).send()

    def seal(self) -> None:
        """Every validator's table, once the beacon's block is there."""
        self.drawing = self.crowd.ledger.rounds.view_of(*self.name).drawing
        for seat, nonces in zip(self.seats, self.nonces, strict=True):
            seat.rounds.commit_table(*self.name, sealed(ROOT, nonces[self.drawing + 1], SALT)).send()

    def judge(self) -> None:
        """The tables, opened; the set; the aggregate."""
        for seat, nonces in zip(self.seats, self.nonces, strict=True):
            seat.rounds.reveal_table(*self.name, ROOT, nonces[self.drawing + 1], SALT).send()
        served = (1 << len(self.seats)) - 1
        result = Result(tuple(self.bits), tuple(self.bits), served, ROOT)
        votes = self._votes("Result", result.values(self.name, self.drawing))
        self.lead.rounds.include(*self.name, self.bits, self.bits, served, ROOT, votes).send()
        end = words_hash("assay.scale.end", *self.name)
        votes = self._votes("Aggregate", aggregate_values(self.name, end, UNSCORED))
        self.lead.rounds.aggregate(*self.name, end, UNSCORED, votes).send()

    def finalise(self) -> None:
        """When the challenge window is over."""
        self.crowd.consumer.rounds.finalise(*self.name).send()

    def unveil(self, slot: int) -> None:
        """One secret, called for by a validator and shown with all leaves."""
        commitment = self.commitments[slot]
        proof = commitment_proof(self.leaves, len(self.slots), slot)
        digest = typed_digest(self.crowd.domain, "Commitment", commitment.typed)
        signature = self._key(self.slots[slot]).sign_digest(digest)
        self.seats[0].rounds.demand_secret(on_chain(commitment), proof, signature).send()
        opening = chain_opening(self._transcript(slot))
        self.slots[slot].rounds.reveal_secret(on_chain(commitment), proof, opening).send()

    def finish(self) -> None:
        """The end: stakes and bonds are free again."""
        self.crowd.consumer.jobs.end(self.job).send()

    def _key(self, party: Ledger) -> KeySigner:
        assert isinstance(party.signer, KeySigner)
        return party.signer

    def _votes(self, kind: str, values: dict[str, object]) -> list[bytes]:
        digest = typed_digest(self.crowd.domain, kind, values)
        return [self._key(seat).sign_digest(digest) for seat in self.signers]

    def _transcript(self, slot: int) -> Transcript:
        segments = self.order.steps_per_round
        place = SlotName(*self.name, slot, self.slots[slot].address)
        roots = [ROOT] * (segments + 1)
        return Transcript(place, words_hash("assay.scale.secret", slot), leaves_of(roots, [0] * (segments + 1), ROOT))

    def _commitment(self, slot: int) -> Commitment:
        transcript = self._transcript(slot)
        secret = secret_hash(transcript.secret)
        roots = (self.beacon, self.view.start_root, transcript.root, secret, ROOT)
        return Commitment(*self.name, slot, self.slots[slot].address, *roots)


def wait(crowd: Crowd, seconds: int = WINDOW_S) -> None:
    """A window passes."""
    crowd.ground.approach(crowd.ground.now_s() + seconds)


def wait_blocks(crowd: Crowd) -> None:
    """The beacon's block passes."""
    for _ in range(LIMITS.beacon_delay + 1):
        crowd.chain.mine()
