"""The port to other peers: say something, hear what was said.

Peers only send and poll, so a provider needs no open port of its own. What arrives is signed by its sender and inside
the size limits, and nothing more: its content is hostile until checked.
"""

from typing import Protocol

from assay.protocol.message import Message


class Peers(Protocol):
    """One party's end of the network."""

    def send(self, message: Message) -> None:
        """Hands a signed message on to its recipient, or to everyone. Raises `Malformed` if the signature is wrong."""
        ...

    def poll(self) -> list[Message]:
        """What has arrived for this party since the last call, each sender's messages in order."""
        ...
