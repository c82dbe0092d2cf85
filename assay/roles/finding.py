"""What a validator holds of a round: slots that have opened, claims that it has found false, and what it signs."""

from dataclasses import dataclass, field

from assay.chain.contracts.containers import RoundView
from assay.protocol.phase import Target
from assay.protocol.table import Entry
from assay.protocol.transcript import Leaf
from assay.roles.openings import Opened
from assay.roles.round import RoundName
from assay.roles.truths import Truth

Unit = tuple[str, int, int, int]
"""(accused, target, slot, segment): what is disputed of a round."""


@dataclass(frozen=True)
class Disagreement:
    """A claim that this validator has found false."""

    target: Target
    slot: int
    segment: int
    accused: str
    row: int = 0
    """Of a table."""

    @property
    def unit(self) -> Unit:
        """What it is about, as a dispute of it would be."""
        return self.accused, int(self.target), self.slot, self.segment


@dataclass(frozen=True)
class Case:
    """A slot whose leaves are open, as it stands before the judge."""

    name: RoundName
    view: RoundView
    slot: int
    provider: str
    opened: Opened
    leaves: tuple[Leaf, ...]

    @property
    def segments(self) -> int:
        """How many it has."""
        return len(self.leaves) - 1

    def claimed(self, segment: int) -> Entry:
        """What its leaves say of a segment."""
        start, end = self.leaves[segment : segment + 2]
        return Entry(self.slot, segment, start.state_root, end.state_root, end.loss_bits)

    def strays(self, truth: Truth) -> bool:
        """Whether what was derived is not what its leaf says there."""
        end = self.leaves[truth.segment + 1]
        return truth.end != (end.state_root, end.loss_bits)

    def fault_before(self, truth: Truth) -> bytes | None:
        """The digest of a fault that its leaves say too, before the segment that was asked for."""
        roots = [leaf.state_root for leaf in self.leaves[: truth.segment + 1]]
        return truth.state_root if truth.faulted and truth.state_root in roots else None

    def accuse(self, truth: Truth) -> Disagreement:
        """Its segment does not come to what its leaf says."""
        return Disagreement(Target.SEGMENT, self.slot, truth.segment, self.provider)


@dataclass(frozen=True)
class Met:
    """A fault of the job that a slot has committed to, by its digest, and that this validator has met too."""

    slot: int
    digest: bytes


@dataclass(frozen=True, order=True)
class Doubt:
    """A row that begins elsewhere than its slot's leaf says: either is false before the segment."""

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
    unfit: set[str] = field(default_factory=set)
    """Validators with a row that no game decides, and that is not what its slot has rightly committed to: it did not
    serve."""
    secrets: dict[int, bytes] = field(default_factory=dict)
    fault: Met | None = None
    awaited: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is awaited any more."""
        return not self.awaited and not self.unopened

    def charge(self, case: Case, truth: Truth) -> None:
        """Accuses a slot, unless the job was at fault before: no game can be about what begins in a fault."""
        fault = case.fault_before(truth)
        if fault is None:
            self.disagreements.append(case.accuse(truth))
        else:
            self.meet(case, fault)

    def meet(self, case: Case, digest: bytes) -> None:
        """Takes note of a fault of the job, the first of them."""
        self.fault = self.fault or Met(case.slot, digest)

    def accuses(self, accused: str) -> bool:
        """Whether this party is accused already: one disproof a round is enough."""
        return any(each.accused == accused for each in self.disagreements)
