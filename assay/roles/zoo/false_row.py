"""Re-executes its sample, and then says of one segment that it ends elsewhere; and stands by it."""

from dataclasses import replace
from hashlib import sha256

from assay.chain.contracts.containers import RoundView
from assay.protocol.table import Entry
from assay.roles.judge import Judge
from assay.roles.round import RoundName
from assay.roles.validator import Validator


class Slanderer(Judge):
    """A judge whose rows of the first slot are not what it found."""

    def row(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Entry | None:
        row = super().row(name, view, slot, segment)
        return row if row is None or slot else replace(row, state_root=sha256(row.state_root).digest())


class Cheat(Validator):
    """A validator that would have an honest provider slashed."""

    behaviour = "false-row"
    judging = Slanderer
