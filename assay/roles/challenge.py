"""Challenging a false claim, and voting on other people's challenges.

seal the challenge -> open it -> (drawn validators re-execute and vote) -> decide
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim, DisputeView, RoundView
from assay.chain.contracts.containers import Entry as ChainEntry
from assay.chain.contracts.containers import Leaf as ChainLeaf
from assay.chain.contracts.rerun import Rerun
from assay.protocol.commitment import Commitment
from assay.protocol.phase import JobPhase, Outcome, RoundPhase, Target
from assay.protocol.table import Table, aggregate_digest, segment_digest
from assay.protocol.transcript import ZERO, Leaf
from assay.protocol.words import domain
from assay.roles.book import RoundName, drop
from assay.roles.clerk import on_chain, phase_began_s
from assay.roles.judge import UNSERVED, Disagreement, Judge
from assay.roles.memory import Memory
from assay.roles.party import CLAIM_TYPE, Party, sealed_challenge, sealed_vote
from assay.roles.wake import IDLE, Wake, wake_at

BOND = 2
"""`IVault.Kind.Bond`."""
NOBODY = "0x" + "00" * 20
FAULT = domain("assay.digest.fault.1")
"""What a voter reveals where the job itself is at fault."""
NO_ENTRY = ChainEntry(0, 0, ZERO)


Unit = tuple[str, int, int, int]
"""(accused, target, slot, segment): what is disputed of a round."""


@dataclass(frozen=True)
class Raised:
    """A challenge of this validator's own, as it was sealed."""

    unit: Unit
    claim: Claim
    salt: bytes

    @property
    def name(self) -> RoundName:
        """The round that it is about."""
        commitment = self.claim.commitment
        return commitment.job, commitment.generation, commitment.round

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        claim = encode([CLAIM_TYPE], [self.claim.to_abi()])
        return {"unit": list(self.unit), "claim": claim.hex(), "salt": self.salt.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "Raised":
        """Back from plain values."""
        (claim,) = decode([CLAIM_TYPE], bytes.fromhex(value["claim"]))
        return cls(tuple(value["unit"]), Claim.from_abi(claim), bytes.fromhex(value["salt"]))


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


class Challenges:
    """A validator's disputes: those it raises and those it votes in."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self.world = party.world
        self.disputes = party.world.ledger.open(Rerun)
        self._raised: Memory[tuple[Raised, ...]] = Memory(
            party.world.journal,
            "challenges",
            lambda all_raised: [raised.to_json() for raised in all_raised],
            lambda rows: tuple(map(Raised.from_json, rows)),
        )
        self._ballots = Memory(party.world.journal, "ballot", Ballot.to_json, Ballot.from_json)
        self._refused: set[tuple[RoundName, Unit]] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._refused, job, below)

    # raising

    def raise_all(self, name: RoundName, view: RoundView, disagreements: Sequence[Disagreement], rank: int) -> Wake:
        """Seals a challenge of what nobody has challenged yet, in the order of `rank`; `tick` opens it."""
        wake = IDLE
        for disagreement in disagreements:
            wake |= self.raise_one(name, view, disagreement, rank)
        return wake

    def raise_one(self, name: RoundName, view: RoundView, disagreement: Disagreement, rank: int) -> Wake:
        """Journals a challenge and seals it on chain, unless that is done or needless."""
        clerk, unit = self.party.clerk, unit_of(disagreement)
        mine = [raised for raised in self._raised.get(name[0]) or () if (raised.name, raised.unit) == (name, unit)]
        if self.known(name, view, unit) or (name, unit) in self._refused:
            return IDLE
        if mine and not self.over(mine[-1]):
            return wake_at(self.world.clock() + 1)
        order = clerk.order(name[0])
        turn_s = phase_began_s(view, order.windows) + rank * order.windows.open // 32
        if self.world.clock() < turn_s:
            return wake_at(turn_s)
        raised = Raised(unit, self.claim(name, view, disagreement), self.world.entropy.draw(32))
        self._raised.keep((*(self._raised.get(name[0]) or ()), raised), name[0])
        return self.seal(raised)

    def seal(self, raised: Raised) -> Wake:
        """Puts a challenge on chain, sealed, with its bond."""
        job = raised.name[0]
        if not self.party.clerk.fund(self.party.clerk.order(job).token, self.disputes.bond_of(job)):
            return wake_at(self.world.clock() + 1)  # a bond of its own may come back, or somebody richer may act
        return self.party.clerk.attempt(self.disputes.commit_challenge(job, self.sealed(raised)))

    def sealed(self, raised: Raised) -> bytes:
        """What is sealed of a challenge."""
        return sealed_challenge(raised.claim, self.world.address, raised.salt)

    def over(self, raised: Raised) -> bool:
        """Whether a challenge was sealed and is sealed no more: it was opened, or its bond was taken back."""
        return self.party.clerk.notices.sealed_block(self.sealed(raised)) is not None and not self.bond(raised)

    def bond(self, raised: Raised) -> int:
        """The bond that lies on a sealed challenge."""
        job = raised.name[0]
        key = keccak(encode(["string", "uint256", "bytes32"], ["assay.challenge.1", job, self.sealed(raised)]))
        return self.world.ledger.vault.balance(self.party.clerk.order(job).token, BOND, key)

    def pursue(self, job: int) -> Wake:
        """Opens what was sealed and is still called for, and takes the bond of all else back."""
        wake, clerk, all_raised = IDLE, self.party.clerk, self._raised.get(job) or ()
        running = all_raised and clerk.view(job).phase == JobPhase.RUNNING
        rounds = dict(clerk.rounds(job)) if running else {}
        for raised in all_raised:
            block, view = clerk.notices.sealed_block(self.sealed(raised)), rounds.get(raised.name)
            # Where this very part is disputed already, the first to have sealed takes the dispute over.
            disputed = {(each.name, each.unit) for each in clerk.notices.disputes(job)}
            rivalled = (raised.name, raised.unit) in disputed
            needed = view is not None and (rivalled or not self.known(raised.name, view, raised.unit))
            if block is None:
                wake |= self.seal(raised) if needed else IDLE
            elif not self.bond(raised):
                continue
            elif needed and clerk.head <= block + 1:
                wake |= wake_at(self.world.clock() + 1)
            else:
                wake |= self.open(raised) if needed else self.withdraw(raised)
        return wake

    def open(self, raised: Raised) -> Wake:
        """Opens a sealed challenge; where it cannot be opened, its bond comes back."""
        opened = self.party.clerk.attempt(self.disputes.open_challenge(raised.claim, raised.salt))
        if opened.acted:
            return opened
        self._refused.add((raised.name, raised.unit))
        return self.withdraw(raised)

    def withdraw(self, raised: Raised) -> Wake:
        """Takes the bond of a challenge back that was sealed and not opened."""
        return self.party.clerk.attempt(self.disputes.withdraw_challenge(raised.name[0], self.sealed(raised)))

    def known(self, name: RoundName, view: RoundView, unit: Unit) -> bool:
        """Whether this need not be said: it has been said, or its party has been disproved in this round already.

        A liar may dispute something true of its own, so that a dispute of something else settles nothing. While it is
        open and nothing can be included, its outcome is waited for: most accusations mean the same lie.
        """
        for other in self.party.clerk.notices.disputes(name[0]):
            if other.name != name or other.accused != unit[0]:
                continue
            waiting = other.outcome == Outcome.OPEN and view.phase <= RoundPhase.OPENING
            if waiting or other.outcome == Outcome.UPHELD or other.unit == unit:
                return True
        return False

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

    # voting

    def tick(self, job: int) -> Wake:
        """Sees this party's challenges through, votes in every open dispute of a job, and has it counted."""
        wake = self.pursue(job)
        for dispute in self.party.clerk.notices.disputes(job):
            if dispute.outcome == Outcome.OPEN:
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
            digest, patience_s = self.truth(dispute, view), self.patience_s(view)
            if digest is None:
                return wake_at(patience_s if self.world.clock() < patience_s else view.commit_deadline)
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

    def show(self, view: DisputeView) -> None:
        """Passes on what the disputed segment begins from: the same bytes for all who vote, and for who is accused."""
        if view.target in (Target.SEGMENT, Target.TABLE):
            self.judge.evidence.relay((view.job, view.generation, view.round), view.slot, view.segment)

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
                return self.judge.emit(name, round_view, view.slot)
            case _:
                end = self.judge.evidence.aggregate(name, round_view)
                if end is None:
                    return None
                return aggregate_digest(end.root) if end.fault is None else FAULT

    def segment_truth(self, name: RoundName, round_view: RoundView, dispute: int, view: DisputeView) -> bytes | None:
        """What a segment comes to from the state in its leaf, where that was served; else from the round's start.

        Where the start does not lead to that leaf nobody can say what follows from it: the provider's fault.
        """
        served = self.judge.served(name, round_view, view.slot, view.segment)
        if served is not None:
            return served.digest
        if self.world.clock() < self.patience_s(view):
            return None
        before = next(each.before for each in self.party.clerk.notices.disputes(view.job) if each.number == dispute)
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


def unit_of(disagreement: Disagreement) -> Unit:
    """What a disagreement is about, as a dispute of it would be."""
    return disagreement.accused, int(disagreement.target), disagreement.slot, disagreement.segment


def ballot_name(dispute: int, view: DisputeView) -> tuple[object, ...]:
    """What a vote is kept under: where the chain is rewritten, a dispute's number may go to another."""
    unit = (view.accused, int(view.target), view.slot, view.segment, view.claimed.hex())
    return dispute, view.job, view.generation, view.round, *unit


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
