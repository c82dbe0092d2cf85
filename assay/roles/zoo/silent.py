"""Wins a slot and is never heard of again."""

from assay.chain.contracts.containers import RoundView
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake


class Cheat(Provider):
    """A provider that is not there."""

    behaviour = "silent"

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        return IDLE
