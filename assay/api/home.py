"""A home: one folder with everything that a person's processes on a network share and keep.

    network.json        where the chain is served, its contracts, the token
    chain.bin           the embedded chain
    chain.bin.end       how much of it is known to be on disk
    keys/NAME.json      encrypted keys
    blobs/              bytes by their hash
    board.sqlite        what parties said to each other
    journal/ADDRESS...  what a party must remember over a restart
    network.log         what the background process has to say

Everything in it is readable by its owner only.
"""

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_utils.address import is_checksum_address

from assay.chain.connect import connect, disconnect
from assay.chain.deploy import Deployment
from assay.chain.keystore import address_of, check_name, create_keystore, list_keystores, open_keystore, read_private
from assay.chain.ledger import Ledger
from assay.chain.link import Link
from assay.chain.location import check_url
from assay.chain.rpc import Rpc
from assay.chain.signer import KeySigner
from assay.net.spool import SCHEMA as BOARD_SCHEMA
from assay.net.spool import Spool
from assay.protocol.errors import BadInput, Malformed, Unavailable, Unreachable, WrongChain
from assay.protocol.plain import read_plain
from assay.protocol.typed import Domain
from assay.store.database import Database
from assay.store.disk import DiskBlobs
from assay.store.hold import Hold
from assay.store.journal import FileJournal

if TYPE_CHECKING:
    from assay.roles.world import World
    from assay.work.compiled.warm import Warmth

FORMAT = "assay-network-1"
RECORD_LIMIT_BYTES, RECORD_DEPTH_MAX = 1 << 20, 4
START_HINT = "start it: assay up"
CREW = "crew"
"""The account that the local crew's keys follow from."""
PARTS = re.compile(r"agreed|blobs|board\.|chain\.bin|crew\.password|journal|keys|lock|network\.|probe")
"""How the names in a home begin."""
GLANCE_S = 0.2
"""How long what the chain's clock showed is taken for now."""


@dataclass(frozen=True)
class Record:
    """What `network.json` holds. `operator` is the URL of who may give coin and stop the network; nothing for a node
    of somebody else's. `pid` is the background process."""

    chain_id: int
    url: str
    operator: str = ""
    pid: int = 0
    port: int = 0
    served: bool = True
    token: str = ""
    deployment: Deployment | None = None

    def to_bytes(self) -> bytes:
        """As JSON."""
        placed = self.deployment.to_json() if self.deployment else None
        return json.dumps({"format": FORMAT, **asdict(self), "deployment": placed}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> "Record":
        """Errors: `Malformed`; `WrongChain` where its contracts are on another chain than its node."""
        try:
            fields = read_plain(content, RECORD_LIMIT_BYTES, RECORD_DEPTH_MAX)
            if fields.pop("format") != FORMAT:
                raise ValueError("its format is another one")
            placed = fields.pop("deployment")
            record = cls(**fields, deployment=None if placed is None else Deployment.from_json(placed))
            kinds = {
                "chain_id": int,
                "url": str,
                "operator": str,
                "pid": int,
                "port": int,
                "served": bool,
                "token": str,
            }
            if any(type(getattr(record, name)) is not kind for name, kind in kinds.items()):
                raise ValueError("a field has another kind")
            if record.deployment and not is_checksum_address(record.token):
                raise ValueError("the token has no valid checksum")
            for url in (record.url, record.operator):
                if url:
                    check_url(url)
        except (KeyError, TypeError, ValueError, AttributeError, BadInput, Malformed) as error:
            raise Malformed(f"it cannot be read: {error!s:.200}", hint="restore it from a copy") from None
        if record.deployment is not None and record.deployment.chain_id != record.chain_id:
            raise wrong_chain(record.deployment.chain_id, record.chain_id, words="its contracts are on chain")
        return record


class OsEntropy:
    """Entropy from the operating system."""

    def draw(self, size_bytes: int) -> bytes:
        """Fresh random bytes."""
        return os.urandom(size_bytes)


class ChainClock:
    """The time of the newest block, asked for once in `GLANCE_S`."""

    def __init__(self, rpc: Rpc, timer: Callable[[], float] = time.monotonic) -> None:
        self._rpc, self._timer = rpc, timer
        self._read: tuple[float, int] | None = None

    def __call__(self) -> int:
        """Seconds since the epoch."""
        now_s = self._timer()
        if self._read is None or now_s - self._read[0] > GLANCE_S:
            self._read = (now_s, self._rpc.get_timestamp())
        return self._read[1]


class Home:
    """One home folder. `create` and `open` give one; connections are made when they are first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock = Hold(self.path / "lock")

    @classmethod
    def create(cls, path: Path) -> "Home":
        """The home at `path`, made where there is none, and closed to others unless it holds more than a home does.
        Errors: `BadInput`."""
        home = cls(path)
        try:
            home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if all(PARTS.match(each.name) for each in home.path.iterdir()):
                os.chmod(home.path, 0o700)
        except OSError as error:
            raise BadInput(f"cannot make the home {path}: {error.strerror}", hint="name another --home") from None
        return home

    @classmethod
    def open(cls, path: Path) -> "Home":
        """A home with a network. Errors: `BadInput` where there is none, `Malformed`."""
        home = cls(path)
        if home.record is None or home.record.deployment is None:
            raise BadInput(f"there is no network in {path}", hint=START_HINT)
        return home

    # the network

    @property
    def record(self) -> Record | None:
        """What `network.json` says now; nothing where there is none. Errors: `Malformed`, `BadInput`."""
        path = self.path / "network.json"
        if not os.path.lexists(path):
            return None
        try:
            return Record.from_bytes(read_private(path, RECORD_LIMIT_BYTES, "network file"))
        except (Malformed, WrongChain) as error:
            error.message = f"{path}: {error.message}"
            error.hint = f"restore it from a copy; without one begin anew with another --home, {self.keys} has the keys"
            error.fields["file"] = str(path)
            raise

    def keep(self, record: Record) -> None:
        """Writes `network.json`, whole or not at all."""
        path, part = self.path / "network.json", self.path / f"network.json.{os.getpid()}"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as file:
            file.write(record.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)

    def is_running(self) -> bool:
        """Whether the background process of this home is there."""
        return self.lock.is_taken()

    @property
    def deployment(self) -> Deployment:
        """Where the contracts are. Errors: `BadInput`."""
        record = self.record
        if record is None or record.deployment is None:
            raise BadInput(f"there is no network in {self.path}", hint=START_HINT)
        return record.deployment

    @property
    def token(self) -> str:
        """The token of payment and stake, the test stablecoin on a network of our own."""
        record = self.record
        return record.token if record else ""

    @cached_property
    def web3(self) -> Link:
        """A connection to the chain. Errors: `Unavailable`, `BadInput`."""
        return self.connect()

    def connect(self, *, operator: bool = False) -> Link:
        """A new connection. Errors: `Unavailable` when nothing answers, `BadInput` where another is the operator."""
        record = self.record
        if record is None:
            raise BadInput(f"there is no network in {self.path}", hint=START_HINT)
        if operator and not record.operator:
            raise BadInput("this home's chain is somebody else's", hint="ask whoever runs it")
        if record.served and not self.is_running():
            raise Unavailable(f"the network in {self.path} is not running", hint=START_HINT)
        try:
            web3 = connect(record.operator if operator else record.url)
        except Unreachable as error:
            error.hint = START_HINT if record.served else error.hint
            raise
        chain_id = Rpc(web3).get_chain_id()
        if chain_id != record.chain_id:
            disconnect(web3)
            hint = (
                "another network took its port: assay down, then assay up; or"
                f" {self.path / 'network.json'} was changed: restore it from a copy"
                if record.served
                else "check the URL in network.json"
            )
            raise wrong_chain(chain_id, record.chain_id, hint)
        return web3

    def close(self) -> None:
        """Closes connections and files."""
        if "web3" in self.__dict__:
            disconnect(self.__dict__.pop("web3"))
        self.__dict__.pop("clock", None)
        if "database" in self.__dict__:
            self.__dict__.pop("database").close()
            self.__dict__.pop("board", None)

    # what parties share

    @property
    def domain(self) -> Domain:
        """Where signatures count."""
        return Domain(self.deployment.chain_id, self.deployment.get_address("Rounds"))

    @cached_property
    def blobs(self) -> DiskBlobs:
        """Bytes by their hash."""
        return DiskBlobs(self.path / "blobs")

    @cached_property
    def database(self) -> Database:
        """The board's file."""
        return Database(self.path / "board.sqlite", BOARD_SCHEMA, durable=False)

    @cached_property
    def clock(self) -> Callable[[], int]:
        """The chain's time, by which what was said expires; a process that has another connection may set it."""
        return ChainClock(Rpc(self.web3))

    @cached_property
    def board(self) -> Spool:
        """What was said."""
        return Spool(self.database, self.domain, lambda: self.clock())

    # keys

    @property
    def keys(self) -> Path:
        """The folder of keystores."""
        return self.path / "keys"

    def accounts(self) -> dict[str, str]:
        """Addresses by name, but for the crew's."""
        return {name: address for name, address in list_keystores(self.keys).items() if name != CREW}

    def has_account(self, name: str) -> bool:
        """Whether there is an account of this name. Errors: `BadInput` for what is no name."""
        return (self.keys / f"{check_name(name)}.json").exists()

    def address_of(self, name: str) -> str:
        """An account's address, without its password. Errors: `BadInput`, `Malformed`."""
        return address_of(self.keys, name)

    def new_account(self, name: str, password: str) -> KeySigner:
        """A new key. Errors: `BadInput`."""
        if name == CREW:
            raise BadInput(f"{CREW} is the local crew's name", hint="choose another name")
        return create_keystore(self.keys, name, password)

    def account(self, name: str, password: str) -> KeySigner:
        """An account's key. Errors: `BadInput` for no such account or another password, `Malformed`."""
        return open_keystore(self.keys, name, password)

    # a party's own

    def ledger(self, signer: KeySigner | None = None, web3: Link | None = None) -> Ledger:
        """The contracts, as `signer` or as somebody who only reads. Errors: `Unavailable`, `BadInput`."""
        return Ledger(web3 or self.web3, self.deployment, signer)

    def journal(self, address: str) -> FileJournal:
        """A party's journal. It goes by address, so that two names of one key share one."""
        deployment = self.deployment
        owner = f"{address}@{deployment.chain_id}/{deployment.get_address('Rounds')}"
        return FileJournal(self.path / "journal" / f"{address}.sqlite", owner)

    def hold(self, address: str, role: str) -> Hold:
        """What keeps a key from playing one role in two processes, which would look like keeping two books."""
        return Hold(self.path / "journal" / f"{address}.{role}.lock")

    @cached_property
    def warmth(self) -> "Warmth":
        """What the parties of this process know of programs that they run."""
        from assay.work.compiled.warm import Warmth

        return Warmth()

    def world(
        self, signer: KeySigner, *, web3: Link | None = None, clock: Callable[[], int] | None = None, **parts: Any
    ) -> "World":
        """A party's world: this home's ports and its own key and journal; `space` is the memory for its jobs. Errors:
        `Unavailable`, `BadInput`."""
        from assay.api.machine import measure_space
        from assay.roles.world import Compute, World

        connection = web3 or self.web3
        given: dict[str, Any] = {
            "journal": None,
            "entropy": OsEntropy(),
            "compute": Compute(time.perf_counter, parts.pop("space", None) or measure_space(), self.warmth),
            "message_count": self.board.count_of(signer.address),
            **parts,
        }
        given["journal"] = given["journal"] or self.journal(signer.address)
        return World(
            ledger=self.ledger(signer, connection),
            blobs=self.blobs,
            peers=self.board.peers(signer.address),
            clock=clock or ChainClock(Rpc(connection)),
            signer=signer,
            domain=self.domain,
            depth_blocks=0,  # the host alone writes this chain
            **given,
        )

    def onlooker(self) -> "World":
        """The world of somebody without an account who only watches: nothing of it is kept."""
        from assay.roles.world import MemoryJournal

        return self.world(KeySigner.create(), journal=MemoryJournal())

    def update(self, **changes: Any) -> Record:
        """Changes fields of `network.json`. Errors: `BadInput` where there is none."""
        record = self.record
        if record is None:
            raise BadInput(f"there is no network in {self.path}", hint=START_HINT)
        changed = replace(record, **changes)
        self.keep(changed)
        return changed


def wrong_chain(
    chain_id: int,
    expected: int,
    hint: str = "check the URL, or name another --home",
    words: str = "the node is on chain",
) -> WrongChain:
    """The error of a home whose node is on another chain."""
    return WrongChain(f"{words} {chain_id}, this home on {expected}", hint=hint, chain_id=chain_id, expected=expected)


def local_time(at_s: int, now_s: int, wall_s: float | None = None) -> str:
    """When the chain's time `at_s` will be on this machine's clock, as 12:40, given that it is `now_s` on the chain."""
    wall = (time.time() if wall_s is None else wall_s) + at_s - now_s
    far = abs(at_s - now_s) >= 20 * 3600
    return time.strftime(
        "%d %b %H:%M" if far else "%H:%M" if abs(at_s - now_s) >= 120 else "%H:%M:%S", time.localtime(wall)
    )


def frozen_words(now_s: int, frozen_s: int, *, is_live: bool = True) -> str:
    """That the network is frozen, and until when at the most."""
    until = f"until {local_time(now_s + frozen_s, now_s)}" if is_live else f"for {frozen_s} s of simulated time"
    return f"the network is frozen, {until} at the latest"
