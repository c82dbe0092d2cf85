"""Starts from an older state than the round's: last round's work, sold twice."""

from assay.chain.contracts.containers import RoundView
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.roles.wake import ACTED, Wake


class Cheat(Provider):
    """A provider that trains from the job's initial state in every round but the first."""

    behaviour = "stale-start"

    def train(self, name: RoundName, view: RoundView, slot: int) -> Wake:
        root = self.clerk.order(name[0]).state_root
        if view.start_root == root:
            return super().train(name, view, slot)
        start = self.state(name[0], root)
        assert start is not None
        self.tell(name, self.commit(name, view.start_root, slot, self.compute(name, slot, start, root)))
        return ACTED
