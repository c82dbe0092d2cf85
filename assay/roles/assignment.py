"""What a party knows of a job once it has fetched and checked everything that the order binds by hash."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from assay.aggregate.rules import check_rule
from assay.chain.contracts.containers import Order
from assay.proof import affordable
from assay.proof.claim import Records
from assay.protocol.errors import LimitExceeded, Malformed, Refused
from assay.protocol.job import Job
from assay.protocol.message import BODY_BYTES_MAX
from assay.protocol.order import metric_of, stop_score
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.score import BATCHES_MAX, Marks
from assay.roles.world import World
from assay.store.manifest import Field, Manifest, fetch_manifest, fetch_samples, records_of
from assay.store.port import cid_of_hash
from assay.store.samples import Samples, dtype_name
from assay.work.batch import Course
from assay.work.limits import Space
from assay.work.program import Bundle, Limits
from assay.work.state import Signature, Spec, state_root

DOCUMENT_MAX_BYTES = 1 << 20
BUNDLE_MAX_BYTES = 64 << 20
ROWS_SHOWN_MAX = (BODY_BYTES_MAX - 1_024) // len(f'[65535,1024,"{32 * "00"}","{32 * "00"}",4294967295],')
"""Rows of a table that fit one message."""
STATES_KEPT, STATES_PART = 64, 16
"""States of a job that are remembered, if they take no more than this part of a party's space."""
BUNDLES_KEPT = 4
MARKED_KEPT = 8
State = list[Tensor]


@dataclass(frozen=True)
class Document:
    """The canonical job document: the consumer's job file and where the bytes are that the order names by root."""

    job: dict[str, Any]
    programs: str
    state: str
    train: str
    test: str

    def to_bytes(self) -> bytes:
        """Canonical JSON; its sha256 is `Order.document`, and so its address."""
        return write_plain(vars(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> "Document":
        """A document from outside. Errors: `Malformed`."""
        try:
            document = cls(**read_plain(content, DOCUMENT_MAX_BYTES))
            canonical = document.to_bytes() == content
        except TypeError as error:
            raise Malformed("a job's document cannot be read") from error
        if not canonical or not isinstance(document.job, dict):
            raise Malformed("a job's document is not in canonical form")
        return document


@dataclass(frozen=True)
class Content:
    """A job before anything large of it is fetched: its programs, and what its samples are."""

    document: Document
    bundle: Bundle
    train: Manifest
    test: Manifest
    batch_size: int
    metric: str

    @property
    def leaves(self) -> int:
        """Samples to be hashed."""
        return self.train.count + self.test.count

    @property
    def hashed_bytes(self) -> int:
        """Bytes to be hashed: of the samples twice, as blobs and as leaves, and of the initial state."""
        return 2 * (self.train.size_bytes + self.test.size_bytes) + signature_of(self.bundle).encoded_bytes


Screen = Callable[[Order, Content], None]
"""Raises where this machine does not take a job, before its bytes are fetched."""


def pass_all(order: Order, content: Content) -> None:
    """Screens nothing: whatever is within the limits is fetched."""


@dataclass
class Assignment:
    """A job, checked: programs, initial state, samples, and the order of work."""

    job: int
    order: Order
    document: Document
    bundle: Bundle
    initial: State
    train: Samples
    test: Samples
    batch_size: int
    metric: str
    beacon: bytes = b""
    states: "OrderedDict[bytes, State]" = field(default_factory=OrderedDict)
    states_max: int = STATES_KEPT
    marked: "OrderedDict[bytes, Marks]" = field(default_factory=OrderedDict)
    """What the latest states that were measured come to, by root."""

    def __post_init__(self) -> None:
        self.keep(state_root(self.initial), self.initial)

    @property
    def segment_count(self) -> int:
        """Segments of one slot's round, N."""
        return self.order.steps_per_round // self.order.steps_per_segment

    @property
    def signature(self) -> Signature:
        """Form of a state: the step's first inputs."""
        return signature_of(self.bundle)

    @property
    def update_signature(self) -> Signature:
        """Form of an update: the outputs of `emit`."""
        return update_signature_of(self.bundle)

    @cached_property
    def records(self) -> Records:
        """The training data as its manifest commits to it."""
        return _records(self.train)

    @cached_property
    def held_out(self) -> Records:
        """The held-out data, the same."""
        return _records(self.test)

    @property
    def form(self) -> bytes:
        """What the manifest binds of the samples' types."""
        sides = (self.train.x, self.train.y)
        return sha256(b"".join(Field(dtype_name(side), side.shape[1:]).form() for side in sides)).digest()

    @property
    def course(self) -> Course:
        """What makes the batches."""
        x, y = torch.from_numpy(self.train.x), torch.from_numpy(self.train.y)
        return Course(x, y, self.order.seed, self.beacon, self.order.providers, self.batch_size)

    def keep_marks(self, root: bytes, marks: Marks) -> None:
        """Remembers what a state comes to."""
        self.marked[root] = marks
        while len(self.marked) > MARKED_KEPT:
            self.marked.popitem(last=False)

    def keep(self, root: bytes, state: State) -> None:
        """Remembers a state by its root."""
        self.states[root] = state
        self.states.move_to_end(root)
        while len(self.states) > self.states_max:
            self.states.popitem(last=False)


def _records(samples: Samples) -> Records:
    rows = records_of(samples)
    return Records(rows.tobytes(), rows.shape[1])


def signature_of(bundle: Bundle) -> Signature:
    """Form of a job's state: the step's inputs but x and y."""
    step = bundle.step
    count = len(step.outputs) - 1
    rows = zip(step.side.output_names[:count], step.inputs[:count], strict=True)
    return Signature(tuple(Spec(name.removeprefix("state:"), value.dtype, tuple(value.shape)) for name, value in rows))


def update_signature_of(bundle: Bundle) -> Signature:
    """Form of a job's updates: the outputs of `emit`."""
    emit = bundle.emit
    rows = zip(emit.side.output_names, (emit.values[output] for output in emit.outputs), strict=True)
    return Signature(tuple(Spec(name, value.dtype, tuple(value.shape)) for name, value in rows))


def states_kept(order: Order, state_bytes: int, space: Space) -> int:
    """How many states of a job are remembered: those that open rounds begin from and end in, and more where there is
    room."""
    return min(STATES_KEPT, max(order.lookahead + 3, space.part_bytes(STATES_PART) // max(state_bytes, 1)))


def fetch_assignment(world: World, order: Order, job: int, limits: Limits, screen: Screen = pass_all) -> Assignment:
    """Fetches a job's bytes and compares each with the order, what is large last. Errors: `Malformed`, `Undecidable`,
    `Unavailable`, `Refused`, and what `screen` raises."""
    compute = world.compute
    content = fetch_content(world, order, limits)
    screen(order, content)
    compute.foresee_hashing(content.leaves, content.hashed_bytes)
    signature = signature_of(content.bundle)
    initial = signature.decode(world.blobs.get(content.document.state, signature.encoded_bytes))
    if state_root(initial) != order.state_root:
        raise Refused("the job's initial state is not that of its order")
    check = compute.allowance.check
    train, test = (fetch_samples(world.blobs, each, check) for each in (content.train, content.test))
    return Assignment(
        job,
        order,
        content.document,
        content.bundle,
        initial,
        train,
        test,
        content.batch_size,
        content.metric,
        states_max=states_kept(order, signature.encoded_bytes, compute.space),
    )


def fetch_content(world: World, order: Order, limits: Limits) -> Content:
    """The small parts of a job, checked against the order and each other. Errors: `Malformed`, `Undecidable`,
    `Unavailable`, `Refused`."""
    document = Document.from_bytes(world.blobs.get(cid_of_hash(order.document), DOCUMENT_MAX_BYTES))
    bundle = read_bundle(world.blobs.get(document.programs, BUNDLE_MAX_BYTES), limits)
    if bundle.root != order.programs:
        raise Refused("the job's programs are not those of its order")
    if order.profile.rstrip(b"\0") != bundle.step.profile.name.encode():
        raise Refused("the job's arithmetic is not that of its programs")
    job_file = Job.from_document(write_plain(document.job))
    check_rule(job_file, bundle)
    metric = check_stop(job_file, bundle)
    if order.stop_score != stop_score(job_file):
        raise Refused("the job's order ends it elsewhere than its file says")
    if order.scores_loss != (metric == "loss"):
        raise Refused(f"the job's order does not score its {metric}, by which its file measures it")
    train = fetch_manifest(world.blobs, document.train, order.data_root)
    test = fetch_manifest(world.blobs, document.test, order.test_root)
    return Content(document, bundle, train, test, admit(order, bundle, train, test, limits), metric)


def check_stop(job: Job, bundle: Bundle) -> str:
    """The metric that a job is measured by. Errors: `Refused` for the accuracy of a model without classes."""
    classes = has_classes(bundle)
    metric = metric_of(job, classes)
    if metric == "accuracy" and not classes:
        raise Refused(
            "the model has no accuracy: its targets are no class numbers",
            hint='stop by { metric = "loss", at = ... }',
            key="train.stop.metric",
        )
    return metric


def has_classes(bundle: Bundle) -> bool:
    """Whether the targets are class numbers."""
    return not bundle.step.inputs[-1].dtype.startswith("F")


def rows_most(order: Order) -> int:
    """Rows that one validator may have to show: a quorum's share of all samples, when a beacon was missed as well; and
    never more than there are segments of which no two are adjacent."""
    share = -(-order.samples_per_validator * order.validators // order.quorum)
    segments = order.steps_per_round // order.steps_per_segment
    return min(2 * share, order.providers * -(-segments // 2))


@lru_cache(maxsize=BUNDLES_KEPT)
def read_bundle(content: bytes, limits: Limits) -> Bundle:
    """A job's programs; several parties in one process read the same. The initial state has a root and bytes of its
    own, so it is not drawn. Errors: `Malformed`."""
    return Bundle.from_bytes(content, limits, draw=False)


def admit(order: Order, bundle: Bundle, train: Manifest, test: Manifest, limits: Limits) -> int:
    """The batch size, if programs, samples and order fit each other, the samples the limits, and each move of a game
    about them a transaction. Errors: `Refused`, `LimitExceeded`, `Undecidable`."""
    if bundle.is_random:
        raise Refused("the job's step draws random numbers, which no schedule gives it")
    x, y = bundle.step.inputs[-2:]
    if not x.shape or x.shape[:1] != y.shape[:1] or not x.shape[0]:
        raise Refused("the job's step does not take a batch of samples")
    for manifest in (train, test):
        rows = [(field.dtype, field.shape) for field in (manifest.x, manifest.y)]
        if rows != [(value.dtype, tuple(value.shape[1:])) for value in (x, y)]:
            raise Refused("the job's data does not fit its step")
    for words, actual, limit in (
        ("samples", train.count + test.count, limits.samples),
        ("bytes of samples", train.size_bytes + test.size_bytes, limits.samples_bytes),
    ):
        if actual > limit:
            message = f"the job has {actual} {words}, at most {limit} are admitted"
            raise LimitExceeded(message, limit=limit, actual=actual)
    if train.count < order.providers:
        raise Refused("the job has more slots than samples")
    batch_count = -(-test.count // x.shape[0])
    if batch_count > BATCHES_MAX:
        raise Refused(
            f"the held-out samples are {batch_count} batches, and a score shows at most {BATCHES_MAX} on the chain",
            hint="raise train.batch_size, or lower data.held_out",
            key="train.batch_size",
        )
    if rows_most(order) > ROWS_SHOWN_MAX:
        raise Refused("a validator's table would not fit a message", hint="lower verify.samples, or raise the quorum")
    # Whatever is accepted must be able to enter an aggregate, or an honest aggregator would be blamed for its absence.
    if not set(range(order.reports_min, order.providers + 1)) <= set(bundle.aggregate):
        raise Refused("the job's programs do not aggregate every number of updates that may be accepted")
    record_bytes = (x.size_bytes + y.size_bytes) // x.shape[0]
    affordable.check(bundle, record_bytes, order.steps_per_segment)
    return x.shape[0]
