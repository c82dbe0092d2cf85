"""A provider: bids, trains its slot of each round, shows its work when asked, is paid.

bid -> train -> commit -> serve start states -> open the secret -> claim

What it has trained it can train again: the work is a function, and the secret that salts it is in the journal.
"""

from collections.abc import Sequence

from assay.chain.contracts.containers import RoundView
from assay.proof.claim import Alter
from assay.protocol.commitment import Commitment, bitmap_slots
from assay.protocol.errors import Refused
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.table import Entry
from assay.protocol.transcript import ZERO, Transcript
from assay.roles.aggregates import Parts
from assay.roles.assignment import Assignment, State
from assay.roles.bidding import Bidding
from assay.roles.content import commitment_content
from assay.roles.duels import Duels
from assay.roles.faults import Faults
from assay.roles.finding import Met
from assay.roles.footprint import footprint_of_provider
from assay.roles.forms import chain_opening, on_chain
from assay.roles.notices import ROUNDS_END
from assay.roles.pace import check_pace, check_serving, patience_s
from assay.roles.party import Party
from assay.roles.piece import Commitments, Piece, train
from assay.roles.round import RoundName, drop
from assay.roles.settle import settle
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import Compute, World
from assay.work.segment import SlotWork


class Provider(Party):
    """Trains for pay. `price` is per slot and round, in the token's smallest unit.

    `token`: the only one that it works for; without it any that it has a stake in, but never the chain's own coin, its
    money for gas. `window_min_s`: the shortest window in which it promises to act.
    """

    measure = staticmethod(footprint_of_provider)

    def __init__(self, world: World, price: int, *, token: str | None = None, window_min_s: int = 1) -> None:
        super().__init__(world)
        self.price = price
        self.bidding = Bidding(world, self.clerk, token, window_min_s, self.look)
        self.commitments = Commitments(world)
        self.pieces: dict[RoundName, Piece] = {}
        own = Own(self)
        self.duels, self.faults = Duels(self, own), Faults(self, own.transcript)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final, finished work above all."""
        super().forget(job, below)
        drop(self.pieces, job, below)
        self.duels.forget(job)

    def tick(self) -> Wake:
        """One turn."""
        self.listen()
        return self.each_job(self.turn)

    def turn(self, job: int) -> Wake:
        """What this phase of a job asks for."""
        match self.clerk.view(job).phase:
            case JobPhase.BIDDING:
                return self.bid(job) | (self.overdue.take(job) if self.bidding.made(job) else IDLE)
            case JobPhase.DRAWING | JobPhase.ENLISTING if self.world.address in self.clerk.providers(job):
                return self.overdue.take(job)
            case JobPhase.RUNNING:
                return self.work(job)
            case JobPhase.DONE | JobPhase.CANCELLED | JobPhase.FAULTED:
                wake = self.duels.tick(job)
                return wake if wake.acted else wake | settle(self.world, self.clerk, job)
        return IDLE

    def doubt(self, job: int) -> None:
        """The same; what was declined may be another order's now."""
        super().doubt(job)
        self.bidding.reconsider(job)

    # before the match

    def bid(self, job: int) -> Wake:
        """Seals a bid while bids are taken and opens it afterwards; a job that does not check out gets none."""
        return self.bidding.bid(job, self.price)

    def look(self, job: int) -> None:
        """Looks at what a job is, and whether this machine takes it. Errors: `AssayError`."""
        with self.fitness.look(job):
            self.admit(self.assignment(job))

    def admit(self, assignment: Assignment) -> None:
        """Whether this machine takes the job. Its programs have been read and checked against the limits by now."""
        self.fitness.take_on(assignment, self.check_pace, check_serving, busy=self.fitness.busy(assignment.job))

    def check_pace(self, assignment: Assignment, compute: Compute, *, busy: float) -> float:
        """The share of this machine's time that training a slot takes. Errors: `Refused`, `LimitExceeded`."""
        return check_pace(assignment, compute, assignment.order.windows.train, busy=busy)

    # rounds

    def work(self, job: int) -> Wake:
        """Serves every round that is open in the present generation."""
        slots = self.clerk.slots(job, self.world.address)
        if not slots:
            return IDLE
        wake = self.duels.tick(job) | self.overdue.take(job)
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
                    wake |= self.show_fault(name, view, piece)
        return wake

    def held_from(self, job: int) -> int:
        """The same; what is challenged has to be opened until its game is over."""
        return min(super().held_from(job), *self.duels.rounds(job), ROUNDS_END)

    # the work

    def piece(self, name: RoundName, view: RoundView, slot: int) -> Piece | None:
        """The finished work on a round; trained again where it was committed to and this process does not have it."""
        if name not in self.pieces and view.phase != RoundPhase.TRAINING and slot in bitmap_slots(view.present):
            made = self.commitments.made(name, slot, self.clerk.origin(name))
            start = self.state(name[0], view.start_root) if made else None
            again = None if start is None else self.finish(name, slot, start, view.start_root)
            if again is not None:
                self.pieces[name] = again
        return self.pieces.get(name)

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        """Trains the slot from the round's start state and commits to every state on the way."""
        start = self.state(name[0], view.start_root)
        piece = None if start is None else self.finish(name, slot, start, view.start_root)
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

    def compute(self, name: RoundName, slot: int, start: State, start_root: bytes) -> SlotWork:
        """The training itself."""
        return train(self.world.compute, self.assignment(name[0]), name, slot, start, start_root)

    def alter(self, name: RoundName, slot: int) -> Alter | None:  # noqa: ARG002
        """How the work differs from what the program says: not at all."""
        return None

    def commit(self, name: RoundName, start_root: bytes, slot: int, work: SlotWork) -> Piece:
        """Seals the update, and signs the commitment to it and to the transcript. Errors: `Refused` where other work of
        this round was signed already."""
        update = self.assignment(name[0]).update_signature.encode(work.update) if work.update is not None else b""
        origin = (self.clerk.view(name[0]).beacon, start_root)
        commitment, transcript = self.commitments.make(name, slot, origin, work, update)
        return Piece(slot, commitment, self.sign(commitment), transcript, work)

    def sign(self, commitment: Commitment) -> bytes:
        """The provider's word on a commitment."""
        return self.commitments.sign(commitment)

    def tell(self, name: RoundName, piece: Piece) -> None:
        """Keeps a finished piece and sends its commitment to everyone."""
        self.pieces[name] = piece
        self.voice.say(name, "commitments", {"commitments": [commitment_content(piece.commitment, piece.signature)]})

    # past an aggregator that leaves it out

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

    # showing the work

    def show_fault(self, name: RoundName, view: RoundView, piece: Piece) -> Wake:
        """Shows the chain a fault of the job that it has committed to, where no validator has by half of the window."""
        if piece.work.fault is None:
            return IDLE
        opening, last = view.phase == RoundPhase.OPENING, piece.transcript.leaves[-1]
        from_s = view.deadline - self.clerk.order(name[0]).windows.open // 2 if opening else 0
        digest = last.state_root if last.update_root == ZERO else last.update_root
        # Nobody else's word is waited for: a liar's would hold this up until it is too late.
        return self.faults.claim(name, Met(piece.slot, digest), from_s=from_s, doubted=self.clerk.providers(name[0]))

    def serve(self, name: RoundName, piece: Piece, *, blind: bool) -> Wake:
        """Answers requests for start states; while tables are blind, nobody's but validators', and to none of them two
        adjacent ones."""
        wake = IDLE
        requests = self.book.round(name).requests
        for sender, slot, segment in list(requests):
            if not piece.has_start(slot, segment):
                continue
            if blind and sender not in self.validators(name[0]):
                continue
            if blind and self.commitments.adjoins(piece.commitment, sender, segment):
                continue
            if blind:
                self.commitments.show(piece.commitment, sender, segment)
            del requests[sender, slot, segment]
            wake |= self.answer(name, piece, sender, segment)
        return wake

    def answer(self, name: RoundName, piece: Piece, recipient: str, segment: int) -> Wake:
        """Serves one state with the opening of its leaf."""
        if segment not in piece.cids:
            # Derived again where it was not kept.
            with self.world.compute.within(patience_s(self.clerk.order(name[0]).windows.table)):
                state = piece.work.states[segment]
            if state is None:
                return IDLE
            piece.cids[segment] = self.publish(name, state)
        return self.voice.answer(name, "state", piece.state_content(segment), recipient, (piece.slot, segment))

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
            commitment, opening = on_chain(piece.commitment), chain_opening(piece.transcript)
            proof = self.rooted.proof(name, piece.slot)
            wake |= self.clerk.attempt(self.world.ledger.rounds.reveal_secret(commitment, proof, opening))
        return wake

    def publish(self, name: RoundName, state: State) -> str:
        """A state's bytes, where others can fetch them."""
        return self.world.blobs.put(self.assignment(name[0]).signature.encode(state))

    def demanded(self, name: RoundName, piece: Piece) -> bool:
        """Whether the secret is called for on chain and is not there."""
        shown = self.clerk.notices.opening(name, piece.slot, piece.transcript.root)
        return shown is None and self.clerk.notices.due_s(name, piece.slot) is not None


class Own:
    """A provider's own work, as the games about it need it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def transcript(self, name: RoundName, slot: int) -> Transcript | None:
        """Its leaves."""
        piece = self._piece(name, slot)
        return None if piece is None else piece.transcript

    def state(self, name: RoundName, slot: int, index: int) -> State | None:
        """The state in a leaf; derived again where it was not kept."""
        piece = self._piece(name, slot)
        return None if piece is None else piece.work.states[index]

    def parts(self, name: RoundName) -> Parts | None:  # noqa: ARG002
        """No provider is asked what its update became a part of."""
        return None

    def rows(self, name: RoundName, validator: str) -> Sequence[Entry]:  # noqa: ARG002
        """No provider judges others."""
        return ()

    def begun(self, name: RoundName, slot: int, segment: int, root: bytes) -> State | None:  # noqa: ARG002
        """The same."""
        return None

    def alter(self, name: RoundName, slot: int | None) -> Alter | None:
        """How it differs from what the program says."""
        return None if slot is None else self._provider.alter(name, slot)

    def _piece(self, name: RoundName, slot: int) -> Piece | None:
        return self._provider.piece(name, self._provider.clerk.round(name), slot)
