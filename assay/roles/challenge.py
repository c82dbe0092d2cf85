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
from assay.protocol.phase import Outcome, Target
from assay.protocol.table import Table, aggregate_digest
from assay.protocol.transcript import ZERO, Leaf
from assay.protocol.words import domain
from assay.roles.book import RoundName, drop
from assay.roles.clerk import on_chain, phase_began_s
from assay.roles.judge import UNSERVED, Disagreement, Judge
from assay.roles.party import Party, sealed_challenge, sealed_vote
from assay.roles.wake import IDLE, Wake, wake_at

NOBODY = "0x" + "00" * 20
FAULT = domain("assay.digest.fault.1")
"""What a voter reveals where the job itself is at fault."""
NO_ENTRY = ChainEntry(0, 0, ZERO)


@dataclass
class Raised:
    """A challenge of this validator's own."""

    claim: Claim
    salt: bytes
    block: int
    opened: bool = False


@dataclass
class Ballot:
    """This validator's vote in one dispute."""

    digest: bytes
    salt: bytes
    revealed: bool = False


class Challenges:
    """A validator's disputes: those it raises and those it votes in."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self.world = party.world
        self.disputes = party.world.ledger.open(Rerun)
        self._raised: dict[tuple[RoundName, Target, str], Raised] = {}
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
        key = (name, disagreement.target, disagreement.accused)
        raised = self._raised.get(key)
        clerk = self.party.clerk
        if raised is None:
            if self.known(name, disagreement):
                return IDLE
            order = clerk.order(name[0])
            turn_s = phase_began_s(view, order.windows) + rank * order.windows.open // 32
            if self.world.clock() < turn_s:
                return wake_at(turn_s)
            if not clerk.fund(order.token, self.disputes.bond_of(name[0])):
                return wake_at(self.world.clock() + 1)  # a bond of its own may come back, or somebody richer may act
            claim, salt = self.claim(name, view, disagreement), self.world.entropy.draw(32)
            sealed = sealed_challenge(claim, self.world.address, salt)
            self._raised[key] = Raised(claim, salt, self.world.ledger.rpc.get_head())
            return clerk.attempt(self.disputes.commit_challenge(name[0], sealed))
        if raised.opened:
            return IDLE
        if self.world.ledger.rpc.get_head() <= raised.block + 1:
            return wake_at(self.world.clock() + 1)
        raised.opened = True
        opened = clerk.attempt(self.disputes.open_challenge(raised.claim, raised.salt))
        if not opened.acted:
            sealed = sealed_challenge(raised.claim, self.world.address, raised.salt)
            return clerk.attempt(self.disputes.withdraw_challenge(name[0], sealed))
        return opened

    def known(self, name: RoundName, disagreement: Disagreement) -> bool:
        """Whether this accusation has been made, by anybody."""
        views = [self._over.get(dispute) or self.disputes.view_of(dispute) for dispute in self.all()]
        return any(
            (view.job, view.generation, view.round) == name and view.accused == disagreement.accused for view in views
        )

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
        if ballot is None and may_vote:
            digest = self.truth(view)
            if digest is None:
                return wake_at(view.commit_deadline)
            ballot = self._ballots[dispute] = Ballot(digest, self.world.entropy.draw(32))
            return self.party.clerk.attempt(
                self.disputes.vote(dispute, sealed_vote(dispute, self.world.address, ballot.digest, ballot.salt))
            )
        revealing = now_s >= view.commit_deadline or view.committed.bit_count() >= len(voters)
        if ballot is not None and revealing and not ballot.revealed:
            ballot.revealed = True
            return self.party.clerk.attempt(self.disputes.reveal_vote(dispute, ballot.digest, ballot.salt))
        if now_s >= view.reveal_deadline or view.revealed.bit_count() >= len(voters):
            return self.party.clerk.attempt(self.disputes.decide(dispute))
        return wake_at(view.reveal_deadline if revealing else view.commit_deadline)

    def truth(self, view: DisputeView) -> bytes | None:
        """The digest of what is disputed, by re-execution."""
        name = (view.job, view.generation, view.round)
        round_view = self.world.ledger.rounds.view_of(*name)
        match view.target:
            case Target.SEGMENT | Target.TABLE:
                truth = self.judge.truth(name, round_view, view.slot, view.segment)
                if truth is None or truth.segment == view.segment:
                    return truth.digest if truth else None
                # The segment rests on a state that nobody can derive: the provider's fault, never a validator's.
                return UNSERVED if view.target == Target.SEGMENT else view.claimed
            case Target.EMIT:
                return self.judge.emit(name, round_view, view.slot)
            case _:
                end = self.judge.evidence.aggregate(name, round_view)
                if end is None:
                    return None
                return aggregate_digest(end.root) if end.fault is None else FAULT


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
