"""What segments come to: from the states that were served, or from the round's start."""

from dataclasses import dataclass

from assay.chain.contracts.containers import RoundView
from assay.protocol.phase import RoundPhase
from assay.protocol.table import segment_digest
from assay.protocol.transcript import ZERO
from assay.roles.openings import Openings
from assay.roles.patience import Patience
from assay.roles.replays import Replays
from assay.roles.round import RoundName, drop
from assay.roles.starts import Starts
from assay.work.segment import Span

UNSERVED = segment_digest(ZERO, 0)
"""What is found where a claim rests on a state that its provider has shown to nobody: never what is claimed."""
Place = tuple[RoundName, int, int]
"""(round, slot, segment)"""


@dataclass(frozen=True)
class Truth:
    """What a segment came to here."""

    digest: bytes
    faulted: bool
    segment: int
    """The segment asked for, or an earlier one of the slot that already went astray."""
    derived: bool = False
    """Whether it was derived from the round's start along the slot's leaves, not from a state that was served."""


class Truths:
    """What one party has found by re-execution."""

    def __init__(self, openings: Openings, starts: Starts, replays: Replays, patience: Patience) -> None:
        self._openings, self._starts, self._replays, self._patience = openings, starts, replays, patience
        self._found: dict[Place, Truth] = {}
        self._derived: dict[Place, Truth] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._found, job, below)
        drop(self._derived, job, below)

    def of(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """What a segment comes to when re-executed from its committed start; nothing while that is awaited.

        Once patience is over, a start state that was not served is re-derived from the round's start, which every party
        holds. What is derived so says something of this segment only as long as it meets the slot's leaves: a provider
        might commit a state that it shows to some and that nobody else can derive.
        """
        key = (name, slot, segment)
        if key in self._found:
            return self._found[key]
        served = self.served(name, view, slot, segment)
        if served is not None:
            return served
        if not self._patience.over(name, view):
            return None
        truth = self.derive(name, view, slot, segment)
        if truth is not None and truth.derived:
            self._found[key] = truth
        return truth

    def served(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """What follows from the committed state before a segment, once it was served."""
        key = (name, slot, segment)
        known = self._found.get(key)
        if known is not None and not known.derived:
            return known
        start = self._starts.find(name, view, slot, segment)
        if start is None:
            return None
        span = self._replays.rerun(name, slot, segment, start)
        truth = self._found[key] = _truth(span, segment, derived=segment == 0)
        return truth

    def derive(self, name: RoundName, view: RoundView, slot: int, segment: int) -> Truth | None:
        """The same from the round's start, whatever was served: what a verdict against anybody but the slot rests on.

        A provider may serve a state that it never was in, so that a segment of its own follows from it and everybody
        who derived the segment seems to be wrong.
        """
        key = (name, slot, segment)
        if key not in self._derived:
            opened = self._openings.of(name, view, slot) if view.phase > RoundPhase.SAMPLING else None
            leaves = opened.transcript.leaves if opened and opened.transcript else ()
            replayed = self._replays.replay(name, view, slot, segment, leaves)
            if replayed is None:
                return None
            truth = _truth(*replayed, derived=bool(leaves))
            if not leaves:
                return truth
            self._derived[key] = truth
        return self._derived[key]


def _truth(span: Span, segment: int, *, derived: bool) -> Truth:
    return Truth(segment_digest(span.state_root, span.loss_bits), span.fault is not None, segment, derived)
