"""Rows of tables that say other than slots' leaves: who of the two is wrong is found by re-executing the segment."""

from collections.abc import Mapping

from assay.protocol.phase import Target
from assay.protocol.table import Entry
from assay.roles.finding import Case, Disagreement, Doubt, Finding
from assay.roles.starts import Starts
from assay.roles.tables import Tables
from assay.roles.truths import Truths


class Contradictions:
    """Settles them, for one validator."""

    def __init__(self, tables: Tables, truths: Truths, starts: Starts) -> None:
        self._tables, self._truths, self._starts = tables, truths, starts

    def compare(self, case: Case, finding: Finding) -> None:
        """Every row of a slot with the leaves that it is about."""
        for validator, rows in finding.shown.items():
            for row, entry in enumerate(rows):
                if entry.slot == case.slot and 0 <= entry.segment < case.segments:
                    self._compare(case, validator, row, entry, finding)

    def _compare(self, case: Case, validator: str, row: int, entry: Entry, finding: Finding) -> None:
        claimed = case.claimed(entry.segment)
        settled = finding.accuses(case.provider) or finding.accuses(validator)
        if entry == claimed or settled:
            return
        if entry.start_root != claimed.start_root:
            if not entry.segment:
                # Where a round begins is on chain.
                finding.disagreements.append(Disagreement(Target.TABLE, case.slot, 0, validator, row))
            elif self._tables.derived(case.name, validator, case.slot, entry.segment):
                finding.doubts.append(Doubt(entry.segment, case.slot, validator, row))
            else:
                finding.unfit.add(validator)
            return
        # Both begin in one state, and end in two.
        truth = self._truths.of(case.name, case.view, case.slot, entry.segment)
        if truth is None:
            finding.awaited = True
        elif truth.segment != entry.segment or case.strays(truth):
            self._starts.relay(case.name, case.slot, entry.segment)
            finding.charge(case, truth)
        elif truth.faulted:
            # Of what ends in a fault of the job no game says that the row is false.
            finding.unfit.add(validator)
        else:
            finding.disagreements.append(Disagreement(Target.TABLE, case.slot, entry.segment, validator, row))

    def settle(self, cases: Mapping[int, Case], finding: Finding) -> None:
        """Either a row is false, or what its slot has committed to before its segment: derived from the round's start,
        for one row of each table, the one with the least to derive."""
        for doubt in sorted(finding.doubts):
            case = cases[doubt.slot]
            known = finding.accuses(doubt.validator) or doubt.validator in finding.unfit
            if known or finding.accuses(case.provider):
                continue
            truth = self._truths.derive(case.name, case.view, doubt.slot, doubt.segment)
            if truth is None:
                finding.awaited = True
            elif case.strays(truth):
                finding.charge(case, truth)
                finding.accepted = [slot for slot in finding.accepted if slot != doubt.slot]
            else:
                finding.unfit.add(doubt.validator)
