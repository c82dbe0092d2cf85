"""What the chain says of jobs, of who is who in them, and of where their rounds stand."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from assay.chain.contracts.containers import JobView, Order, RoundView
from assay.chain.contracts.jobs import SeatAtAnswer
from assay.protocol.commitment import bitmap_slots
from assay.protocol.phase import JobPhase
from assay.roles.notices import Notices
from assay.roles.round import RoundName
from assay.roles.world import World

T = TypeVar("T")
UNREAD: Any = object()


class Register:
    """The chain as one party reads it.

    From `refresh` on, an answer of the chain is remembered until the next `refresh` or until this party sends: one turn
    looks at one state of the chain. Whoever never refreshes asks each time.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self._notices = Notices(world.ledger, world.address)
        self._orders: dict[tuple[int, str, int], Order] = {}
        self._providers: dict[tuple[int, bytes], tuple[str, ...]] = {}
        self._rewritten: set[int] = set()
        self._doubtful: set[int] = set()
        """Jobs whose order may be another since the chain was rewritten: one consumer may post twice in a second."""
        self._seen: dict[Hashable, Any] | None = None

    def refresh(self) -> None:
        """Looks at the chain anew."""
        self._seen = {}

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if self._seen is None:
            return read()
        found: T = self._seen.get(key, UNREAD)
        if found is UNREAD:
            found = self._seen[key] = read()
        return found

    # what was announced

    @property
    def notices(self) -> Notices:
        """What the contracts have announced by now."""
        self._look()
        return self._notices

    def _look(self) -> None:
        if self._seen is None or "notices" not in self._seen:
            self._rewritten |= self._notices.read()
            self.world.calendar.learn(self._notices.freezes)
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
        self._doubtful |= jobs
        return jobs

    def settled(self, block: int) -> bool:
        """Whether what stood in a block, or was seen when it was the newest, stands for good."""
        return not self.world.depth_blocks or self.head >= block + self.world.depth_blocks

    # jobs

    def job_count(self) -> int:
        """Jobs that were ever posted."""
        return self._once("job_count", self.ledger.jobs.job_count)

    def view(self, job: int) -> JobView:
        """Where a job stands now."""
        return self._once(("view", job), lambda: self.ledger.jobs.view_of(job))

    def order(self, job: int) -> Order:
        """The order; it never changes, unless its number goes to another when the chain is rewritten."""
        view = self.view(job)
        key = (job, view.consumer, view.posted_at)
        if key not in self._orders or job in self._doubtful:
            order = self.ledger.jobs.order_of(job)
            if self._orders.get(key) != order:
                self._orders[key] = order
            self._doubtful.discard(job)
        return self._orders[key]

    def segments(self, job: int) -> int:
        """Segments of one slot's round, N."""
        order = self.order(job)
        return order.steps_per_round // order.steps_per_segment

    def origin(self, name: RoundName) -> tuple[bytes, bytes]:
        """The beacon of a job's draw, and the root that a round begins with; zero while it is not open."""
        return self.view(name[0]).beacon, self.round(name).start_root

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

    def rows_most(self, job: int) -> int:
        """How many rows a table has at most: no sample holds two segments of a slot that are neighbours."""
        order = self.order(job)
        return order.providers * -(-order.steps_per_round // order.steps_per_segment // 2)

    def parties(self, job: int) -> frozenset[str]:
        """Everybody with a part in a job."""
        return self._once(
            ("parties", job),
            lambda: frozenset((*self.providers(job), *self.validators(job), self.aggregator(job))),
        )

    @property
    def place(self) -> tuple[int, str]:
        """(chain id, `Rounds` address): where commitments count."""
        return self.world.domain.chain_id, self.world.domain.rounds

    # rounds

    def progress(self, job: int) -> tuple[int, int, int]:
        """(generation, first round that is not final, next round to open)."""

        def read() -> tuple[int, int, int]:
            progress = self.ledger.rounds.progress(job)
            return progress.generation, progress.first_open, progress.next

        return self._once(("progress", job), read)

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

    def beacon_read(self, target: int) -> tuple[bytes, int]:
        """The hash of a block fixed in advance, zero until it is recorded, and its misses."""
        read = self._once(("beacon", target), lambda: self.ledger.beacon.read(target))
        return read.value, read.misses

    def table_root(self, name: RoundName, validator: str) -> bytes:
        """The root of a validator's table as it was revealed; zero if it was not."""
        return self._once(("table", name, validator), lambda: self.ledger.rounds.table_root_of(*name, validator))
