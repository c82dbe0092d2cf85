"""Is drawn and does nothing."""

from assay.chain.contracts.containers import RoundView
from assay.roles.aggregator import Aggregator
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake


class Cheat(Aggregator):
    """An aggregator that keeps everybody waiting."""

    behaviour = "stalling-aggregator"

    def move(self, name: RoundName, view: RoundView) -> Wake:
        return IDLE

    def hurry(self, name: RoundName, view: RoundView) -> Wake:
        return IDLE
