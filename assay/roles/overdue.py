"""The steps of a job's life that anybody may take: its bids are closed, its checkers drawn, it is started, and ended.

Its consumer takes each as soon as it can; who has a part in the job does once it is left lying.
"""

from typing import Any

from assay.chain.client import Call
from assay.protocol.phase import JobPhase
from assay.roles.clerk import Clerk
from assay.roles.wake import IDLE, Wake, wake_at


def steps(clerk: Clerk, job: int) -> list[Call[Any]]:
    """The next step, where the chain would take it now as far as can be told; the first that it takes is enough."""
    jobs, view, now_s = clerk.ledger.jobs, clerk.view(job), clerk.world.clock()
    match view.phase:
        case JobPhase.BIDDING:
            return [jobs.close(job)] if now_s >= closes_s(clerk, job) else []
        case JobPhase.DRAWING:
            return [jobs.draw(job)] if clerk.beacon(view.draw_block) else []
        case JobPhase.ENLISTING:
            return [jobs.start(job)]
        case JobPhase.RUNNING | JobPhase.FAULTED if not view.ended:
            _, first_open, following = clerk.progress(job)
            if first_open != following:
                return []
            if clerk.ledger.rounds.settled(job):
                return [jobs.end(job)]
            # Nothing is announced of one that lapses, so those that did are tried too.
            return [clerk.ledger.rounds.default_secret(*name, slot) for name, slot in clerk.void_demands(job)]
    return []


def closes_s(clerk: Clerk, job: int) -> int:
    """When the time for opening bids is over."""
    windows = clerk.order(job).windows
    return int(clerk.view(job).posted_at + windows.bid + windows.reveal)


def take(clerk: Clerk, job: int) -> Wake:
    """Takes the next step, if its time has come; else says when to look again."""
    view = clerk.view(job)
    for call in steps(clerk, job):
        wake = clerk.attempt(call)
        if wake.acted:
            return wake
    match view.phase:
        case JobPhase.BIDDING:
            return wake_at(closes_s(clerk, job))
        case JobPhase.DRAWING if clerk.world.clock() >= view.phase_deadline:
            # A pool that is too small, or too crowded to be searched: a window later the job is cancelled.
            return wake_at(view.phase_deadline + clerk.order(job).windows.enlist)
        case JobPhase.DRAWING | JobPhase.ENLISTING:
            return wake_at(view.phase_deadline)
    return IDLE


class Overdue:
    """What one party takes up that others have left lying for half of the time for enlisting."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._since_s: dict[int, tuple[JobPhase, int]] = {}

    def take(self, job: int) -> Wake:
        """Takes the next step of a job's life once it is overdue."""
        clerk, now_s = self._clerk, self._clerk.world.clock()
        phase = JobPhase(clerk.view(job).phase)
        if phase == JobPhase.BIDDING and now_s < closes_s(clerk, job):
            return wake_at(closes_s(clerk, job))
        if phase == JobPhase.RUNNING and not steps(clerk, job):
            # A job that was stopped can be disputed for another window.
            pause_s = max(1, clerk.order(job).windows.challenge // 4)
            return wake_at(now_s + pause_s) if clerk.view(job).ending else IDLE
        since = self._since_s.get(job)
        if since is None or since[0] != phase:
            since = self._since_s[job] = (phase, now_s)
        due_s = since[1] + max(1, clerk.order(job).windows.enlist // 2)
        return wake_at(due_s) if now_s < due_s else take(clerk, job)
