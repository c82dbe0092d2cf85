"""What segments come to: from the states that were served, or from the round's start."""

from dataclasses import dataclass

from assay.chain.contracts.containers import RoundView
from assay.protocol.phase import RoundPhase
from assay.roles.openings import Openings
from assay.roles.patience import Patience
from assay.roles.replays import Replays, Stretch
from assay.roles.round import RoundName, drop
from assay.roles.starts import Starts
from assay.work.state import state_root

Place = tuple[RoundName, int, int]
"""(round, slot, segment)"""


@dataclass(frozen=True)
class Truth:
    """What a segment came to here, and from which state."""

    segment: int
    """The segment asked for, or an earlier one of the slot that already went astray."""
    start_root: bytes
    state_root: bytes
    """Where it ended, or the fault's digest."""
    loss_bits: int
    faulted: bool
    derived: bool = False
    """Whether it was derived from the round's start along the slot's leaves, not from a state that was served."""

    @property
    def end(self) -> tuple[bytes, int]:
        """What it came to."""
        return self.state_root, self.loss_bits


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
        begins = view.start_root if segment == 0 else state_root(start)
        truth = self._found[key] = _truth(Stretch(segment, begins, span), derived=segment == 0)
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
            truth = _truth(replayed, derived=bool(leaves))
            if not leaves:
                return truth
            self._derived[key] = truth
        return self._derived[key]


def _truth(found: Stretch, *, derived: bool) -> Truth:
    span = found.span
    faulted = span.fault is not None
    return Truth(found.segment, found.start_root, span.state_root, span.loss_bits, faulted, derived)
