"""The protocol of rounds on three pages: what `Rounds.sol` and its libraries decide, as a machine that can be explored.

    phase        what happens in it                               ended by                and, its deadline over, by anybody
    TRAINING     slots train; the aggregator commits one root     commit                  advance: another aggregator
    SAMPLING     a beacon draws samples; seats seal their tables  reveal_table            advance: on, or the draw anew
    OPENING      tables and secrets are opened, slots are judged  include                 advance: the draw anew, then alone
    AGGREGATING  what was included becomes the round's end        aggregate               advance: another aggregator
    CHALLENGING  whoever can disproves it                         a verdict: back         finalise
    FINAL        paid, and stands                                 end, after the last round
    VOID         paid as far as it was committed, and leads nowhere

A round opens on the end of the one before it, at most `lookahead` rounds past the first that is not final. Where what is
inside an aggregate is disproved, that round and all after it are void and open again in the next *generation*; what was
committed in them and not judged yet is an *orphan*: judged and paid still. A fault of the job itself ends it, and nobody is
slashed. Functions bear the names of the contracts'; what those refuse raises `No`. `money.py` says who gets what.

Left out: bids and draws (a job starts here), proofs and signatures, how a dispute comes to its verdict (any verdict may
fall), and whoever could be drawn for an empty seat: the pools are empty, and one other could aggregate.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from tests.model.money import Money, No, Size, Slots, must, seat_of, slot_of

__all__ = ["DRAWN", "NOBODY", "STANDBY", "Machine", "Name", "No", "Phase", "Round", "Size", "Slots"]

Name = tuple[int, int]
"""(generation, round)"""
NOBODY, DRAWN, STANDBY = "", "drawn", "standby"
"""Who aggregates: nobody, who was drawn, or the only other who has the stake."""
ALONE, LONGER = 2, 4
"""An aggregator goes on alone after half a window, and is then challenged for four."""
REDRAWS, REPLACEMENTS = 2, 3
NONE: Slots = frozenset()


T = TypeVar("T")


def _shallow(value: T) -> T:
    twin = object.__new__(type(value))
    twin.__dict__.update(value.__dict__)
    return twin


class Phase(IntEnum):
    """`RoundPhase` of Types.sol."""

    TRAINING = 1
    SAMPLING = 2
    OPENING = 3
    AGGREGATING = 4
    CHALLENGING = 5
    FINAL = 6
    VOID = 7


@dataclass
class Round:
    """One round of one generation."""

    enter_s: int  # the training window's end
    deadline_s: int
    phase: Phase = Phase.TRAINING
    open_until_s: int = 0
    alone_s: int = 0
    beacon_block: int = 0
    redraws: int = 0
    replacements: int = 0
    disputes: int = 0  # open ones
    disputed: int = 0  # ever opened
    decide_s: int = 0  # when anybody may have the last of them decided, whoever has not voted
    optimistic: bool = False
    orphan: bool = False
    late_done: bool = False
    vouched: bool = True
    aggregated: bool = False
    aggregator: str = NOBODY
    paid: str = ""  # "included", "half" or "present"
    lead_paid: bool = False
    present: Slots = NONE
    direct: Slots = NONE
    accepted: Slots = NONE
    included: Slots = NONE
    billed: Slots = NONE
    committed: Slots = NONE  # seats, here and below
    revealed: Slots = NONE
    served: Slots = NONE
    penalised: Slots = NONE
    due_s: dict[int, int] = field(default_factory=dict)  # by slot, when a secret is owed; -1 once that is settled
    slashed: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Round":
        """Another round in the same state."""
        twin = _shallow(self)
        twin.due_s, twin.slashed = dict(self.due_s), dict(self.slashed)
        return twin

    @property
    def ready_s(self) -> int:
        """When every window is over in which somebody could still act in a round that is challenged."""
        return max(self.deadline_s, self.open_until_s)

    @property
    def open_disputes(self) -> int:
        """Disputes and demands that are open."""
        return self.disputes + sum(due_s >= 0 for due_s in self.due_s.values())


@dataclass
class Machine(Money):
    """All rounds of one running job. `now_s` and `block` are those of the next transaction."""

    now_s: int = 0
    block: int = 0
    generation: int = 0
    first: int = 0  # not final
    next: int = 0  # to open
    ending: bool = False
    faulted: bool = False
    ended: bool = False
    settled_s: int = 0
    aggregator: str = DRAWN
    standby: bool = True
    slots: Slots = NONE  # open ones
    seats: Slots = NONE  # held ones
    generation_of: dict[int, int] = field(default_factory=dict)
    rounds: dict[Name, Round] = field(default_factory=dict)

    def start(self) -> "Machine":
        """Opens the first round."""
        self.slots, self.seats = frozenset(range(self.size.slots)), frozenset(range(self.size.seats))
        self.fund([*map(slot_of, self.slots), *map(seat_of, self.seats), DRAWN], sorted(self.slots))
        self._proceed()
        return self

    def copy(self) -> "Machine":
        """Another machine in the same state."""
        twin = _shallow(self)
        twin.generation_of, twin.purse = dict(self.generation_of), dict(self.purse)
        twin.rounds = {name: r.copy() for name, r in self.rounds.items()}
        return twin

    # ------------------------------------------------------------ what there is

    def is_live(self, name: Name) -> bool:
        """Whether a round is of the job's present course, and not final."""
        r = self.rounds.get(name)
        return bool(r and self.generation_of[name[1]] == name[0] and not r.orphan and r.phase <= Phase.CHALLENGING)

    def live(self, name: Name, phase: Phase | None = None) -> Round:
        """A live round, in a phase."""
        must(self.is_live(name) and phase in (None, self.rounds[name].phase))
        return self.rounds[name]

    def judged(self, name: Name) -> Round:
        """A live round, or an orphan."""
        must(self.is_live(name) or (name in self.rounds and self.rounds[name].orphan))
        return self.rounds[name]

    def challengeable(self, name: Name) -> Round:
        """What nobody can commit to any more, until it is final; what is void too: who lied in it did."""
        r = self.rounds[name]
        must(not self.ended and r.phase != Phase.FINAL and 0 < r.beacon_block < self.block)
        must(r.phase != Phase.CHALLENGING or self.now_s < r.deadline_s)
        return r

    @property
    def orphans(self) -> list[Name]:
        """What is judged though a round before it was disproved."""
        return [name for name, r in self.rounds.items() if r.orphan]

    def settled(self) -> bool:
        """Nothing is open that could still cost somebody something."""
        quiet = self.first == self.next and not self.orphans and not any(r.open_disputes for r in self.rounds.values())
        return quiet and self.now_s >= self.settled_s and (self.ending or self.next == self.size.rounds)

    # ------------------------------------------------------------ commit

    def commit(self, name: Name, by: str, present: Slots, *, vouched: bool) -> None:
        """The aggregator's one root over the slots, with a quorum's word that nobody is left out, or so late that nobody is."""
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
        must(Phase.OPENING <= r.phase <= Phase.FINAL and self.now_s >= r.open_until_s)
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

    def finalise(self, name: Name) -> None:
        """What nobody disproved in time stands."""
        r = self.live(name, Phase.CHALLENGING)
        must(self.first == name[1] and self.now_s >= r.ready_s and not r.open_disputes)
        self._finalise(name)
        self._proceed()

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
        """The drawn validators have voted: a slot, a seat or the aggregate lied, the job is at fault, or nobody was wrong."""
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
            self._fault(name)

    def attest_fault(self, name: Name) -> None:
        """A quorum finds the job itself at fault."""
        self.live(name)
        must(self.quorate())
        self._fault(name)

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

    # ------------------------------------------------------------ inside (Verdicts.sol)

    def quorate(self) -> bool:
        """Whether those who hold a seat are a quorum, if all of them sign."""
        return len(self.seats) >= self.size.quorum

    def _proceed(self) -> None:
        if self.ending or self.next >= self.size.rounds or self.next - self.first > self.size.lookahead:
            return
        if self.next:
            last = self.rounds[self.generation_of[self.next - 1], self.next - 1]
            if last.phase not in (Phase.CHALLENGING, Phase.FINAL):
                return
            if last.phase == Phase.CHALLENGING and last.optimistic:
                return
        reserve = (self.next - self.first + len(self.orphans) + 1) * self.size.cost
        if len(self.slots) < self.size.reports_min or self.purse["escrow"] < reserve:
            self.ending = True
            return
        enter_s = self.now_s + self.size.train_s
        self.generation_of[self.next] = self.generation
        self.rounds[self.generation, self.next] = Round(enter_s, enter_s + self.size.aggregate_s)
        self.next += 1

    def _rewind(self, first: int) -> None:
        for place in range(first, self.next):
            name = (self.generation_of[place], place)
            r = self.rounds[name]
            if r.phase >= Phase.AGGREGATING:
                self._void(name, "included", lead=True)
            elif r.phase == Phase.TRAINING or not r.present:
                self._void(name, "", lead=False)
            else:
                window_s = self.size.table_s if r.phase == Phase.SAMPLING else self.size.open_s
                r.deadline_s, r.orphan = max(r.deadline_s, self.now_s + window_s), True
        self.next, self.generation = first, self.generation + 1
        self.ending = self.ending or self.generation == self.size.generations
        self._proceed()

    def _disprove(self, r: Round, party: str, cap: int) -> None:
        self.slash(r.slashed, party, cap, challenged=True)
        self.forfeit(party)

    def _disproved_slot(self, name: Name, slot: int, cap: int) -> None:
        self._disprove(self.rounds[name], slot_of(slot), cap)
        self.slots -= {slot}
        if self.is_live(name) and self.rounds[name].phase >= Phase.AGGREGATING and slot in self.rounds[name].included:
            self._rewind(name[1])

    def _silent_aggregator(self, name: Name, by: str) -> None:
        r = self.rounds[name]
        early = self.now_s < r.deadline_s  # the place is vacant
        if self.aggregator != NOBODY:
            self.slash({}, self.aggregator, self.slash_all)
        if not early:
            r.replacements += 1
            if r.replacements > REPLACEMENTS:
                r.aggregator, self.ending = NOBODY, True
                return self._rewind(name[1])
        takes = by == STANDBY and self.standby
        must(takes or not early)
        if takes:
            self.standby = False
            self.lock(STANDBY)
        self.aggregator = STANDBY if takes else NOBODY
        from_s = max(self.now_s, r.enter_s) if r.phase == Phase.TRAINING else self.now_s
        if r.phase != Phase.TRAINING:
            r.aggregator, r.vouched = self.aggregator, True
        r.deadline_s = from_s + self.size.aggregate_s
        return None

    def _redraw(self, r: Round, heard: Slots) -> None:
        for seat in self.seats - heard - r.penalised:
            self.slash(r.slashed, seat_of(seat), self.size.cost)
        r.penalised |= self.seats - heard
        self.seats &= heard
        if r.redraws == REDRAWS:
            r.optimistic = True
            return self._start_opening(r)
        r.redraws += 1
        r.committed = r.revealed = NONE
        return self._sample(r)

    def _sample(self, r: Round) -> None:
        r.phase, r.beacon_block = Phase.SAMPLING, self.block + self.size.delay
        r.deadline_s = self.now_s + self.size.table_s

    def _start_opening(self, r: Round) -> None:
        r.phase = Phase.OPENING
        r.deadline_s = r.open_until_s = self.now_s + self.size.open_s

    def _serve(self, r: Round) -> None:
        r.served |= r.revealed & self.seats

    def _unseat_broke(self, seat: int) -> None:
        if not self.purse["lock", seat_of(seat)]:
            self.seats -= {seat}

    def _burn_late(self, r: Round, came: Slots) -> None:
        late = NONE if r.late_done else self.slots - came
        r.late_done = True
        for slot in late:
            self.charge(slot, 0)

    def charge(self, slot: int, signers: int) -> None:
        """A price of a slot's bond: burned, or to who signed; without a second price it is closed."""
        if self.take_bond(slot, signers) < self.size.price:
            self.slots -= {slot}

    def _close_orphan(self, name: Name, pay: str) -> None:
        if pay != "included":
            self._serve(self.rounds[name])
        self.rounds[name].orphan = False
        self._void(name, pay, lead=False)

    def _finalise(self, name: Name) -> None:
        self.pay(self.rounds[name], "included", lead=True)
        self.rounds[name].phase = Phase.FINAL
        self.first = name[1] + 1

    def _void(self, name: Name, pay: str, *, lead: bool) -> None:
        self.rounds[name].phase = Phase.VOID
        if pay:
            self.pay(self.rounds[name], pay, lead=lead)

    def _fault(self, name: Name) -> None:
        for place in range(self.first, self.next):
            each = (self.generation_of[place], place)
            r = self.rounds[each]
            over = r.phase == Phase.CHALLENGING and self.now_s >= r.ready_s and not r.open_disputes
            if place < name[1] and place == self.first and over:
                self._finalise(each)
            elif place < name[1] and r.phase >= Phase.AGGREGATING:
                self._void(each, "included", lead=True)
            else:
                if r.phase < Phase.AGGREGATING:
                    self._serve(r)
                committed = r.phase != Phase.TRAINING
                self._void(each, "present" if committed else "", lead=committed)
        self.next = self.first
        self.settled_s = self.now_s + self.size.open_s + self.size.challenge_s
        for each in self.orphans:
            self._close_orphan(each, "present")
        self.faulted = self.ending = True
        self.move("deposit", "burned", self.purse["deposit"])
