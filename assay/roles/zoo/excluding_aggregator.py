"""Leaves one provider out of every root, though it has heard its commitment."""

from assay.chain.contracts.containers import RoundView
from assay.roles.aggregator import Aggregator
from assay.roles.page import Page
from assay.roles.round import RoundName
from assay.roles.wake import Wake


class Cheat(Aggregator):
    """An aggregator with an enemy: the provider of slot 0."""

    behaviour = "excluding-aggregator"
    victim = 0

    def commit(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        left = {slot: signed for slot, signed in page.commitments.items() if slot != self.victim}
        return super().commit(name, view, Page(commitments=left, votes=page.votes))
