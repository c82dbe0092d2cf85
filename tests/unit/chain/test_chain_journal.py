"""The embedded chain's file: what was mined is there again, and a broken file is refused."""

from pathlib import Path

import pytest
from chain_probe import Hands, deploy_probe, open_chain, sign

from assay.chain.embedded import EmbeddedChain
from assay.protocol.errors import LimitExceeded, Malformed


def fill(path: Path) -> EmbeddedChain:
    chain, web3, _ = open_chain(path=path)
    probe = deploy_probe(web3)
    probe.store(1, 2).send()
    probe.announce(2).send()
    chain.submit(sign(chain, value=3))
    chain.reorganise(1)
    chain.set_balance(b"\x55" * 20, 9)
    snapshot = chain.snapshot()
    probe.store(1, 7).send()
    chain.revert(snapshot)
    chain.close()
    return chain


def test_a_reopened_chain_is_the_same_and_goes_on(tmp_path: Path) -> None:
    old = fill(tmp_path / "chain")
    chain, web3, _ = open_chain(path=tmp_path / "chain")
    assert [b.hash for b in chain.blocks] == [b.hash for b in old.blocks]
    assert chain.state.whole() == old.state.whole()
    assert chain.by_transaction.keys() == old.by_transaction.keys()
    logs = web3.eth.get_logs({"fromBlock": 0})
    assert len(logs) == 2
    probe = deploy_probe(web3)
    assert probe.store(1, 5).send().logs
    assert chain.head.header.number == len(old.blocks) + 1
    chain.reorganise(4)
    chain.close()
    again = open_chain(path=tmp_path / "chain")[0]
    assert again.head.hash == chain.head.hash
    again.close()


def test_a_line_torn_by_a_crash_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    old = fill(path)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'0123 {"rewind": 1')
    chain = open_chain(path=path)[0]
    assert chain.head.hash == old.head.hash
    chain.close()
    assert path.read_bytes() == whole


def test_a_changed_byte_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    fill(path)
    whole = path.read_bytes()
    for position in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        broken = bytearray(whole)
        broken[position] ^= 1
        path.write_bytes(broken)
        with pytest.raises(Malformed, match="corrupt"):
            open_chain(path=path)


def test_lines_left_out_or_of_another_chain_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    fill(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(Malformed, match="line 3"):
        open_chain(path=path)
    path.write_bytes(b"".join(lines))
    with pytest.raises(Malformed, match="holds chain"):
        EmbeddedChain(5, clock=Hands(), path=path)
    path.write_bytes(b"not a chain\n")
    with pytest.raises(Malformed):
        open_chain(path=path)


def test_an_oversized_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    with path.open("wb") as file:
        file.truncate(9 << 30)
    with pytest.raises(LimitExceeded):
        open_chain(path=path)
