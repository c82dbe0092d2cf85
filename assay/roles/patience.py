"""Until when somebody is waited for in a round."""

from assay.chain.contracts.containers import RoundView, Windows
from assay.protocol.phase import RoundPhase
from assay.roles.clerk import Clerk
from assay.roles.round import RoundName
from assay.roles.wake import Wake, wake_at


class Patience:
    """One party's patience with what others are to show."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk

    def ends_s(self, name: RoundName, view: RoundView) -> int:
        """When to stop waiting for others: half a window before the deadline, so that there is time to act."""
        windows = self._clerk.order(name[0]).windows
        window_s = windows.table if view.phase == RoundPhase.SAMPLING else windows.open
        return view.deadline - window_s // 2

    def wait(self, name: RoundName, view: RoundView) -> Wake:
        """Until then; after it, until the phase is over."""
        ends_s = self.ends_s(name, view)
        return wake_at(ends_s if self._clerk.world.clock() < ends_s else view.deadline)

    def over(self, name: RoundName, view: RoundView) -> bool:
        """Whether waiting is over."""
        return view.phase > RoundPhase.OPENING or self._clerk.world.clock() >= self.ends_s(name, view)


def phase_began_s(view: RoundView, windows: Windows) -> int:
    """When a round's present phase began, at the latest: its deadline less its window."""
    optimistic = 4 if view.optimistic else 1
    window_s = {
        RoundPhase.TRAINING: windows.train + windows.aggregate,
        RoundPhase.SAMPLING: windows.table,
        RoundPhase.OPENING: windows.open,
        RoundPhase.AGGREGATING: windows.aggregate,
        RoundPhase.CHALLENGING: windows.challenge * optimistic,
    }
    return view.deadline - window_s.get(RoundPhase(view.phase), 0)
