"""Keys at rest: opened by their password only, never shown, and harmless when somebody else wrote the file."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from assay.chain.keystore import address_of, create_keystore, list_keystores, open_keystore, read_password
from assay.protocol.errors import AssayError, BadInput, Malformed, Refused

PASSWORD = "correct horse battery"
QUICK = 2


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path, create_keystore(tmp_path, "alice", PASSWORD, iterations=QUICK).address


def test_a_key_is_opened_by_its_password(kept: tuple[Path, str]) -> None:
    folder, address = kept
    assert open_keystore(folder, "alice", PASSWORD).address == address == address_of(folder, "alice")
    assert list_keystores(folder) == {"alice": address}
    assert stat.S_IMODE((folder / "alice.json").stat().st_mode) == 0o600


def test_other_wallets_can_read_it(kept: tuple[Path, str]) -> None:
    content = json.loads((kept[0] / "alice.json").read_text())
    assert Account.from_key(Account.decrypt(content, PASSWORD)).address == kept[1]
    assert content["version"] == 3


def test_another_password_opens_nothing_and_is_not_shown(kept: tuple[Path, str]) -> None:
    for wrong in ("", "Correct horse battery", PASSWORD + " ", "\0" * 1_000):
        with pytest.raises(BadInput, match="does not open") as refusal:
            open_keystore(kept[0], "alice", wrong)
        assert not wrong.strip("\0 ") or wrong not in str(refusal.value)


def test_a_key_is_never_written_over(kept: tuple[Path, str]) -> None:
    with pytest.raises(BadInput, match="already"):
        create_keystore(kept[0], "alice", PASSWORD, iterations=QUICK)
    assert open_keystore(kept[0], "alice", PASSWORD).address == kept[1]


@pytest.mark.parametrize("name", ["", "../alice", "Alice", "a/b", "a.b", ".", "-a", "a" * 33, "a\n", "a\0", "é"])
def test_a_name_leads_nowhere_else(kept: tuple[Path, str], name: str) -> None:
    for verb in (lambda: create_keystore(kept[0], name, PASSWORD), lambda: open_keystore(kept[0], name, PASSWORD)):
        with pytest.raises(BadInput):
            verb()
    assert [path.name for path in kept[0].iterdir()] == ["alice.json"]


def test_a_missing_account_is_refused_with_those_there_are(kept: tuple[Path, str]) -> None:
    with pytest.raises(BadInput) as refusal:
        open_keystore(kept[0], "bob", PASSWORD)
    assert "alice" in refusal.value.hint
    with pytest.raises(BadInput):
        create_keystore(kept[0], "bob", "")


def change(content: dict[str, Any], path: str, value: Any) -> bytes:
    place = content
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        ("crypto.kdfparams.n", 1 << 30, Refused),
        ("crypto.kdfparams.n", 1 << 20, AssayError),
        ("crypto.kdfparams.r", 1 << 20, Refused),
        ("crypto.kdfparams.p", 1 << 20, Refused),
        ("crypto.kdfparams.dklen", 1 << 40, Refused),
        ("crypto.kdfparams.n", "8", Malformed),
        ("crypto.kdfparams.n", -1, Malformed),
        ("crypto.kdfparams.n", 3, Malformed),
        ("crypto.kdfparams", [], Malformed),
        ("crypto.kdf", "argon2", Malformed),
        ("crypto.cipher", "rot13", Malformed),
        ("crypto.ciphertext", "zz", Malformed),
        ("crypto.mac", None, Malformed),
        ("crypto.mac", 5, Malformed),
        ("crypto", None, Malformed),
        ("crypto", 7, Malformed),
        ("version", 4, Malformed),
        ("address", None, Malformed),
        ("address", "0x12", Malformed),
        ("address", [], Malformed),
    ],
)
def test_a_hostile_keystore_costs_nothing(
    kept: tuple[Path, str], path: str, value: Any, kind: type[AssayError]
) -> None:
    file = kept[0] / "alice.json"
    file.write_bytes(change(json.loads(file.read_text()), path, value))
    with pytest.raises(kind):
        open_keystore(kept[0], "alice", PASSWORD)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"\xff", b"[" * 9_000, b"{" + b" " * (1 << 14) + b"}", b"null"])
def test_what_is_no_keystore_is_malformed(kept: tuple[Path, str], content: bytes) -> None:
    (kept[0] / "bob.json").write_bytes(content)
    (kept[0] / "bob.json").chmod(0o600)
    with pytest.raises(Malformed):
        open_keystore(kept[0], "bob", PASSWORD)
    assert list(list_keystores(kept[0])) == ["alice"]


def test_a_keystore_that_others_can_read_is_refused(kept: tuple[Path, str]) -> None:
    (kept[0] / "alice.json").chmod(0o644)
    with pytest.raises(BadInput) as refusal:
        open_keystore(kept[0], "alice", PASSWORD)
    assert "chmod 600" in refusal.value.hint


def test_passwords_come_from_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "password"
    for content, password in ((b"a b\n", "a b"), (b"a", "a"), ("é\r\nrest".encode(), "é")):
        path.write_bytes(content)
        path.chmod(0o600)
        assert read_password(path) == password
    for bad in (b"", b"\nsecond", b"x" * 2_000):
        path.write_bytes(bad)
        with pytest.raises((BadInput, Malformed)) as refusal:
            read_password(path)
        assert "xxxx" not in str(refusal.value)
    for no_text in (b"\xff\xfe", "hunter\n".encode("utf-16"), b"caf\xe9\n", b"hunter\n\xff"):
        path.write_bytes(no_text)
        with pytest.raises(BadInput, match="bytes are no text") as refusal:
            read_password(path)
        assert "UTF-8" in refusal.value.hint
        assert "hunter" not in str(refusal.value)
        assert "caf" not in str(refusal.value)
    path.write_bytes(b"a")
    path.chmod(0o640)
    with pytest.raises(BadInput, match="others than its owner"):
        read_password(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(BadInput):
            read_password(place)
