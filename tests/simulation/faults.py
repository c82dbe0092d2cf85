"""The ports of one party, wrapped so that they fail as the world does: late, twice, never, full, lying, cut off.

Every decision is a function of the seed and of what is decided about, so a run repeats whatever order it is played in.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from eth_hash.auto import keccak
from requests.exceptions import ReadTimeout
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from assay.net.port import Peers
from assay.protocol.errors import Unavailable
from assay.protocol.message import Message
from assay.roles.world import Journal
from assay.store.port import Blobs

Clock = Callable[[], int]
READS = ("eth_call", "eth_getBlockByNumber", "eth_getLogs", "eth_blockNumber", "eth_estimateGas")
"""What a node may answer wrongly or from an older block; what it says of sent transactions is not touched."""


class Crash(BaseException):
    """The process is gone; nothing that it held in memory is left."""


@dataclass(frozen=True)
class Span:
    """From when to when something is so, in seconds after the jobs were posted."""

    from_s: int
    until_s: int

    def holds(self, at_s: int) -> bool:
        """Whether it is so now."""
        return self.from_s <= at_s < self.until_s


@dataclass
class Faults:
    """What goes wrong with one party. Chances are per message, or per request to the node."""

    delay_s: int = 0
    drop: float = 0.0
    twice: float = 0.0
    cut_off: tuple[Span, ...] = ()
    """When it hears nothing and nobody hears it; what was said meanwhile arrives afterwards."""
    skew_s: int = 0
    disk_full: tuple[Span, ...] = ()
    silent_node: float = 0.0
    """The node does not answer, or takes a transaction and does not say so."""
    unsent: str = ""
    """The node does not answer when this function (its signature in Solidity) is called for the first time."""
    garbled_node: float = 0.0
    """The node's answer is no answer."""
    lying_node: float = 0.0
    """The answer has the right form and another content."""
    lag_blocks: int = 0
    crashes: tuple[int, ...] = ()
    """Crashes at these uses of a port, each counted from the start before it."""
    crash_after: str = ""
    """Crashes once when such an event has named it, or nobody; or when a journal key that begins so is written."""
    down_s: int = 0

    @property
    def words(self) -> str:
        """What differs from a sound party, for a report."""
        plain = Faults()
        rows = {name: value for name, value in vars(self).items() if value != getattr(plain, name)}
        return ", ".join(f"{name}={value}" for name, value in rows.items())


@dataclass
class Line:
    """Counts the uses of a party's ports, and crashes it at the chosen one."""

    faults: Faults
    clock: Clock
    began_s: int
    chance: random.Random
    uses: int = 0
    crashed: int = 0
    withheld: bool = False
    """Whether the call that is not sent at first has been tried."""
    armed: bool = False
    marked: bool = False
    """Whether what it crashes after has happened."""

    def use(self) -> None:
        """One more use of a port."""
        self.uses += 1
        if self.armed and self.crashed < len(self.faults.crashes) and self.uses >= self.faults.crashes[self.crashed]:
            self.crashed += 1
            raise Crash

    def write(self) -> None:
        """What stores do where they cannot write."""
        if self.armed and self.holds(self.faults.disk_full):
            raise Unavailable("the disk is full", hint="free some space")

    def now_s(self) -> int:
        """Seconds since the jobs were posted."""
        return self.clock() - self.began_s

    def holds(self, spans: tuple[Span, ...]) -> bool:
        """Whether one of these spans is now."""
        return any(span.holds(self.now_s()) for span in spans)


@dataclass
class FaultyPeers:
    """Delivers late, out of order, twice or never, and nothing while either end is cut off."""

    peers: Peers
    address: str
    line: Line
    lines: dict[str, Line]
    """Of all parties, by address."""
    waiting: list[tuple[int, bytes, Message]] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Hands it on."""
        self.line.use()
        self.peers.send(message)

    def poll(self) -> list[Message]:
        """What has arrived by now, each copy in its own time."""
        for message in self.peers.poll():
            for copy in range(2):
                at_s = self._arrival_s(message, copy)
                if at_s is not None:
                    self.waiting.append((at_s, message.signature, message))
        now_s = self.line.now_s()
        arrived = sorted((each for each in self.waiting if each[0] <= now_s), key=lambda each: each[:2])
        self.waiting = [each for each in self.waiting if each[0] > now_s]
        return [message for _, _, message in arrived]

    def due_s(self) -> int | None:
        """When the next message arrives, in the chain's time."""
        return min((at_s for at_s, _, _ in self.waiting), default=None)

    def _arrival_s(self, message: Message, copy: int) -> int | None:
        faults, now_s = self.line.faults, self.line.now_s()
        if message.sender == self.address:
            return now_s if copy == 0 else None
        if copy == 1 and not faults.twice:
            return None
        name = message.signature + self.address.encode() + bytes([copy])
        chance = random.Random(sha256(name).digest())
        if (copy == 0 and chance.random() < faults.drop) or (copy == 1 and chance.random() >= faults.twice):
            return None
        at_s = now_s + chance.randint(0, faults.delay_s)
        sender = self.lines.get(message.sender)
        for span in (*faults.cut_off, *(sender.faults.cut_off if sender else ())):
            if span.holds(at_s):
                at_s = span.until_s + chance.randint(0, faults.delay_s)
        return at_s


@dataclass
class FaultyBlobs:
    """A store that takes nothing more while the disk is full."""

    blobs: Blobs
    line: Line

    def put(self, content: bytes) -> str:
        """See `Blobs.put`."""
        self.line.use()
        self.line.write()
        return self.blobs.put(content)

    def get(self, cid: str, size_max_bytes: int) -> bytes:
        """See `Blobs.get`."""
        self.line.use()
        return self.blobs.get(cid, size_max_bytes)

    def has(self, cid: str) -> bool:
        """See `Blobs.has`."""
        return self.blobs.has(cid)

    def drop(self, cid: str) -> None:
        """See `Blobs.drop`."""
        self.blobs.drop(cid)


@dataclass
class FaultyJournal:
    """What survives; the process may die before or after it has written."""

    journal: Journal
    line: Line

    def get(self, key: str) -> bytes | None:
        """See `Journal.get`."""
        return self.journal.get(key)

    def put(self, key: str, value: bytes) -> None:
        """See `Journal.put`."""
        self.line.use()
        self.line.write()
        self.journal.put(key, value)
        self.line.use()
        mark = self.line.faults.crash_after
        if mark and key.startswith(mark) and not self.line.marked:
            self.line.marked = True
            raise Crash


class FaultyProvider(BaseProvider):
    """A node behind a bad line, or a bad node."""

    def __init__(self, node: BaseProvider, line: Line) -> None:
        super().__init__()
        self.node, self.line = node, line

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request."""
        line, faults = self.line, self.line.faults
        line.use()
        if not line.armed:
            return self.node.make_request(method, params)
        if faults.unsent and not line.withheld and self._sends(method, params):
            line.withheld = True
            raise ReadTimeout("the node is busy")
        silent = faults.silent_node and line.chance.random() < faults.silent_node
        if silent and (method != "eth_sendRawTransaction" or line.chance.random() < 0.5):
            raise ReadTimeout("the node is busy")
        answer = self.node.make_request(method, self._aged(method, params) if faults.lag_blocks else params)
        if silent:
            raise ReadTimeout("the node took it and did not answer")
        if method == "eth_sendRawTransaction":
            line.use()
        if method == "eth_blockNumber" and faults.lag_blocks and "result" in answer:
            answer = {**answer, "result": hex(self._floor(int(answer["result"], 16)))}
        if method in READS and faults.garbled_node and line.chance.random() < faults.garbled_node:
            return garble(answer, line.chance)
        if method in READS and faults.lying_node and line.chance.random() < faults.lying_node:
            return lie(answer, line.chance)
        return answer

    def _sends(self, method: str, params: Any) -> bool:
        """Whether this is about the call that is not sent at first."""
        selector = "0x" + keccak(self.line.faults.unsent.encode())[:4].hex()
        return method == "eth_estimateGas" and bool(params[0].get("data", "").startswith(selector))

    def _floor(self, head: int) -> int:
        return max(1, head - self.line.faults.lag_blocks)

    def _aged(self, method: str, params: Any) -> Any:
        if method not in ("eth_call", "eth_getBlockByNumber") or "latest" not in params:
            return params
        head = int(self.node.make_request(RPCEndpoint("eth_blockNumber"), [])["result"], 16)
        return [hex(self._floor(head)) if each == "latest" else each for each in params]


GARBAGE: tuple[Any, ...] = (
    None,
    "",
    "0x",
    "0xzz",
    7,
    -1,
    [],
    {},
    [[]],
    True,
    "0x" + "f" * 64,
    "0x" + "00" * 31,
    {"a": 1},
)


def garble(answer: RPCResponse, chance: random.Random) -> Any:
    """An answer that cannot be what was asked for, at least mostly."""
    kinds: list[Callable[[], Any]] = [
        lambda: {"jsonrpc": "2.0", "id": 1, "result": chance.choice(GARBAGE)},
        lambda: {"jsonrpc": "2.0", "id": 1, "error": chance.choice(GARBAGE[4:])},
        lambda: {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit exceeded"}},
        lambda: {"jsonrpc": "2.0", "id": 1},
        lambda: chance.choice(GARBAGE),
        lambda: _cut(answer),
    ]
    return chance.choice(kinds)()


def _cut(answer: Any) -> Any:
    result = answer.get("result")
    return {**answer, "result": result[: len(result) // 2]} if isinstance(result, str) else {**answer, "result": None}


def lie(answer: RPCResponse, chance: random.Random) -> Any:
    """The same form, some digits changed; never a leading zero, so that small numbers stay small."""
    text = json.dumps(answer.get("result"), default=str)
    places = [at for at, digit in enumerate(text) if digit in "123456789abcdef" and at > 3]
    for at in chance.sample(places, min(len(places), chance.choice((1, 1, 2, 8)))):
        text = text[:at] + chance.choice("0123456789abcdef") + text[at + 1 :]
    try:
        return {**answer, "result": json.loads(text)}
    except ValueError:
        return answer
