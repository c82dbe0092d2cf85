"""Code that pyrevm is given analysed does and shows what it does as it stands."""

import pytest
from chain_probe import open_chain

from assay.chain.engine import CODE_LIMIT_BYTES
from assay.chain.revm import analyse_code, trap_code
from assay.chain.rpc import Rpc
from assay.chain.state import Change
from assay.protocol.errors import Refused

PLACE, OTHER = b"\x77" * 20, b"\x78" * 20
SIZES = bytes.fromhex("383b5f5238602052") + b"\x73" + OTHER + bytes.fromhex("3b60405260605ff3")
"""Answers with the sizes of nobody's code, of its own, and of the other's."""
ITSELF = bytes.fromhex("60505f5f3960505ff3")
"""Answers with 80 bytes of its own code, of which most are beyond its end."""
HASH = b"\x73" + OTHER + bytes.fromhex("3f5f5260205ff3")
JUMPS = bytes.fromhex("6004565b5b60075f5260205ff3")


def ask(engine: str, codes: dict[bytes, bytes]) -> bytes:
    chain, web3, _ = open_chain(engine=engine)
    for address, code in codes.items():
        chain.change({address: Change(0, 1, code)})
    return Rpc(web3).call("0x" + PLACE.hex(), b"", block="latest")


@pytest.mark.parametrize("code", [SIZES, ITSELF, HASH, JUMPS], ids=["sizes", "itself", "hash", "jumps"])
@pytest.mark.parametrize("other", [b"", b"\x00", b"\x5b" * 40, b"\xef\x00", bytes(CODE_LIMIT_BYTES + 1)], ids=len)
def test_the_engines_see_the_same_code(code: bytes, other: bytes) -> None:
    codes = {OTHER: other, PLACE: code}
    assert ask("revm", codes) == ask("interpreter", codes)


def test_what_could_not_be_deployed_is_put_in_as_it_is() -> None:
    assert analyse_code(JUMPS) is not None
    assert [analyse_code(code) for code in (b"", b"\xef\x00", b"\x5b" * (CODE_LIMIT_BYTES + 1))] == [None] * 3
    long = JUMPS + b"\x5b" * CODE_LIMIT_BYTES
    assert ask("revm", {PLACE: long}) == ask("interpreter", {PLACE: long}) == (7).to_bytes(32, "big")
    for engine in ("revm", "interpreter"):
        with pytest.raises(Refused):
            ask(engine, {PLACE: b"\xef\x00"})


def test_code_is_another_s_where_it_is_replaced_and_the_same_where_it_is_shared() -> None:
    chain, web3, _ = open_chain()

    def answer(address: bytes) -> int:
        return int.from_bytes(Rpc(web3).call("0x" + address.hex(), b"", block="latest"), "big")

    chain.change({PLACE: Change(3, 1, JUMPS), OTHER: Change(0, 1, JUMPS)})
    assert (answer(PLACE), answer(OTHER)) == (7, 7)
    assert chain.state.get(PLACE).balance == 3
    snapshot = chain.snapshot()
    chain.change({PLACE: Change(3, 1, JUMPS.replace(b"\x60\x07", b"\x60\x09"))})
    assert (answer(PLACE), answer(OTHER)) == (9, 7)
    chain.revert(snapshot)
    assert (answer(PLACE), answer(OTHER)) == (7, 7)


@pytest.mark.parametrize(
    ("code", "traps"),
    [
        ("4000", True),  # BLOCKHASH
        ("6040600055005b", False),  # pushed
        ("00405b00", False),  # behind an end
        ("fe31", False),
        ("00405b4000", True),  # behind a place to jump to
        ("005b00fd3148", False),
        ("6003565b4000", True),  # jumped to
    ],
)
def test_an_opcode_that_can_run_is_trapped_and_a_table_is_not(code: str, traps: bool) -> None:
    found = trap_code(bytes.fromhex(code))
    assert (found is not None) is traps
    if found is not None:
        assert len(found[0]) == len(code) // 2


def test_a_table_behind_the_code_is_read_as_it_stands() -> None:
    # CODECOPY of the last two bytes, which look like BLOCKHASH and BALANCE, and RETURN.
    table = bytes.fromhex("6002600a5f3960025ff3") + b"\x40\x31"
    assert trap_code(table) is None
    assert ask("revm", {PLACE: table}) == ask("interpreter", {PLACE: table}) == b"\x40\x31"
