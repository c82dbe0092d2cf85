"""A round's states: every few are kept, as many as there is room for, and those between are derived when asked for.

The work is a function of the state before it, so what is derived again has the same bits.
"""

from collections.abc import Callable, Sequence
from math import isqrt
from typing import overload

import torch
from torch import Tensor

State = list[Tensor]
ALIGNMENT = 64
"""Bytes; a cache line."""


def kept_states(count: int, stride: int) -> int:
    """States that are held at once of `count` segments, each `stride`-th and the end kept: those, and between two of
    them the ones that were derived last."""
    return -(-count // stride) + stride - 1


def fit_stride(count: int, state_bytes: int, room_bytes: int) -> int:
    """The shortest stride with which a round's states fit the room, or the one that takes least where none does."""
    least = max(1, isqrt(count))
    return next((n for n in range(1, least) if kept_states(count, n) * state_bytes <= room_bytes), least)


class Shelf(Sequence[State | None]):
    """State i is the one before segment i, the last one the end; None after a fault.

    `again` runs a segment from a state once more. What is kept lies in one piece: where it came to lie, between a
    step's large temporaries, a few megabytes of states held on to hundreds, 1.8 GB against 0.5 after two rounds of the
    mnist CNN.
    """

    def __init__(self, start: Sequence[Tensor], count: int, stride: int, again: Callable[[State, int], State | None]):
        self._count, self._stride, self._again = count, stride, again
        self._offsets = [0]
        for tensor in start:
            self._offsets.append(self._offsets[-1] + -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT)
        self._room = torch.empty(-(-count // stride) * self._offsets[-1], dtype=torch.uint8)
        self._kept: dict[int, State] = {0: list(start)}
        self._derived: tuple[int, list[State]] = (0, [])
        self._length = self._known = 1

    def put(self, state: Sequence[Tensor] | None) -> None:
        """The next state, which is copied if it is one to keep; None from a fault on."""
        index = self._length
        self._length += 1
        if state is None:
            return
        self._known = self._length
        if index % self._stride == 0 or index == self._count:
            self._kept[index] = self._copy(state, -(-index // self._stride) - 1)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> State | None: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[State | None, ...]: ...
    def __getitem__(self, index: int | slice) -> State | tuple[State | None, ...] | None:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(self._length)))
        at = range(self._length)[index]
        if at >= self._known:
            return None
        return self._kept[at] if at in self._kept else self._derive(at)

    def _copy(self, state: Sequence[Tensor], place: int) -> State:
        kept = []
        for tensor, offset in zip(state, self._offsets, strict=False):
            first = place * self._offsets[-1] + offset
            view = self._room[first : first + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
            kept.append(view.copy_(tensor))
        return kept

    def _derive(self, index: int) -> State | None:
        """A state between two that are kept. Those on the way to it stay until one of another stretch is asked for."""
        base = index - index % self._stride
        if self._derived[0] != base:
            self._derived = (base, [])
        states = self._derived[1]
        while len(states) < index - base:
            at = base + len(states)
            state = self._again(states[-1] if states else self._kept[base] or [], at)
            if state is None:
                return None
            states.append(state)
        return states[index - base - 1]
