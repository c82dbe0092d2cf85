"""Bonds: whose each was, and where it went, also where a challenge is taken over or dismissed."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.api.bonds import Bonds, key_of

SEALED, OTHER = b"sealed", b"other"
DISPUTE = key_of("assay.dispute.bond.1", 1)


def sums(bonds: Bonds) -> tuple[int, ...]:
    held = sum(bonds.amounts.values())
    parts = (bonds.returned, bonds.burned, bonds.paid_to_validators, bonds.paid_to_accused)
    assert bonds.posted == sum(parts) + held
    return parts


def test_keys_are_the_contracts():
    for name, number in (("assay.fault.1", 7), ("assay.dispute.bond.1", 1 << 255)):
        assert key_of(name, number) == keccak(encode(["string", "uint256"], [name, number]))


def test_a_third_of_a_dismissed_challenge_is_burned_and_the_accused_has_the_rest():
    bonds = Bonds()
    bonds.post(SEALED, "challenger", 90)
    bonds.pass_on(SEALED, DISPUTE, 90)
    bonds.challenge(1, "accused")
    assert bonds.burn(DISPUTE, 30) == "challenger"
    assert bonds.pay(DISPUTE, "accused", 60) == "challenger"
    assert sums(bonds) == (0, 30, 0, 60)


def test_a_challenge_that_was_won_goes_back():
    bonds = Bonds()
    bonds.post(SEALED, "challenger", 40)
    bonds.pass_on(SEALED, DISPUTE, 40)
    bonds.challenge(1, "accused")
    assert bonds.pay(DISPUTE, "challenger", 40) == "challenger"
    assert sums(bonds) == (40, 0, 0, 0)


def test_a_bid_pays_whom_its_slot_made_work():
    bonds = Bonds()
    bonds.post(OTHER, "provider", 40)
    assert [bonds.pay(OTHER, validator, 5) for validator in ("one", "two", "three")] == ["provider"] * 3
    assert bonds.pay(OTHER, "provider", 25) == "provider"
    assert sums(bonds) == (25, 0, 15, 0)


def test_a_deposit_is_no_bond():
    bonds = Bonds()
    fault = key_of("assay.fault.1", 3)
    bonds.post(fault, "consumer", 5)
    bonds.leave_out(3)
    assert bonds.burn(fault, 5) is None
    assert bonds.pay(fault, "consumer", 5) is None
    assert sums(bonds) == (0, 0, 0, 0)
