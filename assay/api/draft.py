"""A job before it is posted: everything that would be published, in memory, checked as a provider would; and its price.

Nothing here sends or stores anything.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from assay.api.job import Job
from assay.api.own_model import ADDRESS, OwnModel, load_architecture
from assay.api.token import Token, find_offline
from assay.api.trial import check_labels, try_out
from assay.chain.contracts.containers import Order
from assay.market.fraud import propose
from assay.market.quote import Quote
from assay.market.quote import quote as quote_job
from assay.protocol.errors import BadInput, BadKey, Malformed, MissingBlob, NotFinite, Refused, Unsupported
from assay.protocol.order import Roots
from assay.protocol.units import parse_amount
from assay.roles.assignment import Assignment, Document, admit, check_stop, has_classes, signature_of
from assay.roles.consumer import chain_order
from assay.roles.pace import round_s
from assay.roles.world import Compute
from assay.store.manifest import describe
from assay.store.port import Blobs, cid_of
from assay.store.samples import Samples, split
from assay.store.sources import NAMES
from assay.store.sources import load as load_source
from assay.work.program import AGGREGATES, Bundle, Limits
from assay.work.state import state_root

GIVEN = "memory:given"
"""How a job names samples that came from a program and not from a source."""
GAS_BASE, GAS_PER_PROVIDER, GAS_PER_VALIDATOR = 2_070_000, 80_000, 235_000
"""Of a consumer that takes every step from posting to registering itself, a little more than measured."""


@dataclass(frozen=True)
class Draft:
    """A job with its programs and samples, and the order that would be posted."""

    job: Job
    own: OwnModel | None
    bundle: Bundle
    train: Samples
    test: Samples
    document: Document
    order: Order
    quote: Quote
    token: Token
    contents: tuple[bytes, ...]
    """All that would be published."""

    @property
    def published(self) -> list[tuple[str, str]]:
        """What strangers will be able to read, for people: (what, how much)."""
        nodes = len(self.bundle.step.nodes)
        return [
            ("the training step", f"{nodes} operations, with their constants; not your Python"),
            ("initial weights", self.job.model.init if self.job.model.init != "given" else "as the model has them"),
            ("training data", _samples_words(self.train)),
            ("held-out data", _samples_words(self.test)),
            ("the job file", f"{self.job.terms.name}, every key"),
            ("all trained weights", "of every round, for good"),
        ]

    @property
    def size_bytes(self) -> int:
        """Bytes that would be published."""
        return sum(map(len, self.contents))

    def publish(self, blobs: Blobs) -> None:
        """Puts everything where strangers can fetch it."""
        for content in self.contents:
            blobs.put(content)

    def assignment(self) -> Assignment:
        """The job as a provider would have it."""
        state = list(self.bundle.state.values())
        size = self.job.train.batch_size
        metric = check_stop(self.job, self.bundle)
        return Assignment(0, self.order, self.document, self.bundle, state, self.train, self.test, size, metric)

    @property
    def gas(self) -> int:
        """Gas of a consumer who takes every step itself."""
        match = self.job.match
        return GAS_BASE + GAS_PER_PROVIDER * match.providers + GAS_PER_VALIDATOR * match.validators

    def seconds(self, compute: Compute) -> dict[str, float]:
        """How long it takes on machines like this one, measured by two steps."""
        job, each_s = self.job, round_s(self.assignment(), compute)
        share = min(1.0, job.verify.samples * job.train.segment_steps / job.train.steps)
        matching = job.windows.bid_s + job.windows.reveal_s
        rounds_s = job.train.rounds * each_s * (1 + share)
        return {
            "round_train_s": each_s,
            "train_s": job.train.rounds * each_s,
            "expected_s": matching + rounds_s + job.verify.challenge_s,
            "longest_s": float(self.quote.longest_s),
            "deadline_s": float(self.quote.deadline_s),
        }

    def to_json(self, compute: Compute, gas_price_wei: int | None = None, at_risk: str | None = None) -> dict[str, Any]:
        """The quote as plain values; nothing is spent. `at_risk`: what a fraud would be worth, in whole tokens.

        Errors: `BadInput` for what is no amount.
        """
        made = self.quote.to_json()
        if at_risk is not None:
            gain, job = parse_amount(at_risk, self.token.decimals), self.job
            made["fraud"] = propose(self.quote, gain, job.match.validators, job.samples_max).to_json()
        gas = self.gas
        return {
            "job": self.job.terms.name,
            "token": {
                "address": self.token.address,
                "symbol": self.token.symbol,
                "decimals": self.token.decimals,
                "native": self.token.is_native,
            },
            **made,
            "seconds": {name: round(value, 3) for name, value in self.seconds(compute).items()},
            "gas": {"consumer": gas, "price_wei": gas_price_wei, "cost_wei": gas_price_wei and gas * gas_price_wei},
            "public": {"bytes": self.size_bytes, "what": dict(self.published)},
            "programs": self.bundle.root.hex(),
        }


def make_draft(
    job: Job,
    model: OwnModel | nn.Module | None = None,
    samples: Samples | None = None,
    *,
    token: Token | None = None,
    find: Callable[[str], bytes] | None = None,
) -> Draft:
    """A draft of a job. `model` and `samples` stand in for what the job file names; `token` is what it pays in, where a
    network was asked; `find` fetches captured programs by their address.

    Errors: `BadInput`, `Refused`, `Unsupported`, `LimitExceeded`: whatever would keep it from running.
    """
    token = token or find_offline(job.terms.token)
    job, samples = _with_samples(job, samples)
    own = OwnModel(model) if isinstance(model, nn.Module) else model
    if own is not None:
        job = own.settle(job)
    if job.match.providers > AGGREGATES:
        raise BadKey(
            f"an aggregate takes at most {AGGREGATES} updates",
            hint=f"match.providers is {job.match.providers}: lower it",
            key="match.providers",
            value=job.match.providers,
            allowed=f"1 to {AGGREGATES}",
        )
    quoted = quote_job(job, token.decimals)
    if own is None and job.model.architecture.startswith(ADDRESS):
        content = _fetch(job.model.architecture, find, "model.architecture", "a captured program")
        bundle = Bundle.from_bytes(content, Limits())
    else:
        own = own or load_architecture(job)
        bundle = own.capture(job, samples)
    if job.model.init.startswith(ADDRESS):
        bundle = _with_state(bundle, job.model.init, find)
    return _assemble(job, own, bundle, samples, quoted, token)


def _with_samples(job: Job, samples: Samples | None) -> tuple[Job, Samples]:
    if samples is not None:
        return replace(job, data=replace(job.data, source=GIVEN)), _finite(samples)
    kind, _, rest = job.data.source.partition(":")
    source = f"folder:{job.folder / rest}" if kind == "folder" else job.data.source
    try:
        found = _finite(load_source(source))
    except BadInput as error:
        fields = {"key": "data.source", "value": job.data.source, "allowed": f"one of {', '.join(NAMES)}"}
        raise BadKey(error.message, hint=error.hint, **{**error.fields, **fields}) from error
    except (Malformed, Unsupported) as error:
        error.fields |= {"key": "data.source", "value": job.data.source, "allowed": f"one of {', '.join(NAMES)}"}
        raise
    # Strangers are told the folder's name and not where it lies.
    shown = f"folder:{Path(rest).name or 'data'}" if kind == "folder" else job.data.source
    return replace(job, data=replace(job.data, source=shown)), found


def _finite(samples: Samples) -> Samples:
    if not samples.finite:
        raise NotFinite("the data has numbers that are not finite", hint="replace NaN and infinities before training")
    return samples


def _fetch(address: str, find: Callable[[str], bytes] | None, key: str, what: str) -> bytes:
    """The bytes that a job names by their address. Errors: `BadKey` where they are not to be had here."""
    allowed = f"the address of {what} that this home has"
    if find is None:
        hint = "leave out --offline, or connect to a network first"
        raise BadKey(f"{what} lies on a network", hint=hint, key=key, value=address, allowed=allowed)
    try:
        return find(address)
    except (MissingBlob, Malformed) as error:
        raise BadKey(
            f"{what} of this address cannot be had: {error.message}",
            hint="use a home that has it, as one on whose network it was made",
            key=key,
            value=address,
            allowed=allowed,
        ) from error


def _with_state(bundle: Bundle, address: str, find: Callable[[str], bytes] | None) -> Bundle:
    """The programs with the state of this address to begin with. Errors: `BadKey`, also where it is another model's."""
    key, signature = "model.init", signature_of(bundle)
    content = _fetch(address, find, key, "a state")
    try:
        tensors = signature.decode(content)
    except Malformed as error:
        raise BadKey(
            f"what lies at that address is no state of this model: {error.message}",
            hint="name the state of a model with the same tensors, buffers and optimizer",
            key=key,
            value=address,
            allowed=f"the address of a state of {signature.encoded_bytes} bytes",
        ) from error
    return replace(bundle, state=dict(zip(bundle.state_names, tensors, strict=True)))


def _assemble(job: Job, own: OwnModel | None, bundle: Bundle, samples: Samples, quoted: Quote, token: Token) -> Draft:
    train, test = split(samples, job.data.held_out, job.data.split_seed)
    state = list(bundle.state.values())
    programs, encoded = bundle.to_bytes(), signature_of(bundle).encode(state)
    (train_manifest, train_blobs), (test_manifest, test_blobs) = describe(train), describe(test)
    document = Document(
        job=json.loads(job.document),
        programs=cid_of(programs),
        state=cid_of(encoded),
        train=cid_of(train_manifest.to_bytes()),
        test=cid_of(test_manifest.to_bytes()),
    )
    roots = Roots(bundle.root, train_manifest.root, test_manifest.root, state_root(state), classes=has_classes(bundle))
    order = chain_order(job, document, roots, token.address, token.decimals)
    if bundle.is_random:
        raise Unsupported("the model draws random numbers in training (dropout?)", hint="leave such layers out for now")
    # As every provider will read it.
    Bundle.from_bytes(programs, Limits())
    try:
        check_stop(job, bundle)
        admit(order, bundle, train_manifest, test_manifest, Limits())
    except Refused as error:
        key = str(error.fields.get("key", "data.source"))
        raise BadKey(
            f"no provider would take this job: {error.message}",
            hint=error.hint or _fit(bundle),
            key=key,
            value=job.value_of(key),
            allowed=_fit(bundle),
        ) from error
    check_labels(job, bundle, samples)
    try_out(bundle, samples)
    contents = (
        *train_blobs,
        *test_blobs,
        train_manifest.to_bytes(),
        test_manifest.to_bytes(),
        programs,
        encoded,
        document.to_bytes(),
    )
    return Draft(job, own, bundle, train, test, document, order, quoted, token, contents)


def _fit(bundle: Bundle) -> str:
    x, y = bundle.step.inputs[-2:]
    return f"its step takes x {x.dtype} {list(x.shape)} and y {y.dtype} {list(y.shape)}"


def _samples_words(samples: Samples) -> str:
    size_bytes = samples.x.nbytes + samples.y.nbytes
    return f"{samples.count:,} samples, {size_bytes:,} bytes"


def read_samples(given: object) -> Samples | None:
    """Samples from what a program has them in: (x, y) of tensors or arrays, or a `Dataset` of pairs.

    Errors: `BadInput`, `Unsupported`.
    """
    if given is None or isinstance(given, Samples):
        return given
    if isinstance(given, torch.utils.data.DataLoader):
        given = given.dataset
    if isinstance(given, torch.utils.data.TensorDataset):
        given = given.tensors
    if isinstance(given, torch.utils.data.Dataset):
        given = _collect(given)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise BadInput("data is neither a pair (x, y) nor a Dataset of pairs", hint="give data=(x, y)", key="data")
    x, y = (each.detach().cpu().numpy() if isinstance(each, torch.Tensor) else np.asarray(each) for each in given)
    return Samples(_array(x), _array(y))


def _collect(rows: Any) -> tuple[object, object]:
    pairs: Iterable[tuple[Any, Any]] = (rows[index] for index in range(len(rows)))
    try:
        xs, ys = zip(*pairs, strict=True)
    except (TypeError, ValueError) as error:
        raise BadInput("the Dataset does not give pairs (x, y)", hint="give data=(x, y)", key="data") from error
    return np.stack([np.asarray(x) for x in xs]), np.stack([np.asarray(y) for y in ys])


def _array(array: Any) -> Any:
    kinds = {"f": "<f4", "i": "<i8", "u": "<i8", "b": "<i8"}
    if array.dtype.kind not in kinds:
        raise Unsupported(f"data of type {array.dtype}", hint="use numbers")
    return np.ascontiguousarray(array.astype(kinds[array.dtype.kind]))
