"""The network of peers on one machine: a file of signed messages that all its processes append to and read.

The twin of `net.memory.Board`. Whoever can write the file could write what nobody has signed, so a message is verified
when it is read as well, once in each process.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any, Protocol

from assay.net.port import Peers
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.message import BODY_BYTES_MAX, EVERYONE, Message, verify
from assay.protocol.typed import Domain

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, job TEXT, generation TEXT,"
    " round TEXT, sender TEXT, recipient TEXT, body BLOB, expires TEXT, nonce TEXT, signature BLOB)"
)
COLUMNS = "kind, job, generation, round, sender, recipient, body, expires, nonce, signature"
KEPT_BYTES = 64 << 20
"""Verified messages that a process remembers, so that its parties do not each verify the same."""
DIGITS_MAX = 78
"""Of a number of 256 bits."""


class Rows(Protocol):
    """A database: `assay.store.database.Database` is one."""

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement and returns its rows."""
        ...


class Spool:
    """Everything that was said on one network and has not expired, in order."""

    def __init__(self, rows: Rows, domain: Domain) -> None:
        self.domain = domain
        self._rows, self._lock = rows, Lock()
        self._verified: OrderedDict[int, Message | None] = OrderedDict()
        self._kept_bytes = 0

    def peers(self, address: str) -> Peers:
        """The end that belongs to `address`; it hears all that was said to it and has not expired."""
        return _End(self, address)

    @property
    def last(self) -> int:
        """Number of the newest message, 0 before the first: it changes when something is said."""
        found = self._rows.execute("SELECT MAX(id) FROM messages")[0][0]
        return found if isinstance(found, int) else 0

    def count_of(self, sender: str) -> int:
        """The largest number that a sender's messages carry; its next one is one more."""
        rows = self._rows.execute("SELECT MAX(CAST(nonce AS INTEGER)) FROM messages WHERE sender = ?", sender)
        return rows[0][0] if isinstance(rows[0][0], int) else 0

    def purge(self, now_s: int) -> None:
        """Drops what has expired by the chain's time."""
        self._rows.execute("DELETE FROM messages WHERE CAST(expires AS INTEGER) < ?", now_s)

    def append(self, message: Message) -> None:
        """Takes a message. Errors: `LimitExceeded`, `Malformed`."""
        if len(message.body) > BODY_BYTES_MAX:
            raise LimitExceeded("a message is too long", limit=BODY_BYTES_MAX, actual=len(message.body))
        verify(self.domain, message)
        numbers = (str(message.job), str(message.generation), str(message.round))
        end = (message.body, str(message.expires_s), str(message.nonce), message.signature)
        values = (message.kind, *numbers, message.sender, message.recipient, *end)
        self._rows.execute(f"INSERT INTO messages ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", *values)

    def since(self, position: int, address: str) -> tuple[int, list[Message]]:
        """The newest message's number, and what was said to `address` after `position`."""
        last = self.last
        query = f"SELECT id FROM messages WHERE id > ? AND id <= ? AND recipient IN ('{EVERYONE}', ?) ORDER BY id"
        numbers = [row[0] for row in self._rows.execute(query, position, last, address)]
        found = (self._message(number) for number in numbers)
        return last, [message for message in found if message is not None]

    def _message(self, number: int) -> Message | None:
        """A message, or nothing for what its sender did not sign."""
        with self._lock:
            if number not in self._verified:
                rows = self._rows.execute(f"SELECT {COLUMNS} FROM messages WHERE id = ?", number)
                message = _read(rows[0], self.domain) if rows else None
                self._verified[number] = message
                self._kept_bytes += len(message.body) if message else 0
                while self._kept_bytes > KEPT_BYTES:
                    _, oldest = self._verified.popitem(last=False)
                    self._kept_bytes -= len(oldest.body) if oldest else 0
                return message
            return self._verified[number]


class _End:
    def __init__(self, spool: Spool, address: str) -> None:
        self._spool, self._address, self._position = spool, address, 0

    def send(self, message: Message) -> None:
        self._spool.append(message)

    def poll(self) -> list[Message]:
        self._position, arrived = self._spool.since(self._position, self._address)
        return arrived


def _read(row: tuple[Any, ...], domain: Domain) -> Message | None:
    try:
        kind, job, generation, index, sender, recipient, body, expires, nonce, signature = row
        numbers = [_number(text) for text in (job, generation, index, expires, nonce)]
        place, end = (numbers[0], numbers[1], numbers[2]), (numbers[3], numbers[4])
        message = Message(str(kind), *place, str(sender), str(recipient), bytes(body), *end, bytes(signature))
        if len(message.body) > BODY_BYTES_MAX:
            return None
        verify(domain, message)
    except (TypeError, ValueError, OverflowError, Malformed):
        return None
    return message


def _number(text: object) -> int:
    if not isinstance(text, str) or len(text) > DIGITS_MAX or not text.isdecimal():
        raise ValueError("not a number")
    return int(text)
