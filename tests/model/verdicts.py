"""What follows from a verdict, from silence, or from a round's end. Beside `Verdicts.sol`, functions in its order."""

from tests.model.money import Slots, must, seat_of, slot_of
from tests.model.state import NOBODY, NONE, REDRAWS, REPLACEMENTS, STANDBY, Name, Phase, Round, State


class Verdicts(State):
    """The inside of a machine: nobody calls it but its moves."""

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

    def _fault(self, name: Name, *, proven: bool) -> None:
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
        self.stopped = self.ending = True
        if proven:
            self.faulted = True
            self.move("deposit", "burned", self.purse["deposit"])
