"""Commits the true aggregate and says that it is perfect, so that the job ends here."""

from dataclasses import replace

from assay.chain.contracts.containers import RoundView
from assay.protocol.score import MILLION
from assay.roles.aggregates import Aggregated, Aggregates
from assay.roles.aggregator import Aggregator
from assay.roles.page import Page
from assay.roles.round import RoundName
from assay.roles.wake import Wake, wake_at
from assay.roles.world import World


class Flattery(Aggregates):
    """Aggregates of which every score is the best."""

    def of(self, name: RoundName, view: RoundView) -> Aggregated | None:
        end = super().of(name, view)
        return end and replace(end, score=MILLION)


class Cheat(Aggregator):
    """An aggregator that no quorum signs for, and that waits until it may go on alone."""

    behaviour = "flattering-aggregator"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.aggregates = Flattery(self, self.openings)

    def aggregate(self, name: RoundName, view: RoundView, page: Page) -> Wake:
        wake = super().aggregate(name, view, page)
        return wake if wake.acted else wake | wake_at(self.world.clock() + 1)
