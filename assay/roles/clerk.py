"""What every role does at the chain's counter: which jobs there are, where they stand, and sending what may race.

Nothing is held for done because it was sent: the next turn looks at what the chain says of it.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from assay.chain.client import Call
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import JobView, Order, RoundView, TranscriptOpening, Windows
from assay.chain.contracts.jobs import SeatAtAnswer
from assay.chain.contracts.rerun import Rerun
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.protocol.commitment import Commitment, bitmap_slots
from assay.protocol.errors import Malformed, Reverted
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.transcript import Transcript
from assay.roles.book import RoundName
from assay.roles.notices import Notices
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import World

T = TypeVar("T")
REFUSALS_KEPT = 64
JOBS_MAX = 1 << 20
"""More than that no chain of ours has; a node that says so lies."""


class Clerk:
    """One party's dealings with the contracts.

    From `refresh` on, an answer of the chain is remembered until the next `refresh` or until this party sends: one turn
    looks at one state of the chain. Whoever never refreshes asks each time.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self._notices = Notices(world.ledger, world.address)
        self.refusals: deque[Reverted] = deque(maxlen=REFUSALS_KEPT)
        self._closed: dict[int, int] = {}
        self._orders: dict[tuple[int, str, int], Order] = {}
        self._providers: dict[tuple[int, bytes], tuple[str, ...]] = {}
        self._rewritten: set[int] = set()
        self._seen: dict[Hashable, Any] | None = None

    def refresh(self) -> None:
        """Looks at the chain anew."""
        self._seen = {}

    @property
    def notices(self) -> Notices:
        """What the contracts have announced by now."""
        self._look()
        return self._notices

    def _look(self) -> None:
        if self._seen is None or "notices" not in self._seen:
            self._rewritten |= self._notices.read()
        if self._seen is not None:
            self._seen["notices"] = True

    @property
    def head(self) -> int:
        """Number of the newest block."""
        return self.notices.head

    def rewritten(self) -> set[int]:
        """Jobs of which the chain has taken something back since this was asked last."""
        self._look()
        jobs, self._rewritten = self._rewritten, set()
        return jobs

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if self._seen is None:
            return read()
        if key not in self._seen:
            self._seen[key] = read()
        found: T = self._seen[key]
        return found

    # jobs

    def jobs(self) -> list[int]:
        """Jobs that this party has not put away. Errors: `Malformed` where the node says that there are countless."""
        count = self.job_count()
        if count > JOBS_MAX:
            raise Malformed(f"the node says that there are {count} jobs", hint="use another node")
        return [job for job in range(1, count + 1) if not self.put_away(job)]

    def job_count(self) -> int:
        """Jobs that were ever posted."""
        return self._once("job_count", self.ledger.jobs.job_count)

    def close(self, job: int, *, unseen: bool = False) -> Wake:
        """Nothing more to do in this job, unless the chain is rewritten; `unseen`: whatever becomes of it."""
        self._closed.setdefault(job, -self.world.depth_blocks if unseen else self._now())
        return IDLE

    def reopen(self, job: int) -> None:
        """There is something to do again: what closed the file never happened."""
        self._closed.pop(job, None)

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        self._notices.forget(job, below)

    def closed(self, job: int) -> bool:
        """Whether this party has closed its file on a job."""
        return job in self._closed

    def put_away(self, job: int) -> bool:
        """Whether it was closed so long ago that no block of then can be replaced any more."""
        return job in self._closed and self.settled(self._closed[job])

    def settled(self, block: int) -> bool:
        """Whether what stood in a block, or was seen when it was the newest, stands for good."""
        return not self.world.depth_blocks or self.head >= block + self.world.depth_blocks

    def _now(self) -> int:
        return self.head if self.world.depth_blocks else 0

    def order(self, job: int) -> Order:
        """The order; it never changes, unless its number goes to another when the chain is rewritten."""
        view = self.view(job)
        key = (job, view.consumer, view.posted_at)
        if key not in self._orders:
            self._orders[key] = self.ledger.jobs.order_of(job)
        return self._orders[key]

    def view(self, job: int) -> JobView:
        """Where a job stands now."""
        return self._once(("view", job), lambda: self.ledger.jobs.view_of(job))

    # who is who

    def providers(self, job: int) -> tuple[str, ...]:
        """Who holds which slot; fixed by the match, nobody before it."""
        view = self.view(job)
        if view.phase < JobPhase.DRAWING:
            return ()
        # The draw's beacon is the hash of a block after the match: what was before it cannot be otherwise.
        key = (job, view.beacon)
        if key not in self._providers:
            providers = self._once(("providers", job), lambda: self.ledger.jobs.providers_of(job))
            if not any(view.beacon):
                return providers
            self._providers[key] = providers
        return self._providers[key]

    def slots(self, job: int, account: str) -> list[int]:
        """The slots that an account holds."""
        return [slot for slot, provider in enumerate(self.providers(job)) if provider == account]

    def open_slots(self, job: int) -> list[int]:
        """Slots that still take part."""
        return self._once(("open", job), lambda: bitmap_slots(self.ledger.jobs.slots_open(job)))

    def validators(self, job: int) -> tuple[str, ...]:
        """Who checks a job, by seat."""
        return self._once(("validators", job), lambda: self.ledger.jobs.validators_of(job))

    def seats_live(self, job: int) -> int:
        """Bitmap of the seats that are held and enlisted."""
        return self._once(("live", job), lambda: self.ledger.jobs.seats_live(job))

    def seat_at(self, job: int, seat: int) -> SeatAtAnswer:
        """Who holds a seat, since when, and which drawings its nonces serve."""
        return self._once(("seat", job, seat), lambda: self.ledger.jobs.seat_at(job, seat))

    def aggregator(self, job: int) -> str:
        """Who aggregates now; the zero address if nobody does."""
        return self._once(("aggregator", job), lambda: self.ledger.jobs.aggregator_of(job))

    def parties(self, job: int) -> frozenset[str]:
        """Everybody with a part in a job."""
        return self._once(
            ("parties", job),
            lambda: frozenset((*self.providers(job), *self.validators(job), self.aggregator(job))),
        )

    def dispute_count(self) -> int:
        """Disputes that were ever opened."""
        return self._once("disputes", self.ledger.open(Rerun).dispute_count)

    # rounds

    def progress(self, job: int) -> tuple[int, int, int]:
        """(generation, first round that is not final, next round to open)."""

        def read() -> tuple[int, int, int]:
            progress = self.ledger.rounds.progress(job)
            return progress.generation, progress.first_open, progress.next

        return self._once(("progress", job), read)

    def admits(self, name: RoundName) -> bool:
        """Whether there may be talk of a round: of a job that runs, open or about to be, in any generation so far."""
        job, generation, index = name
        if not 0 < job <= self.job_count() or self.closed(job) or min(generation, index) < 0:
            return False
        present, _, following = self.progress(job)
        return generation <= present + 1 and index <= following

    def rounds(self, job: int) -> Iterator[tuple[RoundName, RoundView]]:
        """Rounds that are not final, oldest first; then those of earlier generations that are still judged."""
        present, first_open, following = self.progress(job)
        for index in range(first_open, following):
            name = (job, self.generation(job, index) if present else 0, index)
            yield name, self.round(name)
        for name in self.orphans(job):
            yield name, self.round(name)

    def orphans(self, job: int) -> list[RoundName]:
        """Rounds committed before an earlier one was disproved: judged and paid, and nothing follows from them."""
        if not self.progress(job)[0]:
            return []
        packed = self._once(("orphans", job), lambda: self.ledger.rounds.orphans_of(job))
        return [(job, each >> 32, each & 0xFFFFFFFF) for each in packed]

    def generation(self, job: int, index: int) -> int:
        """Generation of a round that is live."""
        return self._once(("generation", job, index), lambda: self.ledger.rounds.generation_of(job, index))

    def round(self, name: RoundName) -> RoundView:
        """Where a round stands."""
        return self._once(("round", name), lambda: self.ledger.rounds.view_of(*name))

    def table_root(self, name: RoundName, validator: str) -> bytes:
        """The root of a validator's table as it was revealed; zero if it was not."""
        return self._once(("table", name, validator), lambda: self.ledger.rounds.table_root_of(*name, validator))

    def segments(self, job: int) -> int:
        """Segments of one slot's round, N."""
        order = self.order(job)
        return order.steps_per_round // order.steps_per_segment

    @property
    def place(self) -> tuple[int, str]:
        """(chain id, `Rounds` address): where commitments count."""
        return self.world.domain.chain_id, self.world.domain.rounds

    def beacon(self, target: int) -> tuple[bytes, int] | None:
        """The recorded hash of a block fixed in advance and its misses; records it as soon as it can be seen."""
        value, misses = self._once(("beacon", target), lambda: self.ledger.beacon.read(target))
        if not any(value) and self.head > target:
            self.attempt(self.ledger.beacon.record(target))
            value, misses = self.ledger.beacon.read(target)
        return (value, misses) if any(value) else None

    # sending

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

    def penalise_silent(self, name: RoundName, view: RoundView) -> Wake:
        """Has validators penalised that had to show their sample in a round and did not, once its time is over."""
        seats = self.validators(name[0])
        shown = view.tables_revealed & ~view.unserved
        silent = [seat for seat in range(len(seats)) if int(seats[seat], 16) and not shown >> seat & 1]
        silent = [seat for seat in silent if not self.notices.fined(name, seats[seat])]
        if not silent:
            return IDLE
        windows = self.order(name[0]).windows
        due_s = min(view.deadline, phase_began_s(view, windows) + windows.open)
        if self.world.clock() < due_s:
            return wake_at(due_s)
        wake = IDLE
        for seat in silent:
            wake |= self.attempt(self.ledger.rounds.penalise_silent(*name, seat))
        return wake


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


def on_chain(commitment: Commitment) -> ChainCommitment:
    """A commitment in the form that the contracts take."""
    return ChainCommitment(**vars(commitment))


def chain_opening(transcript: Transcript) -> TranscriptOpening:
    """A transcript's secret and leaves in the form that the contracts take."""
    leaves = transcript.leaves
    states = tuple(leaf.state_root for leaf in leaves)
    losses = tuple(leaf.loss_bits for leaf in leaves[1:])
    return TranscriptOpening(transcript.secret, leaves[-1].update_root, states, losses)
