"""Rows of tables that say other than slots' leaves: who of the two is wrong is found by re-executing the segment."""

from collections.abc import Mapping

from assay.protocol.table import Entry
from assay.roles.finding import Case, Doubt, Finding
from assay.roles.starts import Starts
from assay.roles.tables import Tables
from assay.roles.truths import Truths


class Contradictions:
    """Settles them, for one validator."""

    def __init__(self, tables: Tables, truths: Truths, starts: Starts) -> None:
        self._tables, self._truths, self._starts = tables, truths, starts

    def compare(self, case: Case, finding: Finding) -> None:
        """Every row of a slot with the leaf that it is about."""
        for validator, rows in finding.shown.items():
            for row, entry in enumerate(rows):
                if entry.slot == case.slot and 0 <= entry.segment < case.segments:
                    self._compare(case, validator, row, entry, finding)

    def _compare(self, case: Case, validator: str, row: int, entry: Entry, finding: Finding) -> None:
        claimed = case.claimed(entry.segment)
        settled = finding.accuses(case.provider) or finding.accuses(validator)
        if entry.digest == claimed or settled:
            return
        truth = self._truths.of(case.name, case.view, case.slot, entry.segment)
        doubt = Doubt(entry.segment, case.slot, validator, row)
        if truth is None:
            finding.awaited = True
        elif truth.digest == claimed and not truth.derived and self._replayed(case, doubt):
            finding.doubts.append(doubt)
        elif truth.segment != entry.segment or truth.digest != claimed:
            self._starts.relay(case.name, case.slot, entry.segment)
            finding.charge(case, truth)
        else:
            finding.disagreements.append(doubt.accuse(truth))

    def _replayed(self, case: Case, doubt: Doubt) -> bool:
        return self._tables.replayed(case.name, doubt.validator, doubt.slot, doubt.segment)

    def settle(self, cases: Mapping[int, Case], finding: Finding) -> None:
        """Either a row is false, or the state that its segment was shown to begin from: derived from the round's start,
        for one row of each table, the one with the least to derive."""
        for doubt in sorted(finding.doubts):
            case = cases[doubt.slot]
            if finding.accuses(doubt.validator) or finding.accuses(case.provider):
                continue
            truth = self._truths.derive(case.name, case.view, doubt.slot, doubt.segment)
            if truth is None:
                finding.awaited = True
            elif case.strays(truth):
                finding.charge(case, truth)
                finding.accepted = [slot for slot in finding.accepted if slot != doubt.slot]
            else:
                finding.disagreements.append(doubt.accuse(truth))
