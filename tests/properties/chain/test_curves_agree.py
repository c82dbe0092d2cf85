"""The two implementations of secp256k1 sign the same bytes (RFC 6979, low s) and recover the same keys."""

import pytest
from eth_keys import KeyAPI
from eth_keys.backends import CoinCurveECCBackend, NativeECCBackend
from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = ORDER // 2

numbers = st.one_of(st.sampled_from([1, 2, HALF_ORDER, HALF_ORDER + 1, ORDER - 1]), st.integers(1, ORDER - 1))
digests = st.one_of(st.sampled_from([bytes(32), b"\xff" * 32]), st.binary(min_size=32, max_size=32))
native = NativeECCBackend()


@pytest.fixture(scope="module")
def compiled() -> CoinCurveECCBackend:
    pytest.importorskip("coincurve")
    return CoinCurveECCBackend()


def test_a_published_signature() -> None:
    """Wherever this runs: key 1 on the hash of "Satoshi Nakamoto", of the vectors that RFC 6979's users share."""
    digest = bytes.fromhex("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e")
    signed = native.ecdsa_sign(digest, PrivateKey((1).to_bytes(32, "big")))
    assert signed.to_bytes()[:64].hex() == (
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    )


@settings(max_examples=60, deadline=None)
@given(numbers, digests)
def test_both_sign_the_same(compiled: CoinCurveECCBackend, key: int, digest: bytes) -> None:
    signed = [backend.ecdsa_sign(digest, PrivateKey(key.to_bytes(32, "big"))) for backend in (native, compiled)]
    assert signed[0].to_bytes() == signed[1].to_bytes()
    assert 0 < signed[0].s <= HALF_ORDER


@settings(max_examples=60, deadline=None)
@given(digests, st.integers(0, 1), numbers, numbers)
def test_both_recover_the_same_from_anything(
    compiled: CoinCurveECCBackend, digest: bytes, parity: int, r: int, s: int
) -> None:
    found: list[bytes | None] = []
    for backend in (native, compiled):
        try:
            key = KeyAPI(backend).ecdsa_recover(digest, Signature(vrs=(parity, r, s)))
            found.append(key.to_bytes())
        except (BadSignature, ValidationError, ValueError):
            found.append(None)
    assert found[0] == found[1]
