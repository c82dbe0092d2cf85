"""Says that its work ends in a fault of the job, and shows that to the chain, so that the job ends and is paid for."""

from dataclasses import replace
from typing import Any

from assay.protocol.transcript import ZERO
from assay.roles.provider import Provider
from assay.work.segment import SlotWork, fault_of
from assay.work.walk import Fault

FAULT = Fault(-1, "input", "", "not finite")


class Cheat(Provider):
    """A provider whose last segment never ends."""

    behaviour = "crying-provider"

    def compute(self, name: Any, slot: int, start: Any, start_root: bytes) -> SlotWork:
        work, order = super().compute(name, slot, start, start_root), self.clerk.order(name[0])
        roots = (*work.roots[:-1], fault_of(order.steps_per_round - 1, FAULT))
        losses, states = (*work.loss_bits[:-1], 0), (*work.states[:-1], None)
        return replace(work, states=states, roots=roots, loss_bits=losses, update=None, update_root=ZERO, fault=FAULT)
