"""Re-executes one row of its sample and leaves the others out of its table."""

from assay.chain.contracts.containers import RoundView
from assay.roles.round import RoundName
from assay.roles.sheet import Sheet
from assay.roles.validator import Validator


class Cheat(Validator):
    """A validator that does as little as it can be caught at."""

    behaviour = "short-table"

    def draw(self, name: RoundName, view: RoundView, beacon: bytes, misses: int) -> Sheet:
        sheet = super().draw(name, view, beacon, misses)
        del sheet.sample[1:]
        return sheet
