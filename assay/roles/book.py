"""What a party has heard about a job, sorted by round. Nothing in it is believed before it is checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.message import Message
from assay.protocol.table import Entry
from assay.protocol.typed import Domain, recover, typed_digest

ROWS_MAX = 65_536
CLAIMS_MAX = 16
"""Addresses remembered for one state; any honest one suffices."""
RoundName = tuple[int, int, int]
"""(job, generation, round)"""


@dataclass
class RoundBook:
    """Everything heard about one round."""

    commitments: dict[int, tuple[Commitment, bytes]] = field(default_factory=dict)
    equivocations: list[tuple[Commitment, bytes, Commitment, bytes]] = field(default_factory=list)
    openings: dict[int, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    requests: list[tuple[str, int, int]] = field(default_factory=list)
    served: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    votes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By type (Result, Aggregate, Fault) and sender: the signed values and the signature."""


class Book:
    """Messages of one network by round; `slots_of` tells who holds which slot of a job."""

    def __init__(self, domain: Domain, slots_of: Callable[[int], Sequence[str]]) -> None:
        self.domain = domain
        self.rounds: dict[RoundName, RoundBook] = {}
        self.published: dict[bytes, list[str]] = {}
        """Addresses of states by their roots, as anybody has claimed them."""
        self._slots_of = slots_of

    def round(self, name: RoundName) -> RoundBook:
        """The page of one round."""
        return self.rounds.setdefault(name, RoundBook())

    def forget(self, job: int, generation: int, below: int) -> None:
        """Drops rounds of a job that can no longer matter."""
        for name in [n for n in self.rounds if n[0] == job and (n[1], n[2]) < (generation, below)]:
            del self.rounds[name]

    def note(self, messages: list[Message]) -> None:
        """Enters messages; what cannot be read is dropped, since anybody may send anything."""
        for message in messages:
            try:
                self._enter(message)
            except (KeyError, TypeError, ValueError, IndexError, Malformed):
                continue

    def _enter(self, message: Message) -> None:
        content = message.content()
        page = self.round((message.job, message.generation, message.round))
        match message.kind:
            case "commitments":
                for signed in content["commitments"]:
                    self._enter_commitment(page, message, signed)
            case "opening":
                if self._holder(message.job, content["slot"]) == message.sender:
                    page.openings[content["slot"]] = content
            case "table":
                rows = content["rows"]
                if len(rows) <= ROWS_MAX:
                    page.tables[message.sender] = tuple(
                        Entry(_index(slot), _index(segment), bytes.fromhex(digest)) for slot, segment, digest in rows
                    )
            case "request":
                page.requests.append((message.sender, _index(content["slot"]), _index(content["segment"])))
            case "state":
                if self._holder(message.job, content["slot"]) == message.sender:
                    page.served[content["slot"], _index(content["segment"])] = content
            case "aggregate":
                claims = self.published.setdefault(bytes.fromhex(content["root"]), [])
                if content["cid"] not in claims and len(claims) < CLAIMS_MAX:
                    claims.append(str(content["cid"]))
            case "vote":
                page.votes.setdefault(str(content["type"]), {})[message.sender] = content

    def _holder(self, job: int, slot: object) -> str:
        return self._slots_of(job)[_index(slot)]

    def _enter_commitment(self, page: RoundBook, message: Message, content: dict[str, Any]) -> None:
        provider = self._holder(message.job, content["slot"])
        commitment = Commitment(
            message.job,
            message.generation,
            message.round,
            content["slot"],
            provider,
            bytes.fromhex(content["start"]),
            bytes.fromhex(content["transcript"]),
            bytes.fromhex(content["secret"]),
            bytes.fromhex(content["sealed"]),
        )
        signature = bytes.fromhex(content["signature"])
        if recover(typed_digest(self.domain, "Commitment", commitment.typed), signature) != provider:
            return
        known = page.commitments.get(commitment.slot)
        if known is None:
            page.commitments[commitment.slot] = (commitment, signature)
        elif known[0] != commitment:
            page.equivocations.append((*known, commitment, signature))


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
        raise ValueError("not an index")
    return value


def commitment_content(commitment: Commitment, signature: bytes) -> dict[str, object]:
    """A signed commitment as a message's content."""
    return {
        "slot": commitment.slot,
        "start": commitment.start_root.hex(),
        "transcript": commitment.transcript_root.hex(),
        "secret": commitment.secret_hash.hex(),
        "sealed": commitment.sealed_hash.hex(),
        "signature": signature.hex(),
    }
