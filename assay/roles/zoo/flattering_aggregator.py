"""Commits the true aggregate and says that it is perfect, so that the job ends here."""

from dataclasses import replace

from assay.chain.contracts.containers import RoundView
from assay.protocol.score import MILLION
from assay.roles.aggregator import Aggregator
from assay.roles.book import RoundBook, RoundName
from assay.roles.evidence import Aggregated, Evidence
from assay.roles.wake import Wake, wake_at
from assay.roles.world import World


class Flattery(Evidence):
    """Evidence of which every score is the best."""

    def aggregate(self, name: RoundName, view: RoundView) -> Aggregated | None:
        end = super().aggregate(name, view)
        return end and replace(end, score=MILLION)


class Cheat(Aggregator):
    """An aggregator that no quorum signs for, and that waits until it may go on alone."""

    behaviour = "flattering-aggregator"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.evidence = Flattery(self)

    def aggregate(self, name: RoundName, view: RoundView, page: RoundBook) -> Wake:
        wake = super().aggregate(name, view, page)
        return wake if wake.acted else wake | wake_at(self.world.clock() + 1)
