"""Commits only after the window is over."""

from assay.chain.contracts.containers import RoundView
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import Wake, wake_at


class Cheat(Provider):
    """A provider that takes its time."""

    behaviour = "late"

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        due_s = view.opened_at + self.clerk.order(name[0]).windows.train + 1
        if self.world.clock() < due_s:
            return wake_at(due_s)
        return super().train(name, view, slot)
