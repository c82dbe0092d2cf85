"""Commits the true aggregate and says that it cannot be measured, so that no job ends early."""

from dataclasses import replace
from hashlib import sha256

from assay.chain.contracts.containers import RoundView
from assay.protocol.score import UNSCORED, Marks
from assay.roles.aggregates import Aggregated, Aggregates
from assay.roles.duels import Duels
from assay.roles.round import RoundName
from assay.roles.shown import Shown
from assay.roles.world import World
from assay.roles.zoo.flattering_aggregator import Cheat as Flatterer

FAULT = sha256(b"no such fault").digest()


class Disparaged(Aggregates):
    """Aggregates of which none can be measured."""

    def of(self, name: RoundName, view: RoundView) -> Aggregated | None:
        end = super().of(name, view)
        return end and replace(end, score=UNSCORED)


class Faulty(Duels):
    """Games of somebody whose first batch ends in a fault."""

    def marks(self, name: RoundName) -> Marks | None:
        return Marks(0, (), FAULT)


class Cheat(Flatterer):
    """An aggregator that no quorum signs for, and that defends what it has said."""

    behaviour = "disparaging-aggregator"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.aggregates = Disparaged(self, self.openings)
        self.duels = Faulty(self, self.side, Shown(self, self.openings))
