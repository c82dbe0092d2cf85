"""Says that the updates come to a fault of the job, so that the job ends and its consumer pays for it."""

from assay.chain.contracts.containers import RoundView
from assay.roles.aggregates import Aggregated, Aggregates
from assay.roles.aggregator import Aggregator
from assay.roles.round import RoundName
from assay.roles.world import World
from assay.work.segment import fault_of
from assay.work.walk import Fault

FAULT = Fault(0, "add", "", "not finite")


class Faulty(Aggregates):
    """Aggregates that all end at the program's first node."""

    def of(self, name: RoundName, view: RoundView) -> Aggregated | None:
        return super().of(name, view) and Aggregated(fault_of(0, FAULT), "", fault=FAULT)


class Cheat(Aggregator):
    """An aggregator that stands by what it has said."""

    behaviour = "crying-aggregator"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.aggregates = Faulty(self, self.openings)
