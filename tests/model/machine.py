"""The protocol of rounds: what `Rounds.sol` decides, as a machine that can be explored.

    phase        what happens in it                               ended by         or, its deadline over, by anybody
    TRAINING     slots train; the aggregator commits one root     commit           advance: another aggregator
    SAMPLING     a beacon draws samples; seats seal their tables  reveal_table     advance: on, or the draw anew
    OPENING      tables and secrets are opened, slots are judged  include          advance: the draw anew, then alone
    AGGREGATING  what was included becomes the round's end        aggregate        advance: another aggregator
    CHALLENGING  whoever can disproves it                         a verdict: back  finalise
    FINAL        paid, and stands                                 end, after the last round
    VOID         paid as far as it was committed, and leads nowhere

A round opens on the end of the one before it, at most `lookahead` rounds past the first that is not final. Where what
is inside an aggregate is disproved, that round and all after it are void and open again in the next *generation*; what
was committed in them and not judged yet is an *orphan*: judged and paid still. A fault of the job itself ends it, and
nobody is slashed. Functions bear the names of the contracts'; what those refuse raises `No`. `verdicts.py` says what
follows, `money.py` who gets what.

Left out: bids and draws (a job starts here), proofs and signatures, how a dispute comes to its verdict (any verdict may
fall), and whoever could be drawn for an empty seat: the pools are empty, and one other could aggregate.
"""

from typing import Self

from tests.model.money import Slots, must, seat_of, slot_of
from tests.model.state import ALONE, DRAWN, LONGER, NOBODY, NONE, Name, Phase
from tests.model.verdicts import Verdicts


class Machine(Verdicts):
    """All rounds of one running job, and every move that there is."""

    def start(self) -> Self:
        """Opens the first round."""
        self.slots, self.seats = frozenset(range(self.size.slots)), frozenset(range(self.size.seats))
        self.fund([*map(slot_of, self.slots), *map(seat_of, self.seats), DRAWN], sorted(self.slots))
        self._proceed()
        return self

    # ------------------------------------------------------------ commit

    def commit(self, name: Name, by: str, present: Slots, *, vouched: bool) -> None:
        """The aggregator's one root over the slots: vouched for by a quorum, or so late that nobody is left out."""
        r = self.live(name, Phase.TRAINING)
        must(by == self.aggregator != NOBODY and present <= self.slots)
        must(not vouched or self.quorate())
        there = present | r.direct
        everybody = self.slots <= (there if vouched else r.direct)
        must(everybody or self.now_s >= r.enter_s + (0 if vouched else self.size.aggregate_s // ALONE))
        r.present, r.vouched, r.aggregator = there, vouched, by
        self._sample(r)

    def commit_slot(self, name: Name, slot: int) -> None:
        """A provider enters by itself, until the beacon's block."""
        r = self.live(name)
        early = r.phase == Phase.SAMPLING and not r.redraws and self.block <= r.beacon_block
        must(r.phase == Phase.TRAINING or early)
        must(slot in self.slots and slot not in r.direct)
        r.direct |= {slot}
        if r.phase == Phase.SAMPLING:
            r.present |= {slot}

    # ------------------------------------------------------------ tables and secrets

    def commit_table(self, name: Name, seat: int) -> None:
        """A validator seals what it found."""
        r = self.judged(name)
        must(r.phase == Phase.SAMPLING and self.now_s < r.deadline_s and self.block > r.beacon_block)
        must(seat in self.seats - r.committed)
        r.committed |= {seat}

    def reveal_table(self, name: Name, seat: int) -> None:
        """It opens it; the first to do so ends the phase."""
        r = self.judged(name)
        must(seat in self.seats and seat in r.committed - r.revealed)
        if r.phase == Phase.SAMPLING:
            must(self.seats <= r.committed or self.now_s >= r.deadline_s)
            must(len(r.committed) >= self.size.quorum)
            self._start_opening(r)
        must(r.phase >= Phase.OPENING and self.now_s < r.open_until_s)
        r.revealed |= {seat}

    def demand_secret(self, name: Name, seat: int, slot: int) -> None:
        """A validator calls for a secret: answered, or disproved."""
        r = self.challengeable(name)
        self.judged(name)
        must(r.phase >= Phase.OPENING and seat in self.seats and slot in r.present and slot not in r.due_s)
        r.due_s[slot] = self.now_s + self.size.open_s

    def reveal_secret(self, name: Name, slot: int) -> None:
        """A provider shows it, called for or not."""
        r = self.rounds[name]
        must(r.due_s.get(slot, -1) >= 0 or (0 < r.beacon_block < self.block and slot in r.present))
        if slot in r.due_s:
            r.due_s[slot] = -1

    def default_secret(self, name: Name, slot: int) -> None:
        """It did not in time; of a void round nobody owes a secret."""
        r = self.rounds[name]
        must(r.due_s.get(slot, -1) >= 0)
        owed = r.orphan or self.is_live(name)
        must(not owed or self.now_s >= r.due_s[slot])
        r.due_s[slot] = -1
        if owed:
            self._disproved_slot(name, slot, self.slash_all)

    def equivocate(self, name: Name, slot: int) -> None:
        """Two signed roots for one slot, shown by anybody at any time."""
        must(not self.ended)
        self._disproved_slot(name, slot, self.slash_all)

    def bill_unserved(self, name: Name, slot: int) -> None:
        """A quorum had to replay what a slot did not serve: it pays them a price of its bond."""
        r = self.judged(name)
        must(r.phase >= Phase.OPENING and slot in r.present - r.billed and self.quorate())
        r.billed |= {slot}
        self.charge(slot, len(self.seats))

    def penalise_silent(self, name: Name, seat: int) -> None:
        """A validator let the windows of its table pass."""
        r = self.rounds[name]
        must(not self.ended and Phase.OPENING <= r.phase <= Phase.FINAL and self.now_s >= r.open_until_s)
        must(seat in self.seats - r.penalised - r.revealed)
        r.penalised |= {seat}
        self.slash(r.slashed, seat_of(seat), self.size.cost)
        self._unseat_broke(seat)

    # ------------------------------------------------------------ include, aggregate, finalise

    def include(self, name: Name, by: str, accepted: Slots, included: Slots, *, quorum: bool) -> None:
        """A quorum, or the aggregator once no quorum came, fixes who is accepted and who enters the aggregate."""
        r = self.judged(name)
        must(r.phase == Phase.OPENING)
        if quorum or not r.optimistic or r.orphan:
            must(quorum and self.quorate())
        else:
            must(by == self.aggregator != NOBODY)
        must(included <= accepted <= r.present - self.disproved_slots)
        enough = not r.orphan and len(accepted) >= self.size.reports_min and bool(included)
        self._serve(r)
        r.accepted, r.included = accepted, included if enough else NONE
        self._burn_late(r, accepted if quorum else r.present)
        r.phase, r.deadline_s = Phase.AGGREGATING, self.now_s + self.size.aggregate_s
        r.alone_s = self.now_s + self.size.aggregate_s // ALONE
        if r.orphan:
            self._close_orphan(name, "included")
        elif not enough:
            self._rewind(name[1])

    def aggregate(self, name: Name, by: str, *, quorum: bool) -> None:
        """Claims the round's end; the next round may open on it if a quorum says the same."""
        r = self.live(name, Phase.AGGREGATING)
        must(by == self.aggregator != NOBODY)
        must(self.quorate() if quorum else (r.optimistic or self.now_s >= r.alone_s))
        r.optimistic = r.optimistic or not quorum
        r.phase, r.aggregator, r.aggregated = Phase.CHALLENGING, by, True
        r.deadline_s = self.now_s + self.size.challenge_s * (LONGER if r.optimistic else 1)
        self._proceed()

    def aggregate_fault(self, name: Name, by: str) -> None:
        """Claims that the round's end is a fault of the job: nothing opens on that."""
        r = self.live(name, Phase.AGGREGATING)
        must(by == self.aggregator != NOBODY)
        r.optimistic = r.faulted = True
        r.phase, r.aggregator, r.aggregated = Phase.CHALLENGING, by, True
        r.deadline_s = self.now_s + self.size.challenge_s * LONGER

    def finalise(self, name: Name) -> None:
        """What nobody disproved in time stands."""
        r = self.live(name, Phase.CHALLENGING)
        must(self.first == name[1] and self.now_s >= r.ready_s and not r.open_disputes)
        if r.faulted:
            return self._fault(name, proven=True)
        self._finalise(name)
        self._proceed()
        return None

    def advance(self, name: Name, by: str) -> None:
        """Anybody ends a phase whose deadline is over."""
        r = self.judged(name)
        must(r.phase != Phase.CHALLENGING)
        if r.phase == Phase.SAMPLING and self.block > r.beacon_block and not r.present:
            self._burn_late(r, r.present)
            return self._rewind(name[1])
        vacant = r.phase in (Phase.TRAINING, Phase.AGGREGATING) and self.aggregator == NOBODY
        must(self.now_s >= r.deadline_s or vacant)
        if r.phase == Phase.OPENING and r.open_disputes:
            r.deadline_s = self.now_s + self.size.open_s
        elif r.phase == Phase.SAMPLING and len(r.committed) >= self.size.quorum:
            self._start_opening(r)
        elif r.orphan:
            self._close_orphan(name, "half")
        elif r.phase == Phase.SAMPLING:
            self._redraw(r, r.committed)
        elif r.phase == Phase.OPENING and not r.optimistic:
            self._redraw(r, r.revealed)
        else:
            self._silent_aggregator(name, by)
        return None

    # ------------------------------------------------------------ disputes and faults

    def dispute(self, name: Name) -> None:
        """Anybody, for a bond, has a claim of the round judged anew."""
        r = self.challengeable(name)
        r.disputes, r.disputed = r.disputes + 1, r.disputed + 1
        r.decide_s = self.now_s + self.size.table_s + self.size.open_s

    def decide(self, name: Name, verdict: str, who: int = 0) -> None:
        """The validators have voted: a slot, a seat or the aggregate lied, the job is at fault, or nobody was wrong."""
        r = self.rounds[name]
        must(r.disputes)
        r.disputes -= 1
        if verdict == "slot":
            self._disproved_slot(name, who, self.size.cost)
        elif verdict == "seat":
            self._disprove(r, seat_of(who), self.size.cost)
            self.seats -= {who}
        elif verdict == "aggregate":
            self._disprove(r, r.aggregator, self.size.cost)
            if self.aggregator == r.aggregator:
                self.aggregator = NOBODY
            if self.is_live(name):
                self._rewind(name[1])
        elif verdict == "fault" and self.is_live(name):
            self._fault(name, proven=True)

    def attest_fault(self, name: Name) -> None:
        """A quorum says that nothing of the job can be re-executed."""
        self.live(name)
        must(self.quorate())
        self._fault(name, proven=False)

    # ------------------------------------------------------------ the job

    def proceed(self) -> None:
        """Opens the next round if it may."""
        must(not self.ended and not self.faulted)
        self._proceed()

    def cancel(self) -> None:
        """The consumer wants no further round."""
        must(not self.ended and not self.faulted)
        self.ending = True

    def end(self) -> None:
        """Lets go of escrow, bonds and locks."""
        must(not self.ended and self.settled())
        self.ended = self.ending = True
        self.release_all()
