"""What a job would be for this machine and this account: how fast it is done here, what it earns, what it may cost."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from assay.architectures import load_shipped
from assay.chain.contracts.containers import Order
from assay.exact.values import TORCH_DTYPES, Value
from assay.protocol.errors import AssayError
from assay.protocol.phase import JobPhase
from assay.protocol.score import NEVER
from assay.roles.assignment import Content, Screen, fetch_assignment
from assay.roles.bidding import find_short_window
from assay.roles.clerk import Clerk
from assay.roles.footprint import footprint_of_provider
from assay.roles.looks import LOOK_S
from assay.roles.pace import MARGIN, round_s
from assay.roles.world import World
from assay.work.interpret import Runner
from assay.work.limits import Space, within_memory
from assay.work.program import Limits

SAMPLE, SAMPLE_STEPS = "digits-mlp", 5


@dataclass(frozen=True)
class Prospect:
    """One open job, for a provider. Times in seconds, amounts in the token's smallest unit; `refusal` says why not."""

    job: int
    segment_s: float = 0.0
    round_s: float = 0.0
    window_s: int = 0
    rounds: int = 0
    offered: int = 0
    earns: int = 0
    stake: int = 0
    bond: int = 0
    refusal: str = ""
    ends: str = ""
    """What may end it before its last round, for people."""

    @property
    def fits(self) -> bool:
        """Whether this machine keeps the job's windows."""
        return not self.refusal and MARGIN * self.round_s <= self.window_s

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "fits": self.fits}


def prospects(
    world: World, price: int, window_min_s: int = 1, token: str | None = None, limits: Limits | None = None
) -> list[Prospect]:
    """Every job that takes bids now, measured here. A job that does not check out says why; `token` is the one in which
    the price is meant."""
    clerk, found = Clerk(world), []
    for job in clerk.numbers():
        view = clerk.view(job)
        if view.phase != JobPhase.BIDDING:
            continue
        order = clerk.order(job)
        if view.consumer == world.address:
            found.append(Prospect(job, refusal="it is your own job"))
            continue
        if token is not None and order.token != token:
            found.append(Prospect(job, refusal="it pays in another token than yours"))
            continue
        short = find_short_window(order.windows, window_min_s)
        if short:
            found.append(Prospect(job, refusal=short))
            continue
        try:
            with world.compute.within(LOOK_S), within_memory():
                assignment = fetch_assignment(world, order, job, limits or Limits(), make_room(world.compute.space))
                spent_s = round_s(assignment, world.compute)
        except AssayError as refusal:
            found.append(Prospect(job, refusal=refusal.message))
            continue
        found.append(
            Prospect(
                job,
                spent_s / assignment.segment_count,
                spent_s,
                order.windows.train,
                order.rounds,
                order.price_ceiling,
                min(price, order.price_ceiling) * order.rounds,
                order.provider_stake,
                2 * order.price_ceiling,
                "" if price <= order.price_ceiling else "it offers less than your price",
                "" if order.stop_score == NEVER else "; fewer where the model is good enough earlier",
            )
        )
    return found


def make_room(space: Space) -> Screen:
    """Refuses what there is not the memory for, were it the only job."""

    def screen(order: Order, content: Content) -> None:
        found = footprint_of_provider(order, content, space)
        space.admit(found.working_bytes, found.kept_bytes, 0)

    return screen


def sample_step_s(world: World) -> float:
    """Seconds that a step of a shipped example takes here: what a provider may go by while no job is open."""
    bundle = load_shipped(SAMPLE)
    runner, times_s = Runner(bundle.step), []
    batch = [_zeros(value) for value in bundle.step.inputs[-2:]]
    for _ in range(SAMPLE_STEPS):
        started_s = world.compute.timer()
        runner.run([*bundle.state.values(), *batch])
        times_s.append(world.compute.timer() - started_s)
    return min(times_s)


def _zeros(value: Value) -> torch.Tensor:
    return torch.zeros(value.shape, dtype=TORCH_DTYPES[value.dtype])
