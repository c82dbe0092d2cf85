"""A job: the TOML file that a consumer writes, with everything that decides a result, and its canonical document.

Job.parse(text)          a file; defaults are filled in, so that nothing is left open
job.document             compact JSON with sorted keys of every key; `document_hash` of it stands on chain
Job.from_document(bytes) what a provider reads; only bytes that `document` would give pass
"""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any

from assay.protocol import keys
from assay.protocol.errors import (
    BadInput,
    DeadlineTooShort,
    Impossible,
    LimitExceeded,
    Malformed,
    Refused,
    TooManyByzantine,
    UnknownKey,
)
from assay.protocol.plain import read_plain, write_plain
from assay.protocol.sections import (
    LOSSES,
    RULE_REPORTS,
    SECTIONS,
    Aggregate,
    Data,
    Match,
    Model,
    Terms,
    Train,
    Verify,
    Windows,
)
from assay.protocol.transcript import SEGMENT_STEPS_MAX, SEGMENTS_MAX
from assay.protocol.words import words_hash

DOCUMENT_MAX_BYTES = 1 << 20
TEXT_MAX = 1 << 20
"""Characters of a job file."""
NESTING_MAX, PARTS_MAX = 64, 32
"""Brackets that are open at once, and parts of a dotted key: tomllib recurses in the first and takes the square of the
second."""
_BRACKET, _STEPS = re.compile(r"[\[\]{}]"), {"[": 1, "{": 1, "]": -1, "}": -1}
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)""" + f"{{{PARTS_MAX}}}")
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
        return cls.from_tables(read_toml(text))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> "Job":
        """A job from its tables."""
        unknown = [name for name in tables if name not in SECTIONS]
        if unknown:
            hint = keys.nearest(unknown[0], list(SECTIONS))
            name = unknown[0][:40]
            raise UnknownKey(f"[{name}] is not a section of a job", hint=hint, key=name, allowed=", ".join(SECTIONS))
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
    def samples_max(self) -> int:
        """Most segments that a validator may be told to re-execute in a round: however the draw falls, a third of each
        slot's can be taken without two neighbours."""
        return self.match.providers * ((self.segment_count + 2) // 3)

    @property
    def windows_s(self) -> int:
        """Seconds of all windows together: matching, one round, and the time in which it may be challenged."""
        return sum(int(each) for each in vars(self.windows).values()) + self.verify.challenge_s

    @property
    def seed(self) -> bytes:
        """The job's seed as a word."""
        return words_hash("assay.seed.1", self.train.seed)


def read_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML file. Errors: `BadInput`, `LimitExceeded`."""
    if len(text) > TEXT_MAX:
        raise LimitExceeded("the job file is too long", hint="is it a job file?", limit=TEXT_MAX, actual=len(text))
    depth = max(accumulate((_STEPS[each[0]] for each in _BRACKET.finditer(text)), initial=0))
    if depth > NESTING_MAX or _DOTTED.search(text):
        raise BadInput("the job file is nested too deeply", hint="a job has sections, keys, and a table or two in them")
    try:
        return tomllib.loads(text)
    except ValueError as error:
        # Also of a number with more digits than Python reads.
        words = str(error).splitlines()[0][:200]
        raise BadInput(f"the job file is not TOML: {words}", hint="see the example in the reference") from error


def reports_needed(rule: str, byzantine_max: int) -> int:
    """Fewest updates with which an aggregation rule bears `byzantine_max` arbitrary ones."""
    per_byzantine, base = RULE_REPORTS[rule]
    return per_byzantine * byzantine_max + base


def choose_segment_steps(steps: int) -> int:
    """Steps of a segment so that a round has 8 to 16 of them, as many as divide it; else the nearest to 12 there is."""
    divisors = [count for count in range(1, steps + 1) if steps % count == 0]
    counts = [count for count in divisors if steps // count <= SEGMENT_STEPS_MAX]
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
        raise Impossible(
            "train.steps must be a multiple of train.segment_steps",
            hint=f"{near} divides {train.steps}",
            key="train.segment_steps",
            value=train.segment_steps,
            allowed=f"a divisor of {train.steps}",
        )
    segments = train.steps // train.segment_steps
    if segments > SEGMENTS_MAX:
        least = -(-train.steps // SEGMENTS_MAX)
        raise Impossible(
            f"a round would have {segments} segments, and at most {SEGMENTS_MAX} can be opened",
            hint=f"at least {least} steps a segment",
            key="train.segment_steps",
            value=train.segment_steps,
            allowed=f"{least} or more",
        )
    pair_count = match.providers * segments
    verify = _resolve_verify(verify, match.validators, pair_count, train.rounds)
    job = dataclasses.replace(job, train=train, aggregate=aggregate, verify=verify)
    _check(job, needed)
    return job


def _resolve_verify(verify: Verify, validators: int, pair_count: int, rounds: int) -> Verify:
    if verify.samples and verify.rate:
        raise Impossible(
            "verify.samples and verify.rate say the same thing twice",
            hint="give one of them",
            key="verify.rate",
            value=verify.rate,
            allowed="nothing, where verify.samples is given",
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


def _check(job: Job, needed: int) -> None:
    """What holds between keys. Errors: `Impossible` and its kinds; `Refused`."""
    if job.data.mode == "private":
        raise Refused(
            "re-execution cannot check work on private data: whoever re-executes it would have to see the data",
            hint='set data.mode = "public", or wait for a scheme that scores updates on held-out data',
            key="data.mode",
        )
    _check_verify(job)
    _check_aggregate(job, needed)
    _check_loss(job.model)
    _check_optimizer(job.train)
    _check_accumulate(job.train)
    _check_stop(job.train)
    if job.terms.deadline_s < job.windows_s:
        raise DeadlineTooShort(
            f"job.deadline is {job.terms.deadline_s}s, and the windows of one round alone take {job.windows_s}s",
            hint=f'give job.deadline = "{job.windows_s}s" or more, or shorten [windows] and verify.challenge',
            key="job.deadline",
            value=f"{job.terms.deadline_s}s",
            allowed=f"{job.windows_s}s or more",
        )


def _require(holds: bool, message: str, hint: str, key: str, value: object, allowed: str) -> None:
    if not holds:
        raise Impossible(message, hint=hint, key=key, value=value, allowed=allowed)


def _check_verify(job: Job) -> None:
    match, verify = job.match, job.verify
    threshold, size = verify.quorum
    words = f"{threshold} of {size}"
    majority = match.validators // 2 + 1
    _require(
        size == match.validators,
        f"verify.quorum is of {size} validators, match.validators is {match.validators}",
        f'write "{majority} of {match.validators}"',
        "verify.quorum",
        words,
        f"{majority} to {match.validators} of {match.validators}",
    )
    _require(
        size / 2 < threshold <= size,
        f"a quorum of {words} is no majority",
        f"at least {size // 2 + 1} must agree",
        "verify.quorum",
        words,
        f"{majority} to {size} of {size}",
    )
    most = job.samples_max
    _require(
        verify.samples <= most,
        f"verify.samples is {verify.samples}, a round admits {most}",
        "two adjacent segments of a slot are never both sampled",
        "verify.samples",
        verify.samples,
        f"1 to {most}",
    )


def _check_aggregate(job: Job, needed: int) -> None:
    match, aggregate = job.match, job.aggregate
    borne = aggregate.byzantine_max
    if aggregate.rule == "mean" and borne:
        raise TooManyByzantine(
            "the mean bears no Byzantine update",
            hint='use rule = "trimmed-mean" or "krum", or byzantine_max = 0 and rely on verification',
            key="aggregate.byzantine_max",
            value=borne,
            allowed="0 with the mean",
        )
    if aggregate.rule == "norm-bound":
        _require(
            aggregate.norm_max is not None,
            "norm-bound cuts updates to a length, and the job names none",
            "give aggregate.norm_max, like 1.0: about the length of an honest update",
            "aggregate.norm_max",
            None,
            "a number with norm-bound",
        )
    else:
        _require(
            aggregate.norm_max is None,
            f"{aggregate.rule} cuts no update to a length",
            'leave norm_max out, or use rule = "norm-bound"',
            "aggregate.norm_max",
            aggregate.norm_max,
            f"nothing with {aggregate.rule}",
        )
    if match.providers < needed:
        per_byzantine, base = RULE_REPORTS[aggregate.rule]
        most = max(0, (match.providers - base) // per_byzantine) if match.providers >= base else -1
        fix = f"or byzantine_max to {most} or less" if most >= 0 else "or take another rule"
        raise TooManyByzantine(
            f"{aggregate.rule} with byzantine_max = {borne} needs {needed} providers",
            hint=f"match.providers is {match.providers}: raise it, {fix}",
            key="match.providers",
            value=match.providers,
            allowed=f"{needed} or more",
        )
    _require(
        needed <= aggregate.reports_min <= match.providers,
        f"aggregate.reports_min must be from {needed} to {match.providers}",
        f"it is {aggregate.reports_min}",
        "aggregate.reports_min",
        aggregate.reports_min,
        f"{needed} to {match.providers}",
    )


def _check_loss(model: Model) -> None:
    if isinstance(model.loss, str):
        return
    takes = LOSSES[model.loss.name]
    for name, value in model.loss.settings.items():
        owners = [loss for loss, settings in LOSSES.items() if name in settings]
        _require(
            name in takes,
            f"{model.loss.name} has no {name}",
            f"leave it out, or use {' or '.join(owners)}",
            f"model.loss.{name}",
            value,
            f"nothing with {model.loss.name}",
        )


def _check_accumulate(train: Train) -> None:
    size, count = train.batch_size, train.accumulate
    near = min((n for n in range(1, 257) if size % n == 0), key=lambda n: abs(n - count))
    _require(
        size % count == 0,
        f"a batch of {size} does not make {count} equal micro-batches",
        f"{near} divides {size}",
        "train.accumulate",
        count,
        f"a divisor of {size}",
    )


def _check_stop(train: Train) -> None:
    stop = train.stop
    _require(
        stop is None or stop.metric != "accuracy" or 0 < stop.at <= 1,
        "no model has that accuracy: it is a share of right answers",
        "like 0.97",
        "train.stop.at",
        stop and stop.at,
        "a number above 0 to 1 with accuracy",
    )


def _check_optimizer(train: Train) -> None:
    optimizer = train.optimizer
    _require(
        optimizer.name == "sgd" or not (optimizer.momentum or optimizer.nesterov),
        "momentum belongs to sgd",
        'use name = "sgd", or betas',
        "train.optimizer.momentum",
        optimizer.momentum,
        f"0 with {optimizer.name}",
    )
    _require(
        not optimizer.nesterov or optimizer.momentum > 0,
        "nesterov needs momentum",
        "give momentum = 0.9",
        "train.optimizer.nesterov",
        True,
        "false, or momentum above 0",
    )
    _require(
        max(optimizer.betas) < 1,
        "betas must be below 1",
        "like [0.9, 0.999]",
        "train.optimizer.betas",
        list(optimizer.betas),
        "two numbers below 1",
    )
