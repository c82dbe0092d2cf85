"""The in-memory twin of a network of peers: one board in one process."""

from collections import deque
from collections.abc import Callable
from itertools import islice

from assay.net.port import Peers
from assay.protocol.message import EVERYONE, Message, admit
from assay.protocol.typed import Domain


class Board:
    """What was said on one network and has not expired by `clock`, in order."""

    def __init__(self, domain: Domain, clock: Callable[[], int]) -> None:
        self.domain = domain
        self.clock = clock
        self.messages: deque[Message] = deque()
        self.dropped = 0
        """How many came before the oldest that is here."""

    def peers(self, address: str) -> Peers:
        """The end that belongs to `address`; it hears all that was said to it and has not expired."""
        return _End(self, address)

    def append(self, message: Message) -> None:
        """Takes a message. Errors: `LimitExceeded`, `Malformed`."""
        admit(self.domain, message, self.clock())
        self.messages.append(message)
        self.purge()

    def purge(self) -> None:
        """Drops the oldest, as far as they have expired: what is behind one that lives long waits for a day at most."""
        now_s = self.clock()
        while self.messages and self.messages[0].expires_s < now_s:
            self.messages.popleft()
            self.dropped += 1


class _End:
    def __init__(self, board: Board, address: str) -> None:
        self._board = board
        self._address = address
        self._position = 0

    def send(self, message: Message) -> None:
        self._board.append(message)

    def poll(self) -> list[Message]:
        board = self._board
        now_s, first = board.clock(), max(0, self._position - board.dropped)
        # From the end, since most of what is kept was read before.
        arrived = list(islice(reversed(board.messages), len(board.messages) - first))[::-1]
        self._position = board.dropped + len(board.messages)
        mine = (EVERYONE, self._address)
        return [message for message in arrived if message.recipient in mine and message.expires_s >= now_s]
