"""What marks come to: `Scores` on an EVM against the protocol, number by number."""

import json
import random
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.protocol.score import BATCHES_MAX, UNSCORED, BatchMark, Marks
from assay.work.state import state_root
from tests.conformance.arbiter.harness import TOKEN_GAS, TRANSACTION_GAS, Harness

VECTORS = Path(__file__).parents[3] / "vectors" / "protocol" / "score.json"
TRANSACTION_BYTES = 128 << 10
"""The largest transaction that a node's pool takes."""
TRANSACTION_GAS_MAX = 1 << 24
"""The most that one may use (EIP-7825)."""
COUNTS = st.integers(0, (1 << 63) - 1) | st.integers(0, 64)
BITS = st.integers(0, (1 << 32) - 1)
MARKS = st.builds(lambda one, other, bits: BatchMark(min(one, other), max(one, other), bits), COUNTS, COUNTS, BITS)


@cache
def harness() -> Harness:
    return Harness("ScoresHarness")


@pytest.mark.parametrize("row", json.loads(VECTORS.read_text())["marks"], ids=lambda row: row["name"])
def test_every_vector(row: dict) -> None:
    content = bytes.fromhex(row["content"])
    # What ends in a fault has no marks, and no score is asked of it.
    if content:
        assert harness().call("scoreOf", content, False) == int(row["accuracy"])
        assert harness().call("scoreOf", content, True) == int(row["loss"])


@settings(deadline=None)
@given(st.lists(MARKS, min_size=1, max_size=5), st.booleans())
def test_marks_come_to_one_score(batches: list[BatchMark], scores_loss: bool) -> None:
    marks = Marks(0, tuple(batches))
    assert harness().call("scoreOf", marks.content, scores_loss) == marks.score(scores_loss)


@settings(deadline=None)
@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1), BITS)
def test_what_is_impossible(correct: int, targets: int, bits: int) -> None:
    mark = BatchMark(correct, targets, bits)
    assert harness().call("isImpossible", mark.to_bytes()) != mark.is_possible
    end = state_root([torch.tensor(correct), torch.tensor(targets)])
    assert harness().call("endOf", mark.to_bytes()) == end


def test_as_many_batches_as_a_job_may_have_fit_a_transaction() -> None:
    draw = random.Random("scores")
    marks = Marks(0, tuple(BatchMark(*sorted(draw.choices(range(256), k=2)), 0x41A4D70A) for _ in range(BATCHES_MAX)))
    assert harness().call("scoreOf", marks.content, True) == marks.score(True) != UNSCORED
    assert len(marks.content) < 0.7 * TRANSACTION_BYTES
    dearest = TRANSACTION_GAS + 4 * TOKEN_GAS * len(marks.content)
    assert max(harness().gas, dearest) < 0.6 * TRANSACTION_GAS_MAX
