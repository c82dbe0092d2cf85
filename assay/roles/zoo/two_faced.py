"""Commits one state that it never was in, and shows it to a single validator: whoever was served it finds other bits
than whoever derives the round from its start, so that honest validators seem to contradict each other."""

from dataclasses import replace

from assay.roles.assignment import State
from assay.roles.piece import Piece
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake
from assay.work.segment import SlotWork
from assay.work.state import state_root


class Cheat(Provider):
    """A provider that would rather have a validator slashed than do anything wrong for itself."""

    behaviour = "two-faced"
    false_leaf = 4
    confidant = ""

    def compute(self, name: RoundName, slot: int, start: State, start_root: bytes) -> SlotWork:
        work = super().compute(name, slot, start, start_root)
        truth = work.states[self.false_leaf]
        if truth is None:
            return work
        false = [tensor / 2 if tensor.is_floating_point() else tensor for tensor in truth]
        at = self.false_leaf
        states = (*work.states[:at], false, *work.states[at + 1 :])
        return replace(work, states=states, roots=(*work.roots[:at], state_root(false), *work.roots[at + 1 :]))

    def answer(self, name: RoundName, piece: Piece, recipient: str, segment: int) -> Wake:
        if segment == self.false_leaf:
            self.confidant = self.confidant or recipient
            if recipient != self.confidant:
                return IDLE
        return super().answer(name, piece, recipient, segment)
