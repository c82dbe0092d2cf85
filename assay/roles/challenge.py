"""Challenging a false claim.

seal the challenge -> open it -> play it to its end (`duels`) -> settle

What a slot or a table has committed to, what a round's updates come to and what that scores is decided by a game.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim, RoundView
from assay.chain.contracts.disputes import Disputes
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import JobPhase, Outcome, RoundPhase, Target
from assay.protocol.transcript import ZERO
from assay.roles.claims import claim_of, told
from assay.roles.finding import Disagreement, Unit
from assay.roles.grounds import aggregate_facts, facts_of, score_facts
from assay.roles.judge import Judge
from assay.roles.memory import Memory
from assay.roles.notices import Dispute
from assay.roles.party import Party
from assay.roles.patience import phase_began_s
from assay.roles.round import RoundName, drop
from assay.roles.seals import CLAIM_TYPE, sealed_challenge
from assay.roles.shown import Shown
from assay.roles.wake import IDLE, Wake, wake_at

BOND = 2
"""`IVault.Kind.Bond`."""
RAISED_KEPT = 256
"""Challenges whose claims and bonds' keys are kept: whoever has raised one looks at it in each turn."""
PATIENCE = 4
"""Somebody else's game is waited for until this part of the window is left: its challenger may not mean it."""


@dataclass(frozen=True)
class Raised:
    """A challenge of this validator's own: the round and the part of it that it is about, the claim as the ABI writes
    it, and what is sealed of it on chain."""

    name: RoundName
    unit: Unit
    claim: bytes
    salt: bytes
    sealed: bytes

    @property
    def opened(self) -> Claim:
        """The claim."""
        return _read_claim(self.claim)

    def is_past(self, view: RoundView) -> bool:
        """Whether it disputes an aggregate or score that the chain, rewritten since, does not say any more."""
        target = Target(self.unit[1])
        disputed = self.opened.commitment.transcript_root
        return target in (Target.AGGREGATE, Target.SCORE) and disputed != told(view, target)

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        words = {"claim": self.claim.hex(), "salt": self.salt.hex(), "sealed": self.sealed.hex()}
        return {"name": list(self.name), "unit": list(self.unit), **words}

    @classmethod
    def from_json(cls, value: Any) -> "Raised":
        """Back from plain values."""
        words = (bytes.fromhex(value[part]) for part in ("claim", "salt", "sealed"))
        return cls(tuple(value["name"]), tuple(value["unit"]), *words)


class Challenges:
    """The disputes that a validator raises."""

    def __init__(self, party: Party, judge: Judge) -> None:
        self.party = party
        self.judge = judge
        self.world = party.world
        self.disputes = party.world.ledger.open(Disputes)
        self.shown = Shown(party, judge.openings)
        self._raised: Memory[tuple[Raised, ...]] = Memory(
            party.world.journal,
            "challenges",
            lambda all_raised: [raised.to_json() for raised in all_raised],
            lambda rows: tuple(map(Raised.from_json, rows)),
        )
        self._refused: set[tuple[RoundName, Unit]] = set()

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._refused, job, below)

    # raising

    def raise_all(self, name: RoundName, view: RoundView, disagreements: Sequence[Disagreement], rank: int) -> Wake:
        """Seals a challenge of what nobody has challenged yet, in the order of `rank`; `pursue` opens it."""
        wake = IDLE
        for disagreement in disagreements:
            wake |= self.raise_one(name, view, disagreement, rank)
        return wake

    def raise_one(self, name: RoundName, view: RoundView, disagreement: Disagreement, rank: int) -> Wake:
        """Journals a challenge and seals it on chain, unless that is done or needless."""
        clerk, unit = self.party.clerk, disagreement.unit
        mine = [raised for raised in self._raised.get(name[0]) or () if (raised.name, raised.unit) == (name, unit)]
        mine = [raised for raised in mine if not raised.is_past(view)]
        if self.known(name, view, unit) or (name, unit) in self._refused:
            return IDLE
        if mine and not self.over(mine[-1]):
            return wake_at(self.world.clock() + 1)
        order = clerk.order(name[0])
        turn_s = phase_began_s(view, order.windows) + rank * order.windows.open // 32
        if self.world.clock() < turn_s:
            return wake_at(turn_s)
        claim, salt = claim_of(self.judge, name, view, disagreement), self.world.entropy.draw(32)
        sealed = sealed_challenge(claim, self.world.address, salt)
        raised = Raised(name, unit, encode([CLAIM_TYPE], [claim.to_abi()]), salt, sealed)
        self._raised.keep((*(self._raised.get(name[0]) or ()), raised), name[0])
        return self.seal(raised)

    def seal(self, raised: Raised) -> Wake:
        """Puts a challenge on chain, sealed, with its bond."""
        job = raised.name[0]
        if not self.party.clerk.fund(self.party.clerk.order(job).token, self.disputes.bond_of(job)):
            return wake_at(self.world.clock() + 1)  # a bond of its own may come back, or somebody richer may act
        return self.party.clerk.attempt(self.disputes.commit_challenge(job, raised.sealed))

    def over(self, raised: Raised) -> bool:
        """Whether a challenge was sealed and is sealed no more: it was opened, or its bond was taken back."""
        return self.party.clerk.notices.sealed_block(raised.sealed) is not None and not self.bond(raised)

    def bond(self, raised: Raised) -> int:
        """The bond that lies on a sealed challenge."""
        job = raised.name[0]
        key = _bond_key(job, self.world.address, raised.sealed)
        return self.world.ledger.vault.balance(self.party.clerk.order(job).token, BOND, key)

    def pursue(self, job: int) -> Wake:
        """Opens what was sealed and is still called for, and takes the bond of all else back."""
        wake, clerk, all_raised = IDLE, self.party.clerk, self._raised.get(job) or ()
        running = all_raised and clerk.view(job).phase == JobPhase.RUNNING
        rounds = dict(clerk.rounds(job)) if running else {}
        for raised in all_raised:
            block, view = clerk.notices.sealed_block(raised.sealed), rounds.get(raised.name)
            needed = view is not None and not self.known(raised.name, view, raised.unit) and not raised.is_past(view)
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
        opens = {Target.AGGREGATE: self.open_aggregate, Target.SCORE: self.open_score, Target.TABLE: self.open_row}
        opened = opens.get(Target(raised.unit[1]), self.open_slot)(raised)
        if opened is None:
            return wake_at(self.world.clock() + 1)  # nobody could play for it yet
        if opened.acted:
            return opened
        self._refused.add((raised.name, raised.unit))
        return self.withdraw(raised)

    def open_slot(self, raised: Raised) -> Wake | None:
        """Opens a challenge of a segment or an update, with what the order names by hash; nothing while the state that
        it begins with, or is made of, is not here."""
        target, claim = Target(raised.unit[1]), raised.opened
        segment = target == Target.SEGMENT
        index = (claim.before if segment else claim.after).index
        state = self.judge.state(raised.name, raised.unit[2], index)
        if state is None and index:  # with the round's start everybody begins, whatever the slot says
            return None
        shown = claim.before.index > 0 if segment else claim.after.update_root == ZERO
        facts = facts_of(self.party.assignment(raised.name[0]), target, state if shown else None)
        return self.party.clerk.attempt(self.disputes.open_challenge(claim, facts, raised.salt))

    def open_row(self, raised: Raised) -> Wake | None:
        """The same of a row of a table. One that does not begin where its round does needs no state."""
        claim, (_, _, slot, segment) = raised.opened, raised.unit
        state = self.judge.begun(raised.name, slot, segment, claim.entry.start_root)
        if state is None and segment:
            return None
        facts = facts_of(self.party.assignment(raised.name[0]), Target.TABLE, state if segment else None)
        return self.party.clerk.attempt(self.disputes.open_challenge(claim, facts, raised.salt))

    def open_score(self, raised: Raised) -> Wake | None:
        """The same of a score, of which its aggregator has to show first what it is made of."""
        facts = score_facts(self.party.assignment(raised.name[0]))
        return self.party.clerk.attempt(self.disputes.open_challenge(raised.opened, facts, raised.salt))

    def open_aggregate(self, raised: Raised) -> Wake | None:
        """The same of an aggregate, once the chain has been shown what it is made of, as far as that is here: the rest
        its aggregator has to show."""
        name, view = raised.name, self.party.clerk.round(raised.name)
        shown = self.shown.show(name, view)
        if shown.acted:
            return shown
        if self.judge.parts(name) is None and not self.shown.missing(name, view):
            return None
        facts = aggregate_facts(self.party.assignment(name[0]), len(bitmap_slots(view.included)))
        return self.party.clerk.attempt(self.disputes.open_challenge(raised.opened, facts, raised.salt))

    def is_refused(self, name: RoundName, unit: Unit) -> bool:
        """Whether a challenge of this cannot be opened."""
        return (name, unit) in self._refused

    def withdraw(self, raised: Raised) -> Wake:
        """Takes the bond of a challenge back that was sealed and not opened."""
        return self.party.clerk.attempt(self.disputes.withdraw_challenge(raised.name[0], raised.sealed))

    def known(self, name: RoundName, view: RoundView, unit: Unit) -> bool:
        """Whether this need not be said: it has been said, or its party has been disproved in this round already.

        A liar may dispute something true of its own, so that a dispute of something else settles nothing. While it is
        open and nothing can be included, its outcome is waited for: most accusations mean the same lie.
        """
        for other in self.party.clerk.notices.disputes(name[0]):
            if other.name != name or other.accused != unit[0]:
                continue
            if other.outcome == Outcome.UPHELD or (
                other.outcome == Outcome.OPEN and self._waits_for(other, view, unit)
            ):
                return True
            # A game that somebody else has lost settles nothing.
            if other.unit == unit and other.challenger == self.world.address:
                return True
        return False

    def _waits_for(self, other: Dispute, view: RoundView, unit: Unit) -> bool:
        """Whether an open dispute may yet make a challenge of this needless, and there is the time to see."""
        if other.faulted:
            return False
        own = other.unit == unit and other.challenger == self.world.address
        if self._rests_on(other):
            return own
        if view.phase <= RoundPhase.OPENING:
            return True
        window_s = self.party.clerk.order(other.name[0]).windows.challenge
        return own or (other.unit == unit and self.world.clock() < view.deadline - window_s // PATIENCE)

    def _rests_on(self, other: Dispute) -> bool:
        """Whether a fault of the job is shown that rests on the same slot: it stands within a window, and a liar's
        friend may play for as long as that takes."""
        disputes = self.party.clerk.notices.disputes(other.name[0])
        return any(each.faulted and each.outcome == Outcome.OPEN and each.case == other.case for each in disputes)

    def open_rounds(self, job: int) -> list[int]:
        """Indexes of the rounds of a job, of any generation, of which something is disputed."""
        return [each.name[2] for each in self.party.clerk.notices.disputes(job) if each.outcome == Outcome.OPEN]


@lru_cache(maxsize=RAISED_KEPT)
def _read_claim(claim: bytes) -> Claim:
    return Claim.from_abi(decode([CLAIM_TYPE], claim)[0])


@lru_cache(maxsize=RAISED_KEPT)
def _bond_key(job: int, challenger: str, sealed: bytes) -> bytes:
    """Under what the vault keeps the bond of a sealed challenge."""
    fields = ["assay.dispute.sealed.1", job, challenger, sealed]
    return keccak(encode(["string", "uint256", "address", "bytes32"], fields))
