"""What every role does at the chain's counter: it minds its files on jobs, and sends what may race.

Nothing is held for done because it was sent: the next turn looks at what the chain says of it.
"""

from collections import deque
from typing import Any

from assay.chain.client import Call
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.protocol.errors import Malformed, Reverted
from assay.protocol.phase import RoundPhase
from assay.roles.register import Register
from assay.roles.round import RoundName
from assay.roles.wake import ACTED, IDLE, Wake
from assay.roles.world import World

REFUSALS_KEPT = 64
JOBS_MAX = 1 << 20
"""More than that no chain of ours has; a node that says so lies."""


class Clerk(Register):
    """One party's dealings with the contracts."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.refusals: deque[Reverted] = deque(maxlen=REFUSALS_KEPT)
        self._closed: dict[int, int] = {}
        self._counted, self._listed = (0, -1), 0
        """Jobs that there were, and the newest block that was read then; jobs that there were in an earlier one."""

    # files

    def numbers(self) -> range:
        """Numbers of all jobs. Errors: `Malformed` where the node says that there are countless."""
        count = self.job_count()
        if count > JOBS_MAX:
            raise Malformed(f"the node says that there are {count} jobs", hint="use another node")
        return range(1, count + 1)

    def jobs(self) -> list[int]:
        """Jobs that this party has not put away. Errors: as of `numbers`."""
        count = len(self.numbers())
        # Of a job that was not read of, it would not be told that it is taken back. One whose news the node never sent
        # is there all the same once everything is read that is as new.
        if self.head > self._counted[1]:
            self._counted, self._listed = (count, self.head), self._counted[0]
        until = min(count, max(self.notices.posted, self._listed))
        return [job for job in range(1, until + 1) if not self.put_away(job)]

    def close(self, job: int, *, unseen: bool = False) -> Wake:
        """Nothing more to do in this job, unless the chain is rewritten; `unseen`: whatever becomes of it."""
        depth_blocks = self.world.depth_blocks
        self._closed.setdefault(job, -depth_blocks if unseen else self.head if depth_blocks else 0)
        return IDLE

    def reopen(self, job: int) -> None:
        """There is something to do again: what closed the file never happened."""
        self._closed.pop(job, None)

    def closed(self, job: int) -> bool:
        """Whether this party has closed its file on a job."""
        return job in self._closed

    def put_away(self, job: int) -> bool:
        """Whether it was closed so long ago that no block of then can be replaced any more."""
        return job in self._closed and self.settled(self._closed[job])

    def admits(self, name: RoundName) -> bool:
        """Whether there may be talk of a round: of a job that runs, open or about to be, in any generation so far."""
        job, generation, index = name
        if not 0 < job <= self.job_count() or self.closed(job) or min(generation, index) < 0:
            return False
        present, _, following = self.progress(job)
        return generation <= present + 1 and index <= following

    def void_demands(self, job: int) -> list[tuple[RoundName, int]]:
        """Slots of void rounds whose secret is still called for. Nobody owes it, and the job does not end before
        somebody says so."""
        demands, orphans = self.notices.demands(job), self.orphans(job)
        return [
            (name, slot)
            for name, slot in demands
            if name not in orphans and self.round(name).phase == RoundPhase.VOID and self.round(name).disputes_open
        ]

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        self._notices.forget(job, below)

    # sending

    def attempt(self, call: Call[Any]) -> Wake:
        """Sends a transaction that somebody else may already have sent, or that may still be too early."""
        try:
            call.send()
        except Reverted as refusal:
            self.refusals.append(refusal)
            return IDLE
        finally:
            if self._seen is not None:
                self._seen = {}
        return ACTED

    def refused(self, error: str) -> bool:
        """Whether the latest refusal was the contracts' error of this name."""
        return bool(self.refusals) and self.refusals[-1].fields.get("contract_error") == error

    def beacon(self, target: int) -> tuple[bytes, int] | None:
        """The recorded hash of a block fixed in advance and its misses; records it as soon as it can be seen."""
        value, misses = self.beacon_read(target)
        if not any(value) and self.head > target:
            self.attempt(self.ledger.beacon.record(target))
            value, misses = self.beacon_read(target)
        return (value, misses) if any(value) else None

    def fund(self, token: str, amount: int) -> bool:
        """Brings the free balance up to `amount` from the wallet; whether there is enough now."""
        missing = amount - self.ledger.vault.free(token, self.world.address)
        if missing <= 0:
            return True
        if int(token, 16):
            coin = TestStablecoin(self.ledger.web3, token, self.ledger.sender)
            if not self.attempt(coin.approve(self.ledger.vault.address, missing)).acted:
                return False
        value_wei = 0 if int(token, 16) else missing
        return self.attempt(self.ledger.vault.deposit(token, missing, value_wei=value_wei)).acted
