"""A loss is shown where its provider is bound to it, and nowhere else."""

import struct
from dataclasses import replace
from typing import Any

import pytest

from assay.api.losses import committed_loss, mean_loss
from assay.protocol.commitment import Commitment
from assay.protocol.transcript import SlotName, Transcript, leaves_of, secret_hash

PROVIDER, PLACE, START, SEGMENTS = "0x" + "ab" * 20, (31_337, "0x" + "cd" * 20), b"\1" * 32, 3
HOSTILE: list[object] = [
    None,
    7,
    "losses",
    [],
    {},
    {"losses": None},
    {"losses": [1065353216] * 1_000_000},
    {"losses": [0, 0, 0, float("nan")]},
    {"losses": [0, 0, 0, float("inf")]},
    {"losses": [0, 0, 0, 1.5]},
    {"losses": [0, 0, 0, True]},
    {"losses": [0, 0, 0, "1065353216"]},
    {"losses": [0, 0, 0, -1]},
    {"losses": [0, 0, 0, 1 << 32]},
    {"losses": [0, 0, 0, 1 << 4000]},
    {"losses": [0, 0, 0, 1065353217]},
    {"losses": [0, 0, 0, []]},
    {"losses": [0, 0, 1065353216]},
    {"losses": {"3": 0}},
    {"losses": "0003"},
    {"states": []},
    {"states": 5},
    {"states": ["zz"] * 4},
    {"states": [None] * 4},
    {"secret": "11" * 32},
    {"secret": []},
    {"update": "zz"},
    {"update": None},
]
"""Put over an honest opening; what is no object stands in its place."""


def slot_of(slot: int, loss: float) -> tuple[Commitment, dict[str, Any]]:
    """An honest commitment and its opening."""
    secret, (bits,) = bytes([slot]) * 32, struct.unpack(">I", struct.pack(">f", loss))
    states = [START, *(bytes([segment + 2]) * 32 for segment in range(SEGMENTS))]
    leaves = leaves_of(states, [0] * SEGMENTS + [bits], b"\7" * 32)
    transcript = Transcript(SlotName(1, 0, 0, slot, PROVIDER), secret, leaves)
    commitment = Commitment(1, 0, 0, slot, PROVIDER, bytes(32), START, transcript.root, secret_hash(secret), bytes(32))
    return commitment, transcript.to_json()


def shown(slots: list[tuple[Commitment, object]]) -> float | None:
    """The round's mean, where every commitment stands."""
    leaves = {commitment.slot: commitment.leaf(*PLACE) for commitment, _ in slots}
    openings = {commitment.slot: opening for commitment, opening in slots}
    return mean_loss(openings, [commitment for commitment, _ in slots], leaves, PLACE, START, SEGMENTS)


def test_honest_losses_are_averaged() -> None:
    assert committed_loss(*slot_of(0, 0.75), START, SEGMENTS) == 0.75
    assert shown([slot_of(0, 0.75), slot_of(1, 0.25)]) == 0.5
    assert shown([]) is None


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content)[:50])
def test_a_hostile_opening_shows_nothing_and_stops_nobody(content: object) -> None:
    commitment, opening = slot_of(0, 1.0)
    hostile = {**opening, **content} if isinstance(content, dict) and content else content
    assert committed_loss(commitment, hostile, START, SEGMENTS) is None
    assert shown([(commitment, hostile), slot_of(1, 0.25)]) == 0.25
    assert shown([(commitment, hostile)]) is None


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_committed_loss_that_is_no_number_is_not_shown(loss: float) -> None:
    assert committed_loss(*slot_of(0, loss), START, SEGMENTS) is None
    assert shown([slot_of(0, loss), slot_of(1, 0.25)]) == 0.25


def test_a_commitment_that_does_not_stand_shows_nothing() -> None:
    (commitment, opening), other = slot_of(0, 1.0), slot_of(1, 0.25)
    openings = {0: opening, 1: other[1]}
    leaves = {0: replace(commitment, sealed_hash=b"\1" * 32).leaf(*PLACE), 1: other[0].leaf(*PLACE)}
    assert mean_loss(openings, [commitment, other[0]], leaves, PLACE, START, SEGMENTS) == 0.25
    assert mean_loss(openings, [commitment, other[0]], {}, PLACE, START, SEGMENTS) is None
    assert mean_loss({}, [commitment, other[0]], leaves, PLACE, START, SEGMENTS) is None


def test_work_from_another_start_shows_nothing() -> None:
    commitment, opening = slot_of(0, 1.0)
    assert committed_loss(commitment, opening, b"\2" * 32, SEGMENTS) is None
