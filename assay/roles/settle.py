"""Taking what is one's own out of a job that is over, and seeing to it that it stays so."""

from assay.chain.bond import is_held
from assay.roles.clerk import Clerk
from assay.roles.wake import Wake, wake_at
from assay.roles.world import World


def settle(world: World, clerk: Clerk, job: int) -> Wake:
    """Ends a job that is over, so that bonds and locks go back, claims what was earned, and closes the file."""
    if not clerk.view(job).ended:
        clerk.reopen(job)
        # After a fault the job can be disputed for another window.
        pause_s = max(1, clerk.order(job).windows.challenge // 4)
        for name, slot in clerk.void_demands(job):
            clerk.attempt(world.ledger.rounds.default_secret(*name, slot))
        return clerk.attempt(world.ledger.jobs.end(job)) | wake_at(world.clock() + pause_s)
    if world.ledger.rounds.earned(job, world.address) and not clerk.notices.claimed(job):
        wake = clerk.attempt(world.ledger.rounds.claim(job, world.address))
        # A file that was put away has forgotten that it was claimed.
        if wake.acted or not clerk.refused("AlreadyDone"):
            clerk.reopen(job)
            return wake
    if is_held(world.ledger, clerk.order(job).token, job, world.address):
        clerk.reopen(job)
        return clerk.attempt(world.ledger.jobs.settle_bid(job, world.address))
    return clerk.close(job)
