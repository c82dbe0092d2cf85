"""What a party has heard about a job, sorted by round. Nothing in it is believed before it is checked.

Anybody may send anything, so the register says which rounds there may be talk of and who has a part in a job; every
party has a quota in each round, and all strangers together have one.
"""

from collections.abc import Collection, MutableMapping, MutableSet, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.message import Message
from assay.protocol.table import Entry, table_root
from assay.protocol.transcript import SEGMENTS_MAX
from assay.protocol.typed import Domain, recover, typed_digest

ROWS_MAX = 65_536
ROWS_OF_SLOTS = 4
"""Words of a bitmap over slots."""
CLAIMS_MAX = 16
"""Addresses remembered for one state; any honest one suffices."""
ROOTS_MAX = 4
"""States of which one party may announce addresses in one round."""
QUOTA_BYTES, QUOTA_STRANGERS_BYTES = 8 << 20, 1 << 20
"""What one party may say about one round in messages of one kind, and what all strangers together may."""
STATE_MAX_BYTES = 8 << 10
"""A state's address and the opening of its leaf; the state itself is a blob."""
KINDS = frozenset(
    {"commitments", "opening", "table", "want", "missing", "request", "state", "seek", "aggregate", "vote"}
)
ASKING = frozenset({"want", "request", "seek"})
"""What is said again to be answered again; of all else a repetition brings nothing new."""
REQUESTS_MAX, REQUESTS_STRANGERS_MAX = 4_096, 512
MISSING_MAX = 1_024
"""Start states that one validator may miss in one round."""
VOTES = frozenset({"Root", "Result", "Aggregate", "Fault", "Unserved"})
STRANGER = ""
RoundName = tuple[int, int, int]
"""(job, generation, round)"""


class Register(Protocol):
    """What the chain says of who is who."""

    def admits(self, name: RoundName) -> bool:
        """Whether there may be talk of this round: it is open, or about to be."""
        ...

    def providers(self, job: int) -> Sequence[str]:
        """Who holds which slot."""
        ...

    def validators(self, job: int) -> Sequence[str]:
        """Who checks, by seat."""
        ...

    def aggregator(self, job: int) -> str:
        """Who aggregates now."""
        ...

    def parties(self, job: int) -> Collection[str]:
        """Everybody with a part in a job."""
        ...


@dataclass
class RoundBook:
    """Everything heard about one round."""

    commitments: dict[int, tuple[Commitment, bytes]] = field(default_factory=dict)
    equivocations: dict[int, tuple[Commitment, bytes, Commitment, bytes]] = field(default_factory=dict)
    """By slot: two different commitments of its provider, one pair is enough."""
    openings: dict[int, dict[str, Any]] = field(default_factory=dict)
    proposal: tuple[bytes, tuple[int, ...]] | None = None
    """The root that the aggregator would commit, and the bitmap of slots in it."""
    tables: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    rooted: dict[tuple[str, bytes], tuple[Entry, ...]] = field(default_factory=dict)
    """Tables by whose they are said to be and by their root, whoever says so: the root on chain decides."""
    wanted: dict[tuple[str, str], None] = field(default_factory=dict)
    """(who asks, whose table), in the order in which they came."""
    missing: dict[tuple[str, int, int], None] = field(default_factory=dict)
    """(validator, slot, segment): start states that validators say nobody serves them."""
    requests: dict[tuple[str, int, int], None] = field(default_factory=dict)
    """(sender, slot, segment), in the order in which they came; whoever answers one takes it out."""
    sought: dict[tuple[str, bytes], None] = field(default_factory=dict)
    """(who asks, root of a state that it cannot find), in the order in which they came."""
    served: dict[tuple[int, int], dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Start states by slot and segment, then by who says so: each opens itself against the commitment."""
    votes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By type (Result, Aggregate, Fault) and sender: the signed values and the signature."""
    announced: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    spent_bytes: dict[tuple[str, str], int] = field(default_factory=dict)
    heard: set[bytes] = field(default_factory=set)
    """Hashes of what was entered."""


class Book:
    """Messages of one network by round."""

    def __init__(self, domain: Domain, register: Register) -> None:
        self.domain = domain
        self.rounds: dict[RoundName, RoundBook] = {}
        self.published: dict[tuple[int, bytes], list[str]] = {}
        """Addresses of states by job and root, as parties of the job have claimed them."""
        self._register = register
        self._below: dict[int, int] = {}

    def round(self, name: RoundName) -> RoundBook:
        """The page of one round."""
        return self.rounds.setdefault(name, RoundBook())

    def below(self, job: int) -> int:
        """Rounds before this one are not heard of any more."""
        return self._below.get(job, 0)

    def jobs(self) -> set[int]:
        """Jobs of which something was heard."""
        return {name[0] for name in self.rounds} | {job for job, _ in self.published}

    def forget(self, job: int, below: int) -> None:
        """Drops rounds of a job that can no longer matter, in every generation, and hears no more of them."""
        self._below[job] = below
        for name in [n for n in self.rounds if n[0] == job and n[2] < below]:
            del self.rounds[name]

    def close(self, job: int) -> None:
        """Drops a job that is over."""
        for name in [n for n in self.rounds if n[0] == job]:
            del self.rounds[name]
        for key in [k for k in self.published if k[0] == job]:
            del self.published[key]

    def note(self, messages: Sequence[Message]) -> None:
        """Enters messages; what cannot be read is dropped, since anybody may send anything."""
        for message in messages:
            name = (message.job, message.generation, message.round)
            # Asked first: where it is the chain that cannot be read, the message is none the worse for it.
            if message.round < self.below(message.job) or not self._register.admits(name):
                continue
            payer = message.sender if message.sender in self._register.parties(message.job) else STRANGER
            try:
                self._enter(name, message, payer)
            except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, Malformed):
                continue

    def _enter(self, name: RoundName, message: Message, payer: str) -> None:
        page = self.round(name)
        if message.kind not in KINDS or (message.kind == "state" and len(message.body) > STATE_MAX_BYTES):
            return
        known = sha256(f"{message.sender}/{message.kind}/".encode() + message.body).digest()
        if known in page.heard:
            return
        # By kind, so that nobody's pile of one leaves no room for its word on another.
        account = (payer, message.kind)
        spent_bytes = page.spent_bytes.get(account, 0) + len(message.body)
        if spent_bytes > (QUOTA_BYTES if payer else QUOTA_STRANGERS_BYTES):
            return
        page.spent_bytes[account] = spent_bytes
        if message.kind not in ASKING:
            page.heard.add(known)
        self._enter_content(page, message, message.content(), payer)

    def _enter_content(self, page: RoundBook, message: Message, content: dict[str, Any], payer: str) -> None:
        job, sender = message.job, message.sender
        match message.kind:
            case "commitments":
                for signed in content["commitments"][: len(self._register.providers(job))]:
                    self._enter_commitment(page, message, signed)
                if "root" in content and sender == self._register.aggregator(job):
                    page.proposal = (
                        _word(content["root"]),
                        tuple(_row(row) for row in content["present"][:ROWS_OF_SLOTS]),
                    )
            case "opening":
                if self._holder(job, content["slot"]) == sender:
                    page.openings[content["slot"]] = content
            case "table" if sender in self._register.validators(job):
                rows = _entries(content["rows"])
                owner = content.get("of", sender)
                if owner in self._register.validators(job) or owner in page.tables:
                    page.rooted[owner, table_root(rows)] = rows
                if owner == sender:
                    page.tables[sender] = rows
            case "want" if sender in self._register.validators(job):
                seats = self._register.validators(job)
                for validator in content["of"][: len(seats)]:
                    if validator in seats:
                        page.wanted[sender, validator] = None
            case "missing" if sender in self._register.validators(job):
                if sum(asker == sender for asker, _, _ in page.missing) < MISSING_MAX:
                    page.missing[sender, _index(content["slot"]), _segment(content["segment"])] = None
            case "request":
                question = (sender, _index(content["slot"]), _segment(content["segment"]))
                self._enter_question(page, payer, page.requests, question)
            case "seek":
                self._enter_question(page, payer, page.sought, (sender, _word(content["root"])))
            case "state":
                if sender == self._holder(job, content["slot"]) or sender in self._register.validators(job):
                    page.served.setdefault((content["slot"], _segment(content["segment"])), {})[sender] = content
            case "aggregate" if payer != STRANGER:
                self._enter_address(page, job, sender, _word(content["root"]), str(content["cid"]))
            case "vote" if content["type"] in VOTES and sender in self._register.validators(job):
                page.votes.setdefault(content["type"], {})[sender] = content

    def _enter_question(self, page: RoundBook, payer: str, pending: dict[Any, None], question: object) -> None:
        count = page.asked.get(payer, 0)
        if question not in pending and count < (REQUESTS_MAX if payer else REQUESTS_STRANGERS_MAX):
            page.asked[payer] = count + 1
            pending[question] = None

    def _enter_address(self, page: RoundBook, job: int, sender: str, root: bytes, cid: str) -> None:
        claims = self.published.get((job, root), [])
        count = page.announced.get(sender, 0)
        if cid not in claims and len(claims) < CLAIMS_MAX and count < ROOTS_MAX:
            page.announced[sender] = count + 1
            self.published[job, root] = [*claims, cid]

    def _holder(self, job: int, slot: object) -> str:
        return self._register.providers(job)[_index(slot)]

    def _enter_commitment(self, page: RoundBook, message: Message, content: dict[str, Any]) -> None:
        provider = self._holder(message.job, content["slot"])
        commitment = Commitment(
            message.job,
            message.generation,
            message.round,
            content["slot"],
            provider,
            _word(content["start"]),
            _word(content["transcript"]),
            _word(content["secret"]),
            _word(content["sealed"]),
        )
        signature = bytes.fromhex(content["signature"])
        known = page.commitments.get(commitment.slot)
        if known is not None and (known[0] == commitment or commitment.slot in page.equivocations):
            return
        if recover(typed_digest(self.domain, "Commitment", commitment.typed), signature) != provider:
            return
        if known is None:
            page.commitments[commitment.slot] = (commitment, signature)
        else:
            page.equivocations[commitment.slot] = (*known, commitment, signature)


def _entries(rows: list[Any]) -> tuple[Entry, ...]:
    if len(rows) > ROWS_MAX:
        raise ValueError("no table has that many rows")
    return tuple(Entry(_index(slot), _index(segment), _word(digest)) for slot, segment, digest in rows)


def _row(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 256:
        raise ValueError("not a row of a bitmap")
    return value


def _index(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError("not an index")
    return value


def _segment(value: object) -> int:
    if _index(value) > SEGMENTS_MAX:
        raise ValueError("no round has that many segments")
    return _index(value)


def _word(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 64:
        raise ValueError("not 32 bytes in hex")
    return bytes.fromhex(value)


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


def row_content(rows: Sequence[Entry]) -> list[list[object]]:
    """A table's rows as a message's content."""
    return [[entry.slot, entry.segment, entry.digest.hex()] for entry in rows]


def drop(known: MutableMapping[Any, Any] | MutableSet[Any], job: int, below: int) -> None:
    """Takes a job's rounds below an index out of what is remembered by round, or by (round, ...)."""
    for key in list(known):
        name = key[0] if isinstance(key[0], tuple) else key
        if name[0] == job and name[2] < below:
            if isinstance(known, MutableSet):
                known.discard(key)
            else:
                del known[key]
