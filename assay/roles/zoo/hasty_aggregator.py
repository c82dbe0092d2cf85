"""Commits a root that nobody has heard of, as early as the contract lets it, so that everybody's work is worthless."""

from assay.chain.contracts.containers import RoundView
from assay.protocol.commitment import bitmap
from assay.protocol.words import words_hash
from assay.roles.aggregator import Aggregator
from assay.roles.page import Page
from assay.roles.round import RoundName
from assay.roles.wake import Wake, wake_at


class Cheat(Aggregator):
    """An aggregator that would burn every provider's bond."""

    behaviour = "hasty-aggregator"

    def commit(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        present = bitmap(self.clerk.open_slots(name[0]), self.clerk.order(name[0]).providers)
        root = words_hash("assay.zoo.hasty", *name)
        tried = self.clerk.attempt(self.world.ledger.rounds.commit(*name, root, present, []))
        windows = self.clerk.order(name[0]).windows
        return tried if tried.acted else wake_at(view.opened_at + windows.train + windows.aggregate // 2)
