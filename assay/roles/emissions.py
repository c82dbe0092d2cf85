"""What slots' updates come to: from the end states that were shown, or from the round's start."""

from dataclasses import dataclass

import torch
from torch import Tensor

from assay.chain.contracts.containers import RoundView
from assay.protocol.errors import AssayError
from assay.protocol.transcript import ZERO
from assay.roles.assignment import State
from assay.roles.openings import Opened, Openings
from assay.roles.pace import patience_s
from assay.roles.party import Party
from assay.roles.patience import Patience
from assay.roles.replays import Replays
from assay.roles.round import RoundName, drop
from assay.work.segment import fault_of
from assay.work.state import state_root, update_root
from assay.work.walk import Fault


@dataclass(frozen=True)
class Emitted:
    """An update's root, or the digest of the fault in `emit`."""

    root: bytes
    faulted: bool = False
    astray: int | None = None
    """The first segment that does not end as its leaf says, where an end state that was not served was derived."""
    fault: bytes | None = None
    """Digest of a fault of the job by which there is no end state, as the leaves say too."""


class Emissions:
    """What one party has found by re-executing `emit`, metered as `verify` by default."""

    def __init__(self, party: Party, openings: Openings, replays: Replays, patience: Patience) -> None:
        self._party, self._world = party, party.world
        self._openings, self._replays, self._patience = openings, replays, patience
        self._found: dict[tuple[RoundName, int], Emitted] = {}

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        drop(self._found, job, below)

    def of(self, name: RoundName, view: RoundView, slot: int) -> Emitted | None:
        """What a slot's update comes to from its end state; nothing while that is awaited."""
        if (name, slot) not in self._found:
            opened = self._openings.of(name, view, slot)
            end = self.shown_end(name, opened) if opened else None
            emitted = self._run(name, view, end, opened) if end is not None else None
            if end is None and opened and opened.transcript and self._patience.over(name, view):
                emitted = self._replay(name, view, slot, opened)
            if emitted is None:
                return None
            self._found[name, slot] = emitted
        return self._found[name, slot]

    def shown_end(self, name: RoundName, opened: Opened) -> State | None:
        """A slot's end state, as served and verified against its last leaf."""
        assignment = self._party.assignment(name[0])
        try:
            with self._world.compute.metered("verify"):
                content = self._world.blobs.get(opened.end_cid, assignment.signature.encoded_bytes)
                state = assignment.signature.decode(content)
                root = state_root(state)
        except AssayError:
            return None
        return state if opened.transcript and root == opened.transcript.leaves[-1].state_root else None

    def _replay(self, name: RoundName, view: RoundView, slot: int, opened: Opened) -> Emitted | None:
        """An end state that was not served in time is re-derived; where the job faults before it there is no update."""
        assert opened.transcript is not None
        last, leaves = self._party.clerk.segments(name[0]) - 1, opened.transcript.leaves
        replayed = self._replays.replay(name, view, slot, last, leaves)
        if replayed is None:
            return None
        span, reached = replayed.span, replayed.segment
        told = (leaves[reached + 1].state_root, leaves[reached + 1].loss_bits) == (span.state_root, span.loss_bits)
        if span.fault is not None and (told or span.state_root in [leaf.state_root for leaf in leaves[: reached + 1]]):
            return Emitted(ZERO, faulted=True, fault=span.state_root)
        if span.state is None or not told:
            return Emitted(ZERO, astray=reached)
        return self._run(name, view, span.state, opened)

    def _run(self, name: RoundName, view: RoundView, end: State, opened: Opened | None) -> Emitted | None:
        """What `emit` makes of the round's start and an end state; nothing while the start is not here."""
        start, order = self._party.state(name[0], view.start_root), self._party.clerk.order(name[0])
        if start is None:
            return None
        with self._world.compute.metered("verify"), self._world.compute.within(patience_s(order.windows.open)):
            update = self._world.compute.runner(self._party.assignment(name[0]).bundle.emit).run([*start, *end])
            if isinstance(update, Fault):
                return Emitted(fault_of(order.steps_per_round, update), faulted=True)
            if opened and opened.transcript and opened.update and all(map(_same_bits, update, opened.update)):
                return Emitted(opened.transcript.leaves[-1].update_root)
            return Emitted(update_root(update))


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """Equality of bits: cheaper than two hashes, and a zero's sign counts."""
    return bool(torch.equal(a.view(torch.int32), b.view(torch.int32)))
