"""A job: the TOML file that a consumer writes, with everything that decides a result, and its canonical document.

Job.parse(text)          a file; defaults are filled in, so that nothing is left open
job.document             compact JSON with sorted keys of every key; `document_hash` of it stands on chain
Job.from_document(bytes) what a provider reads; only bytes that `document` would give pass
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from assay.protocol import keys
from assay.protocol.errors import BadInput, Malformed, Refused
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.sections import RULE_REPORTS, SECTIONS, Aggregate, Data, Match, Model, Terms, Train, Verify, Windows
from assay.protocol.transcript import SEGMENTS_MAX
from assay.protocol.words import words_hash

DOCUMENT_MAX_BYTES = 1 << 20
SEGMENTS_WANTED = range(8, 17)
"""Segments of a round: enough to sample from, each long enough that hashing hides behind training."""


@dataclass(frozen=True)
class Job:
    """A whole job, resolved: no key is left to be chosen later but amounts, which need the token's decimals."""

    terms: Terms
    match: Match
    model: Model
    data: Data
    train: Train
    aggregate: Aggregate
    verify: Verify
    windows: Windows

    @classmethod
    def parse(cls, text: str) -> "Job":
        """A job from the text of a TOML file. Errors: `BadInput` with the key and a hint; `Refused` with the reason."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"the job file is not TOML: {error}", hint="see the example in the reference") from error
        return cls.from_tables(tables)

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> "Job":
        """A job from its tables."""
        unknown = [name for name in tables if name not in SECTIONS]
        if unknown:
            hint = keys.nearest(unknown[0], list(SECTIONS))
            raise BadInput(f"[{unknown[0]}] is not a section of a job", hint=hint, key=unknown[0])
        parts = {
            field: keys.read_section(section, tables.get(name, {}), name) for name, (field, section) in SECTIONS.items()
        }
        return _resolve(cls(**parts))

    @property
    def document(self) -> bytes:
        """The canonical bytes: compact JSON, keys sorted, every key present."""
        tables = {name: keys.write_section(getattr(self, field)) for name, (field, _) in SECTIONS.items()}
        return write_plain(tables)

    @property
    def document_hash(self) -> bytes:
        """What stands on chain; also the document's address in a store."""
        return sha256(self.document).digest()

    @classmethod
    def from_document(cls, content: bytes) -> "Job":
        """A job from a document from outside. Errors: `Malformed` unless it is canonical and says a job that holds."""
        tables = read_plain(content, DOCUMENT_MAX_BYTES)
        if not isinstance(tables, dict):
            raise Malformed("a job document is not an object")
        try:
            job = cls.from_tables(tables)
        except (BadInput, Refused) as error:
            raise Malformed(f"a job document does not hold: {error}") from error
        if job.document != content:
            raise Malformed("a job document is not in canonical form")
        return job

    @property
    def segment_count(self) -> int:
        """Segments of a slot in a round, N."""
        return self.train.steps // self.train.segment_steps

    @property
    def pair_count(self) -> int:
        """(slot, segment) pairs of a round."""
        return self.match.providers * self.segment_count

    @property
    def seed(self) -> bytes:
        """The job's seed as a word."""
        return words_hash("assay.seed.1", self.train.seed)


def reports_needed(rule: str, byzantine_max: int) -> int:
    """Fewest updates with which an aggregation rule bears `byzantine_max` arbitrary ones."""
    per_byzantine, base = RULE_REPORTS[rule]
    return per_byzantine * byzantine_max + base


def choose_segment_steps(steps: int) -> int:
    """Steps of a segment so that a round has 8 to 16 of them, as many as divide it; else the nearest to 12 there is."""
    counts = [count for count in range(1, steps + 1) if steps % count == 0]
    fitting = [count for count in counts if count in SEGMENTS_WANTED]
    count = max(fitting) if fitting else min(counts, key=lambda each: (max(each / 12, 12 / each), each))
    return steps // count


def _resolve(job: Job) -> Job:
    """Fill in what is chosen from other keys, then check what only holds between keys."""
    match, train, verify, aggregate = job.match, job.train, job.verify, job.aggregate
    train = dataclasses.replace(train, segment_steps=train.segment_steps or choose_segment_steps(train.steps))
    needed = reports_needed(aggregate.rule, aggregate.byzantine_max)
    reports_min = aggregate.reports_min or max(needed, (match.providers + 1) // 2)
    aggregate = dataclasses.replace(aggregate, reports_min=reports_min)
    if train.steps % train.segment_steps:
        divisors = [k for k in range(1, train.steps + 1) if train.steps % k == 0]
        near = min(divisors, key=lambda k: abs(k - train.segment_steps))
        raise BadInput(
            "train.steps must be a multiple of train.segment_steps",
            hint=f"{near} divides {train.steps}",
            key="train.segment_steps",
        )
    segments = train.steps // train.segment_steps
    if segments > SEGMENTS_MAX:
        raise BadInput(
            f"a round would have {segments} segments, and at most {SEGMENTS_MAX} can be opened",
            hint=f"at least {-(-train.steps // SEGMENTS_MAX)} steps a segment",
            key="train.segment_steps",
        )
    pair_count = match.providers * segments
    verify = _resolve_verify(verify, match.validators, pair_count, train.rounds)
    _check(match, train, aggregate, verify, job.data, needed)
    return dataclasses.replace(job, train=train, aggregate=aggregate, verify=verify)


def _resolve_verify(verify: Verify, validators: int, pair_count: int, rounds: int) -> Verify:
    if verify.samples and verify.rate:
        raise BadInput(
            "verify.samples and verify.rate say the same thing twice", hint="give one of them", key="verify.rate"
        )
    # Rounded down, so that verification never costs more than the rate that was asked for; one is the least there is.
    samples = verify.samples or max(1, int((verify.rate or 0.13) * pair_count / validators))
    return dataclasses.replace(
        verify,
        samples=samples,
        rate=0.0,
        quorum=(validators // 2 + 1, validators) if verify.quorum == (0, 0) else verify.quorum,
        redo_rounds=verify.redo_rounds or max(2, -(-rounds // 5)),
    )


def _check(match: Match, train: Train, aggregate: Aggregate, verify: Verify, data: Data, needed: int) -> None:
    def require(holds: bool, message: str, hint: str, name: str) -> None:
        if not holds:
            raise BadInput(message, hint=hint, key=name)

    if data.mode == "private":
        raise Refused(
            "re-execution cannot check work on private data: whoever re-executes it would have to see the data",
            hint='set data.mode = "public", or wait for a scheme that scores updates on held-out data',
            key="data.mode",
        )
    threshold, size = verify.quorum
    require(
        size == match.validators,
        f"verify.quorum is of {size} validators, match.validators is {match.validators}",
        f'write "{match.validators // 2 + 1} of {match.validators}"',
        "verify.quorum",
    )
    require(
        size / 2 < threshold <= size,
        f"a quorum of {threshold} of {size} is no majority",
        f"at least {size // 2 + 1} must agree",
        "verify.quorum",
    )
    # However the draw falls, a third of each slot's segments can be taken without two neighbours.
    most = match.providers * ((train.steps // train.segment_steps + 2) // 3)
    require(
        verify.samples <= most,
        f"verify.samples is {verify.samples}, a round admits {most}",
        "two adjacent segments of a slot are never both sampled",
        "verify.samples",
    )
    require(
        aggregate.rule != "mean" or aggregate.byzantine_max == 0,
        "the mean bears no Byzantine update",
        'use rule = "krum", or byzantine_max = 0 and rely on verification',
        "aggregate.byzantine_max",
    )
    require(
        match.providers >= needed,
        f"{aggregate.rule} with byzantine_max = {aggregate.byzantine_max} needs {needed} providers",
        f"match.providers is {match.providers}",
        "match.providers",
    )
    require(
        needed <= aggregate.reports_min <= match.providers,
        f"aggregate.reports_min must be from {needed} to {match.providers}",
        f"it is {aggregate.reports_min}",
        "aggregate.reports_min",
    )
    sgd = train.optimizer.name == "sgd"
    require(
        sgd or not (train.optimizer.momentum or train.optimizer.nesterov),
        "momentum belongs to sgd",
        'use name = "sgd", or betas',
        "train.optimizer.momentum",
    )
    require(
        not train.optimizer.nesterov or train.optimizer.momentum > 0,
        "nesterov needs momentum",
        "give momentum = 0.9",
        "train.optimizer.nesterov",
    )
    require(max(train.optimizer.betas) < 1, "betas must be below 1", "like [0.9, 0.999]", "train.optimizer.betas")
