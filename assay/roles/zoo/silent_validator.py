"""Takes a seat and never shows a table."""

from assay.chain.contracts.containers import RoundView
from assay.roles.round import RoundName
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake


class Cheat(Validator):
    """A validator that hopes for a fee without a table."""

    behaviour = "silent-validator"

    def serve(self, name: RoundName, view: RoundView) -> Wake:
        return IDLE
