"""Every journal keeps the same promises; the one in a file keeps them over a restart, a kill and damage."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.protocol.errors import BadInput, LimitExceeded, Malformed, Unavailable
from assay.roles.world import Journal, MemoryJournal
from assay.store.database import Database
from assay.store.journal import SCHEMA, FileJournal

OWNER = "0xme@31337/0xrounds"
Make = Callable[[], Journal]


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return MemoryJournal if request.param == "memory" else lambda: FileJournal(tmp_path / "me.sqlite", OWNER)


class TestJournals:
    def test_what_is_put_is_got(self, make: Make) -> None:
        journal = make()
        for value in (b"", b"\x00", bytes(range(256)) * 500):
            journal.put("secret/1/0/2/3", value)
            assert journal.get("secret/1/0/2/3") == value

    def test_what_was_never_put_is_nothing(self, make: Make) -> None:
        journal = make()
        journal.put("nonces/1/seed", b"x")
        for key in ("", "nonces/1", "nonces/1/seed ", "NONCES/1/SEED", "nonces/1/see%"):
            assert journal.get(key) is None

    def test_keys_do_not_meet(self, make: Make) -> None:
        journal = make()
        keys = ["a", "b", "a/b", "é", "e\u0301", "'; DROP TABLE entries; --", "a\n"]
        for index, key in enumerate(keys):
            journal.put(key, bytes([index]))
        assert [journal.get(key) for key in keys] == [bytes([index]) for index in range(len(keys))]


class TestFile:
    def test_it_is_there_after_a_restart(self, tmp_path: Path) -> None:
        first = FileJournal(tmp_path / "me.sqlite", OWNER)
        first.put("a", b"1")
        first.close()
        assert FileJournal(tmp_path / "me.sqlite", OWNER).get("a") == b"1"

    def test_what_was_put_survives_a_kill(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from assay.store.journal import FileJournal\n"
            f"journal, index = FileJournal(Path(sys.argv[1]), {OWNER!r}), 0\n"
            "while True:\n"
            "    journal.put(str(index), index.to_bytes(8, 'big')); print(index, flush=True); index += 1\n"
        )
        path = tmp_path / "me.sqlite"
        with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            last = [int(process.stdout.readline()) for _ in range(40)][-1]
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().split()
        last = max([last, *(int(number) for number in said[:-1])])
        journal = FileJournal(path, OWNER)
        assert [journal.get(str(index)) for index in range(last + 1)] == [
            index.to_bytes(8, "big") for index in range(last + 1)
        ]

    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            FileJournal(tmp_path / "in" / "me.sqlite", OWNER).put("a", b"1")
        finally:
            os.umask(before)
        files = list((tmp_path / "in").iterdir())
        assert len(files) >= 2, "with what SQLite keeps beside it"
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE((tmp_path / "in").stat().st_mode) == 0o700

    def test_another_network_or_party_has_another_journal(self, tmp_path: Path) -> None:
        FileJournal(tmp_path / "me.sqlite", OWNER).close()
        with pytest.raises(BadInput, match="another party or network"):
            FileJournal(tmp_path / "me.sqlite", "0xme@31337/0xothers")

    @pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + bytes(5000), b""])
    def test_a_damaged_one_is_malformed_and_left_alone(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "me.sqlite"
        path.write_bytes(content)
        with pytest.raises(Malformed, match="damaged"):
            FileJournal(path, OWNER)
        assert path.read_bytes() == content

    def test_a_process_that_dies_while_it_makes_one_leaves_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty one would look like a journal whose memory was lost."""

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        path = tmp_path / "me.sqlite"
        for step in ("link", "open"):
            with monkeypatch.context() as patch:
                patch.setattr(os, step, die)
                with pytest.raises(KeyboardInterrupt):
                    FileJournal(path, OWNER)
            assert not path.exists()
        FileJournal(path, OWNER).close()
        assert [each.name for each in tmp_path.iterdir()] == ["me.sqlite"]

    def test_where_there_are_no_links_it_is_made_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", refuse)
        journal = FileJournal(tmp_path / "me.sqlite", OWNER)
        journal.put("a", b"1")
        assert FileJournal(tmp_path / "me.sqlite", OWNER).get("a") == b"1"

    def test_values_of_another_kind_are_malformed(self, tmp_path: Path) -> None:
        journal = FileJournal(tmp_path / "me.sqlite", OWNER)
        Database(tmp_path / "me.sqlite", SCHEMA).execute("INSERT INTO entries VALUES ('a', 'text')")
        with pytest.raises(Malformed):
            journal.get("a")

    def test_a_folder_or_a_link_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        for name in ("folder", "link"):
            with pytest.raises(BadInput):
                FileJournal(tmp_path / name, OWNER)
        assert not (tmp_path / "elsewhere").exists()

    def test_two_processes_write_one_file(self, tmp_path: Path) -> None:
        one, other = FileJournal(tmp_path / "me.sqlite", OWNER), FileJournal(tmp_path / "me.sqlite", OWNER)
        for index in range(20):
            (one, other)[index % 2].put(str(index), b"x")
        assert all(one.get(str(index)) == other.get(str(index)) == b"x" for index in range(20))

    def test_a_file_that_another_holds_is_unavailable(self, tmp_path: Path) -> None:
        holder = Database(tmp_path / "x.sqlite", SCHEMA)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            Database(tmp_path / "x.sqlite", SCHEMA, wait_s=0.05).execute("INSERT INTO entries VALUES ('a', x'00')")

    def test_beyond_its_limit_it_takes_no_more(self, tmp_path: Path) -> None:
        database = Database(tmp_path / "x.sqlite", SCHEMA, size_max_bytes=1 << 16)

        def fill() -> None:
            for index in range(100):
                database.execute("INSERT INTO entries VALUES (?, zeroblob(4096))", str(index))

        with pytest.raises(LimitExceeded):
            fill()
        assert database.execute("SELECT COUNT(*) FROM entries")[0][0] > 3
