"""Recompute: honest work passes, every lie about a slot's work has its verdict."""

import dataclasses
import json
from hashlib import sha256

import pytest
import torch

from assay.proof import recompute
from assay.proof.served import LeafOpening, check_leaf, read_start
from assay.proof.verdict import Finding, Part, Verdict
from assay.protocol.commitment import Commitment
from assay.protocol.errors import Malformed
from assay.protocol.transcript import ZERO, SlotName, Transcript, secret_hash
from assay.work.seal import seal, sealed_hash
from assay.work.segment import SlotWork, run_segment, train_slot
from assay.work.state import state_root
from assay.work.walk import Fault

SECRET = sha256(b"a provider's secret").digest()


def committed(job, work: SlotWork, slot: int = 0, **changes: object) -> tuple[Commitment, Transcript, bytes]:
    """A commitment, its transcript and the sealed update, as an honest provider makes them."""
    transcript = work.transcript(job.name(slot), SECRET)
    sealed = seal(SECRET, job.update_signature.encode(work.update)) if work.update else b""
    commitment = Commitment(
        **{
            "job": 7,
            "generation": 0,
            "round": 0,
            "slot": slot,
            "provider": job.name().provider,
            "beacon": bytes(32),
            "start_root": state_root(job.start),
            "transcript_root": transcript.root,
            "secret_hash": secret_hash(SECRET),
            "sealed_hash": sealed_hash(sealed),
            **changes,
        }
    )
    return commitment, transcript, sealed


def opened(job, commitment: Commitment, opening: object) -> tuple[Transcript | None, Verdict]:
    return recompute.check_opening(commitment, opening, state_root(job.start), job.plan.segment_count)


def found_of(job, start, segment: int, slot: int = 0) -> tuple[int, int, bytes]:
    """A segment, re-executed from its start state: the row of a table."""
    span = run_segment(job.step, start, job.feed(slot), segment, job.plan.segment_steps)
    return slot, segment, recompute.segment_digest(span.state_root, span.loss_bits)


def audited(job, transcript: Transcript, slot: int = 0) -> list[Verdict]:
    """The verdicts on all of a slot's work, re-executed here."""
    return recompute.audit_slot(job.step, job.emit, job.start, job.feed(slot), job.plan, transcript)


def test_honest_work_is_honest_everywhere(tiny_job) -> None:
    for slot in (0, 1):
        work = tiny_job.train(slot)
        commitment, transcript, sealed = committed(tiny_job, work, slot)
        opening = json.loads(json.dumps(transcript.to_json()))
        again, verdict = opened(tiny_job, commitment, opening)
        assert verdict.honest
        assert again == transcript
        for segment in range(3):
            leaf = LeafOpening.from_json(json.loads(json.dumps(LeafOpening.of(transcript, segment).to_json())), 3)
            content = tiny_job.signature.encode(work.states[segment])
            start = read_start(commitment, leaf, content, tiny_job.signature, 3)
            assert not isinstance(start, Verdict)
            entry = found_of(tiny_job, start, segment, slot)
            assert recompute.judge(*entry, transcript).honest
        assert recompute.check_emit(tiny_job.emit, tiny_job.start, work.states[-1], tiny_job.plan, transcript).honest
        update = recompute.check_update(commitment, transcript, sealed, tiny_job.update_signature)
        assert not isinstance(update, Verdict)
        verdicts = audited(tiny_job, transcript, slot)
        assert len(verdicts) == 4
        assert recompute.summary(verdicts).honest


def test_a_skipped_segment_differs_where_it_was_skipped(tiny_job) -> None:
    work = tiny_job.train()
    lazy = dataclasses.replace(
        work,
        roots=(*work.roots[:2], work.roots[1], work.roots[3]),
        states=(*work.states[:2], work.states[1], work.states[3]),
    )
    commitment, transcript, _ = committed(tiny_job, lazy)
    assert opened(tiny_job, commitment, transcript.to_json())[1].honest
    entry = found_of(tiny_job, work.states[1], 1)
    verdict = recompute.judge(*entry, transcript)
    assert (verdict.finding, verdict.place.part, verdict.place.segment) == (Finding.DIFFERS, Part.SEGMENT, 1)
    assert verdict.cheating
    assert "re-execution gave" in verdict.words
    assert recompute.judge(*entry, work.transcript(tiny_job.name(), SECRET)).honest
    audit = audited(tiny_job, transcript)
    assert [verdict.honest for verdict in audit] == [True, False]
    assert recompute.summary(audit) == verdict


def test_one_flipped_bit_of_the_loss_differs(tiny_job) -> None:
    work = tiny_job.train()
    lying = dataclasses.replace(work, loss_bits=(*work.loss_bits[:3], work.loss_bits[3] ^ 1))
    _, transcript, _ = committed(tiny_job, lying)
    entry = found_of(tiny_job, work.states[2], 2)
    assert not recompute.judge(*entry, transcript).honest


def test_another_slots_work_differs(tiny_job) -> None:
    _, transcript, _ = committed(tiny_job, tiny_job.train(1), 0)
    entry = found_of(tiny_job, tiny_job.start, 0, 0)
    assert not recompute.judge(*entry, transcript).honest


def test_a_copied_transcript_does_not_open_under_another_slot(tiny_job) -> None:
    work = tiny_job.train(1)
    commitment, transcript, _ = committed(
        tiny_job, work, 0, transcript_root=work.transcript(tiny_job.name(1), SECRET).root
    )
    none, verdict = opened(tiny_job, commitment, transcript.to_json())
    assert none is None
    assert verdict.finding is Finding.DIFFERS


def test_a_swapped_update_is_found_in_both_places(tiny_job) -> None:
    work, other = tiny_job.train(0), tiny_job.train(1)
    # The update of somebody else, bound in the last leaf: emit does not give it.
    swapped = dataclasses.replace(work, update=other.update, update_root=other.update_root)
    commitment, transcript, sealed = committed(tiny_job, swapped)
    assert not isinstance(recompute.check_update(commitment, transcript, sealed, tiny_job.update_signature), Verdict)
    verdict = recompute.check_emit(tiny_job.emit, tiny_job.start, work.states[-1], tiny_job.plan, transcript)
    assert (verdict.finding, verdict.place.part) == (Finding.DIFFERS, Part.EMIT)
    assert recompute.judge(0, 3, recompute.emit_digest(work.update_root), transcript) == recompute.judge(
        0, 3, recompute.emit_digest(verdict.expected), transcript
    )
    # An honest last leaf, but other sealed bytes: the root does not match.
    _, honest_transcript, _ = committed(tiny_job, work)
    verdict = recompute.check_update(commitment, honest_transcript, sealed, tiny_job.update_signature)
    assert isinstance(verdict, Verdict)
    assert verdict.finding is Finding.DIFFERS


def test_a_stale_start_is_found(tiny_job) -> None:
    work = tiny_job.train()
    stale = [tensor + 1 if tensor.is_floating_point() else tensor for tensor in tiny_job.start]
    commitment, transcript, _ = committed(tiny_job, work, start_root=state_root(stale))
    again, verdict = opened(tiny_job, commitment, transcript.to_json())
    assert again == transcript
    assert (verdict.finding, verdict.place.part) == (Finding.DIFFERS, Part.START)
    moved = train_slot(tiny_job.step, tiny_job.emit, stale, tiny_job.feed(), tiny_job.plan, lambda: 0.0)
    commitment, transcript, _ = committed(tiny_job, moved)
    verdict = opened(tiny_job, commitment, transcript.to_json())[1]
    assert (verdict.finding, verdict.place.part) == (Finding.DIFFERS, Part.START)


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "00" * 32},
        {"secret": "00"},
        {"states": []},
        {"states": ["zz"] * 4},
        {"losses": [0, 1, 2, 1 << 32]},
        {"losses": "abcd"},
        {"update": None},
    ],
)
def test_a_wrong_opening_is_a_verdict_and_never_a_crash(tiny_job, change: dict[str, object]) -> None:
    commitment, transcript, _ = committed(tiny_job, tiny_job.train())
    none, verdict = opened(tiny_job, commitment, {**transcript.to_json(), **change})
    assert none is None
    assert verdict.finding is Finding.MALFORMED


@pytest.mark.parametrize("opening", [None, [], "x", 5, {}])
def test_what_is_no_opening_is_malformed(tiny_job, opening: object) -> None:
    commitment, _, _ = committed(tiny_job, tiny_job.train())
    assert opened(tiny_job, commitment, opening)[1].finding is Finding.MALFORMED
    with pytest.raises(Malformed):
        LeafOpening.from_json(opening, 3)


def test_garbage_behind_a_valid_hash_is_malformed(tiny_job) -> None:
    work = tiny_job.train()
    _, transcript, _ = committed(tiny_job, work)
    for content in (b"", b"garbage", tiny_job.update_signature.encode(work.update)[:-4] + b"\xff\xff\xff\x7f"):
        sealed = seal(SECRET, content)
        commitment, _, _ = committed(tiny_job, work, sealed_hash=sealed_hash(sealed))
        verdict = recompute.check_update(commitment, transcript, sealed, tiny_job.update_signature)
        assert isinstance(verdict, Verdict)
        assert verdict.finding is Finding.MALFORMED
        assert verdict.cheating


def test_a_served_state_must_be_the_one_in_its_leaf(tiny_job) -> None:
    work = tiny_job.train()
    commitment, transcript, _ = committed(tiny_job, work)
    opening = LeafOpening.of(transcript, 1)
    contents = {
        "another state": tiny_job.signature.encode(work.states[2]),
        "truncated": tiny_job.signature.encode(work.states[1])[:-1],
    }
    for content in contents.values():
        verdict = read_start(commitment, opening, content, tiny_job.signature, 3)
        assert isinstance(verdict, Verdict)
        assert verdict.finding is Finding.MALFORMED
    forged = dataclasses.replace(opening, state_root=work.roots[2])
    verdict = read_start(commitment, forged, contents["another state"], tiny_job.signature, 3)
    assert isinstance(verdict, Verdict)
    moved = dataclasses.replace(opening, index=2)
    assert not check_leaf(commitment, moved, 3).honest
    other = dataclasses.replace(commitment, slot=1)
    assert not check_leaf(other, opening, 3).honest


@pytest.mark.parametrize(
    "change", [{"index": -1}, {"index": 4}, {"index": True}, {"loss": 7}, {"salt": "00"}, {"proof": []}, {"state": 5}]
)
def test_a_leafs_opening_from_outside_is_checked(tiny_job, change: dict[str, object]) -> None:
    _, transcript, _ = committed(tiny_job, tiny_job.train())
    with pytest.raises(Malformed):
        LeafOpening.from_json({**LeafOpening.of(transcript, 1).to_json(), **change}, 3)


class Faulty:
    """A program that faults."""

    def run(self, inputs: object) -> Fault:
        return Fault(4, "div", "model.py:9", "not finite")


def test_a_fault_is_a_verdict_against_the_job(tiny_job) -> None:
    work = train_slot(Faulty(), tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: 0.0)
    commitment, transcript, _ = committed(tiny_job, work)
    assert opened(tiny_job, commitment, transcript.to_json())[1].honest
    span = run_segment(Faulty(), tiny_job.start, tiny_job.feed(), 0, tiny_job.plan.segment_steps)
    assert recompute.judge(0, 0, recompute.segment_digest(span.state_root, span.loss_bits), transcript).honest
    assert recompute.judge(0, 3, recompute.emit_digest(ZERO), transcript).honest
    (verdict,) = recompute.audit_slot(
        Faulty(), tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, transcript
    )
    assert verdict.finding is Finding.FAULT
    assert not verdict.cheating
    assert "model.py:9" in verdict.words


def test_an_invented_fault_differs(tiny_job) -> None:
    work = train_slot(Faulty(), tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: 0.0)
    _, transcript, _ = committed(tiny_job, work)
    verdicts = audited(tiny_job, transcript)
    assert recompute.summary(verdicts).finding is Finding.DIFFERS


def test_low_precision_differs(tiny_job) -> None:
    class Rounded:
        def run(self, inputs):
            return [each.bfloat16().float() if each.is_floating_point() else each for each in tiny_job.step.run(inputs)]

    work = train_slot(Rounded(), tiny_job.emit, tiny_job.start, tiny_job.feed(), tiny_job.plan, lambda: 0.0)
    _, transcript, _ = committed(tiny_job, work)
    verdicts = audited(tiny_job, transcript)
    assert recompute.summary(verdicts).finding is Finding.DIFFERS


def test_another_thread_count_is_never_a_lie(tiny_job) -> None:
    work = tiny_job.train()
    _, transcript, _ = committed(tiny_job, work)
    torch.set_num_threads(2)
    try:
        verdicts = audited(tiny_job, transcript)
    finally:
        torch.set_num_threads(1)
    assert recompute.summary(verdicts).honest


def test_verdicts_are_plain_values_with_words(tiny_job) -> None:
    _, transcript, _ = committed(tiny_job, tiny_job.train())
    verdict = recompute.judge(0, 1, ZERO, transcript)
    rows = json.loads(json.dumps(verdict.to_json()))
    assert rows["finding"] == "differs"
    assert (rows["part"], rows["slot"], rows["segment"]) == ("segment", 0, 1)
    assert rows["expected"] == "00" * 32
    assert rows["words"].startswith("segment 1 of slot 0: claimed ")


def test_a_slots_name_is_in_its_leaves(tiny_job) -> None:
    work = tiny_job.train()
    base = {"job": 7, "generation": 0, "round": 0, "slot": 0, "provider": "0x" + "ab" * 20}
    changes = ({}, {"job": 8}, {"generation": 1}, {"round": 1}, {"slot": 1}, {"provider": "0x" + "ac" * 20})
    roots = {work.transcript(SlotName(**{**base, **change}), SECRET).root for change in changes}
    assert len(roots) == 6
