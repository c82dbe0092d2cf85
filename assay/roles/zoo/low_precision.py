"""Rounds its state to bfloat16 after each segment, as a cheaper machine would."""

import torch

from assay.roles.assignment import State
from assay.roles.round import RoundName
from assay.roles.zoo.warped import Warped, claimed
from assay.work.batch import Feed
from assay.work.segment import Span


class Cheat(Warped):
    """A provider that trains in lower precision than it is paid for."""

    behaviour = "low-precision"

    def segment(self, name: RoundName, feed: Feed, index: int, state: State, before: Span) -> Span:
        span = super().segment(name, feed, index, state, before)
        assert span.state is not None
        rounded = [t.to(torch.bfloat16).to(t.dtype) if t.is_floating_point() else t for t in span.state]
        return claimed(rounded, span.loss_bits)
