"""Whoever had to show something in a round and did not is penalised, by anybody, once its time is over."""

from assay.chain.contracts.containers import RoundView
from assay.roles.clerk import Clerk
from assay.roles.patience import phase_began_s
from assay.roles.round import RoundName
from assay.roles.wake import IDLE, Wake, wake_at


def penalise_silent(clerk: Clerk, name: RoundName, view: RoundView) -> Wake:
    """Has validators penalised that had to show their sample in a round and did not, once its time is over."""
    seats = clerk.validators(name[0])
    shown = view.tables_revealed & ~view.unserved
    silent = [seat for seat in range(len(seats)) if int(seats[seat], 16) and not shown >> seat & 1]
    silent = [seat for seat in silent if not clerk.notices.fined(name, seats[seat])]
    if not silent:
        return IDLE
    windows = clerk.order(name[0]).windows
    due_s = min(view.deadline, phase_began_s(view, windows) + windows.open)
    if clerk.world.clock() < due_s:
        return wake_at(due_s)
    wake = IDLE
    for seat in silent:
        wake |= clerk.attempt(clerk.ledger.rounds.penalise_silent(*name, seat))
    return wake
