"""Random words and orders of samples: `Random` on an EVM against the reference and assay/protocol/schedule.py."""

import json
import random
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from assay.protocol.schedule import batch_indices, permute
from tests.conformance.arbiter.harness import Harness
from tests.reference.arrays import Array
from tests.reference.groups import wrap
from tests.reference.philox import philox, random_words

PHILOX_GAS = 2_600
PERMUTE_GAS = 400_000
WORD = 0xFFFF_FFFF
HUGE = (1 << 32, 1 << 63, 1 << 64, 1 << 255, (1 << 256) - 1)
INTEGERS = (0, 1, -1, (1 << 31) - 1, 1 << 32, (1 << 63) - 1, -(1 << 63), -(1 << 32) - 5)
VECTORS = Path(__file__).parents[3] / "vectors" / "exact" / "primitives.json"


@cache
def harness() -> Harness:
    return Harness("RandomHarness")


def words(key: tuple[int, int], step: int, stream: int, at: list[int]) -> list[int]:
    found, most = harness().call("philox", *key, step, stream, at)
    assert most <= PHILOX_GAS, most
    return list(found)


def images(key: bytes, count: int, at: list[int]) -> list[int]:
    oks, found, spent = harness().call("permute", key, count, at)
    assert all(oks)
    assert max(spent) <= PERMUTE_GAS, max(spent)
    return list(found)


def key_of(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def test_words_are_those_of_the_reference() -> None:
    assert words((0, 0), 0, 0, [0, 1, 2, 3]) == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]
    draw = random.Random(1)
    for _ in range(60):
        key = [draw.choice((wrap(draw.getrandbits(64)), draw.choice(INTEGERS))) for _ in range(2)]
        step, stream = draw.choice((wrap(draw.getrandbits(64)), draw.choice(INTEGERS))), draw.getrandbits(32)
        wanted = random_words(Array("I64", (2,), key), Array("I64", (), [step]), stream, 13)
        assert words((key[0], key[1]), step, stream, list(range(13))) == wanted.items


def test_a_far_word_counts_its_block_modulo_2_to_the_32() -> None:
    for j in (4 * WORD + 3, 1 << 34, (1 << 34) + 5, (1 << 100) + 7, (1 << 256) - 1):
        wanted = philox((j >> 2 & WORD, 9, 5, 0), (3, 4))[j % 4]
        assert words((3, 4), 5, 9, [j]) == [wanted]


def test_words_take_any_arguments() -> None:
    draw = random.Random(2)
    for _ in range(40):
        key0, key1, step, stream = (draw.getrandbits(256) - (1 << 255) for _ in range(4))
        wanted = philox((1, stream & WORD, step & WORD, step >> 32 & WORD), (key0 & WORD, key1 & WORD))
        assert words((key0, key1), step, stream, [4, 5, 6, 7]) == list(wanted)


def test_the_frozen_words_are_given() -> None:
    rows: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))
    (row,) = (row for row in rows if row["name"] == "random")
    (key, step), (stream,) = ([list(map(int, each["items"])) for each in row["inputs"]], row["attributes"])
    wanted = list(map(int, row["result"]["items"]))
    assert words((key[0], key[1]), step[0], stream, list(range(len(wanted)))) == wanted


def test_small_domains_are_permuted() -> None:
    draw = random.Random(3)
    for count in range(1, 301):
        at = (
            list(range(count))
            if count in (1, 2, 3, 10, 255, 256, 257, 300)
            else draw.sample(range(count), min(count, 6))
        )
        key = key_of(count)
        assert images(key, count, at) == permute(key, count, np.array(at)).tolist(), count


def test_large_domains_are_permuted() -> None:
    draw = random.Random(4)
    powers = [(1 << bits) + offset for bits in (10, 11, 12, 16, 17, 20, 31) for offset in (-1, 0, 1)]
    for count in (*powers, 60_000, 1_281_167, (1 << 32) - 1, 1 << 32):
        key, at = key_of(count), [0, count - 1, *(draw.randrange(count) for _ in range(12))]
        assert images(key, count, at) == permute(key, count, np.array(at)).tolist(), count


def test_the_longest_walk_of_one_position_ends() -> None:
    """A domain of one: the walk is the whole cycle, up to 256 steps."""
    longest = 0
    for number in range(300):
        oks, found, spent = harness().call("permute", key_of(number), 1, [0])
        assert (oks, found) == ((True,), (0,))
        longest = max(longest, *spent)
    assert 180_000 < longest <= PERMUTE_GAS


def test_positions_outside_are_refused() -> None:
    for count, at in (
        (0, 0),
        (5, 5),
        (5, 255),
        ((1 << 32) + 1, 0),
        *((each, 0) for each in HUGE[1:]),
        *((7, each) for each in HUGE),
    ):
        assert harness().call("permute", key_of(1), count, [at])[:2] == ((False,), (0,)), (count, at)


def test_samples_are_those_of_the_schedule() -> None:
    draw = random.Random(5)
    for _ in range(60):
        slots, batch = draw.randint(1, 9), draw.randint(1, 12)
        samples = draw.choice((slots, draw.randint(slots, 400), draw.randint(1_000, 1 << 32)))
        slot, step = draw.randrange(slots), draw.choice((0, 1, draw.randrange(1 << 40)))
        key = key_of(samples)
        oks, found = harness().call("samples", key, samples, slot, slots, step, batch, list(range(batch)))
        assert all(oks)
        assert list(found) == batch_indices(key, samples, slot, slots, step, batch).tolist()


def test_samples_of_no_slot_are_refused() -> None:
    key = key_of(0)

    def ok(samples: int, slot: int, slots: int, step: int, batch: int, b: int) -> bool:
        return bool(harness().call("samples", key, samples, slot, slots, step, batch, [b])[0][0])

    assert ok(10, 2, 3, 0, 4, 3)
    assert ok(10, 2, 3, (1 << 256) - 1, (1 << 256) - 1, 3)
    for refused in (
        (10, 3, 3, 0, 4, 3), (10, 2, 3, 0, 4, 4), (2, 2, 3, 0, 4, 3), (0, 0, 0, 0, 4, 3), (10, 0, 0, 0, 4, 3),
        (10, 2, 3, 0, 0, 0), ((1 << 32) + 1, 2, 3, 0, 4, 3),
    ):  # fmt: skip
        assert not ok(*refused), refused


def test_nothing_reverts_whatever_the_arguments() -> None:
    draw = random.Random(6)
    for _ in range(150):
        word = [draw.choice((0, 1, 2, 300, draw.getrandbits(256), draw.getrandbits(33), *HUGE)) for _ in range(8)]
        spent = harness().call("permute", draw.randbytes(32), word[0], [word[1]])[2]
        assert max(spent) <= PERMUTE_GAS
        harness().call("samples", draw.randbytes(32), *word[2:7], [word[7]])
        assert harness().gas <= 2 * PERMUTE_GAS
