"""Shelves: whatever stride the room leaves, the states are the same bits, and no more of them are held than fit."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.work.segment import Plan, train_slot
from assay.work.shelf import Shelf, fit_stride, kept_states
from assay.work.state import state_root


class Counted:
    """A runner that counts its runs."""

    def __init__(self, inner) -> None:
        self.inner, self.runs = inner, 0

    def run(self, inputs: Sequence[torch.Tensor]):
        self.runs += 1
        return self.inner.run(inputs)


def test_states_that_were_not_kept_are_derived_bit_for_bit(tiny_job) -> None:
    plan = Plan(12, 1)
    for stride in (1, 2, 3, 5, 12):
        step = Counted(tiny_job.step)
        work = train_slot(step, tiny_job.emit, tiny_job.start, tiny_job.feed(), plan, lambda: 0.0, stride=stride)
        for order in (range(13), reversed(range(13)), (11, 1, 10, 2, 5)):
            assert all(state_root(work.states[at] or []) == work.roots[at] for at in order)
        assert len(work.states) == 13
        assert [state_root(state or []) for state in work.states[-3:]] == list(work.roots[-3:])
        whole = train_slot(tiny_job.step, tiny_job.emit, tiny_job.start, tiny_job.feed(), plan, lambda: 0.0)
        assert (work.roots, work.update_root) == (whole.roots, whole.update_root)
        assert (step.runs == 12) == (stride == 1), "where all are kept nothing runs twice"


def test_a_fault_stands_where_it_was_met_whatever_is_kept() -> None:
    shelf = Shelf([torch.zeros(1)], 6, 2, lambda state, _: [state[0] + 1])
    for value in (1.0, 2.0, 3.0):
        shelf.put([torch.full((1,), value)])
    for _ in range(3):
        shelf.put(None)
    assert [None if state is None else float(state[0]) for state in shelf] == [0, 1, 2, 3, None, None, None]
    with pytest.raises(IndexError):
        shelf[7]


@given(st.integers(1, 5_000), st.integers(1, 1 << 30), st.integers(0, 1 << 40))
def test_a_stride_fits_the_room_or_takes_the_least_there_is(count: int, state_bytes: int, room_bytes: int) -> None:
    stride = fit_stride(count, state_bytes, room_bytes)
    fits = kept_states(count, stride) * state_bytes <= room_bytes
    assert fits or kept_states(count, stride) <= min(kept_states(count, each) for each in range(1, count + 1)) + 1
    assert stride == 1 or kept_states(count, stride - 1) * state_bytes > room_bytes
    assert kept_states(count, stride) <= 2 * count**0.5 + 2 or fits


def test_no_more_room_is_taken_than_the_stride_wants() -> None:
    state = [torch.zeros(1 << 20)]
    shelf = Shelf(state, 1_024, fit_stride(1_024, 4 << 20, 1 << 20), lambda *_: None)
    assert shelf._room.nbytes == 32 * (4 << 20)
