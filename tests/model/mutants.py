"""Machines with one rule broken each: what the walks and the exploration have to notice."""

from dataclasses import replace

from tests.model.explore import SMALL
from tests.model.machine import Machine
from tests.model.money import Slots, must
from tests.model.state import Name, Phase, Round


class EarlyFinal(Machine):
    """A round is final a second too soon."""

    def finalise(self, name: Name) -> None:
        self.now_s += 1
        try:
            super().finalise(name)
        finally:
            self.now_s -= 1


class LostOrphan(Machine):
    """A rewind forgets what was committed and not judged."""

    def _rewind(self, first: int) -> None:
        for place in range(first, self.next):
            r = self.rounds[self.generation_of[place], place]
            if r.phase in (Phase.SAMPLING, Phase.OPENING):
                r.present = frozenset()
        super()._rewind(first)


class SameGeneration(Machine):
    """A rewind reopens the rounds in the generation that was void."""

    def _rewind(self, first: int) -> None:
        super()._rewind(first)
        self.generation -= 1


class FreeSilence(Machine):
    """Who was silent when a sample is drawn anew keeps its lock."""

    def _redraw(self, r: Round, heard: Slots) -> None:
        r.penalised |= self.seats
        super()._redraw(r, heard)


class PaidTwice(Machine):
    """What a round is worth is credited to the aggregator twice."""

    def pay(self, r: Round, kind: str, *, lead: bool) -> None:
        super().pay(r, kind, lead=lead)
        if r.lead_paid:
            self.move("escrow", "credit", self.size.lead_fee)


class KeptCredit(Machine):
    """A liar keeps what it had earned before."""

    def forfeit(self, party: str) -> None:
        self.forfeited |= {party}


class NoWayOut(Machine):
    """Nobody ends a training window whose aggregator is silent."""

    def advance(self, name: Name, by: str) -> None:
        must(self.judged(name).phase != Phase.TRAINING)
        super().advance(name, by)


class HeldLock(Machine):
    """The end forgets the locks of seats."""

    def release_all(self) -> None:
        kept = {key: amount for key, amount in self.purse.items() if key[0] == "lock" and "seat" in str(key[1])}
        super().release_all()
        for key, amount in kept.items():
            self.move("free", key, amount)


class EarlyFault(Machine):
    """A fault of the job makes a round final whose tables may still be opened."""

    def _fault(self, name: Name, *, proven: bool) -> None:
        for r in self.rounds.values():
            r.open_until_s = 0
        super()._fault(name, proven=proven)


class EndlessTables(Machine):
    """Samples are drawn anew for as long as nobody seals a table, and nobody loses its seat."""

    def _redraw(self, r: Round, heard: Slots) -> None:
        self._sample(r)


TWO_ROUNDS = replace(SMALL, rounds=2, lookahead=1)
DIFFERENT = (
    EarlyFinal,
    LostOrphan,
    SameGeneration,
    FreeSilence,
    PaidTwice,
    KeptCredit,
)
"""Those that walks come across within minutes."""
