"""What a party has sealed or promised, so that it outlives its process.

The rule for every role: what the chain can tell is asked of the chain each time, and never remembered; what only this
party can tell (a salt, a price, the rows behind a root) is in its journal before the act that depends on it. So whoever
falls, is not answered, or sees the chain rewritten goes on from what is, and shows what it has sealed.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from assay.protocol.errors import Malformed
from assay.protocol.plain import read_plain, write_plain
from assay.roles.world import Journal

V = TypeVar("V")
SIZE_MAX_BYTES = 16 << 20
"""A table of as many rows as a table may have is smaller."""


class Memory(Generic[V]):
    """Values of one kind by what they are of. `write` gives a value's plain form, `read` takes it back.

    Errors: `Malformed` for a journal that somebody has written in, and what the journal raises.
    """

    def __init__(self, journal: Journal, kind: str, write: Callable[[V], object], read: Callable[[Any], V]) -> None:
        self._journal, self._kind = journal, kind
        self._write, self._read = write, read

    @staticmethod
    def of_words(journal: Journal, kind: str) -> "Memory[bytes]":
        """A memory of secrets and digests."""
        return Memory(journal, kind, bytes.hex, bytes.fromhex)

    def get(self, *name: object) -> V | None:
        """What was kept under this name, by this process or one before it."""
        content = self._journal.get(self._key(name))
        if content is None:
            return None
        try:
            return self._read(read_plain(content, SIZE_MAX_BYTES))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Malformed("the journal is damaged", hint="restore it from a copy") from None

    def keep(self, value: V, *name: object) -> V:
        """Keeps a value; it is in the journal when this returns."""
        self._journal.put(self._key(name), write_plain(self._write(value)))
        return value

    def _key(self, name: tuple[object, ...]) -> str:
        return "/".join(map(str, (self._kind, *name)))
