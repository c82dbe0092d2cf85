"""Bundles of evidence: what was honest holds, each kind of tampering is found, no bytes from outside crash a check."""

import dataclasses
import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_jobs import make_net, tiny_job, tiny_samples

import assay
from assay.api import finding as finding_module
from assay.api import verify
from assay.api.bundle import DIRECTORY_MAX_BYTES, EVIDENCE, Evidence, open_bundle, write_bundle
from assay.api.encoded import encoded_programs_root, encoded_state_root
from assay.api.export import export_job
from assay.api.finding import Finding
from assay.api.reexecute import reexecute
from assay.api.verify import Verifier
from assay.chain.contracts.containers import Order, Windows
from assay.chain.contracts.jobs import Matched
from assay.chain.contracts.rounds import Aggregated, Finalised, Included, TableRevealed
from assay.protocol.errors import AssayError, BadInput, Bomb, LimitExceeded, Malformed
from assay.protocol.plain import read_plain, write_plain
from assay.roles.world import Compute

Plain = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole bundle, one without blobs, and one of a job that was cancelled."""
    folder = tmp_path_factory.mktemp("bundles")
    with assay.connect(local=True, seed=b"bundle".ljust(32)) as net:
        net.post(tiny_job(), model=make_net(), data=tiny_samples()).wait()
        export_job(net.client, 1, folder / "whole")
        export_job(net.client, 1, folder / "again")
        export_job(net.client, 1, folder / "light", light=True)
        net.post(tiny_job(), model=make_net(), data=tiny_samples()).cancel()
        export_job(net.client, 2, folder / "cancelled")
    return folder


def check(path: Path) -> dict[str, Finding]:
    with open_bundle(path) as (evidence, blobs):
        return {finding.name: finding for finding in Verifier(evidence, blobs).run()}


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_a_whole_bundle_holds(made: Path) -> None:
    found = check(made / "whole")
    assert list(found) == ["order", "commitments", "openings", "states", "tables", "quorums", "money", "blobs"]
    for finding in found.values():
        assert not finding.wrong, finding.words
        assert not finding.missing, finding.words
        assert finding.held, finding.name


def test_the_same_evidence_is_the_same_file(made: Path) -> None:
    assert (made / "whole").read_bytes() == (made / "again").read_bytes()


def test_work_in_it_executes_again_to_the_last_state(made: Path) -> None:
    with open_bundle(made / "whole") as (evidence, blobs):
        found = list(reexecute(evidence, blobs, Compute(lambda: 0.0)))
    assert [(finding.name, finding.held, finding.holds) for finding in found] == [
        ("round 0", 4, True),
        ("round 1", 4, True),
    ]


def test_without_blobs_it_is_checked_and_says_what_is_missing(made: Path) -> None:
    found = check(made / "light")
    assert all(finding.holds for finding in found.values())
    assert found["blobs"].missing
    with open_bundle(made / "light") as (evidence, blobs), pytest.raises(AssayError, match="not in the bundle"):
        list(reexecute(evidence, blobs, Compute(lambda: 0.0)))


def test_a_job_that_was_cancelled_holds_too(made: Path) -> None:
    found = check(made / "cancelled")
    assert all(finding.holds for finding in found.values()), [finding.words for finding in found.values()]
    assert found["money"].held


def first_round(plain: Plain) -> Plain:
    inner: Plain = plain["rounds"][0][2]
    return inner


def flip(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def set_loss(plain: Plain) -> None:
    first_round(plain)["slots"][0][2]["losses"][3] ^= 1


def set_state(plain: Plain) -> None:
    states = first_round(plain)["slots"][0][2]["states"]
    states[2] = flip(states[2])


def set_commitment(plain: Plain) -> None:
    commitment = first_round(plain)["slots"][1][0]
    commitment["sealed_hash"] = flip(commitment["sealed_hash"])


def set_signature(plain: Plain) -> None:
    first_round(plain)["slots"][1][1] = flip(first_round(plain)["slots"][1][1])


def set_row_start(plain: Plain) -> None:
    rows = next(iter(first_round(plain)["tables"].values()))
    rows[0][2] = flip(rows[0][2])


def set_row_end(plain: Plain) -> None:
    rows = next(iter(first_round(plain)["tables"].values()))
    rows[0][3] = flip(rows[0][3])


def set_row_loss(plain: Plain) -> None:
    next(iter(first_round(plain)["tables"].values()))[0][4] ^= 1


def drop_opening(plain: Plain) -> None:
    first_round(plain)["slots"][0][2] = None


def drop_votes(plain: Plain) -> None:
    first_round(plain)["votes"] = []


def drop_commitment(plain: Plain) -> None:
    first_round(plain)["slots"].pop()


def double_votes(plain: Plain) -> None:
    """One validator's word, three times."""
    votes = first_round(plain)["votes"]
    votes[:] = [vote for vote in votes if vote[1] == votes[0][1]] * 3


def set_price(plain: Plain) -> None:
    plain["price"] += 1


def set_order(plain: Plain) -> None:
    plain["order"]["rounds"] += 1


def set_state_root(plain: Plain) -> None:
    plain["order"]["state_root"] = flip(plain["order"]["state_root"])


def set_data_root(plain: Plain) -> None:
    plain["order"]["data_root"] = flip(plain["order"]["data_root"])


def set_chain(plain: Plain) -> None:
    plain["chain_id"] += 1


def set_programs(plain: Plain) -> None:
    plain["order"]["programs"] = flip(plain["order"]["programs"])


def set_token(plain: Plain) -> None:
    plain["order"]["token"] = "0x" + "0" * 40


def drop_last_money(plain: Plain) -> None:
    vault = plain["contracts"]["Vault"]
    moves = [at for at, log in enumerate(plain["logs"]) if log[0] == vault]
    del plain["logs"][moves[0]]


TAMPERINGS: list[tuple[Callable[[Plain], None], str]] = [
    (set_loss, "openings"),
    (set_state, "openings"),
    (set_commitment, "commitments"),
    (set_signature, "commitments"),
    (set_row_start, "tables"),
    (set_row_end, "tables"),
    (set_row_loss, "tables"),
    (drop_opening, "openings"),
    (drop_votes, "quorums"),
    (drop_commitment, "commitments"),
    (double_votes, "quorums"),
    (set_price, "money"),
    (set_order, "order"),
    (set_state_root, "states"),
    (set_data_root, "blobs"),
    (set_chain, "commitments"),
    (drop_last_money, "money"),
    (set_programs, "blobs"),
    (set_token, "order"),
]


@pytest.mark.parametrize(("tamper", "where"), TAMPERINGS, ids=[tamper.__name__ for tamper, _ in TAMPERINGS])
def test_tampering_is_found(made: Path, tmp_path: Path, tamper: Callable[[Plain], None], where: str) -> None:
    parts = members(made / "whole")
    plain = json.loads(parts[EVIDENCE])
    tamper(plain)
    found = check(pack(tmp_path / "tampered", {**parts, EVIDENCE: write_plain(plain)}))
    assert not found[where].holds, {name: finding.words for name, finding in found.items()}


TERMS = [each.name for each in fields(Order) if each.name != "windows"]
WINDOWS = [f"windows.{each.name}" for each in fields(Windows)]
BY_BYTES = {"programs": "programs", "data_root": "train", "test_root": "test", "scores_loss": "train"}
"""Terms that only the bytes tell, which a bundle without blobs has not got."""


@pytest.mark.parametrize("bundle", ["whole", "light", "cancelled"])
@pytest.mark.parametrize("name", TERMS + WINDOWS)
def test_no_term_of_an_order_can_be_altered(made: Path, tmp_path: Path, name: str, bundle: str) -> None:
    parts = members(made / bundle)
    plain = json.loads(parts[EVIDENCE])
    *parents, key = name.split(".")
    place = plain["order"][parents[0]] if parents else plain["order"]
    place[key] = place[key] - 1 if type(place[key]) is int and place[key] else alter(place[key])
    found = check(pack(tmp_path / "altered", {**parts, EVIDENCE: write_plain(plain)}))
    if bundle == "light" and name in BY_BYTES:
        assert any(BY_BYTES[name] in words for words in found["blobs"].missing)
    else:
        assert not all(finding.holds for finding in found.values())


@pytest.mark.parametrize(("at", "value"), [(2, 32 * "11"), (3, 32 * "11"), (4, 1)], ids=["start", "end", "loss"])
def test_a_row_that_is_revealed_and_says_other_than_its_slot_is_found(
    made: Path, tmp_path: Path, at: int, value: str | int
) -> None:
    """The root fits, so it is the row that differs from the leaves: where it begins, ends, or in its loss."""
    parts = members(made / "whole")
    plain = json.loads(parts[EVIDENCE])
    validator, rows = next(iter(first_round(plain)["tables"].items()))
    rows[0][at] = value
    entries = verify._entries(rows)
    assert entries is not None
    with open_bundle(made / "whole") as (evidence, _):
        said = [event for _, event in evidence.events() if isinstance(event, TableRevealed)]
    root = next(event.table_root for event in said if event.validator == validator)
    for log in plain["logs"]:
        log[2] = log[2].replace(root.hex(), verify.table_root(entries).hex())
    found = check(pack(tmp_path / "other", {**parts, EVIDENCE: write_plain(plain)}))["tables"]
    (words,) = found.wrong
    assert words.startswith(f"{validator} in round 0 found slot {rows[0][0]} segment {rows[0][1]} to be otherwise")


def alter(value: int | str) -> int | str:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return "0x" + "0" * 40 if value.startswith("0x") else flip(value)


@pytest.mark.parametrize("bundle", ["light", "cancelled"])
def test_no_price_can_be_altered(made: Path, tmp_path: Path, bundle: str) -> None:
    parts = members(made / bundle)
    plain = json.loads(parts[EVIDENCE])
    set_price(plain)
    found = check(pack(tmp_path / "altered", {**parts, EVIDENCE: write_plain(plain)}))
    assert not found["money"].holds


def test_prices_that_cost_the_same_together_are_found(made: Path, tmp_path: Path) -> None:
    """What was deposited fits, and whom it was meant for does not."""
    parts = members(made / "cancelled")
    plain = json.loads(parts[EVIDENCE])
    order = plain["order"]
    order["aggregator_fee"] += order["validators"]
    order["validator_fee"] -= 1
    found = check(pack(tmp_path / "altered", {**parts, EVIDENCE: write_plain(plain)}))
    assert found["order"].wrong == [
        "the document and the order differ in validator_fee",
        "the document and the order differ in aggregator_fee",
    ]


def test_a_blob_that_was_changed_is_found(made: Path, tmp_path: Path) -> None:
    parts = members(made / "whole")
    name = max((name for name in parts if name != EVIDENCE), key=lambda name: len(parts[name]))
    parts[name] = parts[name][:-1] + bytes([parts[name][-1] ^ 1])
    found = check(pack(tmp_path / "changed", parts))
    assert not found["blobs"].holds


def test_work_that_does_not_execute_to_what_was_opened_is_found(made: Path, tmp_path: Path) -> None:
    """Other bits in the opened leaves: they no longer give the commitment, so the slot is not there to check."""
    parts = members(made / "whole")
    plain = json.loads(parts[EVIDENCE])
    set_state(plain)
    with open_bundle(pack(tmp_path / "t", {**parts, EVIDENCE: write_plain(plain)})) as (evidence, blobs):
        found = list(reexecute(evidence, blobs, Compute(lambda: 0.0)))
    assert len(found) == 1
    assert found[0].missing


def write_zip(path: Path, name: str, content: bytes, method: int) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(EVIDENCE, b"{}", zipfile.ZIP_STORED)
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "blobs/../x", "blobs/" + "g" * 64, "blobs/" + "a" * 64 + "/x", "C:\\x", "other"],
)
def test_no_other_names_are_in_a_bundle(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(Malformed, match=r"which (no bundle does|leads out of it)"),
        open_bundle(write_zip(tmp_path / "b", name, b"x", zipfile.ZIP_STORED)),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_decompression_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "b", "blobs/" + "a" * 64, bytes(10 << 20), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(Bomb, match="would unpack"), open_bundle(path):
        pass


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Overlapping members (a zip quine's trick): each claims the same bytes of the file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(EVIDENCE, b"{}")
        archive.writestr("blobs/" + "a" * 64, bytes(4096))
        base = archive.infolist()[1]
        for digit in "bcdef":
            twin = zipfile.ZipInfo("blobs/" + digit * 64)
            twin.file_size = twin.compress_size = base.file_size
            twin.header_offset, twin.CRC = base.header_offset, base.CRC
            archive.filelist.append(twin)
    (tmp_path / "b").write_bytes(buffer.getvalue())
    with pytest.raises(LimitExceeded), open_bundle(tmp_path / "b"):
        pass


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no bundle"), open_bundle(tmp_path / "none"):
        pass
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Malformed), open_bundle(tmp_path / "text"):
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 10**6))
def test_damaged_archives_are_refused_and_do_not_crash(made: Path, tmp_path: Path, noise: bytes, at: int) -> None:
    content = bytearray((made / "light").read_bytes())
    at %= len(content)
    content[at : at + len(noise)] = noise
    (tmp_path / "b").write_bytes(content)
    with suppress(AssayError):
        check(tmp_path / "b")


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**300), st.text(max_size=5), st.just([]), st.just({})
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), LEAVES)
def test_evidence_with_any_value_anywhere_is_refused_or_found(
    made: Path, tmp_path: Path, chance: Any, value: object
) -> None:
    """One value of the evidence is replaced, wherever it stands: no check crashes, and none hangs."""
    plain = read_plain(members(made / "light")[EVIDENCE], 1 << 24)
    place: Any = plain
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = chance.choice(list(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.1:
            place[key] = value
            break
        place = inner
    parts = {**members(made / "light"), EVIDENCE: write_plain(plain)}
    with suppress(AssayError):
        check(pack(tmp_path / "b", parts))


def test_a_deeply_nested_header_of_a_state_is_refused_before_it_is_parsed() -> None:
    """The network's packages raise Python's limit of recursion, and then this ended the process."""
    import eth_account  # noqa: F401

    header = b'{"a":' + b"[" * 95_000 + b"]" * 95_000 + b"}"
    with pytest.raises(Malformed):
        encoded_state_root(len(header).to_bytes(8, "little") + header)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_states_and_programs_of_any_bytes(content: bytes) -> None:
    for read in (encoded_state_root, encoded_programs_root):
        with suppress(Malformed):
            read(content)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=8), st.integers(0, 10**6))
def test_damaged_programs_have_another_root_or_none(made: Path, noise: bytes, at: int) -> None:
    """Bits of programs, and not of the names beside them, are what the root is of."""
    whole = next(content for content in members(made / "whole").values() if content.startswith(b"ASSAYBDL"))
    end = len(whole) - int.from_bytes(whole[12:16], "big")
    at %= end
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with suppress(Malformed):
        hashed = whole[:8] == damaged[:8] and whole[10:end] != damaged[10:end]
        assert (encoded_programs_root(damaged) != encoded_programs_root(whole)) or not hashed


def test_evidence_reads_as_it_was_written(made: Path) -> None:
    content = members(made / "whole")[EVIDENCE]
    assert Evidence.from_bytes(content).to_bytes() == content


def test_a_bundle_that_cannot_be_written_leaves_nothing(made: Path, tmp_path: Path) -> None:
    with open_bundle(made / "light") as (evidence, _), pytest.raises(BadInput, match="cannot write"):
        write_bundle(tmp_path / "no" / "b", evidence, [])
    with open_bundle(made / "light") as (evidence, _), pytest.raises(ZeroDivisionError):
        write_bundle(tmp_path / "b", evidence, (1 // 0 for _ in "x"))  # type: ignore[misc]
    for folder in (Path(), Path("/"), tmp_path):
        with open_bundle(made / "light") as (evidence, _), pytest.raises(BadInput, match="it is a folder"):
            write_bundle(folder, evidence, [])
    assert list(tmp_path.iterdir()) == []


def test_checking_needs_no_torch(made: Path) -> None:
    program = (
        "import sys; from assay.cli import main; code = main(sys.argv[1:]);"
        "sys.exit(99 if 'torch' in sys.modules else code)"
    )
    arguments = [sys.executable, "-c", program, "verify-bundle", str(made / "whole"), "--json"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["holds"]
    assert report["whole"]


# work that a file can make


def count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    """Has every call of a function of a module counted, and the length of its first argument noted."""
    calls: list[int] = []
    function = getattr(module, name)

    def counted(first: Any, *rest: Any) -> Any:
        calls.append(len(first) if hasattr(first, "__len__") else 1)
        return function(first, *rest)

    monkeypatch.setattr(module, name, counted)
    return calls


def hostile(made: Path, tmp_path: Path, spoil: Callable[[Plain], None]) -> Path:
    """A light bundle with other evidence."""
    parts = members(made / "light")
    plain = json.loads(parts[EVIDENCE])
    spoil(plain)
    return pack(tmp_path / "hostile", {**parts, EVIDENCE: write_plain(plain)})


def logs_of(plain: Plain, kind: type[Any]) -> list[Any]:
    """The logs of one event."""
    return [log for log in plain["logs"] if log[1][0] == kind.TOPIC.hex()]


def with_payload(log: Any, kind: type[Any], **fields: Any) -> Any:
    """A log in which an event says something else."""
    names = [each.name for each in dataclasses.fields(kind)]
    plain = [(name, of) for name, (of, indexed) in zip(names, kind.TYPES, strict=True) if not indexed]
    values = dict(zip([name for name, _ in plain], decode([of for _, of in plain], bytes.fromhex(log[2])), strict=True))
    payload = encode([of for _, of in plain], [{**values, **fields}[name] for name, _ in plain])
    return [*log[:2], payload.hex(), *log[3:]]


def test_a_table_of_many_rows_opens_each_transcript_once(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows name it, and however often the chain is said to have heard of the table."""

    def spoil(plain: Plain) -> None:
        tables = first_round(plain)["tables"]
        for rows in tables.values():
            rows *= 500
        plain["logs"] += logs_of(plain, TableRevealed) * 50

    path = hostile(made, tmp_path, spoil)
    opened = count_calls(monkeypatch, verify, "secret_hash")
    built = count_calls(monkeypatch, verify, "table_root")
    assert check(path)["tables"].wrong
    with open_bundle(path) as (evidence, _):
        assert len(opened) <= sum(len(each.slots) for each in evidence.rounds.values())
        tables = sum(len(each.tables) for each in evidence.rounds.values())
    assert len(built) <= tables


def test_events_are_looked_through_once(made: Path, tmp_path: Path) -> None:
    """What is asked for in a loop over rounds is not searched for in all that was said."""
    with open_bundle(made / "light") as (evidence, blobs):
        checker = Verifier(evidence, blobs)
        assert checker.said(Included) is checker.said(Included)
        assert checker.by_round(Aggregated) is checker.by_round(Aggregated)


def test_a_search_for_the_commitments_of_a_root_has_an_end(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SEARCH_MAX", 3)
    found = check(made / "light")["commitments"]
    assert not found.holds
    assert "takes too long to find out" in found.words


def test_a_bitmap_of_more_slots_than_a_job_has_is_refused(made: Path, tmp_path: Path) -> None:
    def spoil(plain: Plain) -> None:
        logs = plain["logs"]
        for at, log in enumerate(logs):
            if log[1][0] == Included.TOPIC.hex():
                logs[at] = with_payload(log, Included, included=[2**256 - 1] * 5)

    found = check(hostile(made, tmp_path, spoil))
    assert "a set of too many slots" in found["openings"].words
    assert "a set of too many slots" in found["money"].words


def test_a_job_of_more_providers_than_there_may_be_is_refused(made: Path, tmp_path: Path) -> None:
    def spoil(plain: Plain) -> None:
        logs = plain["logs"]
        at = logs.index(logs_of(plain, Matched)[0])
        logs[at] = with_payload(logs[at], Matched, providers=["0x" + "11" * 20] * 1025)

    assert "a job of too many slots" in check(hostile(made, tmp_path, spoil))["commitments"].words


def test_what_is_missing_is_noted_so_often_and_no_more(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of a hundred bytes says that a thousand slots are there."""
    monkeypatch.setattr(finding_module, "NOTED_MAX", 50)

    def spoil(plain: Plain) -> None:
        log = logs_of(plain, Included)[0]
        plain["logs"] += [with_payload(log, Included, round=at, included=[2**256 - 1] * 4) for at in range(100, 104)]

    found = check(hostile(made, tmp_path, spoil))["openings"]
    assert len(found.missing) == 50
    assert "nothing more is looked at" in found.words
    assert not found.holds


def test_a_vote_that_counts_is_not_read_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(plain: Plain) -> None:
        first_round(plain)["votes"] *= 100

    once = count_calls(monkeypatch, verify, "recover")
    check(made / "light")
    wanted = len(once)
    found = check(hostile(made, tmp_path, spoil))
    assert found["quorums"].holds
    assert len(once) == 2 * wanted


def test_a_directory_that_is_longer_than_that_of_any_bundle_is_not_read(tmp_path: Path) -> None:
    size = DIRECTORY_MAX_BYTES + 1
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    with (tmp_path / "b").open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(end)
    with pytest.raises(LimitExceeded, match="directory is too long"), open_bundle(tmp_path / "b"):
        pass


def test_a_round_that_is_said_to_be_final_again_is_not_executed_again(made: Path, tmp_path: Path) -> None:
    parts = members(made / "whole")
    plain = json.loads(parts[EVIDENCE])
    plain["logs"] += logs_of(plain, Finalised)[-1:] * 20
    with open_bundle(pack(tmp_path / "b", {**parts, EVIDENCE: write_plain(plain)})) as (evidence, blobs):
        found = list(reexecute(evidence, blobs, Compute(lambda: 0.0)))
    assert [finding.holds for finding in found] == [True, True, False]
    assert found[-1].wrong == ["it became final out of order"]
