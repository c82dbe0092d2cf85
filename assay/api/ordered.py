"""What a bundle says of its order: is it the one that was posted and paid for, with the bytes that it names by hash?

The chain's log of a posting holds the hash of the job's document and not the order. So each term is compared with what
the document gives, with what the chain says was paid, or with the bytes behind it.
"""

from contextlib import suppress
from dataclasses import fields
from functools import cached_property
from typing import Any, TypeVar

from assay.api.account import Kind
from assay.api.bundle import BundleBlobs, Evidence, RoundName
from assay.api.encoded import encoded_programs_root, encoded_state_root
from assay.api.finding import Finding
from assay.chain.contracts.containers import Order
from assay.chain.contracts.jobs import Posted
from assay.chain.contracts.vault import Moved
from assay.chain.events import Event
from assay.protocol.errors import AssayError, Malformed
from assay.protocol.job import Job
from assay.protocol.order import Roots, metric_of, order_of
from assay.protocol.plain import read_plain
from assay.store.manifest import MANIFEST_MAX_BYTES, SIZE_MAX_BYTES, Manifest
from assay.store.port import cid_of_hash

DOCUMENT_MAX_BYTES = 1 << 20
DECIMALS = range(39)
"""What a token may have: more, and a whole one exceeds what an order can pay."""
BY_HASH = ("programs", "data_root", "test_root", "state_root", "document", "token")
"""Terms that a document does not give."""
E = TypeVar("E", bound=Event)


class Ordered:
    """A bundle, read: its order, and what the chain said of the job."""

    def __init__(self, evidence: Evidence, blobs: BundleBlobs) -> None:
        self.evidence, self.blobs = evidence, blobs
        self.events = [event for _, event in evidence.events()]
        self._said: dict[type[Event], list[Any]] = {}
        for event in self.events:
            if getattr(event, "job", evidence.job) == evidence.job:
                self._said.setdefault(type(event), []).append(event)
        self._by_round: dict[type[Event], dict[RoundName, Any]] = {}

    def said(self, kind: type[E]) -> list[E]:
        """The job's events of one kind, in order."""
        return self._said.get(kind, [])

    def by_round(self, kind: type[E]) -> dict[RoundName, E]:
        """The same by round; the last where there are several."""
        if kind not in self._by_round:
            rows = {(event.generation, event.round): event for event in self.said(kind)}  # type: ignore[attr-defined]
            self._by_round[kind] = rows
        return self._by_round[kind]

    def round_cost(self, price: int) -> int:
        """Most that a round costs at a price per slot."""
        order = self.evidence.order
        return order.providers * price + order.validators * order.validator_fee + order.aggregator_fee

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The job's document; nothing where it is not in the bundle."""
        cid = cid_of_hash(self.evidence.order.document)
        if not self.blobs.has(cid):
            return None
        document = read_plain(self.blobs.get(cid, DOCUMENT_MAX_BYTES), DOCUMENT_MAX_BYTES)
        if not isinstance(document, dict) or not isinstance(document.get("job"), dict):
            raise Malformed("the job's document holds no job")
        return document

    @cached_property
    def job(self) -> Job:
        """The job's file, as its document has it. Errors: `Malformed`."""
        try:
            return Job.from_tables((self.document or {})["job"])
        except (AssayError, KeyError) as error:
            raise Malformed(f"the document holds no job: {error}") from error

    def check_order(self, finding: Finding) -> None:
        """The order's document is the posted one, and says what the order says; what it costs was paid in."""
        posted, order = self.said(Posted), self.evidence.order
        finding.check(len(posted) == 1, "there is not one posting")
        cost = (order.rounds + order.redo_rounds) * self.round_cost(order.price_ceiling) + order.fault_deposit
        for each in posted:
            finding.check(each.document == order.document, "the order's document is not the posted one")
            finding.check(each.deposited == cost, "the deposit is not what the order costs")
        finding.check(self._paid_in() == [(order.token, cost - order.fault_deposit)], "another escrow was paid in")
        if self.document is None:
            finding.miss("the job's document")
            return
        for name, same in compare_terms(self.job, order).items():
            finding.check(same, f"the document and the order differ in {name}")

    def _paid_in(self) -> list[tuple[str, int]]:
        """Token and amount of what somebody's free balance paid into the job's escrow."""
        key, way = self.evidence.job.to_bytes(32, "big"), (Kind.FREE, Kind.ESCROW)
        moves = [event for event in self.events if isinstance(event, Moved)]
        return [
            (move.token, move.amount) for move in moves if (move.from_kind, move.to_kind) == way and move.to_key == key
        ]

    def check_blobs(self, finding: Finding) -> None:
        """Each blob is what its name says; programs, samples and states are those that order and chain name."""
        for cid in self.blobs:
            try:
                self.blobs.get(cid, SIZE_MAX_BYTES)
                finding.held += 1
            except AssayError as error:
                finding.check(False, error.message)
        if self.document is None or finding.wrong:
            return
        order = self.evidence.order
        for name, root in {"train": order.data_root, "test": order.test_root}.items():
            cid = str(self.document.get(name))
            if self.blobs.has(cid):
                manifest = Manifest.from_bytes(self.blobs.get(cid, MANIFEST_MAX_BYTES))
                finding.check(manifest.root == root, f"the {name} samples are not the ordered ones")
                metric = metric_of(self.job, classes=not manifest.y.dtype.startswith("F"))
                finding.check(order.scores_loss == (metric == "loss"), f"the {name} samples are scored by {metric}")
                for each in manifest.blobs:
                    if not self.blobs.has(each):
                        finding.miss(f"samples {each}")
            else:
                finding.miss(f"the {name} samples")
        for name, words, root_of, root in (
            ("programs", "the programs", encoded_programs_root, order.programs),
            ("state", "the initial state", encoded_state_root, order.state_root),
        ):
            cid = str(self.document.get(name))
            if self.blobs.has(cid):
                same = root_of(self.blobs.get(cid, SIZE_MAX_BYTES)) == root
                finding.check(same, f"the order names something else than {words}")
            else:
                finding.miss(words)


def compare_terms(job: Job, order: Order) -> dict[str, bool]:
    """Whether each term that a job's file gives is the order's, with the decimals of a token that fit it best. Errors:
    `Malformed` for a file whose prices fit no decimals."""
    compared = []
    for decimals in DECIMALS:
        with suppress(AssayError):
            roots = Roots(**_roots(order), classes=not order.scores_loss)
            given = _terms(order_of(job, roots, token=order.token, decimals=decimals))
            compared.append({name: value == given[name] for name, value in _terms(order).items()})
    if not compared:
        raise Malformed("the job's document gives no order: its budget does not pay its prices")
    return max(compared, key=lambda each: sum(each.values()))


def _roots(order: Order) -> dict[str, bytes]:
    return {name: getattr(order, name) for name in ("programs", "data_root", "test_root", "state_root")}


def _terms(order: Any) -> dict[str, Any]:
    rows = {each.name: getattr(order, each.name) for each in fields(order)}
    windows = rows.pop("windows")
    named = {f"windows.{each.name}": getattr(windows, each.name) for each in fields(windows)}
    return {name: value for name, value in {**rows, **named}.items() if name not in BY_HASH}
