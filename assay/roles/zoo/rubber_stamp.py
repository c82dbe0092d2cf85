"""Fills its table without re-executing anything, and signs what it is shown."""

from assay.chain.contracts.containers import RoundView
from assay.protocol.table import Entry
from assay.roles.contradictions import Contradictions
from assay.roles.finding import Case, Finding
from assay.roles.judge import Judge
from assay.roles.party import Party
from assay.roles.round import RoundName
from assay.roles.validator import Validator


class Unread(Contradictions):
    """Rows that nobody compares with anything."""

    def compare(self, case: Case, finding: Finding) -> None:
        return


class Stamp(Judge):
    """A judge that finds everything in order."""

    def __init__(self, party: Party) -> None:
        super().__init__(party)
        self.contradictions = Unread(self.tables, self.truths, self.starts)

    def row(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Entry | None:
        draw = self.party.world.entropy.draw
        return Entry(slot, segment, draw(32), draw(32), int.from_bytes(draw(4), "big"))

    def round(self, name: RoundName, view: RoundView) -> Finding:
        finding = super().round(name, view)
        finding.disagreements.clear()
        return finding


class Cheat(Validator):
    """A validator that is paid for its signature."""

    behaviour = "rubber-stamp"
    judging = Stamp
