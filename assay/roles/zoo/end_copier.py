"""Asks for the states after the segments of its sample, and copies their roots instead of executing anything."""

from assay.chain.contracts.containers import RoundView
from assay.proof.served import LeafOpening
from assay.protocol.table import Entry
from assay.roles.judge import Judge
from assay.roles.round import RoundName
from assay.roles.validator import Validator

GUESS = 0
"""The loss of a segment is sealed until all tables are committed; who has not executed it can only guess. The same of
where it began: nobody is served two adjacent states of a slot while tables are blind."""


class Copier(Judge):
    """A judge that looks an answer up, wherever a provider tells it."""

    def row(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Entry | None:
        count = self.party.clerk.segments(name[0])
        served = self.party.book.round(name).served.get((slot, segment + 1), {})
        for shown in served.values():
            start = self.party.world.entropy.draw(32) if segment else view.start_root
            return Entry(slot, segment, start, LeafOpening.from_json(shown["leaf"], count).state_root, GUESS)
        if segment + 1 == count or self.patience.over(name, view):
            return super().row(name, view, slot, segment)
        self.starts.ask(name, slot, segment + 1)
        return None


class Cheat(Validator):
    """A validator that lets the providers check themselves."""

    behaviour = "end-copier"
    judging = Copier
