"""Round trips and laws of the chain's own codings."""

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain import rlp
from assay.chain.state import Change, State, merge_diffs
from assay.chain.transactions import decode_transaction
from assay.protocol.errors import Malformed

items = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=5), max_leaves=12)
ADDRESSES = st.sampled_from([bytes([n]) * 20 for n in range(1, 5)])
changes = st.builds(
    Change,
    st.integers(0, 3),
    st.integers(0, 2),
    st.one_of(st.none(), st.sampled_from([b"", b"\x01", b"\x02\x03"])),
    st.dictionaries(st.integers(0, 3), st.integers(0, 2), max_size=3),
)
diffs = st.dictionaries(ADDRESSES, changes, max_size=4)


@given(items)
def test_rlp_reads_what_it_wrote(item: object) -> None:
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=40))
def test_rlp_has_one_encoding_for_each_item(payload: bytes) -> None:
    try:
        item = rlp.decode(payload)
    except Malformed:
        return
    assert rlp.encode(item) == payload


@given(st.lists(diffs, max_size=6))
def test_every_change_of_state_is_undone_exactly(steps: list[dict[bytes, Change]]) -> None:
    state, states, inverses = State(), [], []
    for diff in steps:
        states.append(state.whole())
        inverses.append(state.apply(diff))
    for before, inverse in zip(reversed(states), reversed(inverses), strict=True):
        state.apply(inverse)
        assert state.whole() == before


@given(st.lists(diffs, min_size=1, max_size=5))
def test_merged_changes_do_what_the_changes_did(steps: list[dict[bytes, Change]]) -> None:
    one_by_one, at_once = State(), State()
    merged: dict[bytes, Change] = {}
    for diff in steps:
        one_by_one.apply(diff)
        merged = merge_diffs(merged, diff)
    at_once.apply(merged)
    assert at_once.whole() == one_by_one.whole()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**40),
    st.integers(21_000, 2**40),
    st.integers(0, 2**100),
    st.binary(max_size=60),
    st.integers(1, 2**40),
    st.sampled_from([0, 1, 2]),
    st.booleans(),
)
def test_transactions_are_read_as_they_were_signed(
    nonce: int, gas: int, value: int, data: bytes, chain_id: int, kind: int, creates: bool
) -> None:
    account = Account.from_key(b"\x03" * 32)
    fields = {"nonce": nonce, "gas": gas, "value": value, "data": data, "chainId": chain_id}
    fields |= {"maxFeePerGas": 9, "maxPriorityFeePerGas": 4, "type": 2} if kind == 2 else {"gasPrice": 9}
    fields |= (
        {"accessList": [{"address": "0x" + "44" * 20, "storageKeys": ["0x" + "07" * 32]}], "type": 1}
        if kind == 1
        else {}
    )
    fields |= {} if creates else {"to": "0x" + "22" * 20}
    signed = account.sign_transaction(fields)
    seen = decode_transaction(bytes(signed.raw_transaction))
    assert (seen.nonce, seen.gas_limit, seen.value, seen.data, seen.chain_id) == (nonce, gas, value, data, chain_id)
    assert "0x" + seen.sender.hex() == account.address.lower()
    assert (seen.kind, seen.hash, seen.to is None) == (kind, bytes(signed.hash), creates)
    assert seen.compute_price(3) == (7 if kind == 2 else 9)
    for position in range(0, len(seen.raw), 9):
        broken = bytearray(seen.raw)
        broken[position] ^= 0x40
        try:
            other = decode_transaction(bytes(broken))
        except Malformed:
            continue
        assert other.sender != seen.sender


@given(st.binary(max_size=120))
def test_garbage_is_malformed_never_a_crash(raw: bytes) -> None:
    for prefix in (b"", b"\x02", b"\xf8"):
        with pytest.raises(Malformed):
            decode_transaction(prefix + raw)
