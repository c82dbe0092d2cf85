"""What a party has heard about a job, sorted by round. Nothing in it is believed before it is checked.

Anybody may send anything, so the roll says which rounds there may be talk of and who has a part in a job; every party
has a quota in each round, and all strangers together have one.
"""

from collections.abc import Sequence
from hashlib import sha256

from assay.protocol.errors import Malformed, Unavailable
from assay.protocol.message import Message
from assay.protocol.typed import Domain
from assay.roles.page import Page
from assay.roles.round import RoundName
from assay.roles.scribe import KINDS, STRANGER, Roll, Scribe

QUOTA_BYTES, QUOTA_STRANGERS_BYTES = 8 << 20, 1 << 20
"""What one party may say about one round in messages of one kind, and what all strangers together may."""
STATE_MAX_BYTES = 8 << 10
"""A state's address and the opening of its leaf; the state itself is a blob."""
ASKING = frozenset({"want", "request", "seek"})
"""What is said again to be answered again; of all else a repetition brings nothing new."""


class Book:
    """Messages of one network by round."""

    def __init__(self, domain: Domain, roll: Roll) -> None:
        self.rounds: dict[RoundName, Page] = {}
        self.published: dict[tuple[int, bytes], list[str]] = {}
        """Addresses of states by job and root, as parties of the job have claimed them."""
        self._roll = roll
        self._scribe = Scribe(domain, roll, self.published)
        self._below: dict[int, int] = {}

    def round(self, name: RoundName) -> Page:
        """The page of one round."""
        page = self.rounds.get(name)
        if page is None:
            page = self.rounds[name] = Page()
        return page

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

    def reopen(self, job: int) -> None:
        """What was heard of a job may mean another thing on a rewritten chain: what is repeated is entered anew."""
        for page in [page for name, page in self.rounds.items() if name[0] == job]:
            page.heard.clear()

    def note(self, messages: Sequence[Message]) -> None:
        """Enters messages; what cannot be read is dropped, since anybody may send anything."""
        for message in messages:
            name = (message.job, message.generation, message.round)
            # Asked first: where it is the chain that cannot be read, the message is none the worse for it.
            if message.round < self.below(message.job) or not self._roll.admits(name):
                continue
            payer = message.sender if message.sender in self._roll.parties(message.job) else STRANGER
            try:
                self._enter(self.round(name), message, payer)
            except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, Malformed):
                continue

    def _enter(self, page: Page, message: Message, payer: str) -> None:
        if message.kind not in KINDS or (message.kind == "state" and len(message.body) > STATE_MAX_BYTES):
            return
        known = sha256(f"{message.sender}/{message.kind}/".encode() + message.body).digest()
        if known in page.heard:
            return
        # By kind, so that nobody's pile of one leaves no room for its word on another.
        account = (payer, message.kind)
        spent_bytes = page.spent_bytes.get(account, 0) + message.size_bytes
        if spent_bytes > (QUOTA_BYTES if payer else QUOTA_STRANGERS_BYTES):
            return
        page.spent_bytes[account] = spent_bytes
        if message.kind not in ASKING:
            page.heard.add(known)
        try:
            self._scribe.enter(page, message, message.content(), payer)
        except Unavailable:
            page.heard.discard(known)
            page.spent_bytes[account] -= message.size_bytes
            raise
