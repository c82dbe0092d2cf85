"""Segments: training in pieces, hashing beside it, faults."""

import struct
from collections.abc import Sequence
from hashlib import sha256

import pytest
import torch
from torch import Tensor

from assay.exact.primitives import BY_OPCODE
from assay.protocol.errors import Malformed
from assay.protocol.schedule import batch_indices, work_key
from assay.protocol.transcript import ZERO, fault_digest
from assay.work import segment
from assay.work.batch import Feed
from assay.work.seal import seal, sealed_hash, unseal
from assay.work.segment import Plan, fault_of, loss_bits_of, place_of_fault, run_segment, train_slot
from assay.work.state import state_root, update_root
from assay.work.walk import Fault


class Breaks:
    """A runner that faults in its n-th run."""

    def __init__(self, inner: segment.Runs, run_index: int, fault: Fault) -> None:
        self.inner, self.left, self.fault = inner, run_index, fault

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        self.left -= 1
        return self.fault if self.left < 0 else self.inner.run(inputs)


def test_a_round_in_segments_equals_the_round_in_one(tiny_job) -> None:
    work = tiny_job.train()
    whole = train_slot(tiny_job.step, tiny_job.emit, tiny_job.start, tiny_job.feed(), Plan(6, 6), lambda: 0.0)
    assert work.roots[-1] == whole.roots[-1]
    assert work.update_root == whole.update_root
    assert (len(work.roots), len(whole.roots)) == (4, 2)
    assert work.roots[0] == state_root(tiny_job.start)
    assert work.loss_bits[0] == 0
    assert len(set(work.roots)) == 4


def test_any_segment_runs_alone_from_its_start(tiny_job) -> None:
    work = tiny_job.train(1)
    for index in (2, 0, 1):
        start = work.states[index]
        assert start is not None
        span = run_segment(tiny_job.step, start, tiny_job.feed(1), index, 2)
        assert (span.state_root, span.loss_bits) == (work.roots[index + 1], work.loss_bits[index + 1])


def test_the_update_is_end_less_start(tiny_job) -> None:
    work = tiny_job.train()
    end = work.states[-1]
    assert end is not None
    assert work.update is not None
    names = [spec.name for spec in tiny_job.signature.specs]
    for spec, tensor in zip(tiny_job.update_signature.specs, work.update, strict=True):
        place = names.index(spec.name)
        assert torch.equal(tensor, end[place] - tiny_job.start[place])
    assert work.update_root == update_root(work.update)
    assert work.leaves[-1].update_root == work.update_root
    assert {leaf.update_root for leaf in work.leaves[:-1]} == {ZERO}


def test_slots_train_on_disjoint_samples_and_differ(tiny_job) -> None:
    seen = [set(tiny_job.feed(slot).shard.tolist()) for slot in (0, 1)]
    assert seen[0].isdisjoint(seen[1])
    assert len(seen[0] | seen[1]) == 40
    assert tiny_job.train(0).roots[1] != tiny_job.train(1).roots[1]


def test_a_dealt_shard_gives_the_schedules_batches(tiny_job, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tiny_job.course
    key = work_key(course.seed, course.beacon, 3, 4)
    for step in (0, 1, 4, 5, 17):
        expected = batch_indices(key, 40, 1, 2, step, 4)
        assert course.feed(3, 4, 1).indices(step).tolist() == expected.tolist()
        x, y = course.feed(3, 4, 1).batch(step)
        assert torch.equal(x, course.x[torch.from_numpy(expected)])
        assert torch.equal(y, course.y[torch.from_numpy(expected)])
    monkeypatch.setattr("assay.work.batch.SHARD_KEPT", 0)
    assert course.feed(3, 4, 1).shard is None
    assert course.feed(3, 4, 1).indices(5).tolist() == batch_indices(key, 40, 1, 2, 5, 4).tolist()


def test_hashing_beside_training_changes_nothing(tiny_job, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = tiny_job.train()
    monkeypatch.setattr(segment, "BESIDE_BYTES", 0)
    beside = tiny_job.train()
    assert (beside.roots, beside.loss_bits, beside.update_root) == (alone.roots, alone.loss_bits, alone.update_root)


def test_seconds_come_from_the_timer(tiny_job) -> None:
    ticks = iter(range(1000))
    work = train_slot(tiny_job.step, tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: next(ticks))
    assert (work.train_s, work.hash_s) == (4, 5)


def test_a_fault_is_found_again_by_its_digest(tiny_job) -> None:
    program = tiny_job.step.program
    number = len(program.nodes) - 1
    name = BY_OPCODE[program.nodes[number].opcode].name
    assert place_of_fault(program, range(2, 5), fault_of(4, Fault(number, name, "", ""))) == (4, number, name)
    assert place_of_fault(program, range(2, 5), fault_of(2, Fault(-3, "input", "", ""))) == (2, 2, "input")
    assert place_of_fault(program, range(2, 5), fault_of(5, Fault(number, name, "", ""))) is None, "of another step"
    assert place_of_fault(program, range(2, 5), fault_of(4, Fault(number, "none", "", ""))) is None


def test_a_fault_stands_in_every_later_leaf(tiny_job) -> None:
    fault = Fault(12, "div", "model.py:3", "not finite")
    runner = Breaks(tiny_job.step, 3, fault)
    work = train_slot(runner, tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: 0.0)
    digest = fault_digest(3, 12, "div")
    assert work.roots[1] == tiny_job.train().roots[1]
    assert work.roots[2:] == (digest, digest)
    assert work.loss_bits[2:] == (0, 0)
    assert (work.update, work.update_root, work.fault) == (None, ZERO, fault)
    assert work.states[2:] == (None, None)
    start = work.states[1]
    assert start is not None
    assert run_segment(Breaks(tiny_job.step, 1, fault), start, tiny_job.feed(), 1, 2).state_root == digest


def test_a_real_fault_is_found_at_its_node(tiny_job) -> None:
    broken = [tensor.clone() for tensor in tiny_job.start]
    broken[0].fill_(3e38)
    broken[2].fill_(3e38)
    span = run_segment(tiny_job.step, broken, tiny_job.feed(), 0, 2)
    assert span.fault is not None
    assert span.state is None
    assert span.state_root == fault_of(0, span.fault)


def test_an_update_that_overflows_is_a_fault_of_the_last_leaf(tiny_job) -> None:
    fault = Fault(0, "sub", "emit", "not finite")
    work = train_slot(
        tiny_job.step, Breaks(tiny_job.emit, 0, fault), tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: 0.0
    )
    assert (work.update, work.update_root) == (None, fault_digest(6, 0, "sub"))
    assert work.states[-1] is not None


def test_a_fault_of_an_input_has_a_digest_of_its_own() -> None:
    digests = {
        fault_of(step, Fault(node, name, "", "")) for step in (0, 1) for node, name in ((-1, "input"), (0, "add"))
    }
    assert len(digests) == 4


def test_loss_bits_are_those_of_binary32() -> None:
    for value in (0.0, 1.5, 2.302585, 1e-40):
        assert loss_bits_of(torch.tensor(value)) == struct.unpack("<I", struct.pack("<f", value))[0]


@pytest.mark.parametrize(("steps", "segment_steps"), [(0, 1), (6, 0), (6, 4), (2, 4)])
def test_a_plan_needs_whole_segments(steps: int, segment_steps: int) -> None:
    with pytest.raises(ValueError, match="do not make segments"):
        Plan(steps, segment_steps)


def test_a_feed_names_its_slot() -> None:
    feed = Feed(torch.zeros(4, 1), torch.zeros(4), bytes(32), 1, 2, 1)
    assert (feed.slot, feed.slot_count) == (1, 2)


def test_a_seal_is_undone_by_its_secret_alone() -> None:
    content = bytes(range(256)) * 5
    secret = sha256(b"secret").digest()
    sealed = seal(secret, content)
    assert len(sealed) == len(content)
    assert sealed != content
    assert unseal(secret, sealed, sealed_hash(sealed)) == content
    assert unseal(sha256(b"other").digest(), sealed, sealed_hash(sealed)) != content
    assert seal(sha256(b"other").digest(), content) != sealed
    with pytest.raises(Malformed):
        unseal(secret, sealed + b"\0", sealed_hash(sealed))
