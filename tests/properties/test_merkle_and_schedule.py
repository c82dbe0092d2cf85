"""Laws of trees, permutations and samples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.market.detection import job_detection, round_detection, samples_needed
from assay.market.stake import lazy_stake, segment_stake
from assay.protocol import merkle
from assay.protocol.schedule import HALF_BITS_MIN, _network, batch_indices, permute, sample_segments

words = st.binary(min_size=32, max_size=32)
trees = st.lists(words, min_size=1, max_size=40)


@given(trees, st.data())
def test_a_leaf_proves_itself_at_its_place_only(hashes: list[bytes], data: st.DataObject) -> None:
    root = merkle.merkle_root(hashes)
    index = data.draw(st.integers(0, len(hashes) - 1))
    proof = merkle.merkle_proof(hashes, index)
    assert merkle.verify(root, len(hashes), index, hashes[index], proof)
    other = data.draw(st.integers(-2, 2 * len(hashes)))
    if other != index and not (0 <= other < len(hashes) and hashes[other] == hashes[index]):
        assert not merkle.verify(root, len(hashes), other, hashes[index], proof)
    if proof:
        assert not merkle.verify(root, len(hashes), index, hashes[index], proof[:-1])
        broken = list(proof)
        broken[data.draw(st.integers(0, len(proof) - 1))] = b"\x55" * 32
        assert not merkle.verify(root, len(hashes), index, hashes[index], broken) or broken == proof


@given(trees, words, st.data())
def test_a_tree_binds_every_leaf(hashes: list[bytes], other: bytes, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(hashes) - 1))
    changed = [*hashes[:index], other, *hashes[index + 1 :]]
    assert (merkle.merkle_root(changed) == merkle.merkle_root(hashes)) == (changed == hashes)


@given(st.binary(max_size=20_000), st.integers(1, 5000))
def test_cutting_bytes_into_leaves_loses_nothing(content: bytes, leaf_bytes: int) -> None:
    root = merkle.bytes_root(content, leaf_bytes)
    assert root == merkle.bytes_root(memoryview(content), leaf_bytes)
    if content:
        assert root != merkle.bytes_root(content[:-1], leaf_bytes)
    assert root != merkle.bytes_root(content + b"\0", leaf_bytes)


@given(words, st.integers(1, 3000))
def test_a_schedule_is_a_permutation_computable_one_by_one(key: bytes, count: int) -> None:
    whole = permute(key, count, np.arange(count))
    assert np.array_equal(np.sort(whole), np.arange(count))
    at = count // 2
    assert permute(key, count, np.array([at]))[0] == whole[at]


@given(words, st.integers(1, 300))
def test_a_small_domain_is_walked_as_a_large_one_is(key: bytes, count: int) -> None:
    half_bits = max(HALF_BITS_MIN, ((count - 1).bit_length() + 1) // 2)
    walked = []
    for position in range(0, count, 7):
        image = np.array([position], np.uint64)
        while (image := _network(key, half_bits, image))[0] >= count:
            pass
        walked.append(int(image[0]))
    assert permute(key, count, np.arange(0, count, 7)).tolist() == walked


@given(words, st.integers(1, 9), st.integers(1, 40), st.integers(1, 60))
def test_slots_walk_through_disjoint_shards(key: bytes, slot_count: int, batch_size: int, spare: int) -> None:
    sample_count = slot_count * spare
    shards = [set(batch_indices(key, sample_count, slot, slot_count, 0, spare).tolist()) for slot in range(slot_count)]
    assert sum(map(len, shards)) == len(set().union(*shards)) == sample_count
    steps = -(-spare // batch_size)
    walked = {
        index
        for step in range(steps)
        for index in batch_indices(key, sample_count, 0, slot_count, step, batch_size).tolist()
    }
    assert walked == shards[0]


@given(words, words, st.lists(st.integers(0, 60), unique=True, max_size=8), st.integers(1, 20), st.integers(0, 60))
def test_samples_are_distinct_present_and_without_neighbours(
    beacon: bytes, nonce: bytes, present: list[int], segment_count: int, sample_count: int
) -> None:
    pairs = sample_segments(beacon, nonce, (1, 2, 3), present, segment_count, sample_count)
    assert len(set(pairs)) == len(pairs) <= sample_count
    assert all(slot in present and 0 <= segment < segment_count for slot, segment in pairs)
    assert not any((slot, segment + 1) in pairs for slot, segment in pairs)
    assert len(pairs) >= min(sample_count, len(present) * ((segment_count + 2) // 3))


counts = st.integers(2, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(0, n)))


@given(counts, st.integers(1, 8), st.integers(1, 50))
def test_detection_grows_with_everything_that_is_spent(
    numbers: tuple[int, int, int], validators: int, rounds: int
) -> None:
    pairs, cheated, samples = numbers
    here = round_detection(pairs, cheated, samples, validators)
    assert 0 <= here <= 1
    assert round_detection(pairs, cheated, samples, validators + 1) >= here
    assert samples == pairs or round_detection(pairs, cheated, samples + 1, validators) >= here - 1e-12
    assert cheated == pairs or round_detection(pairs, cheated + 1, samples, validators) >= here - 1e-12
    assert job_detection(here, rounds + 1) >= job_detection(here, rounds)
    if samples:
        assert here >= cheated / pairs - 1e-12


@given(st.integers(2, 200), st.integers(1, 8), st.floats(0, 1), st.data())
def test_needed_samples_suffice(pairs: int, validators: int, wanted: float, data: st.DataObject) -> None:
    cheated = data.draw(st.integers(1, pairs))
    assert round_detection(pairs, cheated, samples_needed(pairs, cheated, validators, wanted), validators) >= wanted


amounts = st.integers(0, 10**24)


@given(amounts, amounts, counts)
def test_stakes_are_the_least_that_deter(gain: int, reward: int, numbers: tuple[int, int, int]) -> None:
    pairs, samples, _ = numbers
    stake = segment_stake(gain, pairs, samples, reward)
    assert samples * (stake + reward) >= (pairs - samples) * gain
    assert stake == 0 or samples * (stake - 1 + reward) < (pairs - samples) * gain
    lazy = lazy_stake(gain, reward)
    assert 3 * reward + 2 * lazy >= 3 * gain
    assert lazy == 0 or 3 * reward + 2 * (lazy - 1) < 3 * gain
