"""Signed messages between peers. Whoever receives one can show it to anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.typed import Domain, Signer, recover, typed_digest

BODY_BYTES_MAX = 1 << 20
"""Bulk travels as blobs; what is said fits well under a megabyte."""
OVERHEAD_BYTES = 512
"""What a message counts for beside its body wherever it is kept: an empty one takes room as well."""
MESSAGE_LIFE_S, SKEW_S = 86_400, 3_600
"""For how long what is said is kept, and how far apart two honest clocks may be."""
EVERYONE = "0x" + "00" * 20
"""The recipient of what all peers of a job may read."""


@dataclass(frozen=True)
class Message:
    """One message; `body` is canonical JSON, at most `BODY_BYTES_MAX` bytes; `expires_s` in the chain's time."""

    kind: str
    job: int
    generation: int
    round: int
    sender: str
    recipient: str
    body: bytes
    expires_s: int
    nonce: int
    signature: bytes

    @property
    def size_bytes(self) -> int:
        """What it counts for where it is kept."""
        return len(self.body) + OVERHEAD_BYTES

    def content(self) -> dict[str, Any]:
        """The body as plain values. Raises `Malformed` unless it is one JSON object."""
        return decode_body(self.body)


def encode_body(content: Mapping[str, object]) -> bytes:
    """Plain values as canonical JSON."""
    return write_plain(content)


def decode_body(body: bytes) -> dict[str, Any]:
    """One JSON object from outside. Raises `Malformed` or `LimitExceeded`."""
    content = read_plain(body, BODY_BYTES_MAX)
    if not isinstance(content, dict):
        raise Malformed("a message's body is not an object")
    return content


def _digest(domain: Domain, message: Message) -> bytes:
    values = {
        "kind": message.kind,
        "job": message.job,
        "generation": message.generation,
        "round": message.round,
        "sender": message.sender,
        "recipient": message.recipient,
        "body": keccak(message.body),
        "expires": message.expires_s,
        "nonce": message.nonce,
    }
    return typed_digest(domain, "Message", values)


def sign(
    domain: Domain,
    signer: Signer,
    kind: str,
    round_name: tuple[int, int, int],
    content: Mapping[str, object],
    *,
    expires_s: int,
    nonce: int,
    recipient: str = EVERYONE,
) -> Message:
    """A signed message about the round (job, generation, round)."""
    body = encode_body(content)
    if len(body) > BODY_BYTES_MAX:
        raise LimitExceeded("a message is too long", limit=BODY_BYTES_MAX, actual=len(body))
    unsigned = Message(kind, *round_name, signer.address, recipient, body, expires_s, nonce, b"")
    return Message(
        kind,
        *round_name,
        signer.address,
        recipient,
        body,
        expires_s,
        nonce,
        signer.sign_digest(_digest(domain, unsigned)),
    )


def admit(domain: Domain, message: Message, now_s: int) -> None:
    """What whoever keeps messages asks of each. Errors: `LimitExceeded` where it is too long, or wants to be kept for
    longer than anything is; `Malformed` unless its sender signed it."""
    if len(message.body) > BODY_BYTES_MAX:
        raise LimitExceeded("a message is too long", limit=BODY_BYTES_MAX, actual=len(message.body))
    last_s = now_s + MESSAGE_LIFE_S + SKEW_S
    if message.expires_s > last_s:
        raise LimitExceeded("a message would be kept for too long", limit=last_s, actual=message.expires_s)
    verify(domain, message)


def verify(domain: Domain, message: Message) -> None:
    """Raises `Malformed` unless the message's sender signed it."""
    if recover(_digest(domain, message), message.signature) != message.sender:
        raise Malformed(f"a message was not signed by its sender {message.sender}")
