"""Bidding for slots: what may be promised with the stake and the money that there is, sealed first and opened later."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from assay.chain.contracts.containers import Windows
from assay.protocol.errors import AssayError, Refused, Unavailable
from assay.protocol.phase import JobPhase
from assay.roles.clerk import Clerk
from assay.roles.memory import Memory
from assay.roles.seals import sealed_bid
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import World


@dataclass(frozen=True)
class Bid:
    """A price per slot and round, and the salt that seals it."""

    price: int
    salt: bytes

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {"price": self.price, "salt": self.salt.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "Bid":
        """Back from plain values."""
        return cls(int(value["price"]), bytes.fromhex(value["salt"]))


class Bidding:
    """The bids of one provider. `token` is the only one that it works for, if it names one; in a window shorter than
    `window_min_s` it does not promise to act; `admit` raises where its machine does not take a job."""

    def __init__(
        self, world: World, clerk: Clerk, token: str | None, window_min_s: int, admit: Callable[[int], None]
    ) -> None:
        self._world, self._clerk, self._token, self._admit = world, clerk, token, admit
        self._window_min_s = window_min_s
        self.bids = Memory(world.journal, "bid", Bid.to_json, Bid.from_json)
        self.declined: dict[int, str] = {}
        """By job, why it was left to others."""
        self._awaited: dict[int, str] = {}
        """By job, what its bid is waiting for."""

    def bid(self, job: int, price: int) -> Wake:
        """Seals a bid while bids are taken and opens it afterwards; a job that does not check out gets none. Errors:
        `Unavailable` where something of it is not to be had yet."""
        if job in self.declined or self._clerk.notices.bid_opened(job):
            return IDLE
        order, now_s = self._clerk.order(job), self._world.clock()
        closes_s = self._clerk.view(job).posted_at + order.windows.bid
        known = self.bids.get(*self._name(job))
        if known is None and now_s >= closes_s:
            awaited = self._awaited.pop(job, "")
            self._decline(job, f"bids are closed, and until then {awaited}" if awaited else "bids are closed")
            return IDLE
        bid = known or self._make(job, price)
        if bid is None:
            return IDLE
        jobs = self._world.ledger.jobs
        if not self._clerk.notices.bid_sealed(job):
            if now_s >= closes_s:
                return IDLE  # it was not entered in time, unless a chain that was rewritten enters it yet
            sealed = sealed_bid(job, self._world.address, bid.price, bid.salt)
            if known:  # what was brought for its bond may have gone with the blocks that it stood in
                self._clerk.fund(order.token, 2 * order.price_ceiling)
            return self._clerk.attempt(jobs.commit_bid(job, sealed)) | wake_at(closes_s)
        if now_s < closes_s:
            return wake_at(closes_s)
        opened = self._clerk.attempt(jobs.reveal_bid(job, bid.price, bid.salt))
        # This clock may be ahead of the chain's: then it was too early.
        is_early = self._clerk.refused("OutsideWindow") and now_s < closes_s + order.windows.reveal
        return wake_at(now_s + 1) if not opened.acted and is_early else opened

    def _name(self, job: int) -> tuple[object, ...]:
        """What a bid is for: where the chain is rewritten, a job's number may go to another order."""
        return job, sha256(repr(self._clerk.order(job)).encode()).hexdigest()

    def made(self, job: int) -> bool:
        """Whether there is a bid for a job."""
        return self.bids.get(*self._name(job)) is not None

    def _make(self, job: int, price: int) -> Bid | None:
        """A bid, unless the job is declined."""
        order = self._clerk.order(job)
        try:
            self._check_stake(job)
            self._check_windows(job)
            if price > order.price_ceiling:
                raise Refused("the job pays too little")
            self._admit(job)
            if not self._clerk.fund(order.token, 2 * order.price_ceiling):
                raise Refused("the wallet does not hold the bid's bond")
        except Unavailable as trouble:
            self._awaited[job] = str(trouble)
            raise
        except AssayError as refusal:
            self._decline(job, refusal.message)
            return None
        return self.bids.keep(Bid(price, self._world.entropy.draw(32)), *self._name(job))

    def _check_stake(self, job: int) -> None:
        """A bid that could not be opened would cost its bond: what is at stake covers it beside all other bids that are
        yet to be opened. Errors: `Refused`."""
        order = self._clerk.order(job)
        chosen = order.token == self._token if self._token else bool(int(order.token, 16))
        if not chosen:
            raise Refused("the job pays in another token than this provider works for")
        promised = [other for other in self._unopened() if self._clerk.order(other).token == order.token]
        needed = order.provider_stake + sum(self._clerk.order(other).provider_stake for other in promised)
        if self._world.ledger.stakes.available(order.token, self._world.address) < needed:
            raise Refused("what is at stake does not cover the job beside other bids", hint="stake more")

    def _check_windows(self, job: int) -> None:
        """Who cannot answer within a window loses its bond, or all that it has locked. Errors: `Refused`."""
        short = find_short_window(self._clerk.order(job).windows, self._window_min_s)
        if short:
            raise Refused(short, hint="lower the shortest window that this provider acts in")

    def _unopened(self) -> list[int]:
        """Jobs with a bid of this party that is yet to be opened."""
        sealed = [job for job in self._clerk.jobs() if self.made(job) and not self._clerk.notices.bid_opened(job)]
        return [job for job in sealed if self._clerk.view(job).phase == JobPhase.BIDDING]

    def reconsider(self, job: int) -> None:
        """Looks anew at a job that was declined."""
        if self.declined.pop(job, None) is not None:
            self._clerk.reopen(job)

    def _decline(self, job: int, reason: str) -> None:
        """Leaves a job to others."""
        self.declined[job] = reason
        self._clerk.close(job, unseen=True)


def find_short_window(windows: Windows, least_s: int) -> str:
    """Which of a job's windows is shorter than a party needs to act in; nothing where none is."""
    name, window_s = min(vars(windows).items(), key=lambda window: int(window[1]))
    return f"its {name} window of {window_s} s is shorter than {least_s} s" if window_s < least_s else ""
