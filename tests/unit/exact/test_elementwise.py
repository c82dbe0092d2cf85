"""Elementwise functions against numpy and math; the generator against its published answers."""

import math

import numpy as np
import pytest
import torch

from assay.exact import elementwise, random
from assay.exact.selftest import any_finite, uniform

LENGTHS = (1, 15, 16, 100_003)
IEEE = {
    "add": (torch.add, np.add),
    "sub": (torch.sub, np.subtract),
    "mul": (torch.mul, np.multiply),
    "div": (torch.div, np.divide),
    "maximum": (elementwise.maximum, lambda a, b: np.where(a > b, a, b)),
    "minimum": (elementwise.minimum, lambda a, b: np.where(a < b, a, b)),
}
SMOOTH = {
    "exp": (-86.9, 88.5, 2.5e-7, 0.0),
    "log": (1e-6, 1e6, 2.5e-7, 1e-7),
    "tanh": (-10.0, 10.0, 4e-7, 0.0),
    "erf": (-5.0, 5.0, 4e-7, 3e-7),
    "sin": (-200.0, 200.0, 1e-6, 2e-7),
    "cos": (-200.0, 200.0, 1e-6, 2e-7),
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", IEEE)
def test_ieee_operations_agree_with_numpy(name: str, length: int) -> None:
    ours, theirs = IEEE[name]
    a, b = any_finite(1, length), any_finite(2, length)
    with np.errstate(all="ignore"):
        expected = theirs(a.numpy(), b.numpy())
    assert np.array_equal(ours(a, b).numpy().view(np.int32), expected.view(np.int32))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", IEEE)
def test_operations_with_one_scalar_agree_with_numpy(name: str, length: int) -> None:
    ours, theirs = IEEE[name]
    values = any_finite(1, length)
    for scalar in (3.0, 10.0, 0.1, 64.0):
        with np.errstate(all="ignore"):
            right = theirs(values.numpy(), np.float32(scalar))
            left = theirs(np.float32(scalar), values.numpy())
        number = torch.tensor(scalar)
        assert np.array_equal(ours(values, number).numpy().view(np.int32), right.view(np.int32))
        assert np.array_equal(ours(number, values).numpy().view(np.int32), left.view(np.int32))


@pytest.mark.parametrize("length", LENGTHS)
def test_sqrt_is_rounded_correctly(length: int) -> None:
    values = any_finite(3, length).abs()
    result = elementwise.sqrt(values).numpy()
    assert np.array_equal(result.view(np.int32), np.sqrt(values.numpy()).view(np.int32))
    for value, root in zip(values[:200].tolist(), result[:200].tolist(), strict=True):
        assert root == float(np.float32(math.sqrt(value)))


@pytest.mark.parametrize("name", SMOOTH)
def test_polynomials_are_close(name: str) -> None:
    low, high, relative, absolute = SMOOTH[name]
    values = uniform(4, 20_000, low, high)
    result = getattr(elementwise, name)(values).double().numpy()
    function = getattr(math, name)
    expected = np.array([function(value) for value in values.tolist()])
    assert np.all(np.abs(result - expected) <= absolute + relative * np.abs(expected))


def test_edges() -> None:
    inf = float("inf")
    assert elementwise.exp(torch.tensor([-87.5, -1e30, -inf, 0.0])).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert elementwise.exp(torch.tensor([89.0, 1e30])).tolist() == [inf, inf]
    assert not torch.isfinite(elementwise.log(torch.tensor([0.0, -1.0]))).any()
    assert elementwise.log(torch.tensor([1.0])).tolist() == [0.0]
    assert float(elementwise.log(torch.tensor([2.0**-149]))) == pytest.approx(-149 * math.log(2), rel=1e-7)
    signs = torch.signbit(elementwise.maximum(torch.tensor([0.0, -0.0]), torch.tensor([-0.0, 0.0])))
    assert signs.tolist() == [True, False]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected) -> None:
    words = random.philox([torch.tensor(each) for each in counter], [torch.tensor(each) for each in key])
    assert tuple(int(word) for word in words) == expected


def test_random_words_are_lanes_of_blocks() -> None:
    key, step = torch.tensor([5, 6]), torch.tensor((3 << 32) + 9)
    words = random.random_words(key, step, 4, 11)
    block = random.philox([torch.tensor(2), torch.tensor(4), torch.tensor(9), torch.tensor(3)], [key[0], key[1]])
    assert words[8:11].tolist() == [int(each) for each in block[:3]]
    units = random.unit_interval(random.random_words(key, step, 4, 10_000))
    assert 0.48 < float(units.mean()) < 0.52
    assert float(units.min()) >= 0
    assert float(units.max()) < 1
