"""Voting on what somebody has challenged and no game decides, a row of a table or a score: blind, by commit and reveal,
for what re-execution gives."""

from dataclasses import dataclass
from typing import Any

from assay.chain.contracts.containers import DisputeView, RoundView
from assay.chain.contracts.rerun import Rerun
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.phase import Outcome, Target
from assay.protocol.table import score_digest, segment_digest
from assay.protocol.words import words_hash
from assay.roles.judge import Judge
from assay.roles.memory import Memory
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.seals import sealed_vote
from assay.roles.wake import IDLE, Wake, wake_at

ABSTAIN = words_hash("assay.vote.abstain.1")
"""What a voter reveals that cannot tell: it counts for nothing, and whoever is silent is penalised."""


@dataclass(frozen=True)
class Ballot:
    """This validator's vote in one dispute."""

    digest: bytes
    salt: bytes

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {"digest": self.digest.hex(), "salt": self.salt.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "Ballot":
        """Back from plain values."""
        return cls(bytes.fromhex(value["digest"]), bytes.fromhex(value["salt"]))


class Votes:
    """The disputes in which a validator has a vote."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self.world = party.world
        self.disputes = party.world.ledger.open(Rerun)
        self._ballots = Memory(party.world.journal, "ballot", Ballot.to_json, Ballot.from_json)

    def tick(self, job: int) -> Wake:
        """Votes in every open dispute of a job, and has it counted."""
        wake = IDLE
        for dispute in self.party.clerk.notices.disputes(job):
            if dispute.game is None and dispute.outcome == Outcome.OPEN:
                wake |= self.vote(dispute.number, self.disputes.view_of(dispute.number))
        return wake

    def vote(self, dispute: int, view: DisputeView) -> Wake:
        """Commits, then reveals what re-execution gives, then has the votes counted."""
        now_s, voters = self.world.clock(), self.disputes.voters_of(dispute)
        bit = 1 << voters.index(self.world.address) if self.world.address in voters else 0
        revealing = now_s >= view.commit_deadline or view.committed.bit_count() >= len(voters)
        self.show(view)
        if bit and not view.committed & bit and now_s < view.commit_deadline:
            return self.commit_vote(dispute, view)
        if view.committed & bit and revealing and not view.revealed & bit:
            return self.reveal_vote(dispute, view)
        if now_s >= view.reveal_deadline or view.revealed.bit_count() >= len(voters):
            return self.party.clerk.attempt(self.disputes.decide(dispute))
        return wake_at(view.reveal_deadline if revealing else view.commit_deadline)

    def commit_vote(self, dispute: int, view: DisputeView) -> Wake:
        """Seals a vote as soon as there is one."""
        ballot = self._ballots.get(*ballot_name(dispute, view))
        if ballot is None:
            digest, patience_s = self.answer(view), self.patience_s(view)
            if digest is None:
                return wake_at(patience_s if self.world.clock() < patience_s else self.silence_s(view))
            ballot = self._ballots.keep(Ballot(digest, self.world.entropy.draw(32)), *ballot_name(dispute, view))
        sealed = sealed_vote(dispute, self.world.address, ballot.digest, ballot.salt)
        return self.party.clerk.attempt(self.disputes.vote(dispute, sealed))

    def reveal_vote(self, dispute: int, view: DisputeView) -> Wake:
        """Opens the vote that was sealed."""
        ballot = self._ballots.get(*ballot_name(dispute, view))
        if ballot is None:
            return wake_at(view.reveal_deadline)
        return self.party.clerk.attempt(self.disputes.reveal_vote(dispute, ballot.digest, ballot.salt))

    def patience_s(self, view: DisputeView) -> int:
        """Until when a state that is disputed is waited for: half of the time for votes."""
        windows = self.party.clerk.order(view.job).windows
        return view.commit_deadline - windows.table // 2

    def silence_s(self, view: DisputeView) -> int:
        """When a truth that was not found is waited for no longer: a quarter of the time for votes before its end."""
        return view.commit_deadline - max(1, self.party.clerk.order(view.job).windows.table // 4)

    def show(self, view: DisputeView) -> None:
        """Passes on what the disputed segment begins from: the same bytes for all who vote, and for who is accused."""
        if view.target == Target.TABLE:
            self.judge.starts.relay((view.job, view.generation, view.round), view.slot, view.segment)

    def answer(self, view: DisputeView) -> bytes | None:
        """What to vote: the truth; where none is to be had in time, that there is none; nothing while it is awaited."""
        late = self.world.clock() >= self.silence_s(view)
        try:
            found = self.truth(view)
        except Unavailable:
            if not late:
                raise
            found = None
        except AssayError as trouble:
            self.party.troubles[view.job] = trouble.message
            return ABSTAIN
        return ABSTAIN if found is None and late else found

    def truth(self, view: DisputeView) -> bytes | None:
        """The digest of what is disputed, by re-execution; nothing while something is awaited for it."""
        name = (view.job, view.generation, view.round)
        round_view = self.world.ledger.rounds.view_of(*name)
        if view.target == Target.TABLE:
            return self.row_truth(name, round_view, view)
        end = self.judge.aggregates.of(name, round_view)
        if end is None:
            return None
        # Who has found another end state cannot tell what that one scores: a game is about it.
        return score_digest(end.root, end.score) if end.root == round_view.end_root else ABSTAIN

    def row_truth(self, name: RoundName, round_view: RoundView, view: DisputeView) -> bytes | None:
        """What a validator should have found: from the state that it was served, or from the round's start if none was.

        Either is right for who has said in time that nobody served it, so its row is false only if it is neither.
        """
        served = self.judge.truths.served(name, round_view, view.slot, view.segment)
        replayed = self.judge.tables.replayed(name, view.accused, view.slot, view.segment)
        if served is not None and (served.digest == view.claimed or not replayed):
            return served.digest
        if served is None and self.world.clock() < self.patience_s(view):
            return None
        truth = self.judge.truths.derive(name, round_view, view.slot, view.segment)
        if truth is not None and truth.segment == view.segment:
            return truth.digest
        span = self.judge.replays.replay(name, round_view, view.slot, view.segment)
        return None if span is None else segment_digest(span[0].state_root, span[0].loss_bits)


def ballot_name(dispute: int, view: DisputeView) -> tuple[object, ...]:
    """What a vote is kept under: where the chain is rewritten, a dispute's number may go to another."""
    unit = (view.accused, int(view.target), view.slot, view.segment, view.claimed.hex())
    return dispute, view.job, view.generation, view.round, *unit
