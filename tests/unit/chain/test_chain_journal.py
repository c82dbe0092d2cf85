"""The embedded chain's file: what was mined is there again, and a broken file is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain_probe import Hands, deploy_probe, open_chain, sign

from assay.chain import journal
from assay.chain.embedded import EmbeddedChain
from assay.chain.records import ChangeRecord
from assay.chain.state import Change
from assay.protocol.errors import LimitExceeded, Malformed, Truncated, WrongChain


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
    with pytest.raises(WrongChain, match="holds chain"):
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


def forge(path: Path, edit: Callable[[list[Any]], object]) -> None:
    """Edits the file's records and seals every line again, as whoever can write the file can."""
    records = [json.loads(line.partition(b" ")[2]) for line in path.read_bytes().splitlines()]
    edit(records)
    digest, lines = b"", []
    for record in records:
        body = record if isinstance(record, bytes) else json.dumps(record).encode()
        digest = hashlib.sha256(digest + body).hexdigest().encode()
        lines.append(digest + b" " + body + b"\n")
    path.write_bytes(b"".join(lines))


def put(record: dict[str, Any], *path: str | int, value: object) -> None:
    *above, last = path
    for step in above:
        record = record[step]
    record[last] = value


def first(records: list[Any], kind: str) -> dict[str, Any]:
    found = [record for record in records if kind in record]
    return next((record for record in found if record.get("receipts")), found[0])


HOSTILE: dict[str, Callable[[list[Any]], object]] = {
    "brackets": lambda records: records.append(b"[" * 100_000),
    "deep": lambda records: records.append(b'{"change": ' + b"[" * 9 + b"]" * 9 + b"}"),
    "not a number": lambda records: records.append(b'{"rewind": NaN}'),
    "a key twice": lambda records: records.append(b'{"rewind": 2, "rewind": 3}'),
    "no text": lambda records: records.append(b'{"rewind": "\xff"}'),
    "digits": lambda records: records.append(b'{"rewind": ' + b"9" * 10_000 + b"}"),
    "nothing": lambda records: records.append(b""),
    "null": lambda records: records.append(None),
    "a list": lambda records: records.append([]),
    "a text": lambda records: records.append("rewind"),
    "another record": lambda records: records.append({"undo": 1}),
    "a negative rewind": lambda records: records.append({"rewind": -1}),
    "a rewind before genesis": lambda records: records.append({"rewind": 0}),
    "a rewind ahead": lambda records: records.append({"rewind": 1_000}),
    "half a rewind": lambda records: records.append({"rewind": 2.5}),
    "a true rewind": lambda records: records.append({"rewind": True}),
    "no genesis": lambda records: records.pop(1),
    "a block left out": lambda records: records.remove(first(records, "block")),
    "a block twice": lambda records: records.append(first(records, "block")),
    "no title": lambda records: put(records, 0, value=None),
    "a title of lists": lambda records: put(records, 0, value={"format": [], "chain_id": {}}),
    "no header": lambda records: put(first(records, "block"), "block", value=7),
    "a header's field": lambda records: put(first(records, "block"), "block", "colour", value="ff"),
    "a header's number": lambda records: put(first(records, "block"), "block", "timestamp", value="1"),
    "a header's size": lambda records: put(first(records, "block"), "block", "coinbase", value="ff" * 19),
    "no gas": lambda records: put(first(records, "block"), "block", "gas_limit", value=1),
    "no receipts": lambda records: put(first(records, "block"), "receipts", value=None),
    "a receipt's length": lambda records: put(first(records, "block"), "receipts", 0, value=[]),
    "a receipt's transaction": lambda records: put(first(records, "block"), "receipts", 0, 0, value="02c0"),
    "a receipt's success": lambda records: put(first(records, "block"), "receipts", 0, 1, value="yes"),
    "a receipt's price": lambda records: put(first(records, "block"), "receipts", 0, 4, value="-0x1"),
    "a receipt's logs": lambda records: put(first(records, "block"), "receipts", 0, 6, value=[["00", [], ""]]),
    "an address": lambda records: records.append({"change": {"00": ["0x1", 0, None, {}]}}),
    "a balance": lambda records: records.append({"change": {"00" * 20: ["0x1" + "0" * 64, 0, None, {}]}}),
    "a negative balance": lambda records: records.append({"change": {"00" * 20: ["-0x1", 0, None, {}]}}),
    "a nonce": lambda records: records.append({"change": {"00" * 20: ["0x1", 1 << 64, None, {}]}}),
    "code": lambda records: records.append({"change": {"00" * 20: ["0x1", 0, "00" * 24_577, {}]}}),
    "a slot": lambda records: records.append({"change": {"00" * 20: ["0x1", 0, None, {"0x": "0x1"}]}}),
    "a word": lambda records: records.append({"change": {"00" * 20: ["0x1", 0, None, {"0x1": 1}]}}),
    "a list of changes": lambda records: records.append({"change": [["00" * 20, 1]]}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_forged_records_are_refused_and_left_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "chain"
    fill(path)
    forge(path, lambda records: None)
    open_chain(path=path)[0].close()
    forge(path, HOSTILE[name])
    forged = path.read_bytes()
    with pytest.raises(Malformed, match="chain is corrupt: line"):
        open_chain(path=path)
    assert path.read_bytes() == forged


@pytest.mark.parametrize("content", [b"\0" * 1_000, b"[" * 100_000, b"something else", b"{}", b" ", "Ā".encode()])
def test_another_file_is_not_overwritten(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(Malformed, match="corrupt"):
        open_chain(path=path)
    assert path.read_bytes() == content


def test_a_file_torn_at_its_first_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    open_chain(path=path)[0].close()
    whole = path.read_bytes()
    for size in (0, 1, 60, whole.index(b"\n")):
        path.write_bytes(whole[:size])
        path.with_name("chain.end").unlink()  # the process died before it was written
        chain = open_chain(path=path)[0]
        chain.close()
        assert path.read_bytes() == whole


def test_a_line_that_could_not_be_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chain"
    fill(path)
    size = path.stat().st_size
    monkeypatch.setattr(journal, "LINE_LIMIT_BYTES", 500)
    with pytest.raises(Malformed, match="line 2 is too long"):
        open_chain(path=path)
    writing = journal.Journal(tmp_path / "other", 31_337)
    with pytest.raises(LimitExceeded):
        writing.append(ChangeRecord({bytes(20): Change(0, 0, bytes(500))}))
    writing.append(ChangeRecord({}))
    writing.close()
    assert path.stat().st_size == size


@pytest.mark.parametrize("place", ["at a border", "in a line"])
def test_a_file_that_has_lost_its_end_is_refused_and_left_as_it_is(tmp_path: Path, place: str) -> None:
    """Every line that is left verifies, and jobs, stakes and claims of the lost ones are gone."""
    path, mark = tmp_path / "chain", tmp_path / "chain.end"
    old = fill(path)
    whole = path.read_bytes()
    assert int(mark.read_bytes()) == len(whole)
    for count in range(len(whole.splitlines())):
        lines = whole.splitlines(keepends=True)
        cut = b"".join(lines[:count]) + (lines[count][:-1] if place == "in a line" else b"")
        path.write_bytes(cut)
        with pytest.raises(Truncated, match=r"has lost its end: \d+ of \d+ bytes are left") as refusal:
            open_chain(path=path)
        assert refusal.value.fields["expected"] == len(whole)
        assert str(mark) in refusal.value.hint
        assert (path.read_bytes(), int(mark.read_bytes())) == (cut, len(whole))
    path.write_bytes(whole)
    again = open_chain(path=path)[0]
    assert again.head.hash == old.head.hash
    again.close()


def test_what_is_lost_can_be_given_up(tmp_path: Path) -> None:
    path, mark = tmp_path / "chain", tmp_path / "chain.end"
    fill(path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    mark.unlink()
    chain = open_chain(path=path)[0]
    chain.mine()
    chain.close()
    assert int(mark.read_bytes()) == path.stat().st_size


def test_a_killed_process_has_marked_what_it_had_brought_to_disk(tmp_path: Path) -> None:
    """What was written since is there, or is not: neither is taken for a loss."""
    path, mark, now_s = tmp_path / "chain", tmp_path / "chain.end", [0.0]
    writing = journal.Journal(path, 31_337, lambda: now_s[0])
    title = int(mark.read_bytes())
    open_chain(path=tmp_path / "other")[0].close()
    other = journal.Journal(tmp_path / "other", 31_337)
    other.close()
    writing.append(other.records[0])
    assert int(mark.read_bytes()) == title
    now_s[0] = journal.SYNC_S
    writing.append(ChangeRecord({}))
    marked = path.stat().st_size
    writing.append(ChangeRecord({}))
    assert int(mark.read_bytes()) == marked < path.stat().st_size
    whole = path.read_bytes()
    writing.close()
    for size, records in ((len(whole), 3), (len(whole) - 1, 2), (marked, 2)):
        path.write_bytes(whole[:size])
        mark.write_bytes(b"%020d" % marked)
        again = journal.Journal(path, 31_337)
        assert len(again.records) == records
        again.close()


@pytest.mark.parametrize("content", [b"x", b"-1", b"12", b"9" * 5_000, b"0" * 21, b" " * 20, "१".encode() * 20])
def test_a_mark_that_is_none_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path, mark = tmp_path / "chain", tmp_path / "chain.end"
    fill(path)
    mark.write_bytes(content)
    with pytest.raises(Malformed, match=r"chain\.end cannot be read") as refusal:
        open_chain(path=path)
    assert "remove that file" in refusal.value.hint
    mark.unlink()
    mark.mkdir()
    with pytest.raises(Malformed, match="directory"):
        open_chain(path=path)
    mark.rmdir()
    mark.touch()
    open_chain(path=path)[0].close()
