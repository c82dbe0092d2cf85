"""Trains nothing and commits the start state, segment after segment."""

from assay.roles.assignment import State
from assay.roles.round import RoundName
from assay.roles.zoo.warped import Warped
from assay.work.batch import Feed
from assay.work.segment import Span

HALF_BITS = 0x3F000000
"""0.5 as binary32: a loss that looks fine."""


class Cheat(Warped):
    """A provider that is paid for waiting."""

    behaviour = "lazy"

    def segment(self, name: RoundName, feed: Feed, index: int, state: State, before: Span) -> Span:
        return Span(state, before.state_root, HALF_BITS)
