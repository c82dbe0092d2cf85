"""What is kept of signatures, leaves and sets of slots is the same as what is computed anew."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.chain.signer import KeySigner
from assay.protocol.commitment import Commitment, bitmap, bitmap_slots
from assay.protocol.errors import LimitExceeded, Malformed
from assay.protocol.plain import read_plain
from assay.protocol.typed import Domain, recover, typed_digest

DOMAIN = Domain(31_337, "0x" + "11" * 20)
UNSERVED = {"job": 1, "generation": 0, "round": 1, "slot": 1}


def test_a_digest_depends_on_place_type_and_every_field() -> None:
    digests = [typed_digest(DOMAIN, "Unserved", UNSERVED)]
    digests += [typed_digest(DOMAIN, "Unserved", {**UNSERVED, field: 7}) for field in UNSERVED]
    digests += [typed_digest(replace(DOMAIN, chain_id=1), "Unserved", UNSERVED)]
    digests += [typed_digest(replace(DOMAIN, rounds="0x" + "12" * 20), "Unserved", UNSERVED)]
    assert len(set(digests)) == len(digests)
    assert typed_digest(DOMAIN, "Unserved", UNSERVED) == digests[0]


@pytest.mark.parametrize("value", [1.0, None, [1]])
def test_a_number_of_another_type_is_no_number_though_it_equals_one(value: object) -> None:
    typed_digest(DOMAIN, "Unserved", UNSERVED)
    with pytest.raises(TypeError):
        typed_digest(DOMAIN, "Unserved", {**UNSERVED, "job": value})


def test_a_signature_is_of_one_digest() -> None:
    signer, digest, other = KeySigner(b"\x05" * 32), b"\x01" * 32, b"\x02" * 32
    signature = signer.sign_digest(digest)
    for _ in range(2):
        assert recover(digest, signature) == signer.address
        assert recover(bytearray(digest), signature) == signer.address
        assert recover(other, signature) != signer.address
        with pytest.raises(Malformed):
            recover(digest, bytes(32) + signature[32:])
        with pytest.raises(Malformed):
            recover(digest, signature[:-1] + b"\x1d")


def test_a_leaf_is_of_one_commitment_at_one_place() -> None:
    words = {name: bytes([at]) * 32 for at, name in enumerate(("beacon", "start_root", "transcript_root"))}
    words |= {"secret_hash": bytes([8]) * 32, "sealed_hash": bytes([9]) * 32}
    one = Commitment(1, 0, 0, 0, "0x" + "11" * 20, **words)
    others = [replace(one, slot=1), replace(one, job=2), replace(one, beacon=bytes(31) + b"\1")]
    leaves = [each.leaf(5, DOMAIN.rounds) for each in (one, *others)] + [one.leaf(6, DOMAIN.rounds)]
    assert len(set(leaves)) == len(leaves)
    assert leaves[0] == one.leaf(5, DOMAIN.rounds)


@given(st.sets(st.integers(0, 600)), st.integers(0, 2**300), st.integers(-(2**300), -1))
def test_a_bitmap_holds_slots_and_nothing_beyond_its_words(slots: set[int], wide: int, negative: int) -> None:
    assert bitmap_slots(bitmap(list(slots), 601)) == sorted(slots)
    for row in (wide, negative):
        assert bitmap_slots([0, row]) == [256 + bit for bit in range(256) if row >> bit & 1]


def test_few_brackets_are_not_counted_and_many_are() -> None:
    assert read_plain(b"[" * 3 + b"]" * 3, 99, depth_max=3) == [[[]]]
    assert read_plain(b'["[[[[",[],[]]', 99, depth_max=2) == ["[[[[", [], []]
    with pytest.raises(LimitExceeded):
        read_plain(b"[" * 4 + b"]" * 4, 99, depth_max=3)
