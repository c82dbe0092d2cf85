"""Everything a role may touch, as one value. Time, chance and the world are arguments."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from assay.chain.calendar import Calendar
from assay.chain.ledger import Ledger
from assay.net.port import Peers
from assay.protocol.message import EVERYONE, MESSAGE_LIFE_S, Message, sign
from assay.protocol.typed import Domain, Signer
from assay.store.port import Blobs
from assay.work.compiled.warm import WarmRunner, Warmth
from assay.work.limits import Allowance, Space
from assay.work.program import Program
from assay.work.rates import measure_hashing, measure_rates


class Journal(Protocol):
    """What a role must remember over a restart, by key."""

    def get(self, key: str) -> bytes | None:
        """The value, or nothing."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Remembers a value before the act that depends on it."""
        ...


class MemoryJournal:
    """The in-memory twin of a journal."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def put(self, key: str, value: bytes) -> None:
        self._values[key] = value


class Entropy(Protocol):
    """Where secrets come from."""

    def draw(self, size_bytes: int) -> bytes:
        """Fresh random bytes."""
        ...


class SeededEntropy:
    """Entropy that repeats: for demos and simulations, never for real keys."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def draw(self, size_bytes: int) -> bytes:
        self._count += 1
        stream = b"".join(
            sha256(self._seed + self._count.to_bytes(8, "big") + block.to_bytes(4, "big")).digest()
            for block in range((size_bytes + 31) // 32)
        )
        return stream[:size_bytes]


@dataclass
class Meter:
    """Seconds of real work by kind, for the account of what verification costs."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, elapsed_s: float) -> None:
        """Adds to one kind."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + elapsed_s


class Compute:
    """Where programs run: plans each program once, meters, and stops what takes too long; `space` is what jobs may take
    of the memory, `warmth` what parties of one process share."""

    def __init__(
        self,
        timer: Callable[[], float],
        space: Space | None = None,
        warmth: Warmth | None = None,
    ) -> None:
        self.timer = timer
        self._warmth = warmth or Warmth()
        self.space = space or Space()
        self.allowance = Allowance(timer)
        self.meter = Meter()
        self._charged: str | None = None
        self._runners: dict[bytes, WarmRunner] = {}

    def runner(self, program: Program) -> WarmRunner:
        """The planned form of a program."""
        if program.root not in self._runners:
            self._runners[program.root] = WarmRunner(program, self.allowance, self.timer, self._warmth)
        return self._runners[program.root]

    def retain(self, programs: Iterable[Program]) -> None:
        """Lets go of all programs but these, and of what was prepared for them."""
        roots = {program.root for program in programs}
        for root in self._runners.keys() - roots:
            self._runners.pop(root).release()

    @property
    def prepared_bytes(self) -> int:
        """What is kept of constants for the programs that are planned."""
        return sum(tensor.nbytes for runner in self._runners.values() for tensor in runner.constants.values())

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """Programs that run inside end in so many seconds, and keep no memory afterwards. Errors: `Overload` inside."""
        try:
            with self.allowance.within(limit_s):
                yield
        finally:
            for runner in self._runners.values():
                runner.release()

    def least_s(self, program: Program) -> float:
        """Seconds that a program takes here at the least, without running it."""
        return measure_rates(self.timer).least_s(program)

    def foresee_hashing(self, leaves: int, size_bytes: int) -> None:
        """Whether there is the time to hash so many leaves, without hashing them. Errors: `Overload`."""
        self.allowance.foresee(measure_hashing(self.timer).least_s(leaves, size_bytes), "hashing the job's data")

    @contextmanager
    def metered(self, kind: str) -> Iterator[None]:
        """Adds the time inside to one kind."""
        started, kind = self.timer(), self._charged or kind
        try:
            yield
        finally:
            self.meter.add(kind, self.timer() - started)

    @contextmanager
    def charged(self, kind: str) -> Iterator[None]:
        """What is metered inside is added to this kind, whatever it is metered as: who asks for it is charged."""
        before, self._charged = self._charged, kind
        try:
            yield
        finally:
            self._charged = before


@dataclass
class World:
    """One party's world: its view of the chain, bytes by hash, peers, time, key, memory, chance and processors.

    `clock` is given the chain's time and tells protocol time, in which all deadlines are: it stands still while the
    network is frozen.
    """

    ledger: Ledger
    blobs: Blobs
    peers: Peers
    clock: Callable[[], int]
    signer: Signer
    journal: Journal
    entropy: Entropy
    compute: Compute
    domain: Domain
    depth_blocks: int
    """How many of the newest blocks may yet be replaced by others: none on a chain that only one machine writes."""
    message_count: int = 0
    calendar: Calendar = field(init=False)
    """What `clock` goes by; it learns of freezes from what this party reads of the chain."""

    def __post_init__(self) -> None:
        self.calendar = self.clock if isinstance(self.clock, Calendar) else Calendar(self.clock)
        self.clock = self.calendar

    @property
    def address(self) -> str:
        """This party's address."""
        return self.signer.address

    def say(
        self, kind: str, round_name: tuple[int, int, int], content: dict[str, object], recipient: str = EVERYONE
    ) -> Message:
        """Signs and sends a message about a round."""
        self.message_count += 1
        message = sign(
            self.domain,
            self.signer,
            kind,
            round_name,
            content,
            # What is said grows old while the network is frozen, too: boards go by the chain's time.
            expires_s=self.calendar.chain_s() + MESSAGE_LIFE_S,
            nonce=self.message_count,
            recipient=recipient,
        )
        self.peers.send(message)
        return message
