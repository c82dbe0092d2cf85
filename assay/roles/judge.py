"""How a validator finds who told the truth in a round, by re-executing what it must and comparing bits.

Blind first: digests of its own sample, found before any secret is out. Then, when slots have opened, three questions
to each: does the opening hold together, does its update follow from its end state, and do the rows of all tables
agree with its leaves. Every disagreement is re-executed here before anybody is accused.
"""

from dataclasses import dataclass, field

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import RoundPhase, Target
from assay.protocol.schedule import sample_segments, sample_share, sample_total
from assay.protocol.table import Entry, emit_digest, segment_digest
from assay.protocol.transcript import ZERO
from assay.roles.book import RoundName, drop
from assay.roles.evidence import Emitted, Evidence, Opened
from assay.roles.party import Party
from assay.roles.wake import Wake, wake_at

UNSERVED = segment_digest(ZERO, 0)
"""What is found where a claim rests on a state that its provider has shown to nobody: never what is claimed."""


@dataclass(frozen=True)
class Truth:
    """What a segment came to here."""

    digest: bytes
    faulted: bool
    segment: int
    """The segment asked for, or an earlier one of the slot that already went astray."""
    derived: bool = False
    """Whether it was derived from the round's start along the slot's leaves, not from a state that was served."""


@dataclass(frozen=True)
class Disagreement:
    """A claim that this validator has found false."""

    target: Target
    slot: int
    segment: int
    accused: str
    truth: bytes
    row: int = 0


@dataclass(frozen=True, order=True)
class Doubt:
    """A row that says other than a leaf, where the leaf follows from the state that was served before it."""

    segment: int
    slot: int
    validator: str
    row: int


@dataclass
class Finding:
    """What a validator holds of a round once everything is open."""

    accepted: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    unopened: list[int] = field(default_factory=list)
    """Slots that have not shown their secret and leaves."""
    disagreements: list[Disagreement] = field(default_factory=list)
    shown: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    """Rows of the tables that stand on chain, by validator."""
    doubts: list[Doubt] = field(default_factory=list)
    tables: dict[int, bytes] = field(default_factory=dict)
    """Roots of the same, by seat."""
    served: int = 0
    """Bitmap of the seats whose table is the sample that their nonce draws, all of it."""
    secrets: dict[int, bytes] = field(default_factory=dict)
    fault: bytes | None = None
    """Digest of a fault of the job itself that this validator has met too."""
    awaited: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is awaited any more."""
        return not self.awaited and not self.unopened

    def accuses(self, accused: str) -> bool:
        """Whether this party is accused already: one disproof a round is enough."""
        return any(each.accused == accused for each in self.disagreements)


class Judge:
    """The judgement of one validator."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.world = party.world
        self.evidence = Evidence(party)
        self._truths: dict[tuple[RoundName, int, int], Truth] = {}
        self._emits: dict[tuple[RoundName, int], Emitted] = {}
        self._derived: dict[tuple[RoundName, int, int], Truth] = {}
        self.suspects: set[tuple[RoundName, int]] = set()
        """Slots of which this party has found, before they opened, that a leaf is not what the work gives."""

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        self.evidence.forget(job, below)
        drop(self._truths, job, below)
        drop(self._emits, job, below)
        drop(self._derived, job, below)
        drop(self.suspects, job, below)

    def patience_s(self, name: RoundName, view: RoundView) -> int:
        """When to stop waiting for others: half a window before the deadline, so that there is time to act."""
        windows = self.party.clerk.order(name[0]).windows
        window_s = windows.table if view.phase == RoundPhase.SAMPLING else windows.open
        return view.deadline - window_s // 2

    def wait(self, name: RoundName, view: RoundView) -> Wake:
        """Until then; after it, until the phase is over."""
        patience_s = self.patience_s(name, view)
        return wake_at(patience_s if self.world.clock() < patience_s else view.deadline)

    def overdue(self, name: RoundName, view: RoundView) -> bool:
        """Whether waiting is over."""
        return view.phase > RoundPhase.OPENING or self.world.clock() >= self.patience_s(name, view)

    def digest(self, name: RoundName, view: RoundView, slot: int, segment: int) -> bytes | None:
        """What a segment comes to when re-executed from its committed start; nothing while that is awaited."""
        truth = self.truth(name, view, slot, segment)
        return truth.digest if truth else None

    def truth(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """The same, and whether the job itself was at fault.

        Once overdue, a start state that was not served is re-derived from the round's start, which every party holds.
        What is derived so says something of this segment only as long as it meets the slot's leaves: a provider might
        commit a state that it shows to some and that nobody else can derive.
        """
        key = (name, slot, segment)
        if key in self._truths:
            return self._truths[key]
        served = self.served(name, view, slot, segment)
        if served is not None:
            return served
        if not self.overdue(name, view):
            return None
        truth = self.derive(name, view, slot, segment)
        if truth is not None and truth.derived:
            self._truths[key] = truth
        return truth

    def served(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """What follows from the committed state before a segment, once it was served."""
        key = (name, slot, segment)
        known = self._truths.get(key)
        if known is not None and not known.derived:
            return known
        start = self.evidence.start_state(name, view, slot, segment)
        if start is None:
            return None
        span = self.evidence.rerun(name, slot, segment, start)
        digest = segment_digest(span.state_root, span.loss_bits)
        truth = self._truths[key] = Truth(digest, span.fault is not None, segment, derived=segment == 0)
        return truth

    def derive(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """The same from the round's start, whatever was served: what a verdict against anybody but the slot rests on.

        A provider may serve a state that it never was in, so that a segment of its own follows from it and everybody
        who derived the segment seems to be wrong.
        """
        key = (name, slot, segment)
        if key not in self._derived:
            opened = self.evidence.opened(name, view, slot) if view.phase > RoundPhase.SAMPLING else None
            leaves = opened.transcript.leaves if opened and opened.transcript else ()
            replayed = self.evidence.replay(name, view, slot, segment, leaves)
            if replayed is None:
                return None
            span, reached = replayed
            digest = segment_digest(span.state_root, span.loss_bits)
            truth = Truth(digest, span.fault is not None, reached, derived=bool(leaves))
            if not leaves:
                return truth
            self._derived[key] = truth
        return self._derived[key]

    def rests_on(self, name: RoundName, view: RoundView, slot: int, segment: int, before_root: bytes) -> bool | None:
        """Whether the round's start leads to the state that a segment is claimed to begin from; nothing while that is
        not here."""
        if segment == 0:
            return before_root == view.start_root
        replayed = self.evidence.replay(name, view, slot, segment - 1)
        return None if replayed is None else replayed[0].state_root == before_root

    def emit(self, name: RoundName, view: RoundView, slot: int) -> bytes | None:
        """What a slot's update comes to from its end state; nothing while that is awaited."""
        emitted = self._emit(name, view, slot)
        if emitted is None:
            return None
        return UNSERVED if emitted.astray is not None else emit_digest(emitted.root)

    def derive_emit(self, name: RoundName, view: RoundView, slot: int, claimed: bytes) -> bytes | None:
        """The same from the round's start, where the slot has shown no end state: its provider may dispute an update
        before it opens it. Where the start does not lead to what is claimed, nobody can say what does."""
        last = self.party.clerk.segments(name[0]) - 1
        replayed = self.evidence.replay(name, view, slot, last)
        if replayed is None:
            return None
        end, _ = replayed
        emitted = self.evidence.emit(name, view, end.state, None) if end.state is not None else None
        found = emit_digest(emitted.root if emitted else ZERO)
        return found if found == claimed else UNSERVED

    def _emit(self, name: RoundName, view: RoundView, slot: int) -> Emitted | None:
        """An end state that was not served in time is re-derived; where the job faults before it there is no update."""
        if (name, slot) not in self._emits:
            opened = self.evidence.opened(name, view, slot)
            end = self.evidence.end_state(name, opened) if opened else None
            faulted = False
            if end is None and opened and opened.transcript and self.overdue(name, view):
                last = self.party.clerk.segments(name[0]) - 1
                replayed = self.evidence.replay(name, view, slot, last, opened.transcript.leaves)
                if replayed is not None:
                    span, reached = replayed
                    faulted = span.fault is not None
                    end = span.state if span.state_root == opened.transcript.leaves[-1].state_root else None
                    if end is None and not faulted:
                        self._emits[name, slot] = Emitted(UNSERVED, astray=reached)
                        return self._emits[name, slot]
            emitted = self.evidence.emit(name, view, end, opened) if end is not None else None
            if faulted:
                emitted = Emitted(ZERO, faulted=True)
            if emitted is None:
                return None
            self._emits[name, slot] = emitted
        return self._emits[name, slot]

    def round(self, name: RoundName, view: RoundView) -> Finding:
        """The finding so far; `complete` once nothing is awaited."""
        finding = Finding()
        validators, page = self.party.validators(name[0]), self.party.book.round(name)
        for validator in sorted({owner for owner, _ in page.rooted}):
            # Whoever has lost its seat since answers for its table all the same.
            rows = self.rows(name, validator)
            if rows is not None:
                finding.shown[validator] = rows[: self.rows_max(name, view)]
                if validator in validators:
                    seat = validators.index(validator)
                    finding.tables[seat] = self.party.clerk.table_root(name, validator)
                    finding.served |= self.is_sample(name, view, validator, rows) << seat
        open_slots = self.party.clerk.open_slots(name[0])
        for slot in bitmap_slots(view.present):
            if slot not in open_slots:
                finding.rejected[slot] = "closed"
            else:
                self._judge_slot(name, view, slot, finding)
        self._settle_doubts(name, view, finding)
        if not finding.complete:
            finding.fault = None
        return finding

    def _judge_slot(self, name: RoundName, view: RoundView, slot: int, finding: Finding) -> None:
        opened = self.evidence.opened(name, view, slot, final=self.overdue(name, view))
        if opened is None:
            self._judge_unopened(name, view, slot, finding)
            return
        if opened.transcript is None:
            finding.rejected[slot] = opened.reason
            return
        finding.secrets[slot] = opened.transcript.secret
        if opened.plain:
            provider = self.party.clerk.providers(name[0])[slot]
            finding.disagreements.append(Disagreement(Target.SEGMENT, slot, 0, provider, ZERO))
            return
        before = len(finding.disagreements)
        if (name, slot) in self.suspects:
            self._compare_all(name, view, slot, finding)
        self._compare_rows(name, view, slot, opened, finding)
        if opened.transcript.leaves[-1].update_root == ZERO:
            self._compare_fault(name, view, slot, opened, finding)
        else:
            self._compare_emit(name, view, slot, opened, finding)
        disputed = any(each.target != Target.TABLE for each in finding.disagreements[before:])
        if opened.update is None:
            finding.rejected[slot] = opened.reason
        elif not disputed:
            finding.accepted.append(slot)

    def _judge_unopened(self, name: RoundName, view: RoundView, slot: int, finding: Finding) -> None:
        """A slot that hides is called for on chain, where it opens everything or loses its lock."""
        if self.overdue(name, view) and slot not in self.party.book.round(name).commitments:
            finding.rejected[slot] = "its commitment was not shown"
            return
        finding.unopened.append(slot)

    def _compare_all(self, name: RoundName, view: RoundView, slot: int, finding: Finding) -> None:
        """A slot under suspicion is derived whole."""
        provider, last = self.party.clerk.providers(name[0])[slot], self.party.clerk.segments(name[0]) - 1
        truth = self.derive(name, view, slot, last)
        if truth is None:
            finding.awaited = True
        elif self.strays(name, view, slot, truth):
            finding.disagreements.append(Disagreement(Target.SEGMENT, slot, truth.segment, provider, truth.digest))

    def strays(self, name: RoundName, view: RoundView, slot: int, truth: Truth) -> bool:
        """Whether what was derived is not what the slot's leaf says there."""
        opened = self.evidence.opened(name, view, slot)
        assert opened is not None
        assert opened.transcript is not None
        end = opened.transcript.leaves[truth.segment + 1]
        return truth.digest != segment_digest(end.state_root, end.loss_bits)

    def _compare_rows(self, name: RoundName, view: RoundView, slot: int, opened: Opened, finding: Finding) -> None:
        assert opened.transcript is not None
        leaves = opened.transcript.leaves
        provider = self.party.clerk.providers(name[0])[slot]
        for validator, rows in finding.shown.items():
            for row, entry in enumerate(rows):
                if entry.slot != slot or not 0 <= entry.segment < len(leaves) - 1:
                    continue
                end = leaves[entry.segment + 1]
                claimed = segment_digest(end.state_root, end.loss_bits)
                settled = finding.accuses(provider) or finding.accuses(validator)
                if entry.digest == claimed or settled:
                    continue
                truth = self.truth(name, view, slot, entry.segment)
                if truth is None:
                    finding.awaited = True
                elif (
                    truth.digest == claimed
                    and not truth.derived
                    and self.replayed(name, validator, slot, entry.segment)
                ):
                    finding.doubts.append(Doubt(entry.segment, slot, validator, row))
                elif truth.segment != entry.segment or truth.digest != claimed:
                    self.evidence.relay(name, slot, entry.segment)
                    accused = Disagreement(Target.SEGMENT, slot, truth.segment, provider, truth.digest)
                    finding.disagreements.append(accused)
                else:
                    accused = Disagreement(Target.TABLE, slot, entry.segment, validator, truth.digest, row)
                    finding.disagreements.append(accused)

    def replayed(self, name: RoundName, validator: str, slot: int, segment: int) -> bool:
        """Whether a validator has said in time that nobody served it a start state: only then can an honest row differ
        from what follows from that state."""
        return (validator, slot, segment) in self.party.book.round(name).missing

    def _settle_doubts(self, name: RoundName, view: RoundView, finding: Finding) -> None:
        """Either a row is false, or the state that its segment was shown to begin from: derived from the round's start,
        for one row of each table, the one with the least to derive."""
        for doubt in sorted(finding.doubts):
            provider = self.party.clerk.providers(name[0])[doubt.slot]
            if finding.accuses(doubt.validator) or finding.accuses(provider):
                continue
            truth = self.derive(name, view, doubt.slot, doubt.segment)
            if truth is None:
                finding.awaited = True
            elif self.strays(name, view, doubt.slot, truth):
                accused = Disagreement(Target.SEGMENT, doubt.slot, truth.segment, provider, truth.digest)
                finding.disagreements.append(accused)
                finding.accepted = [slot for slot in finding.accepted if slot != doubt.slot]
            else:
                row = (Target.TABLE, doubt.slot, doubt.segment, doubt.validator, truth.digest, doubt.row)
                finding.disagreements.append(Disagreement(*row))

    def _compare_emit(self, name: RoundName, view: RoundView, slot: int, opened: Opened, finding: Finding) -> None:
        assert opened.transcript is not None
        provider = self.party.clerk.providers(name[0])[slot]
        if finding.accuses(provider):
            return
        emitted = self._emit(name, view, slot)
        if emitted is None:
            finding.awaited = True
        elif emitted.astray is not None:
            accused = Disagreement(Target.SEGMENT, slot, emitted.astray, provider, UNSERVED)
            finding.disagreements.append(accused)
        elif emitted.root != opened.transcript.leaves[-1].update_root:
            segment, truth = len(opened.transcript.leaves) - 1, emit_digest(emitted.root)
            finding.disagreements.append(Disagreement(Target.EMIT, slot, segment, provider, truth))
        elif emitted.faulted and finding.fault is None:
            end = self.derive(name, view, slot, len(opened.transcript.leaves) - 2)
            if end is None:
                finding.awaited = True
            elif self.strays(name, view, slot, end):
                finding.disagreements.append(Disagreement(Target.SEGMENT, slot, end.segment, provider, end.digest))
            else:
                finding.fault = emitted.root

    def _compare_fault(self, name: RoundName, view: RoundView, slot: int, opened: Opened, finding: Finding) -> None:
        """A slot says that the job is at fault: whoever attests that has met the same fault in the same segment."""
        assert opened.transcript is not None
        provider, leaves = self.party.clerk.providers(name[0])[slot], opened.transcript.leaves
        if finding.accuses(provider):
            return
        last = leaves[-1].state_root
        segment = next(at for at in range(len(leaves)) if all(leaf.state_root == last for leaf in leaves[at + 1 :]))
        segment = min(segment, len(leaves) - 2)
        # Whoever attests a fault of the job has derived it: a state that overflows may have been served by a liar.
        truth = self.derive(name, view, slot, segment)
        end = leaves[segment + 1]
        if truth is None:
            finding.awaited = True
        elif truth.segment != segment or truth.digest != segment_digest(end.state_root, end.loss_bits):
            finding.disagreements.append(Disagreement(Target.SEGMENT, slot, truth.segment, provider, truth.digest))
        elif truth.faulted:
            finding.fault = finding.fault or last
        else:
            self._compare_emit(name, view, slot, opened, finding)

    def rows(self, name: RoundName, validator: str) -> tuple[Entry, ...] | None:
        """The rows behind a table that was revealed on chain, whoever told them; nothing if nobody did."""
        root = self.party.clerk.table_root(name, validator)
        return self.party.book.round(name).rooted.get((validator, root)) if any(root) else None

    def is_sample(self, name: RoundName, view: RoundView, validator: str, rows: tuple[Entry, ...]) -> bool:
        """Whether a table holds the sample that the beacon and the revealed nonce draw, at its least size or larger.

        Where a seat was vacant when the beacon drew, or is now, its exact share depends on who looked when: there the
        least of any counts.
        """
        beacon, misses = self.world.ledger.beacon.read(view.beacon_block)
        nonce = self.party.clerk.notices.nonce(name, validator, self.party.clerk.table_root(name, validator))
        if nonce is None:
            return False
        order, present = self.party.clerk.order(name[0]), bitmap_slots(view.present)
        total = sample_total(order.samples_per_validator * order.validators, order.providers, len(present))
        seats = self.party.validators(name[0])
        least = total // len(seats)
        held = [self.party.clerk.seat_at(name[0], seat).enlisted_block for seat in range(len(seats))]
        if validator in seats and all(0 < block <= view.beacon_block for block in held):
            least = sample_share(total, range(len(seats)), seats.index(validator), beacon)
        least <<= misses
        segments = self.party.clerk.segments(name[0])
        drawn = sample_segments(beacon, nonce, name, present, segments, max(least, min(len(rows), total << misses)))
        pairs = [(entry.slot, entry.segment) for entry in rows]
        return pairs == drawn[: len(pairs)] and len(pairs) >= len(drawn[:least])

    def rows_max(self, name: RoundName, view: RoundView) -> int:
        """Rows of one table that are looked at: a full sample, doubled with each beacon that was missed."""
        _, misses = self.world.ledger.beacon.read(view.beacon_block)
        return int(self.party.clerk.order(name[0]).samples_per_validator) << min(misses, 8)
