"""A provider: bids, trains its slot of each round, shows its work when asked, is paid.

bid -> train -> commit -> serve start states -> open the secret -> claim

What it has trained it can train again: the work is a function, and the secret that salts it is in the journal.
"""

from dataclasses import dataclass, field
from typing import Any

from assay.chain.contracts.containers import RoundView
from assay.proof.served import LeafOpening
from assay.protocol.commitment import Commitment, bitmap_slots
from assay.protocol.errors import AssayError, Refused, Unavailable
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.transcript import SlotName, Transcript, secret_hash
from assay.protocol.typed import typed_digest
from assay.roles.assignment import Assignment, State
from assay.roles.book import RoundName, commitment_content, drop
from assay.roles.clerk import chain_opening, on_chain
from assay.roles.memory import Memory
from assay.roles.pace import check_pace, patience_s
from assay.roles.party import Party, sealed_bid
from assay.roles.settle import settle
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import Compute, World
from assay.store.port import hash_of
from assay.work.seal import seal
from assay.work.segment import Plan, SlotWork, train_slot


@dataclass
class Piece:
    """One slot's finished work in one round, kept until the round is settled."""

    slot: int
    commitment: Commitment
    signature: bytes
    transcript: Transcript
    work: SlotWork
    shown: dict[str, set[int]] = field(default_factory=dict)
    """By who has asked, the segments whose start states it was served."""
    cids: dict[int, str] = field(default_factory=dict)
    """Addresses of the states that were published, by segment."""
    opened: bool = False
    opening: dict[str, object] = field(default_factory=dict)
    """What is said of it then."""


@dataclass(frozen=True)
class Bid:
    """A price per slot and round, and the salt that seals it."""

    price: int
    salt: bytes

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {"price": self.price, "salt": self.salt.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "Bid":
        """Back from plain values."""
        return cls(int(value["price"]), bytes.fromhex(value["salt"]))


class Provider(Party):
    """Trains for pay. `price` is per slot and round, in the token's smallest unit.

    `token`: the only one that it works for; without it any that it has a stake in, but never the chain's own coin, its
    money for gas.
    """

    def __init__(self, world: World, price: int, *, token: str | None = None) -> None:
        super().__init__(world)
        self.price = price
        self.token = token
        self.bids = Memory(world.journal, "bid", Bid.to_json, Bid.from_json)
        self.secrets = Memory.of_words(world.journal, "secret")
        self.signed = Memory.of_words(world.journal, "signed")
        self.declined: dict[int, str] = {}
        self.pieces: dict[RoundName, Piece] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final, finished work above all."""
        super().forget(job, below)
        drop(self.pieces, job, below)

    def tick(self) -> Wake:
        """One turn."""
        self.listen()
        return self.each_job(self.turn)

    def turn(self, job: int) -> Wake:
        """What this phase of a job asks for."""
        match self.clerk.view(job).phase:
            case JobPhase.BIDDING:
                return self.bid(job) | (self.overdue.take(job) if self.bids.get(job) else IDLE)
            case JobPhase.DRAWING | JobPhase.ENLISTING if self.world.address in self.clerk.providers(job):
                return self.overdue.take(job)
            case JobPhase.RUNNING:
                return self.work(job)
            case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                return settle(self.world, self.clerk, job)
        return IDLE

    # before the match

    def bid(self, job: int) -> Wake:
        """Seals a bid while bids are taken and opens it afterwards; a job that does not check out gets none."""
        if job in self.declined or self.clerk.notices.bid_opened(job):
            return IDLE
        order, now_s = self.clerk.order(job), self.world.clock()
        closes_s = self.clerk.view(job).posted_at + order.windows.bid
        bid = self.bids.get(job)
        if bid is None and now_s < closes_s:
            bid = self.make_bid(job)
        elif bid is None:
            self.decline(job, "bids are closed")
        if bid is None:
            return IDLE
        jobs = self.world.ledger.jobs
        if not self.clerk.notices.bid_sealed(job):
            sealed = sealed_bid(job, self.world.address, bid.price, bid.salt)
            return self.clerk.attempt(jobs.commit_bid(job, sealed)) | wake_at(closes_s)
        if now_s < closes_s:
            return wake_at(closes_s)
        return self.clerk.attempt(jobs.reveal_bid(job, bid.price, bid.salt))

    def make_bid(self, job: int) -> Bid | None:
        """A bid, unless the job is declined. Errors: `Unavailable` where something of it is not to be had yet."""
        order = self.clerk.order(job)
        try:
            self.check_stake(job)
            self.admit(self.assignment(job))
            if self.price > order.price_ceiling:
                raise Refused("the job pays too little")
            if not self.clerk.fund(order.token, 2 * order.price_ceiling):
                raise Refused("the wallet does not hold the bid's bond")
        except Unavailable:
            raise
        except AssayError as refusal:
            self.decline(job, refusal.message)
            return None
        return self.bids.keep(Bid(self.price, self.world.entropy.draw(32)), job)

    def check_stake(self, job: int) -> None:
        """A bid that could not be opened would cost its bond: what is at stake covers it beside all other bids that are
        yet to be opened. Errors: `Refused`."""
        order = self.clerk.order(job)
        chosen = order.token == self.token if self.token else bool(int(order.token, 16))
        if not chosen:
            raise Refused("the job pays in another token than this provider works for")
        promised = [other for other in self.unopened() if self.clerk.order(other).token == order.token]
        needed = order.provider_stake + sum(self.clerk.order(other).provider_stake for other in promised)
        if self.world.ledger.stakes.available(order.token, self.world.address) < needed:
            raise Refused("what is at stake does not cover the job beside other bids", hint="stake more")

    def unopened(self) -> list[int]:
        """Jobs with a bid of this party that is yet to be opened."""
        sealed = [job for job in self.clerk.jobs() if self.bids.get(job) and not self.clerk.notices.bid_opened(job)]
        return [job for job in sealed if self.clerk.view(job).phase == JobPhase.BIDDING]

    def admit(self, assignment: Assignment) -> None:
        """Whether this machine takes the job. Its programs have been read and checked against the limits by now."""
        self.take_on(assignment, self.check_pace)

    def check_pace(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """The share of this machine's time that training a slot takes. Errors: `Refused`, `LimitExceeded`."""
        return check_pace(assignment, compute, assignment.order.windows.train, busy=busy)

    def decline(self, job: int, reason: str) -> None:
        """Leaves a job to others."""
        self.declined[job] = reason
        self.clerk.close(job, unseen=True)

    # rounds

    def work(self, job: int) -> Wake:
        """Serves every round that is open in the present generation."""
        slots = self.clerk.slots(job, self.world.address)
        if not slots:
            return IDLE
        wake = self.overdue.take(job)
        for name, view in self.clerk.rounds(job):
            piece = self.piece(name, view, slots[0])
            match view.phase:
                case RoundPhase.TRAINING if piece is None:
                    if slots[0] in self.clerk.open_slots(job):
                        wake |= self.train(name, view, slots[0])
                case RoundPhase.TRAINING if piece is not None:
                    wake |= self.enter(name, view, piece)
                case RoundPhase.SAMPLING if piece is not None:
                    wake |= self.stand(name, view, piece) | self.serve(name, piece, blind=True)
                case RoundPhase.OPENING | RoundPhase.AGGREGATING | RoundPhase.CHALLENGING if piece is not None:
                    wake |= self.open(name, view, piece) | self.serve(name, piece, blind=False)
        return wake

    def piece(self, name: RoundName, view: RoundView, slot: int) -> Piece | None:
        """The finished work on a round; trained again where it was committed to and this process does not have it."""
        if name not in self.pieces and view.phase != RoundPhase.TRAINING and slot in bitmap_slots(view.present):
            start = self.state(name[0], view.start_root) if self.signed.get(*name, slot) else None
            again = None if start is None else self.finish(name, slot, start, view.start_root)
            if again is not None:
                self.pieces[name] = again
        return self.pieces.get(name)

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        """Trains the slot from the round's start state and commits to every state on the way."""
        if not self.clerk.settled(self.clerk.view(name[0]).draw_block):
            return wake_at(self.world.clock() + 1)  # another draw would be other work, and nobody may sign twice
        start = self.state(name[0], view.start_root)
        if start is None:
            return wake_at(view.deadline)
        piece = self.finish(name, slot, start, view.start_root)
        if piece is None:
            return wake_at(view.deadline)
        self.tell(name, piece)
        return ACTED

    def finish(self, name: RoundName, slot: int, start: State, start_root: bytes) -> Piece | None:
        """The work on a round, committed to; nothing where other work of this round was signed already."""
        try:
            return self.commit(name, start_root, slot, self.compute(name, slot, start, start_root))
        except Refused as trouble:
            self.troubles[name[0]] = trouble.message
            return None

    def tell(self, name: RoundName, piece: Piece) -> None:
        """Keeps a finished piece and sends its commitment to everyone."""
        self.pieces[name] = piece
        self.voice.say(name, "commitments", {"commitments": [commitment_content(piece.commitment, piece.signature)]})

    def compute(self, name: RoundName, slot: int, start: State, start_root: bytes) -> SlotWork:
        """The training itself: a pure function of the job, the start state, the round and the slot."""
        assignment, compute = self.assignment(name[0]), self.world.compute
        plan = Plan(assignment.order.steps_per_round, assignment.order.steps_per_segment)
        feed = assignment.course.feed(name[1], name[2], slot)
        step, emit = compute.runner(assignment.bundle.step), compute.runner(assignment.bundle.emit)
        with compute.within(patience_s(assignment.order.windows.train)):
            work = train_slot(step, emit, start, feed, plan, compute.timer, start_root=start_root)
        compute.meter.add("train", work.train_s)
        compute.meter.add("hash", work.hash_s)
        return work

    def commit(self, name: RoundName, start_root: bytes, slot: int, work: SlotWork) -> Piece:
        """Salts the transcript, seals the update, and signs the commitment to both.

        The secret is journaled first: who signs again after a crash signs the same, since the work is a function too.
        Two different commitments to one slot cost the whole lock, so what was signed is journaled as well. Errors:
        `Refused` where the chain has been rewritten so deep that the work is another.
        """
        secret = self.secrets.get(*name, slot) or self.secrets.keep(self.world.entropy.draw(32), *name, slot)
        transcript = work.transcript(SlotName(*name, slot, self.world.address), secret)
        update = self.assignment(name[0]).update_signature.encode(work.update) if work.update is not None else b""
        sealed_cid = self.world.blobs.put(seal(secret, update))
        commitment = Commitment(
            *name, slot, self.world.address, start_root, transcript.root, secret_hash(secret), hash_of(sealed_cid)
        )
        digest = typed_digest(self.world.domain, "Commitment", commitment.typed)
        if (self.signed.get(*name, slot) or self.signed.keep(digest, *name, slot)) != digest:
            raise Refused("the chain was rewritten after this round's work was signed", hint="nobody signs twice")
        return Piece(slot, commitment, self.sign(commitment), transcript, work)

    def sign(self, commitment: Commitment) -> bytes:
        """The provider's word on a commitment."""
        return self.world.signer.sign_digest(typed_digest(self.world.domain, "Commitment", commitment.typed))

    def enter(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        """Enters the commitment directly when the window is over and no root with it is vouched for: a quarter
        of an aggregate window before the aggregator may go on alone."""
        windows = self.clerk.order(name[0]).windows
        due_s = view.opened_at + windows.train + windows.aggregate // 4
        return wake_at(due_s) if self.world.clock() < due_s else self.include_itself(name, piece)

    def stand(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        """Enters the commitment directly when the aggregator has left it out, or roots what cannot be made out."""
        leaves = self.leaves(name) or {}
        rooted = leaves.get(piece.slot) == piece.commitment.leaf(*self.clerk.place)
        if (piece.slot in bitmap_slots(view.present) and rooted) or self.clerk.head > view.beacon_block:
            return IDLE
        return self.include_itself(name, piece)

    def include_itself(self, name: RoundName, piece: Piece) -> Wake:
        """The way past an aggregator."""
        if self.clerk.notices.leaf(name, piece.slot) is not None:
            return IDLE
        return self.clerk.attempt(self.world.ledger.rounds.commit_slot(on_chain(piece.commitment)))

    def serve(self, name: RoundName, piece: Piece, *, blind: bool) -> Wake:
        """Answers requests for start states. While tables are blind, nobody gets two adjacent ones: the later would
        tell the end of the segment before it."""
        wake = IDLE
        requests = self.book.round(name).requests
        for sender, slot, segment in list(requests):
            if slot != piece.slot or segment >= len(piece.work.states):
                continue
            shown = piece.shown.setdefault(sender, set())
            if blind and (not shown.isdisjoint({segment - 1, segment + 1}) or sender not in self.validators(name[0])):
                continue
            shown.add(segment)
            del requests[sender, slot, segment]
            wake |= self.answer(name, piece, sender, segment)
        return wake

    def answer(self, name: RoundName, piece: Piece, recipient: str, segment: int) -> Wake:
        """Serves one state with the opening of its leaf."""
        state = piece.work.states[segment]
        if state is None:
            return IDLE
        if segment not in piece.cids:
            piece.cids[segment] = self.publish(name, state)
        content = {
            "slot": piece.slot,
            "segment": segment,
            "cid": piece.cids[segment],
            "leaf": LeafOpening.of(piece.transcript, segment).to_json(),
        }
        return self.voice.answer(name, "state", content, recipient, (piece.slot, segment))

    def publish(self, name: RoundName, state: State) -> str:
        """A state's bytes, where others can fetch them."""
        return self.world.blobs.put(self.assignment(name[0]).signature.encode(state))

    def open(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        """Opens the secret and every leaf, now that all tables are committed; on chain too, where it is demanded."""
        if not piece.opened:
            piece.opened = True
            end = piece.work.states[-1]
            cid = self.publish(name, end) if end is not None else ""
            piece.opening = {"slot": piece.slot, "end": cid, **piece.transcript.to_json()}
        # In each phase anew: whoever has not heard it by then cannot aggregate, or compare.
        wake = self.voice.say(name, "opening", piece.opening) if piece.opening else IDLE
        if view.disputes_open and self.demanded(name, piece):
            commitment, proof, _ = self.standing(name, piece.slot)
            opening = chain_opening(piece.transcript)
            wake |= self.clerk.attempt(self.world.ledger.rounds.reveal_secret(commitment, proof, opening))
        return wake

    def demanded(self, name: RoundName, piece: Piece) -> bool:
        """Whether the secret is called for on chain and is not there."""
        shown = self.clerk.notices.opening(name, piece.slot, piece.transcript.root)
        return shown is None and self.clerk.notices.due_s(name, piece.slot) is not None
