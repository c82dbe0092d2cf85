"""Below which round nothing of a job can change any more, however the chain is rewritten."""

from collections import defaultdict, deque

from assay.roles.register import Register


class Horizon:
    """What was final in which block, by job: once that block stands for good, so does what was final in it."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._seen: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)
        """(index of the first round that was not final, the block in which that was seen), oldest first."""

    def see(self, job: int, below: int) -> int:
        """Takes note that rounds below an index are final now; returns below which they are so for good."""
        seen, settled = self._seen[job], 0
        while seen and seen[-1][0] > below:
            seen.pop()
        if below and (not seen or seen[-1][0] < below):
            seen.append((below, self._register.head if self._register.world.depth_blocks else 0))
        while seen and self._register.settled(seen[0][1]):
            settled = seen[0][0]
            if len(seen) == 1:
                break  # stays, as the latest that was seen
            seen.popleft()
        return settled

    def drop(self, job: int) -> None:
        """Lets go of a job that is over."""
        self._seen.pop(job, None)
