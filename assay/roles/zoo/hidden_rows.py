"""Commits and reveals a table that nobody gets to see the rows of."""

from assay.roles.round import RoundName
from assay.roles.sheet import Sheet
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake


class Cheat(Validator):
    """A validator whose work is a root."""

    behaviour = "hidden-rows"

    def show(self, name: RoundName, sheet: Sheet) -> Wake:
        """Says nothing."""
        return IDLE
