"""Commits the true aggregate, says that it is perfect, and shows marks that add up to that."""

from dataclasses import replace

from assay.protocol.score import Marks
from assay.roles.duels import Duels
from assay.roles.round import RoundName
from assay.roles.shown import Shown
from assay.roles.world import World
from assay.roles.zoo.flattering_aggregator import Cheat as Flatterer


class Embellished(Duels):
    """Games of somebody who has every answer right."""

    def marks(self, name: RoundName) -> Marks | None:
        found = super().marks(name)
        if found is None:
            return None
        right = tuple(replace(each, correct_count=each.target_count) for each in found.batches)
        return replace(found, batches=right)


class Cheat(Flatterer):
    """An aggregator that no quorum signs for, and that defends what it has said."""

    behaviour = "false-marks"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.duels = Embellished(self, self.side, Shown(self, self.openings))
