"""Bonds: whose each was, and where it went, also where a challenge is taken over or dismissed."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.api.bonds import Bonds, key_of

SEALED, OTHER = b"sealed", b"other"
DISPUTE = key_of("assay.dispute.1", 1)


def sums(bonds: Bonds) -> tuple[int, ...]:
    held = sum(bonds.amounts.values())
    parts = (bonds.returned, bonds.burned, bonds.paid_to_validators, bonds.paid_to_accused)
    assert bonds.posted == sum(parts) + held
    return parts


def test_keys_are_the_contracts():
    for name, number in (("assay.fault.1", 7), ("assay.dispute.1", 1 << 255)):
        assert key_of(name, number) == keccak(encode(["string", "uint256"], [name, number]))


def test_a_dismissed_challenge_is_burned_and_shared():
    bonds = Bonds()
    bonds.post(SEALED, "challenger", 90)
    bonds.pass_on(SEALED, DISPUTE, 90)
    bonds.challenge("assay.dispute.1", 1, "accused")
    assert bonds.burn(DISPUTE, 30) == "challenger"
    assert [bonds.pay(DISPUTE, voter, 10) for voter in ("one", "two", "three")] == ["challenger"] * 3
    assert bonds.pay(DISPUTE, "accused", 30) == "challenger"
    assert sums(bonds) == (0, 30, 30, 30)


def test_a_challenge_that_is_taken_over_goes_back_to_the_first():
    bonds = Bonds()
    bonds.post(SEALED, "first", 40)
    bonds.pass_on(SEALED, DISPUTE, 40)
    bonds.challenge("assay.dispute.1", 1, "accused")
    bonds.post(OTHER, "second", 40)
    assert bonds.pay(DISPUTE, "first", 40) == "first"
    bonds.pass_on(OTHER, DISPUTE, 40)
    assert sums(bonds) == (40, 0, 0, 0)
    assert bonds.pay(DISPUTE, "second", 40) == "second"
    assert sums(bonds) == (80, 0, 0, 0)


def test_a_deposit_is_no_bond():
    bonds = Bonds()
    fault = key_of("assay.fault.1", 3)
    bonds.post(fault, "consumer", 5)
    bonds.leave_out(3)
    assert bonds.burn(fault, 5) is None
    assert bonds.pay(fault, "consumer", 5) is None
    assert sums(bonds) == (0, 0, 0, 0)
