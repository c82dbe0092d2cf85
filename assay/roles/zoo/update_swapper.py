"""Does all the work honestly and binds another update to it: one that points the model the other way."""

from dataclasses import replace

from assay.roles.assignment import State
from assay.roles.provider import Provider
from assay.roles.round import RoundName
from assay.work.segment import SlotWork
from assay.work.state import update_root


class Cheat(Provider):
    """A provider whose transcript is right and whose update is not."""

    behaviour = "update-swapper"

    def compute(self, name: RoundName, slot: int, start: State, start_root: bytes) -> SlotWork:
        work = super().compute(name, slot, start, start_root)
        if work.update is None:
            return work
        swapped = [-2 * tensor + 0.0 for tensor in work.update]
        return replace(work, update=swapped, update_root=update_root(swapped))
