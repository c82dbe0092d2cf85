"""Data that the demo is brought: what a classifier cannot be trained on is refused with a hint."""

import numpy as np
import pytest

from assay.api.cast import DemoOptions
from assay.api.demo import check_samples, run_demo
from assay.protocol.errors import AtFault, BadInput
from assay.store.samples import Samples

X = np.zeros((20, 6), dtype="<f4")
Y = np.arange(20, dtype="<i8") % 3


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y - 1, "from -1"),
        (X, Y * 500, "to 1000"),
        (X, Y.astype("<f4"), "y holds numbers with a point"),
        (X, np.stack([Y, Y], axis=1), "[20, 2]"),
        (X, Y * 0, "every label is 0"),
        (X, Y * 0 + 2, "every label is 2"),
        (X.astype("<i8"), Y, "x holds whole numbers"),
        (np.zeros(20, dtype="<f4"), Y, "x holds numbers with a point of shape [20]"),
        (X[:11], Y[:11], "11 samples are too few for 6"),
    ],
)
def test_samples_that_cannot_be_trained_on_are_refused(x, y, words):
    with pytest.raises(BadInput) as refused:
        check_samples(Samples(x, y), 6)
    assert words in refused.value.message
    assert refused.value.hint


def test_samples_that_can_be_trained_on_pass():
    check_samples(Samples(X, Y), 6)
    check_samples(Samples(X, Y * 499), 10)


@pytest.mark.parametrize("cheaters", [(), ("skipper",)])
def test_training_that_overflows_is_refused_with_a_hint(tmp_path, cheaters):
    huge = np.random.default_rng(0).random((60, 6), dtype="f4") * np.float32(1e30)
    np.savez(tmp_path / "huge.npz", x=huge, y=np.arange(60) % 3)
    options = DemoOptions(data=f"folder:{tmp_path}", rounds=1, providers=2, cheaters=cheaters, validators=3)
    with pytest.raises(AtFault, match="not finite") as refused:
        run_demo(options, lambda event: None)
    assert "scale" in refused.value.hint
