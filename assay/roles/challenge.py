"""Challenging a false claim, and voting on other people's challenges.

seal the challenge -> open it -> (drawn validators re-execute and vote) -> decide
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.chain.contracts.containers import Claim, DisputeView, RoundView
from assay.chain.contracts.containers import Entry as ChainEntry
from assay.chain.contracts.containers import Leaf as ChainLeaf
from assay.chain.contracts.rerun import Rerun
from assay.protocol.commitment import Commitment
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import Outcome, RoundPhase, Target
from assay.protocol.table import Table, aggregate_digest, segment_digest
from assay.protocol.transcript import ZERO, Leaf
from assay.protocol.words import domain, words_hash
from assay.roles.book import RoundName, drop
from assay.roles.clerk import on_chain, phase_began_s
from assay.roles.judge import UNSERVED, Disagreement, Judge
from assay.roles.party import Party, sealed_challenge, sealed_vote
from assay.roles.wake import IDLE, Wake, wake_at

STALE_TURNS = 4
"""After which a sealed challenge that nothing calls for any more is withdrawn."""
NOBODY = "0x" + "00" * 20
FAULT = domain("assay.digest.fault.1")
"""What a voter reveals where the job itself is at fault."""
ABSTAIN = words_hash("assay.vote.abstain.1")
"""What a voter reveals that cannot tell: it counts for nothing, and whoever is silent is penalised."""
NO_ENTRY = ChainEntry(0, 0, ZERO)


@dataclass
class Raised:
    """A challenge of this validator's own."""

    claim: Claim
    salt: bytes
    block: int
    opened: bool = False
    idle_turns: int = 0


@dataclass
class Ballot:
    """This validator's vote in one dispute."""

    digest: bytes
    salt: bytes
    sent: bool = False
    revealed: bool = False


class Challenges:
    """A validator's disputes: those it raises and those it votes in."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self.world = party.world
        self.disputes = party.world.ledger.open(Rerun)
        self._raised: dict[tuple[RoundName, Target, str, int, int], Raised] = {}
        self._ballots: dict[int, Ballot] = {}
        self._over: dict[int, DisputeView] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._raised, job, below)

    def raise_all(self, name: RoundName, view: RoundView, disagreements: Sequence[Disagreement], rank: int) -> Wake:
        """Challenges what nobody has challenged yet, in the order of `rank`."""
        wake = IDLE
        for disagreement in disagreements:
            wake |= self.raise_one(name, view, disagreement, rank)
        return wake

    def raise_one(self, name: RoundName, view: RoundView, disagreement: Disagreement, rank: int) -> Wake:
        """Seals, and in a later block opens, one challenge."""
        key = (name, disagreement.target, disagreement.accused, disagreement.slot, disagreement.segment)
        raised = self._raised.get(key)
        clerk = self.party.clerk
        if raised is None:
            if self.known(name, view, disagreement):
                return IDLE
            order = clerk.order(name[0])
            turn_s = phase_began_s(view, order.windows) + rank * order.windows.open // 32
            if self.world.clock() < turn_s:
                return wake_at(turn_s)
            if not clerk.fund(order.token, self.disputes.bond_of(name[0])):
                return wake_at(self.world.clock() + 1)  # a bond of its own may come back, or somebody richer may act
            claim, salt = self.claim(name, view, disagreement), self.world.entropy.draw(32)
            sealed = sealed_challenge(claim, self.world.address, salt)
            wake = clerk.attempt(self.disputes.commit_challenge(name[0], sealed))
            self._raised[key] = Raised(claim, salt, self.world.ledger.rpc.get_head())
            return wake
        raised.idle_turns = 0
        if raised.opened:
            return IDLE
        if self.world.ledger.rpc.get_head() <= raised.block + 1:
            return wake_at(self.world.clock() + 1)
        if self.known(name, view, disagreement) and not self.disputed(name, disagreement):
            # Somebody else's was first, about another part of the same lie: this one may be needed if that one fails.
            return self.withdraw(key) | wake_at(self.world.clock() + 1)
        opened = clerk.attempt(self.disputes.open_challenge(raised.claim, raised.salt))
        raised.opened = True
        return opened if opened.acted else self.withdraw(key, forget=False)

    def withdraw(self, key: tuple[RoundName, Target, str, int, int], *, forget: bool = True) -> Wake:
        """Takes the bond of a challenge back that was sealed and not opened."""
        raised = self._raised[key]
        sealed = sealed_challenge(raised.claim, self.world.address, raised.salt)
        wake = self.party.clerk.attempt(self.disputes.withdraw_challenge(key[0][0], sealed))
        if forget:
            del self._raised[key]
        return wake

    def disputed(self, name: RoundName, disagreement: Disagreement) -> bool:
        """Whether this very part is disputed already, by anybody: the first to have sealed takes it over."""
        unit = (name, disagreement.accused, disagreement.target, disagreement.slot, disagreement.segment)
        views = [self._over.get(dispute) or self.disputes.view_of(dispute) for dispute in self.all()]
        return any(((v.job, v.generation, v.round), v.accused, v.target, v.slot, v.segment) == unit for v in views)

    def known(self, name: RoundName, view: RoundView, disagreement: Disagreement) -> bool:
        """Whether this need not be said: it has been said, or its party has been disproved in this round already.

        A liar may dispute something true of its own, so that a dispute of something else settles nothing. While it is
        open and nothing can be included, its outcome is waited for: most accusations mean the same lie.
        """
        unit = (disagreement.target, disagreement.slot, disagreement.segment)
        for dispute in self.all():
            other = self._over.get(dispute) or self.disputes.view_of(dispute)
            if (other.job, other.generation, other.round) != name or other.accused != disagreement.accused:
                continue
            waiting = other.outcome == Outcome.OPEN and view.phase <= RoundPhase.OPENING
            if waiting or other.outcome == Outcome.UPHELD or (other.target, other.slot, other.segment) == unit:
                return True
        return False

    def open_rounds(self, job: int) -> list[int]:
        """Indexes of the rounds of a job, of any generation, of which something is disputed."""
        views = [self.disputes.view_of(dispute) for dispute in self.all() if dispute not in self._over]
        return [view.round for view in views if view.job == job and view.outcome == Outcome.OPEN]

    def all(self) -> range:
        """Numbers of all disputes so far."""
        return range(1, self.party.clerk.dispute_count() + 1)

    def claim(self, name: RoundName, view: RoundView, disagreement: Disagreement) -> Claim:
        """What the accused has claimed, with every proof."""
        if disagreement.target == Target.AGGREGATE:
            return aggregate_claim(name)
        commitment, proof, signature = self.party.standing(name, disagreement.slot)
        opened = self.judge.evidence.opened(name, view, disagreement.slot)
        assert opened is not None
        assert opened.transcript is not None
        transcript, segment = opened.transcript, disagreement.segment
        empty = Leaf(0, ZERO)
        before, after = (empty, transcript.leaves[-1])
        if disagreement.target == Target.SEGMENT:
            before, after = transcript.leaves[segment], transcript.leaves[segment + 1]
        told = self.judge.rows(name, disagreement.accused) if disagreement.target == Target.TABLE else None
        rows = None if told is None else Table(told)
        return Claim(
            target=disagreement.target,
            commitment=commitment,
            commitment_proof=tuple(proof),
            signature=signature,
            secret=transcript.secret,
            before=chain_leaf(before),
            before_proof=tuple(transcript.proof(before.index)),
            after=chain_leaf(after),
            after_proof=tuple(transcript.proof(after.index)),
            validator=disagreement.accused if rows else NOBODY,
            entry=ChainEntry(**vars(rows.entries[disagreement.row])) if rows else NO_ENTRY,
            entry_index=disagreement.row,
            entry_count=len(rows.entries) if rows else 0,
            entry_proof=tuple(rows.proof(disagreement.row)) if rows else (),
        )

    def tick(self, job: int) -> Wake:
        """Votes in every open dispute of a job, and has it counted."""
        wake = IDLE
        for key, raised in list(self._raised.items()):
            # What it was sealed for may have been settled meanwhile: then nothing calls for it any more.
            if key[0][0] == job and not raised.opened:
                raised.idle_turns += 1
                stale = raised.idle_turns > STALE_TURNS
                wake |= self.withdraw(key) if stale else wake_at(self.world.clock() + 1)
        for dispute in self.all():
            if dispute in self._over:
                continue
            view = self.disputes.view_of(dispute)
            if view.outcome != Outcome.OPEN:
                self._over[dispute] = view
            elif view.job == job:
                wake |= self.vote(dispute, view)
        return wake

    def vote(self, dispute: int, view: DisputeView) -> Wake:
        """Commits, then reveals what re-execution gives, then has the votes counted."""
        now_s = self.world.clock()
        ballot = self._ballots.get(dispute)
        voters = self.disputes.voters_of(dispute)
        may_vote = self.world.address in voters and now_s < view.commit_deadline
        self.show(view)
        if ballot is None and may_vote:
            digest = self.answer(dispute, view)
            if digest is None:
                return wake_at(self.patience_s(view) if now_s < self.patience_s(view) else self.silence_s(view))
            ballot = self._ballots[dispute] = Ballot(digest, self.world.entropy.draw(32))
        if ballot is not None and not ballot.sent and may_vote:
            sealed = sealed_vote(dispute, self.world.address, ballot.digest, ballot.salt)
            wake = self.party.clerk.attempt(self.disputes.vote(dispute, sealed))
            ballot.sent = True
            return wake
        revealing = now_s >= view.commit_deadline or view.committed.bit_count() >= len(voters)
        if ballot is not None and revealing and not ballot.revealed:
            wake = self.party.clerk.attempt(self.disputes.reveal_vote(dispute, ballot.digest, ballot.salt))
            ballot.revealed = True
            return wake
        if now_s >= view.reveal_deadline or view.revealed.bit_count() >= len(voters):
            return self.party.clerk.attempt(self.disputes.decide(dispute))
        return wake_at(view.reveal_deadline if revealing else view.commit_deadline)

    def patience_s(self, view: DisputeView) -> int:
        """Until when a state that is disputed is waited for: half of the time for votes."""
        windows = self.party.clerk.order(view.job).windows
        return view.commit_deadline - windows.table // 2

    def silence_s(self, view: DisputeView) -> int:
        """When a truth that was not found is waited for no longer: a quarter of the time for votes before its end."""
        return view.commit_deadline - max(1, self.party.clerk.order(view.job).windows.table // 4)

    def show(self, view: DisputeView) -> None:
        """Passes on what the disputed segment begins from: the same bytes for all who vote, and for who is accused."""
        if view.target in (Target.SEGMENT, Target.TABLE):
            self.judge.evidence.relay((view.job, view.generation, view.round), view.slot, view.segment)

    def answer(self, dispute: int, view: DisputeView) -> bytes | None:
        """What to vote: the truth; where none is to be had in time, that there is none; nothing while it is awaited."""
        late = self.world.clock() >= self.silence_s(view)
        try:
            found = self.truth(dispute, view)
        except Unavailable:
            if not late:
                raise
            found = None
        except AssayError as trouble:
            self.party.troubles[view.job] = trouble.message
            return ABSTAIN
        return ABSTAIN if found is None and late else found

    def truth(self, dispute: int, view: DisputeView) -> bytes | None:
        """The digest of what is disputed, by re-execution; nothing while something is awaited for it."""
        name = (view.job, view.generation, view.round)
        round_view = self.world.ledger.rounds.view_of(*name)
        match view.target:
            case Target.SEGMENT:
                return self.segment_truth(name, round_view, dispute, view)
            case Target.TABLE:
                return self.row_truth(name, round_view, view)
            case Target.EMIT:
                shown = self.judge.emit(name, round_view, view.slot)
                if shown is None and self.world.clock() >= self.patience_s(view):
                    return self.judge.derive_emit(name, round_view, view.slot, view.claimed)
                return shown
            case _:
                end = self.judge.evidence.aggregate(name, round_view)
                if end is None:
                    return None
                return aggregate_digest(end.root, end.score) if end.fault is None else FAULT

    def segment_truth(self, name: RoundName, round_view: RoundView, dispute: int, view: DisputeView) -> bytes | None:
        """What a segment comes to from the state in its leaf, where that was served; else from the round's start.

        Where the start does not lead to that leaf nobody can say what follows from it: the provider's fault.
        """
        served = self.judge.served(name, round_view, view.slot, view.segment)
        if served is not None:
            return served.digest
        if self.world.clock() < self.patience_s(view):
            return None
        before = self.party.clerk.notices.before(dispute)
        sound = self.judge.rests_on(name, round_view, view.slot, view.segment, before)
        if sound is None:
            return None
        if not sound:
            self.judge.suspects.add((name, view.slot))
            return UNSERVED
        truth = self.judge.derive(name, round_view, view.slot, view.segment)
        return None if truth is None else truth.digest if truth.segment == view.segment else UNSERVED

    def row_truth(self, name: RoundName, round_view: RoundView, view: DisputeView) -> bytes | None:
        """What a validator should have found: from the state that it was served, or from the round's start if none was.

        Either is right for who has said in time that nobody served it, so its row is false only if it is neither.
        """
        served = self.judge.served(name, round_view, view.slot, view.segment)
        replayed = self.judge.replayed(name, view.accused, view.slot, view.segment)
        if served is not None and (served.digest == view.claimed or not replayed):
            return served.digest
        if served is None and self.world.clock() < self.patience_s(view):
            return None
        truth = self.judge.derive(name, round_view, view.slot, view.segment)
        if truth is not None and truth.segment == view.segment:
            return truth.digest
        span = self.judge.evidence.replay(name, round_view, view.slot, view.segment)
        return None if span is None else segment_digest(span[0].state_root, span[0].loss_bits)


def aggregate_claim(name: RoundName) -> Claim:
    """A round's end root, which the chain knows itself."""
    leaf = chain_leaf(Leaf(0, ZERO))
    return Claim(
        target=Target.AGGREGATE,
        commitment=on_chain(Commitment(*name, 0, NOBODY, ZERO, ZERO, ZERO, ZERO)),
        commitment_proof=(),
        signature=b"",
        secret=ZERO,
        before=leaf,
        before_proof=(),
        after=leaf,
        after_proof=(),
        validator=NOBODY,
        entry=NO_ENTRY,
        entry_index=0,
        entry_count=0,
        entry_proof=(),
    )


def chain_leaf(leaf: Leaf) -> ChainLeaf:
    """A leaf in the form that the contracts take."""
    return ChainLeaf(leaf.index, leaf.state_root, leaf.loss_bits, leaf.update_root)
