"""What provider, validator and aggregator have in common: a place in jobs, what they heard, what they checked."""

from collections import deque
from collections.abc import Callable

from assay.chain.contracts.containers import RoundView
from assay.protocol.errors import AssayError, Unavailable
from assay.protocol.message import Message
from assay.protocol.phase import JobPhase, RoundPhase
from assay.roles.assignment import Assignment, State
from assay.roles.assignments import Assignments
from assay.roles.book import Book
from assay.roles.candidacy import VALIDATOR, Candidacy
from assay.roles.clerk import Clerk
from assay.roles.fitness import Check, Fitness, Measure
from assay.roles.footprint import footprint_of_judge
from assay.roles.horizon import Horizon
from assay.roles.notices import ROUNDS_END
from assay.roles.overdue import Overdue
from assay.roles.rooted import Rooted, Standing
from assay.roles.round import RoundName
from assay.roles.states import States
from assay.roles.voice import Voice
from assay.roles.wake import IDLE, Wake, wake_at
from assay.roles.world import World
from assay.work.limits import within_memory
from assay.work.program import Limits

PAUSE_MAX_S = 64


class Party:
    """A key at work in jobs. `behaviour` is `honest`, or the name of a cheat of the zoo."""

    behaviour = "honest"
    measure: Measure = staticmethod(footprint_of_judge)
    pool = VALIDATOR
    """The pool that it is drawn from, if it is drawn."""

    def __init__(self, world: World, limits: Limits | None = None) -> None:
        self.world = world
        self.clerk = Clerk(world)
        self.book = Book(world.domain, self.clerk)
        self.voice = Voice(world, self.clerk)
        self.overdue = Overdue(self.clerk)
        self.troubles: dict[int, str] = {}
        """By job, why a turn in it could not be taken."""
        self.assignments = Assignments(world, self.clerk, limits or Limits())
        self.fitness = Fitness(world, self.clerk, self.assignments, self.measure)
        self.candidacy = Candidacy(world, self.clerk, self.assignments, self.fitness, self.troubles, self.pool)
        self.states = States(world.blobs, self.clerk, self.assignments, self.book, self.voice)
        self.rooted = Rooted(self.clerk, self.book, self.voice)
        self._horizon = Horizon(self.clerk)
        self._unread: deque[Message] = deque()
        self._released: set[int] = set()
        self._pauses_s: dict[int, int] = {}

    # a turn

    def listen(self) -> None:
        """Begins a turn: looks at the chain anew, enters what was said, and lets go of what is final."""
        self.clerk.refresh()
        self.fitness.looks.begin()
        for job in self.clerk.rewritten():
            # What was concluded from what never happened is concluded anew; what was heard was heard all the same.
            self.forget(job, ROUNDS_END)
            self.clerk.reopen(job)
            self.doubt(job)
            self.book.reopen(job)
        # One by one: what the node keeps from being entered now is entered the next time.
        self._unread.extend(self.world.peers.poll())
        while self._unread:
            self.book.note([self._unread[0]])
            self._unread.popleft()
        for job in self.book.jobs() | self.assignments.jobs():
            if self.clerk.put_away(job):
                self.close(job)
            else:
                self.let_go(job)
                self.release(job)

    def each_job(self, turn: Callable[[int], Wake]) -> Wake:
        """A turn in every job. What is wrong with one job, or not to be had, does not keep a party from the others."""
        wake = IDLE
        for job in self.clerk.jobs():
            try:
                with within_memory():
                    wake |= turn(job) | self.voice.repeat(job)
                    self.states.tell(job)
                self._pauses_s.pop(job, None)
            except AssayError as trouble:
                if not isinstance(trouble, Unavailable):
                    self.troubles[job] = trouble.message
                # It may pass, as a node's wrong answer does, so it is tried again: ever more rarely, for it may not.
                pause_s = self._pauses_s[job] = min(2 * self._pauses_s.get(job, 0) or 1, PAUSE_MAX_S)
                wake |= wake_at(self.world.clock() + pause_s)
        return wake

    # letting go

    def close(self, job: int) -> None:
        """Forgets a job that is over for good."""
        self.book.close(job)
        self.clerk.forget(job, ROUNDS_END)
        self.forget(job, ROUNDS_END)
        self.assignments.drop(job)
        self.fitness.looks.forget(job)
        self._released.discard(job)
        self._horizon.drop(job)

    def release(self, job: int) -> None:
        """Lets go of what was fetched of a job that went to others, once: who is drawn later fetches it again."""
        if job in self._released or job not in self.assignments.jobs():
            return
        if self.clerk.view(job).phase >= JobPhase.RUNNING and not self.keeps(job):
            self._released.add(job)
            self.assignments.drop(job)

    def keeps(self, job: int) -> bool:
        """Whether this party has a use for a job's bytes while it runs."""
        return self.fitness.serves(job)

    def let_go(self, job: int) -> None:
        """Forgets the rounds of a job that are final for good."""
        below = self._horizon.see(job, self.held_from(job))
        if below > self.book.below(job):
            self.book.forget(job, below)
            self.clerk.forget(job, below)
            self.forget(job, below)

    def held_from(self, job: int) -> int:
        """Index of the first round that something may yet be said of: not final, or of an earlier generation and still
        judged."""
        return min(name[2] for name in [(job, 0, self.clerk.progress(job)[1]), *self.clerk.orphans(job)])

    def forget(self, job: int, below: int) -> None:
        """Drops what was concluded of rounds of a job that are final."""
        self.voice.forget(job, below)
        self.rooted.forget(job, below)

    def doubt(self, job: int) -> None:
        """Concludes anew what was concluded of a job whose number the chain may have given to another order."""
        self.candidacy.forget(job)
        self.fitness.looks.forget(job)

    # what every role asks

    def assignment(self, job: int) -> Assignment:
        """The job's programs, state and samples, checked once. Errors: `Malformed`, `Refused`, `Undecidable`,
        `Unavailable`."""
        return self.assignments.of(job)

    def consider(self, job: int, *checks: Check) -> Wake:
        """Stays out of the draw of a job that is unfit, too much for this machine, or not to be looked at in time; sees
        to it that one that nobody bids for ends."""
        wake = self.candidacy.consider(job, *checks)
        is_bidding = self.clerk.view(job).phase == JobPhase.BIDDING
        return wake | self.overdue.take(job) if is_bidding else wake

    def state(self, job: int, root: bytes) -> State | None:
        """The state with this root; nothing if nobody has it yet."""
        return self.states.find(job, root)

    def leaves(self, name: RoundName) -> dict[int, bytes] | None:
        """The leaves of a round's commitment root, as far as they have been heard."""
        return self.rooted.leaves(name)

    def standing(self, name: RoundName, slot: int) -> Standing:
        """A slot's commitment with what shows that it stands."""
        return self.rooted.standing(name, slot)

    def make_out(self, name: RoundName, view: RoundView) -> Wake:
        """Asks what the root of a round that is judged was made of, where that was not heard, and tells who asks."""
        if view.phase not in (RoundPhase.SAMPLING, RoundPhase.OPENING):
            return IDLE
        return self.rooted.seek(name, view) | self.rooted.tell(name, view)

    def validators(self, job: int) -> tuple[str, ...]:
        """Who checks this job, by seat."""
        return self.clerk.validators(job)

    def seat(self, job: int) -> int | None:
        """This party's seat among the job's validators."""
        validators = self.validators(job)
        return validators.index(self.world.address) if self.world.address in validators else None

    def has(self, seats: int, job: int) -> bool:
        """Whether this party's seat is in a bitmap."""
        seat = self.seat(job)
        return seat is not None and bool(seats >> seat & 1)
