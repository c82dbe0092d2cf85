"""The in-memory twin of a network of peers: one board in one process."""

from assay.net.port import Peers
from assay.protocol.errors import LimitExceeded
from assay.protocol.message import BODY_BYTES_MAX, EVERYONE, Message, verify
from assay.protocol.typed import Domain


class Board:
    """Everything that was said on one network, in order."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.messages: list[Message] = []

    def peers(self, address: str) -> Peers:
        """The end that belongs to `address`; it hears all that was ever said to it."""
        return _End(self, address)


class _End:
    def __init__(self, board: Board, address: str) -> None:
        self._board = board
        self._address = address
        self._position = 0

    def send(self, message: Message) -> None:
        if len(message.body) > BODY_BYTES_MAX:
            raise LimitExceeded("a message is too long", limit=BODY_BYTES_MAX, actual=len(message.body))
        verify(self._board.domain, message)
        self._board.messages.append(message)

    def poll(self) -> list[Message]:
        arrived = self._board.messages[self._position :]
        self._position = len(self._board.messages)
        return [message for message in arrived if message.recipient in (EVERYONE, self._address)]
