"""Entering what each kind of message says, where it comes from somebody who may say it."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from assay.protocol.commitment import Commitment, commitment_root
from assay.protocol.message import Message
from assay.protocol.table import table_root
from assay.protocol.typed import Domain, recover, typed_digest
from assay.roles.content import read_bits, read_commitment, read_index, read_rows, read_segment, read_word
from assay.roles.page import Page
from assay.roles.round import RoundName

ROWS_OF_SLOTS = 4
"""Words of a bitmap over slots."""
CLAIMS_MAX = 16
"""Addresses remembered for one state; any honest one suffices."""
ROOTS_MAX = 4
"""States of which one party may announce addresses in one round."""
REQUESTS_MAX, REQUESTS_STRANGERS_MAX = 4_096, 512
TABLES_MAX = 8
"""Tables of one validator that one party may tell in one round: there is one for each drawing."""
MISSING_MAX = 1_024
"""Start states that one validator may miss in one round."""
KINDS = frozenset(
    {"commitments", "opening", "table", "want", "missing", "request", "state", "seek", "aggregate", "vote"}
)
"""Each is entered by the method of its name."""
VOTES = frozenset({"Root", "Result", "Aggregate", "Fault", "Unserved"})
STRANGER = ""


class Roll(Protocol):
    """What the chain says of who is who."""

    def admits(self, name: RoundName) -> bool:
        """Whether there may be talk of this round: it is open, or about to be."""
        ...

    def origin(self, name: RoundName) -> tuple[bytes, bytes]:
        """The beacon of a job's draw, and the root that a round begins with; zero while it is not open."""
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

    def rows_most(self, job: int) -> int:
        """How many rows a table has at most."""
        ...

    def parties(self, job: int) -> Collection[str]:
        """Everybody with a part in a job."""
        ...


class Scribe:
    """Writes into pages. `published` gets the addresses of states, by job and root."""

    def __init__(self, domain: Domain, roll: Roll, published: dict[tuple[int, bytes], list[str]]) -> None:
        self._domain, self._roll, self._published = domain, roll, published

    def enter(self, page: Page, message: Message, content: dict[str, Any], payer: str) -> None:
        """Enters one message, of a kind in `KINDS`; `payer` has a part in the job, or is `STRANGER`. Errors: whatever
        a content raises that is not what it should be."""
        getattr(self, message.kind)(page, message, content, payer)

    def commitments(self, page: Page, message: Message, content: dict[str, Any], payer: str) -> None:
        """Signed commitments, passed on by anybody; with the root that they make, and that the aggregator would
        commit."""
        told = content["commitments"][: len(self._roll.providers(message.job))]
        for signed in told:
            self._commitment(page, message, signed)
        if "root" in content and payer != STRANGER:
            self._set(page, message, read_word(content["root"]), told)
        if "root" in content and message.sender == self._roll.aggregator(message.job):
            present = tuple(read_bits(row) for row in content["present"][:ROWS_OF_SLOTS])
            page.proposal = (read_word(content["root"]), present)

    def opening(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """A slot's secret and leaves, from its provider."""
        if self._holder(message.job, content["slot"]) == message.sender:
            page.openings[content["slot"]] = content

    def table(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """Rows of a validator's table, its own or another's."""
        if message.sender not in self._roll.validators(message.job):
            return
        rows, owner = read_rows(content["rows"]), content.get("of", message.sender)
        if len(rows) > self._roll.rows_most(message.job):
            return
        if owner in self._roll.validators(message.job) or owner in page.tables:
            told = page.tables_told.setdefault((message.sender, owner), set())
            root = table_root(rows)
            if root in told or len(told) < TABLES_MAX:
                told.add(root)
                page.rooted[owner, root] = rows
        if owner == message.sender:
            page.tables[message.sender] = rows

    def want(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """Whose tables a validator has not seen."""
        if message.sender not in self._roll.validators(message.job):
            return
        seats = self._roll.validators(message.job)
        for validator in content["of"][: len(seats)]:
            if validator in seats:
                page.wanted[message.sender, validator] = None

    def missing(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """A start state that nobody serves a validator."""
        sender = message.sender
        if sender not in self._roll.validators(message.job):
            return
        if sum(asker == sender for asker, _, _ in page.missing) < MISSING_MAX:
            page.missing[sender, read_index(content["slot"]), read_segment(content["segment"])] = None

    def request(self, page: Page, message: Message, content: dict[str, Any], payer: str) -> None:
        """Who asks for a start state."""
        question = (message.sender, read_index(content["slot"]), read_segment(content["segment"]))
        self._question(page, payer, page.requests, question)

    def seek(self, page: Page, message: Message, content: dict[str, Any], payer: str) -> None:
        """Who looks for a round's state."""
        self._question(page, payer, page.sought, (message.sender, read_word(content["root"])))

    def state(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """A start state's address and opening, from its provider, or from a validator that was served it."""
        holder = self._holder(message.job, content["slot"])
        if message.sender == holder or message.sender in self._roll.validators(message.job):
            key = (content["slot"], read_segment(content["segment"]))
            page.served.setdefault(key, {})[message.sender] = content

    def aggregate(self, page: Page, message: Message, content: dict[str, Any], payer: str) -> None:
        """A state's address, from somebody with a part in the job."""
        if payer == STRANGER:
            return
        root, cid = read_word(content["root"]), str(content["cid"])
        claims = self._published.get((message.job, root), [])
        count = page.announced.get(message.sender, 0)
        if cid not in claims and len(claims) < CLAIMS_MAX and count < ROOTS_MAX:
            page.announced[message.sender] = count + 1
            self._published[message.job, root] = [*claims, cid]

    def vote(self, page: Page, message: Message, content: dict[str, Any], _: str) -> None:
        """A validator's signature under a typed value."""
        if content["type"] in VOTES and message.sender in self._roll.validators(message.job):
            page.votes.setdefault(content["type"], {})[message.sender] = content

    def _holder(self, job: int, slot: object) -> str:
        return self._roll.providers(job)[read_index(slot)]

    def _question(self, page: Page, payer: str, pending: dict[Any, None], question: object) -> None:
        count = page.asked.get(payer, 0)
        if question not in pending and count < (REQUESTS_MAX if payer else REQUESTS_STRANGERS_MAX):
            page.asked[payer] = count + 1
            pending[question] = None

    def _set(self, page: Page, message: Message, root: bytes, told: Sequence[dict[str, Any]]) -> None:
        """Keeps the last set of a sender that gives the root which it names."""
        found = dict(self._read(message, content) for content in told)
        place = self._domain.chain_id, self._domain.rounds
        leaves = {slot: commitment.leaf(*place) for slot, (commitment, _) in found.items()}
        if commitment_root(leaves, len(self._roll.providers(message.job))) == root:
            page.sets[message.sender] = (root, found)

    def _read(self, message: Message, content: dict[str, Any]) -> tuple[int, tuple[Commitment, bytes]]:
        name, provider = (message.job, message.generation, message.round), self._holder(message.job, content["slot"])
        return content["slot"], read_commitment(name, provider, self._roll.origin(name)[0], content)

    def _commitment(self, page: Page, message: Message, content: dict[str, Any]) -> None:
        origin = self._roll.origin((message.job, message.generation, message.round))
        _, (commitment, signature) = self._read(message, content)
        provider = commitment.provider
        known = page.commitments.get(commitment.slot)
        # What was signed before the chain was rewritten, of another draw or start, gives way and is no second one.
        outdated = known is not None and known[0].origin != commitment.origin == origin
        beside = known is not None and known[0].origin == commitment.origin
        doubled = known is not None and (known[0] == commitment or commitment.slot in page.equivocations)
        if known is not None and not outdated and (doubled or not beside):
            return
        if recover(typed_digest(self._domain, "Commitment", commitment.typed), signature) != provider:
            return
        page.changes += 1
        if known is None or outdated:
            page.commitments[commitment.slot] = (commitment, signature)
            page.equivocations.pop(commitment.slot, None)
        else:
            page.equivocations[commitment.slot] = (*known, commitment, signature)
