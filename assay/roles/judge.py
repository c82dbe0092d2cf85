"""How a validator finds who told the truth in a round, by re-executing what it must and comparing bits.

Blind first: digests of its own sample, found before any secret is out. Then, when slots have opened, three questions
to each: does the opening hold together, does its update follow from its end state, and do the rows of all tables
agree with its leaves. Every disagreement is re-executed here before anybody is accused.
"""

from dataclasses import dataclass, field

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import RoundPhase, Target
from assay.protocol.schedule import emit_checkers
from assay.protocol.table import emit_digest, segment_digest, table_root
from assay.protocol.transcript import ZERO
from assay.roles.book import RoundName
from assay.roles.evidence import Evidence, Opened
from assay.roles.party import Party


@dataclass(frozen=True)
class Disagreement:
    """A claim that this validator has found false."""

    target: Target
    slot: int
    segment: int
    accused: str
    truth: bytes
    row: int = 0


@dataclass
class Finding:
    """What a validator holds of a round once everything is open."""

    accepted: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    tables: dict[int, bytes] = field(default_factory=dict)
    secrets: dict[int, bytes] = field(default_factory=dict)
    fault: bytes | None = None
    awaited: bool = False

    def accuses(self, accused: str) -> bool:
        """Whether this party is accused already: one disproof a round is enough."""
        return any(each.accused == accused for each in self.disagreements)


class Judge:
    """The judgement of one validator."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.world = party.world
        self.evidence = Evidence(party)
        self._truths: dict[tuple[RoundName, int, int], bytes] = {}
        self._emits: dict[tuple[RoundName, int], bytes] = {}

    def patience_s(self, name: RoundName, view: RoundView) -> int:
        """When to stop waiting for others: half a window before the deadline, so that there is time to act."""
        windows = self.party.clerk.order(name[0]).windows
        window_s = windows.table if view.phase == RoundPhase.SAMPLING else windows.open
        return view.deadline - window_s // 2

    def overdue(self, name: RoundName, view: RoundView) -> bool:
        """Whether waiting is over."""
        return self.world.clock() >= self.patience_s(name, view)

    def digest(self, name: RoundName, view: RoundView, slot: int, segment: int) -> bytes | None:
        """What a segment comes to when re-executed from its committed start; nothing while its start state is awaited.

        Once overdue, a start state that was not served is re-derived from the round's start, which every party holds.
        """
        key = (name, slot, segment)
        if key not in self._truths:
            start = self.evidence.start_state(name, view, slot, segment)
            if start is not None:
                span = self.evidence.rerun(name, slot, segment, start)
            elif self.overdue(name, view):
                replayed = self.evidence.replay(name, view, slot, segment)
                if replayed is None:
                    return None
                span = replayed
            else:
                return None
            self._truths[key] = segment_digest(span.state_root, span.loss_bits)
        return self._truths[key]

    def emit(self, name: RoundName, view: RoundView, slot: int) -> bytes | None:
        """What a slot's update comes to from its end state, which is re-derived when it was not served in time."""
        if (name, slot) not in self._emits:
            opened = self.evidence.opened(name, view, slot)
            end = self.evidence.end_state(name, opened) if opened else None
            if end is None and self.overdue(name, view):
                span = self.evidence.replay(name, view, slot, self.party.clerk.segments(name[0]) - 1)
                end = span.state if span else None
            root = self.evidence.emit(name, view, end) if end is not None else None
            if root is None:
                return None
            self._emits[name, slot] = emit_digest(root)
        return self._emits[name, slot]

    def round(self, name: RoundName, view: RoundView, beacon: bytes, seat: int) -> Finding | None:
        """The finding, or nothing while slots or tables are still awaited."""
        finding = Finding()
        validators = self.party.validators(name[0])
        page = self.party.book.round(name)
        open_slots = set(bitmap_slots(self.world.ledger.jobs.slots_open(name[0])))
        for index, validator in enumerate(validators):
            if view.tables_revealed >> index & 1:
                rows = page.tables.get(validator)
                root = self.world.ledger.rounds.table_root_of(*name, validator)
                if rows is not None and table_root(rows) == root:
                    finding.tables[index] = root
        faults = set()
        for slot in bitmap_slots(view.present):
            if slot not in open_slots:
                finding.rejected[slot] = "closed"
                continue
            opened = self.evidence.opened(name, view, slot)
            if opened is None:
                return None
            if opened.transcript is None:
                finding.rejected[slot] = opened.reason
                continue
            finding.secrets[slot] = opened.transcript.secret
            before = len(finding.disagreements)
            self._compare_rows(name, view, slot, opened, finding)
            if opened.transcript.leaves[-1].update_root == ZERO:
                faults.add(opened.transcript.leaves[-1].state_root)
            elif opened.update is None:
                finding.rejected[slot] = opened.reason
            elif seat in emit_checkers(beacon, slot, len(validators)):
                self._compare_emit(name, view, slot, opened, finding)
            disputed = any(each.target != Target.TABLE for each in finding.disagreements[before:])
            if slot not in finding.rejected and not disputed:
                finding.accepted.append(slot)
        if finding.awaited:
            return None
        if len(faults) == 1 and not finding.disagreements:
            finding.fault = faults.pop()
        return finding

    def _compare_rows(self, name: RoundName, view: RoundView, slot: int, opened: Opened, finding: Finding) -> None:
        assert opened.transcript is not None
        leaves = opened.transcript.leaves
        page = self.party.book.round(name)
        validators = self.party.validators(name[0])
        provider = self.party.clerk.providers(name[0])[slot]
        for index in finding.tables:
            for row, entry in enumerate(page.tables[validators[index]][: self.rows_max(name, view)]):
                if entry.slot != slot or not 0 <= entry.segment < len(leaves) - 1:
                    continue
                end = leaves[entry.segment + 1]
                claimed = segment_digest(end.state_root, end.loss_bits)
                settled = finding.accuses(provider) or finding.accuses(validators[index])
                if entry.digest == claimed or settled:
                    continue
                truth = self.digest(name, view, slot, entry.segment)
                if truth is None:
                    finding.awaited = True
                elif truth != claimed:
                    finding.disagreements.append(Disagreement(Target.SEGMENT, slot, entry.segment, provider, truth))
                else:
                    accused = Disagreement(Target.TABLE, slot, entry.segment, validators[index], truth, row)
                    finding.disagreements.append(accused)

    def _compare_emit(self, name: RoundName, view: RoundView, slot: int, opened: Opened, finding: Finding) -> None:
        assert opened.transcript is not None
        provider = self.party.clerk.providers(name[0])[slot]
        if finding.accuses(provider):
            return
        truth = self.emit(name, view, slot)
        if truth is None:
            finding.awaited = True
        elif truth != emit_digest(opened.transcript.leaves[-1].update_root):
            segment = len(opened.transcript.leaves) - 1
            finding.disagreements.append(Disagreement(Target.EMIT, slot, segment, provider, truth))

    def rows_max(self, name: RoundName, view: RoundView) -> int:
        """Rows of one table that are looked at: a full sample, doubled with each beacon that was missed."""
        _, misses = self.world.ledger.beacon.read(view.beacon_block)
        return int(self.party.clerk.order(name[0]).samples_per_validator) << min(misses, 8)
