"""Trains every other segment and passes the rest on unchanged."""

from assay.roles.assignment import State
from assay.roles.round import RoundName
from assay.roles.zoo.warped import Warped
from assay.work.batch import Feed
from assay.work.segment import Span


class Cheat(Warped):
    """A provider that does half the work for the whole pay."""

    behaviour = "skipper"

    def segment(self, name: RoundName, feed: Feed, index: int, state: State, before: Span) -> Span:
        if index % 2:
            return before
        return super().segment(name, feed, index, state, before)
