"""Fills its table without re-executing anything, and signs what it is shown."""

from assay.chain.contracts.containers import DisputeView, RoundView
from assay.roles.finding import Finding
from assay.roles.judge import Judge
from assay.roles.round import RoundName
from assay.roles.validator import Validator
from assay.roles.votes import Votes


class Stamp(Judge):
    """A judge that finds everything in order."""

    def digest(self, name: RoundName, view: RoundView, slot: int, segment: int) -> bytes | None:
        return self.party.world.entropy.draw(32)

    def round(self, name: RoundName, view: RoundView) -> Finding:
        finding = super().round(name, view)
        finding.disagreements.clear()
        return finding


class Echo(Votes):
    """Votes for whatever is claimed."""

    def truth(self, view: DisputeView) -> bytes | None:
        return view.claimed


class Cheat(Validator):
    """A validator that is paid for its signature."""

    behaviour = "rubber-stamp"
    judging, voting = Stamp, Echo
