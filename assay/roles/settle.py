"""Taking what is one's own out of a job that is over."""

from assay.roles.clerk import Clerk
from assay.roles.wake import IDLE, Wake
from assay.roles.world import World


def settle(world: World, clerk: Clerk, job: int) -> Wake:
    """Claims what was earned and closes the file; bonds and locks go back when the job ends."""
    wake = IDLE
    if world.ledger.rounds.earned(job, world.address):
        wake |= clerk.attempt(world.ledger.rounds.claim(job, world.address))
    clerk.close(job)
    return wake
