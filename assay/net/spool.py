"""The network of peers on one machine: a file of signed messages that all its processes append to and read.

The twin of `net.memory.Board`. Whoever can write the file could write what nobody has signed, so a message is verified
when it is read as well, once in each process.

Nobody takes up more than a share of the file: whoever says more pushes the oldest of its own out. So much for one key;
who has many has as many shares.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol

from assay.net.port import Peers
from assay.protocol.errors import Malformed
from assay.protocol.message import (
    BODY_BYTES_MAX,
    EVERYONE,
    MESSAGE_LIFE_S,
    OVERHEAD_BYTES,
    SKEW_S,
    Message,
    admit,
    verify,
)
from assay.protocol.typed import Domain

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, job TEXT, generation TEXT,"
    " round TEXT, sender TEXT, recipient TEXT, body BLOB, expires TEXT, nonce TEXT, signature BLOB)"
)
COLUMNS = "kind, job, generation, round, sender, recipient, body, expires, nonce, signature"
KEPT_BYTES = 64 << 20
"""Verified messages that a process remembers, so that its parties do not each verify the same."""
SENDER_BYTES_MAX = 64 << 20
"""What one sender's messages may count for in the file."""
SENDERS_KEPT = 4_096
"""Senders of whom a process remembers what theirs count for."""
DIGITS_MAX = 78
"""Of a number of 256 bits."""


class Rows(Protocol):
    """A database: `assay.store.database.Database` is one."""

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs one statement and returns its rows."""
        ...


class Spool:
    """Everything that was said on one network and has not expired, in order."""

    def __init__(self, rows: Rows, domain: Domain, clock: Callable[[], int]) -> None:
        self.domain = domain
        self.clock = clock
        self._rows, self._lock = rows, Lock()
        self._rows.execute("CREATE INDEX IF NOT EXISTS messages_by_sender ON messages (sender)")
        self._spent_bytes: dict[str, int] = {}
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

    def purge(self) -> None:
        """Drops what has expired by the chain's time, and what nobody could have said so."""
        now_s = self.clock()
        last_s = now_s + MESSAGE_LIFE_S + SKEW_S
        outlived = "CAST(expires AS INTEGER) < ? OR CAST(expires AS INTEGER) > ?"
        self._rows.execute(f"DELETE FROM messages WHERE {outlived}", now_s, last_s)

    def append(self, message: Message) -> None:
        """Takes a message. Errors: `LimitExceeded`, `Malformed`."""
        admit(self.domain, message, self.clock())
        self._make_room(message)
        numbers = (str(message.job), str(message.generation), str(message.round))
        end = (message.body, str(message.expires_s), str(message.nonce), message.signature)
        values = (message.kind, *numbers, message.sender, message.recipient, *end)
        self._rows.execute(f"INSERT INTO messages ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", *values)

    def _make_room(self, message: Message) -> None:
        """Drops the oldest of a sender's messages, should all of them count for too much together with this one."""
        sender, size_bytes = message.sender, message.size_bytes
        # What was counted once is an upper bound, since others only drop: it is counted again before anything goes.
        if self._spent_bytes.get(sender, SENDER_BYTES_MAX) + size_bytes > SENDER_BYTES_MAX:
            if len(self._spent_bytes) >= SENDERS_KEPT:
                self._spent_bytes.clear()
            self._spent_bytes[sender] = self._drop_beyond(sender, SENDER_BYTES_MAX - size_bytes)
        self._spent_bytes[sender] += size_bytes

    def _drop_beyond(self, sender: str, room_bytes: int) -> int:
        """Drops the oldest of a sender's messages where they count for more than this, an eighth more than is needed so
        that it is not done for each; returns what the rest count for."""
        query = "SELECT id, LENGTH(body) FROM messages WHERE sender = ? ORDER BY id DESC"
        sizes = [(number, (length or 0) + OVERHEAD_BYTES) for number, length in self._rows.execute(query, sender)]
        spent_bytes = sum(size_bytes for _, size_bytes in sizes)
        if spent_bytes <= room_bytes:
            return spent_bytes
        kept_bytes = 0
        for number, size_bytes in sizes:
            if kept_bytes + size_bytes > room_bytes - room_bytes // 8:
                self._rows.execute("DELETE FROM messages WHERE sender = ? AND id <= ?", sender, number)
                break
            kept_bytes += size_bytes
        return kept_bytes

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
                self._kept_bytes += _size_bytes(message)
                while self._kept_bytes > KEPT_BYTES:
                    _, oldest = self._verified.popitem(last=False)
                    self._kept_bytes -= _size_bytes(oldest)
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


def _size_bytes(message: Message | None) -> int:
    return message.size_bytes if message else OVERHEAD_BYTES


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
