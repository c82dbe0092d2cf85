"""What every role does at the chain's counter: which jobs there are, where they stand, and sending what may race."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from assay.chain.client import Call
from assay.chain.contracts.containers import Commitment as ChainCommitment
from assay.chain.contracts.containers import JobView, Order, RoundView, TranscriptOpening, Windows
from assay.chain.contracts.rerun import Rerun
from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.protocol.commitment import Commitment, bitmap_slots
from assay.protocol.errors import Reverted
from assay.protocol.phase import JobPhase, RoundPhase
from assay.protocol.transcript import Transcript
from assay.roles.book import RoundName, drop
from assay.roles.notices import Notices
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.roles.world import World

T = TypeVar("T")
REFUSALS_KEPT = 64


class Clerk:
    """One party's dealings with the contracts.

    From `refresh` on, an answer of the chain is remembered until the next `refresh` or until this party sends: one turn
    looks at one state of the chain. Whoever never refreshes asks each time.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.notices = Notices(world.ledger)
        self.refusals: deque[Reverted] = deque(maxlen=REFUSALS_KEPT)
        self._closed: set[int] = set()
        self._orders: dict[int, Order] = {}
        self._providers: dict[int, tuple[str, ...]] = {}
        self._penalised: set[tuple[RoundName, str]] = set()
        self._generations: dict[tuple[int, int], tuple[int, int]] = {}
        self._seen: dict[Hashable, Any] | None = None

    def refresh(self) -> None:
        """Looks at the chain anew."""
        self._seen = {}

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if self._seen is None:
            return read()
        if key not in self._seen:
            self._seen[key] = read()
        found: T = self._seen[key]
        return found

    # jobs

    def jobs(self) -> list[int]:
        """Jobs that this party has not closed its file on."""
        return [job for job in range(1, self.job_count() + 1) if job not in self._closed]

    def job_count(self) -> int:
        """Jobs that were ever posted."""
        return self._once("job_count", self.ledger.jobs.job_count)

    def close(self, job: int) -> Wake:
        """Nothing more to do in this job."""
        self._closed.add(job)
        return IDLE

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        self.notices.forget(job, below)
        drop(self._penalised, job, below)
        for key in [key for key in self._generations if key[0] == job and key[1] < below]:
            del self._generations[key]

    def closed(self, job: int) -> bool:
        """Whether this party has closed its file on a job."""
        return job in self._closed

    def order(self, job: int) -> Order:
        """The order; it never changes."""
        if job not in self._orders:
            self._orders[job] = self.ledger.jobs.order_of(job)
        return self._orders[job]

    def view(self, job: int) -> JobView:
        """Where a job stands now."""
        return self._once(("view", job), lambda: self.ledger.jobs.view_of(job))

    # who is who

    def providers(self, job: int) -> tuple[str, ...]:
        """Who holds which slot; fixed by the match, nobody before it."""
        if job not in self._providers:
            if self.view(job).phase < JobPhase.DRAWING:
                return ()
            self._providers[job] = self.ledger.jobs.providers_of(job)
        return self._providers[job]

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
            # A round's generation changes only when the job's does.
            known = self._generations.get((job, index), (-1, 0))
            if known[0] != present:
                known = self._generations[job, index] = (present, self.ledger.rounds.generation_of(job, index))
            name = (job, known[1], index)
            yield name, self.round(name)
        for name in self.orphans(job):
            yield name, self.round(name)

    def orphans(self, job: int) -> list[RoundName]:
        """Rounds committed before an earlier one was disproved: judged and paid, and nothing follows from them."""
        if not self.progress(job)[0]:
            return []
        packed = self._once(("orphans", job), lambda: self.ledger.rounds.orphans_of(job))
        return [(job, each >> 32, each & 0xFFFFFFFF) for each in packed]

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
        if not any(value) and self.ledger.rpc.get_head() > target:
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
        silent = [seat for seat in silent if (name, seats[seat]) not in self._penalised]
        if not silent:
            return IDLE
        windows = self.order(name[0]).windows
        due_s = min(view.deadline, phase_began_s(view, windows) + windows.open)
        if self.world.clock() < due_s:
            return wake_at(due_s)
        wake = IDLE
        for seat in silent:
            self._penalised.add((name, seats[seat]))
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
