"""What is encoded is decoded, and nothing else is."""

import struct
from hashlib import sha256

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from assay.protocol import commitment
from assay.protocol.errors import AssayError, BadInput, Malformed
from assay.protocol.job import Job
from assay.protocol.transcript import SlotName, Transcript, leaves_of
from assay.protocol.units import format_amount, parse_amount
from assay.store.manifest import Manifest, describe, fetch_manifest, fetch_samples, publish
from assay.store.memory import MemoryBlobs
from assay.store.samples import Samples
from assay.work.seal import seal, sealed_hash, unseal
from assay.work.state import Signature, state_root

DTYPES = [torch.float32, torch.int64, torch.int32, torch.int16, torch.bool]
words = st.binary(min_size=32, max_size=32)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """A tensor of any type and rank, with finite numbers of any bits."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    dtype = draw(st.sampled_from(DTYPES))
    size = int(np.prod(shape))
    if dtype == torch.float32:
        floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
        values = draw(st.lists(floats, min_size=size, max_size=size))
        return torch.tensor(values, dtype=dtype).reshape(shape)
    if dtype == torch.bool:
        return torch.tensor(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=dtype).reshape(shape)
    limits = torch.iinfo(dtype)
    integers = st.integers(limits.min, limits.max)
    return torch.tensor(draw(st.lists(integers, min_size=size, max_size=size)), dtype=dtype).reshape(shape)


states = st.dictionaries(st.text(min_size=1, max_size=20), tensors(), max_size=5)


@given(states)
def test_a_state_round_trips(state: dict[str, Tensor]) -> None:
    signature = Signature.of(state)
    content = signature.encode(list(state.values()))
    decoded = signature.decode(content)
    assert signature.encode(decoded) == content
    assert state_root(decoded) == state_root(list(state.values()))


@given(states, st.data())
def test_any_other_bytes_give_another_root_or_are_refused(state: dict[str, Tensor], data: st.DataObject) -> None:
    signature = Signature.of(state)
    content = bytearray(signature.encode(list(state.values())))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = signature.decode(content)
    except Malformed:
        return
    assert state_root(decoded) != state_root(list(state.values()))


@given(st.binary(max_size=300))
def test_random_bytes_are_no_state(content: bytes) -> None:
    with pytest.raises(Malformed):
        Signature.of({"w": torch.zeros(3), "b": torch.zeros(2)}).decode(content)


@given(words, words, st.binary(max_size=5000))
def test_a_seal_round_trips_and_hides(secret: bytes, other: bytes, content: bytes) -> None:
    sealed = seal(secret, content)
    assert unseal(secret, sealed, sealed_hash(sealed)) == content
    if other != secret and len(content) > 16:
        assert unseal(other, sealed, sealed_hash(sealed)) != content


@given(st.integers(1, 20), st.integers(1, 3), st.integers(1, 4), st.integers(1, 200), st.randoms(use_true_random=False))
def test_a_data_set_round_trips(count: int, width: int, height: int, blob_bytes: int, draw) -> None:
    bits = [draw.getrandbits(31) & 0x7F7FFFFF for _ in range(count * width * height)]
    x = np.array(bits, np.uint32).view(np.float32).reshape(count, width, height)
    samples = Samples(x, np.array([draw.getrandbits(62) for _ in range(count)], np.int64))
    blobs = MemoryBlobs()
    manifest, cid = publish(blobs, samples)
    got = fetch_samples(blobs, fetch_manifest(blobs, cid, manifest.root))
    assert got.x.tobytes() == samples.x.tobytes()
    assert got.y.tobytes() == samples.y.tobytes()
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert describe(samples, blob_bytes)[0].root == manifest.root


@given(st.binary(max_size=400))
def test_random_bytes_are_no_manifest_and_no_job(content: bytes) -> None:
    for read in (Manifest.from_bytes, Job.from_document):
        with pytest.raises(Malformed):
            read(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
sections = st.sampled_from(["job", "match", "model", "data", "train", "aggregate", "verify", "windows", "other"])
keys = st.sampled_from(["name", "budget", "optimizer", "rounds", "quorum", "options", "rate", "source", "lr", "bid"])


@given(st.dictionaries(sections, json_values | st.dictionaries(keys, json_values, max_size=4), max_size=8))
def test_any_tables_are_a_job_or_a_refusal_with_a_hint(tables: dict[str, object]) -> None:
    with pytest.raises(BadInput) as caught:
        Job.from_tables(tables)
    assert caught.value.message


WHOLE = """
[job]
name = "j"
budget = "{budget}"
[match]
providers = {providers}
validators = {validators}
[model]
architecture = "a.b:c"
options = {{ width = {width} }}
[data]
source = "sklearn:digits"
[train]
optimizer = {{ name = "sgd", lr = {lr} }}
steps = {steps}
rounds = {rounds}
[verify]
rate = {rate}
"""


@given(
    st.decimals(1, 10**9, places=3),
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(-(10**6), 10**6),
    st.floats(1e-30, 1000),
    st.integers(1, 200),
    st.integers(1, 300),
    st.floats(0.001, 0.3),
)
def test_a_jobs_document_round_trips(budget, providers, validators, width, lr, steps, rounds, rate) -> None:
    values = dict(locals())
    job = Job.parse(WHOLE.format(**{**values, "lr": repr(lr), "rate": f"{rate:.6f}"}))
    assert Job.from_document(job.document) == job
    assert sha256(job.document).digest() == job.document_hash
    assert job.train.steps % job.train.segment_steps == 0
    assert job.verify.samples * validators <= max(validators, rate * job.pair_count + 1e-6 * job.pair_count)
    assert 2 * job.verify.quorum[0] > validators


@given(st.integers(0, 10**40), st.integers(0, 30))
def test_amounts_round_trip(units: int, decimals: int) -> None:
    assert parse_amount(format_amount(units, decimals), decimals) == units


@given(st.lists(st.integers(0, 599), unique=True), st.integers(600, 1024))
def test_bitmaps_round_trip(slots: list[int], slot_count: int) -> None:
    assert commitment.bitmap_slots(commitment.bitmap(slots, slot_count)) == sorted(slots)


@given(words, words, st.lists(st.tuples(words, st.integers(0, (1 << 32) - 1)), min_size=1, max_size=9))
def test_an_opening_round_trips(secret: bytes, update: bytes, rows: list[tuple[bytes, int]]) -> None:
    name = SlotName(1, 2, 3, 4, "0x" + "12" * 20)
    made = Transcript(name, secret, leaves_of([row[0] for row in rows], [row[1] for row in rows], update))
    again = Transcript.from_json(name, made.to_json(), len(rows) - 1)
    assert again == made
    assert again.root == made.root


@given(json_values)
def test_any_json_is_an_opening_or_malformed(value: object) -> None:
    with pytest.raises(AssayError):
        Transcript.from_json(SlotName(1, 2, 3, 4, "0x" + "12" * 20), value, 3)


def test_the_smallest_subnormal_survives() -> None:
    signature = Signature.of({"w": torch.zeros(1)})
    (tensor,) = signature.decode(signature.encode([torch.tensor([1e-45])]))
    assert tensor.numpy().tobytes() == struct.pack("<I", 1)
