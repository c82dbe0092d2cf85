"""How a validator finds who told the truth in a round, by re-executing what it must and comparing bits.

Blind first: digests of its own sample, found before any secret is out. Then, when slots have opened, three questions
to each: does the opening hold together, does its update follow from its end state, and do the rows of all tables
agree with its leaves. Every disagreement is re-executed here before anybody is accused.
"""

from collections.abc import Callable, Sequence

from assay.chain.contracts.containers import RoundView
from assay.proof.claim import Alter
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import Target
from assay.protocol.table import Entry
from assay.protocol.transcript import ZERO, Transcript
from assay.roles.aggregates import Aggregates, Parts
from assay.roles.assignment import State
from assay.roles.contradictions import Contradictions
from assay.roles.emissions import Emissions
from assay.roles.finding import Case, Disagreement, Finding
from assay.roles.openings import Openings
from assay.roles.party import Party
from assay.roles.patience import Patience
from assay.roles.replays import Replays
from assay.roles.round import RoundName, drop
from assay.roles.starts import Starts
from assay.roles.tables import Tables
from assay.roles.truths import Truths
from assay.work.state import state_root


class Judge:
    """The judgement of one validator, and the evidence that it rests on."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.patience = Patience(party.clerk)
        self.openings = Openings(party)
        self.starts = Starts(party)
        self.replays = Replays(party)
        self.tables = Tables(party)
        self.truths = Truths(self.openings, self.starts, self.replays, self.patience)
        self.emissions = Emissions(party, self.openings, self.replays, self.patience)
        self.aggregates = Aggregates(party, self.openings)
        self.contradictions = Contradictions(self.tables, self.truths, self.starts)
        self.own_rows: Callable[[RoundName], Sequence[Entry]] = lambda _: ()
        """The table that this party has committed to; who has no seat has none."""
        self.own_start: Callable[[RoundName, int, int], str | None] = lambda *_: None
        """Where the state lies that a row of it began from, if it was served."""
        self.suspects: set[tuple[RoundName, int]] = set()
        """Slots of which this party has found, before they opened, that a leaf is not what the work gives."""

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        for known in (self.openings, self.starts, self.replays, self.truths, self.emissions, self.aggregates):
            known.forget(job, below)
        drop(self.suspects, job, below)

    def row(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Entry | None:
        """What a segment comes to, for this validator's own table; nothing while that is awaited."""
        truth = self.truths.of(name, view, slot, segment)
        return None if truth is None else Entry(slot, segment, truth.start_root, *truth.end)

    def transcript(self, name: RoundName, slot: int) -> Transcript | None:
        """The leaves of a slot, once they are open."""
        opened = self.openings.of(name, self.party.clerk.round(name), slot)
        return None if opened is None else opened.transcript

    def state(self, name: RoundName, slot: int, index: int) -> State | None:
        """The state in a leaf of a slot that is open: as it was served, or derived from the round's start."""
        view = self.party.clerk.round(name)
        opened = self.openings.of(name, view, slot)
        if opened is None or opened.transcript is None:
            return None
        last = len(opened.transcript.leaves) - 1
        served = self.emissions.shown_end(name, opened) if index == last else None
        return served or self.begun(name, slot, index, opened.transcript.leaves[index].state_root)

    def begun(self, name: RoundName, slot: int, segment: int, root: bytes) -> State | None:
        """The state with this root before a segment: as it was served, or derived from the round's start."""
        view = self.party.clerk.round(name)
        served = self.starts.find(name, view, slot, segment)
        if served is not None and state_root(served) == root:
            return served
        cid = self.own_start(name, slot, segment)
        kept = None if cid is None else self.starts.at(name, cid)
        if kept is not None and state_root(kept) == root:
            return kept
        derived = self.replays.state(name, view, slot, segment)
        return derived if derived is not None and state_root(derived) == root else None

    def rows(self, name: RoundName, validator: str) -> Sequence[Entry]:
        """A validator's table, as it stands on chain; this party's own also where nobody has heard it."""
        own = self.own_rows(name) if validator == self.party.world.address else ()
        return own or self.tables.rows(name, validator) or ()

    def parts(self, name: RoundName) -> Parts | None:
        """What a round's aggregate is made of."""
        return self.aggregates.parts(name, self.party.clerk.round(name))

    def alter(self, name: RoundName, slot: int | None) -> Alter | None:  # noqa: ARG002
        """A judge has run what the program says."""
        return None

    def round(self, name: RoundName, view: RoundView) -> Finding:
        """The finding so far; `complete` once nothing is awaited."""
        finding, cases = Finding(), dict[int, Case]()
        self._read_tables(name, view, finding)
        open_slots = self.party.clerk.open_slots(name[0])
        for slot in bitmap_slots(view.present):
            if slot not in open_slots:
                finding.rejected[slot] = "closed"
                continue
            case = self._open(name, view, slot, finding)
            if case is not None:
                cases[slot] = case
                self._judge(case, finding)
        if not finding.unopened:
            self.contradictions.settle(cases, finding)
        seats = self.party.validators(name[0])
        finding.served &= ~sum(1 << seats.index(each) for each in finding.unfit if each in seats)
        if not finding.complete:
            finding.fault = None
        return finding

    def false_rows(self, name: RoundName, view: RoundView) -> list[Disagreement]:
        """Rows of tables that are not what the included slots have committed to, though those are right."""
        finding = Finding()
        self._read_tables(name, view, finding)
        for slot in bitmap_slots(view.included):
            case = self._open(name, view, slot, finding)
            if case is not None:
                self.contradictions.compare(case, finding)
        return [each for each in finding.disagreements if each.target == Target.TABLE]

    def _read_tables(self, name: RoundName, view: RoundView, finding: Finding) -> None:
        validators, page = self.party.validators(name[0]), self.party.book.round(name)
        for validator in sorted({owner for owner, _ in page.rooted}):
            # Whoever has lost its seat since answers for its table all the same.
            rows = self.tables.rows(name, validator)
            if rows is not None:
                finding.shown[validator] = rows[: self.tables.rows_max(name, view)]
                if validator in validators:
                    seat = validators.index(validator)
                    finding.tables[seat] = self.party.clerk.table_root(name, validator)
                    finding.served |= self.tables.is_sample(name, view, validator, rows) << seat

    def _open(self, name: RoundName, view: RoundView, slot: int, finding: Finding) -> Case | None:
        """A slot whose leaves are open, and hold together as far as a contract sees without a re-execution."""
        opened = self.openings.of(name, view, slot, final=self.patience.over(name, view))
        if opened is None:
            # A slot that hides is called for on chain, where it opens everything or loses its lock.
            if self.patience.over(name, view) and slot not in self.party.book.round(name).commitments:
                finding.rejected[slot] = "its commitment was not shown"
            else:
                finding.unopened.append(slot)
            return None
        if opened.transcript is None:
            finding.rejected[slot] = opened.reason
            return None
        finding.secrets[slot] = opened.transcript.secret
        provider = self.party.clerk.providers(name[0])[slot]
        if opened.plain:
            finding.disagreements.append(Disagreement(Target.SEGMENT, slot, 0, provider))
            return None
        return Case(name, view, slot, provider, opened, opened.transcript.leaves)

    def _judge(self, case: Case, finding: Finding) -> None:
        before = len(finding.disagreements)
        if (case.name, case.slot) in self.suspects:
            self._judge_whole(case, finding)
        self.contradictions.compare(case, finding)
        if not finding.accuses(case.provider):
            faulted = case.leaves[-1].update_root == ZERO
            judge = self._judge_fault if faulted else self._judge_update
            judge(case, finding)
        disputed = any(each.target != Target.TABLE for each in finding.disagreements[before:])
        if case.opened.update is None:
            finding.rejected[case.slot] = case.opened.reason
        elif not disputed:
            finding.accepted.append(case.slot)

    def _judge_whole(self, case: Case, finding: Finding) -> None:
        """A slot under suspicion is derived whole."""
        truth = self.truths.derive(case.name, case.view, case.slot, self.party.clerk.segments(case.name[0]) - 1)
        if truth is None:
            finding.awaited = True
        elif case.strays(truth):
            finding.charge(case, truth)

    def _judge_update(self, case: Case, finding: Finding) -> None:
        """Whether a slot's update follows from its end state."""
        emitted = self.emissions.of(case.name, case.view, case.slot)
        if emitted is None:
            finding.awaited = True
        elif emitted.astray is not None:
            finding.disagreements.append(Disagreement(Target.SEGMENT, case.slot, emitted.astray, case.provider))
        elif emitted.fault is not None:
            # An update of a state that there is not: no game could tell, and the job is at fault anyway.
            finding.meet(case, emitted.fault)
        elif emitted.root != case.leaves[-1].update_root:
            finding.disagreements.append(Disagreement(Target.EMIT, case.slot, case.segments, case.provider))
        elif emitted.faulted and finding.fault is None:
            end = self.truths.derive(case.name, case.view, case.slot, case.segments - 1)
            if end is None:
                finding.awaited = True
            elif case.strays(end):
                finding.charge(case, end)
            else:
                finding.meet(case, emitted.root)

    def _judge_fault(self, case: Case, finding: Finding) -> None:
        """A slot says that the job is at fault: whoever shows that has met the same fault in the same segment."""
        leaves, last = case.leaves, case.leaves[-1].state_root
        segment = next(at for at in range(len(leaves)) if all(leaf.state_root == last for leaf in leaves[at + 1 :]))
        segment = min(segment, case.segments - 1)
        # Whoever shows a fault of the job has derived it: a state that overflows may have been served by a liar.
        truth = self.truths.derive(case.name, case.view, case.slot, segment)
        if truth is None:
            finding.awaited = True
        elif truth.segment != segment or case.strays(truth):
            finding.charge(case, truth)
        elif truth.faulted:
            finding.meet(case, last)
        else:
            self._judge_update(case, finding)
