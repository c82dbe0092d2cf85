"""Both packages sign alike."""

import pytest

from assay.chain import signer

FIELDS = {
    "to": b"\x77" * 20,
    "data": b"",
    "value": 1,
    "gas": 21_000,
    "type": 2,
    "maxFeePerGas": 2,
    "maxPriorityFeePerGas": 1,
    "chainId": 31_337,
    "nonce": 0,
}


def test_a_signature_is_the_same_with_coincurve_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    here = signer.KeySigner(b"\x05" * 32)
    monkeypatch.setattr(signer, "CurveKey", None)
    there = signer.KeySigner(b"\x05" * 32)
    for digest in (bytes(32), b"\xff" * 32, b"\x01" * 32):
        assert here.sign_digest(digest) == there.sign_digest(digest)
    assert here.sign_transaction(FIELDS) == there.sign_transaction(FIELDS)
