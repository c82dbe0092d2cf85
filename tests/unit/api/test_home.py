"""A home folder: what is in it is the owner's, and what somebody else put there is refused with what to do."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.api import operator
from assay.api.doctor import Doctor, report
from assay.api.home import Home, Record, local_time
from assay.api.host import Host, HostOptions
from assay.api.operator import crew_of, follow, read_log, start, stop
from assay.api.turns import CRASHES_MAX, Turns
from assay.chain.deploy import Deployment
from assay.chain.server import NetworkClock
from assay.protocol.errors import AssayError, BadInput, Malformed, Truncated, Unavailable, WrongChain
from assay.roles.wake import ACTED, IDLE, Wake, wake_at
from assay.store.hold import Hold

ADDRESS = "0x7BBE5C895F961C63657FD8739016aDE3bf3afF29"
PLACED = Deployment(31_337, 1, {"Rounds": ADDRESS})
RECORD = Record(31_337, "http://127.0.0.1:9", "http://127.0.0.1:9/secret", 5, 9, True, ADDRESS, PLACED)


def put(home: Home, content: bytes) -> None:
    path = home.path / "network.json"
    path.write_bytes(content)
    path.chmod(0o600)


class TestRecord:
    def test_it_is_read_as_it_was_kept(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path / "home")
        assert home.record is None
        home.keep(RECORD)
        assert Home.open(tmp_path / "home").record == RECORD
        assert home.update(pid=6) == replace(RECORD, pid=6) == home.record
        assert [path.name for path in home.path.iterdir()] == ["network.json"]

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"null",
            b"{}",
            b"\xff",
            b"[" * 5_000,
            b"{" + b" " * (1 << 20) + b"}",
            *(
                json.dumps({**json.loads(RECORD.to_bytes()), **change}).encode()
                for change in (
                    {"format": "assay-network-2"},
                    {"chain_id": "31337"},
                    {"chain_id": True},
                    {"url": "file:///etc/passwd"},
                    {"url": 7},
                    {"operator": "http://\n"},
                    {"pid": None},
                    {"token": "0x12"},
                    {"deployment": {"chain_id": 1}},
                    {"deployment": []},
                    {"surprise": 1},
                )
            ),
        ],
    )
    def test_anything_else_is_malformed(self, tmp_path: Path, content: bytes) -> None:
        home = Home.create(tmp_path)
        put(home, content)
        with pytest.raises(Malformed):
            Home.open(tmp_path)

    def test_one_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        home.keep(RECORD)
        (tmp_path / "network.json").chmod(0o644)
        with pytest.raises(BadInput, match="others than its owner"):
            Home.open(tmp_path)

    def test_a_home_without_a_network_says_how_to_start_one(self, tmp_path: Path) -> None:
        for place in (tmp_path, tmp_path / "none"):
            with pytest.raises(BadInput) as refusal:
                Home.open(place)
            assert "assay up" in refusal.value.hint
        (tmp_path / "file").write_text("")
        with pytest.raises(BadInput, match="cannot make the home"):
            Home.create(tmp_path / "file")

    def test_a_folder_that_holds_other_things_stays_open_to_others(self, tmp_path: Path) -> None:
        for name, mode in ((".", 0o700), ("README.md", 0o755), ("network.log", 0o755)):
            tmp_path.chmod(0o755)
            if name != ".":
                (tmp_path / name).write_text("")
            Home.create(tmp_path)
            assert tmp_path.stat().st_mode & 0o777 == mode
        (tmp_path / "README.md").unlink()
        Home.create(tmp_path)
        assert tmp_path.stat().st_mode & 0o777 == 0o700

    def test_a_network_that_is_down_says_so_and_asks_nobody(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        home.keep(RECORD)
        with pytest.raises(Unavailable, match="not running") as refusal:
            _ = home.web3
        assert "assay up" in refusal.value.hint
        assert stop(home) is False
        assert crew_of(home) == []

    def test_one_of_somebody_elses_gives_no_operator(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        home.keep(replace(RECORD, operator="", served=False))
        with pytest.raises(BadInput, match="somebody else"):
            home.connect(operator=True)
        with pytest.raises(Unavailable):
            home.connect()


class TestHold:
    def test_one_at_a_time(self, tmp_path: Path) -> None:
        one, other = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
        assert not other.is_taken()
        assert one.take("first")
        assert not other.take("second")
        assert other.is_taken()
        assert other.words == "first"
        one.release()
        assert not other.is_taken()
        assert other.take("second")
        assert one.words == "second"
        other.release()

    def test_who_only_looks_is_in_nobodys_way(self, tmp_path: Path) -> None:
        """Neither in that of others who look, nor for long in that of who takes it."""
        held, stop = Hold(tmp_path / "lock"), threading.Event()
        assert held.take("x")
        held.release()
        assert held.words == "", "a number that is no longer ours must not be signalled"
        seen: list[bool] = []

        def look() -> None:
            while not stop.is_set():
                seen.append(Hold(tmp_path / "lock").is_taken())

        lookers = [threading.Thread(target=look) for _ in range(3)]
        for looker in lookers:
            looker.start()
        for _ in range(20):
            assert held.take("x")
            held.release()
        before = len(seen)
        while len(seen) < before + 200:
            pass
        stop.set()
        for looker in lookers:
            looker.join()
        assert sum(seen[before:]) <= len(lookers), "each may have begun one look before it was released"

    def test_who_only_looks_needs_no_right_to_write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        hold, real = Hold(tmp_path / "lock"), os.open
        (tmp_path / "lock").write_text("")
        barred = os.O_WRONLY | os.O_RDWR

        def open_(path: Any, flags: int, *rest: Any) -> int:
            if barred < 0 or flags & barred:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            return real(path, flags, *rest)

        monkeypatch.setattr(os, "open", open_)
        assert hold.is_taken() is False
        barred = -1
        with pytest.raises(BadInput, match="Read-only"):
            hold.is_taken()

    def test_nobody_elses_process_is_told_to_stop(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        program = "import time; time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", program]) as stranger:
            assert home.lock.take(str(stranger.pid))
            with pytest.raises(Unavailable, match="cannot be told"):
                stop(home)
            assert stranger.poll() is None
            stranger.kill()
        home.lock.release()

    def test_a_killed_process_holds_nothing(self, tmp_path: Path) -> None:
        program = (
            "import sys, time; from pathlib import Path; from assay.store.hold import Hold\n"
            "hold = Hold(Path(sys.argv[1])); print(hold.take('x'), flush=True); time.sleep(60)"
        )
        words = [sys.executable, "-c", program, str(tmp_path / "lock")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"
            assert Hold(tmp_path / "lock").is_taken()
            process.kill()
            process.wait()
        assert not Hold(tmp_path / "lock").is_taken()

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(BadInput):
            Hold(tmp_path / "lock").take("x")
        assert not (tmp_path / "elsewhere").exists()


class TestLog:
    def test_lines_that_are_no_events_are_left_out(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        lines = [b"", b"a warning", b"[1]", b"\xff\xfe", b'{"event": "Ready"}', b'{"event": "Sea', b"[" * 70_000]
        (tmp_path / "network.log").write_bytes(b"\n".join(lines))
        assert list(read_log(home)) == [{"event": "Ready"}]

    def test_a_process_that_fails_says_why(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        put(home, RECORD.to_bytes())
        with pytest.raises(BadInput, match="is gone") as refusal:
            start(home, ["--bare"], lambda _: None)
        assert "another --home" in refusal.value.hint
        (tmp_path / "chain.bin").write_text("no chain\n")
        with pytest.raises(Malformed, match="corrupt"):
            start(home, ["--bare"], lambda _: None)


class Actor:
    """A role whose turns are a script: a wake, or an exception to raise."""

    def __init__(self, script: list[Wake | Exception], stop: threading.Event) -> None:
        self.script, self.stop, self.turns = script, stop, 0

    def tick(self) -> Wake:
        self.turns += 1
        if not self.script:
            self.stop.set()
            return IDLE
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


class TestTurns:
    def play(self, *scripts: list[Wake | Exception], now_s: Callable[[], int] = lambda: 10, **given: Any) -> Turns:
        stop = threading.Event()
        pulses = iter(range(1_000))
        makers: dict[str, Any] = {}
        for index, script in enumerate(scripts):
            makers[f"role-{index}"] = lambda script=script: Actor(script, stop)
        turns = Turns(makers, lambda: next(pulses), now_s, stop, poll_s=0.001, **given)
        turns.run()
        return turns

    def test_who_acts_gets_another_turn_at_once(self) -> None:
        assert self.play([ACTED, ACTED, IDLE, wake_at(5)]).roles["role-0"].turns == 5

    def test_a_trouble_passes_and_is_told_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("assay.api.turns.PAUSE_S", 0.001)
        told: list[str] = []
        down = [Unavailable("the chain is away")] * 3
        turns = self.play([*down, IDLE, *down[:1], IDLE], note=lambda name, error: told.append(error.message))
        assert told == ["the chain is away"] * 2
        assert turns.roles["role-0"].turns == 7

    def test_a_full_disk_passes_and_the_role_begins_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("assay.api.turns.PAUSE_S", 0.001)
        told: list[str] = []
        full: list[Wake | Exception] = [OSError(28, "No space left on device")] * (2 * CRASHES_MAX)
        turns = self.play([*full, ACTED], note=lambda name, error: told.append(error.message), crashed=None)
        assert told == ["the machine refuses: No space left on device"]
        assert turns.roles["role-0"].turns == 2, "of the one that was made last"

    def test_a_bug_in_one_role_ends_that_role_only(self) -> None:
        told: list[str] = []
        bugs: list[Wake | Exception] = [ZeroDivisionError()] * (CRASHES_MAX + 1)
        turns = self.play(bugs, [ACTED] * 9, crashed=lambda name, bug: told.append(name))
        assert told == ["role-0"] * (CRASHES_MAX + 1)
        assert turns.roles["role-1"].turns == 10
        assert "role-0" not in turns.roles

    def test_a_bug_is_not_hidden_where_nobody_is_told(self) -> None:
        with pytest.raises(ZeroDivisionError):
            self.play([ZeroDivisionError()])


class TestDoctor:
    def examine(self, path: Path) -> dict[str, Any]:
        return {check.name: check for check in Doctor(path).examine()}

    def test_each_failure_comes_with_its_fix(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("assay.exact.selftest.check", lambda: wrong)
        wrong = {"agrees": False, "operators": {"exp": False, "add": True}, "paths": {"float64": True}}
        home = Home.create(tmp_path)
        home.keep(RECORD)
        (tmp_path / "board.sqlite").write_bytes(b"no database at all" * 99)
        (tmp_path / "board.sqlite").chmod(0o600)
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "bob.json").write_text("{}")
        (tmp_path / "keys" / "bob.json").chmod(0o600)
        blob = tmp_path / "blobs" / "ab" / ("ab" * 32)
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"forged")
        tmp_path.chmod(0o755)
        found = self.examine(tmp_path)
        for name in ("storage", "blobs", "arithmetic", "keys", "messages", "chain"):
            assert found[name].state == "fail", found[name]
            assert found[name].fix
        assert "exp" in found["arithmetic"].words
        assert "chmod 700" in found["storage"].fix
        assert "assay up" in found["chain"].fix
        assert report(list(found.values()))["well"] is False

    def test_a_first_day_is_no_failure_of_the_machine(self, tmp_path: Path) -> None:
        found = self.examine(tmp_path / "none")
        assert found["storage"].state == found["keys"].state == "note"
        assert found["arithmetic"].state == "ok"
        assert found["network"].fix == "start one: assay up"
        assert not (tmp_path / "none").exists()


def test_times_are_shown_by_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain's own time may be days behind: what counts is how long there is left."""
    import time

    monkeypatch.setattr("time.localtime", time.gmtime)
    noon_s = 1_790_000_000 // 86_400 * 86_400 + 12 * 3_600
    assert local_time(1_000 + 2_400, 1_000, noon_s) == "12:40"
    assert local_time(1_000 + 60, 1_000, noon_s) == "12:01:00"
    assert local_time(1_000 - 60, 1_000, noon_s) == "11:59:00"
    assert local_time(1_000 + 48 * 3_600, 1_000, noon_s).endswith("12:00")
    assert len(local_time(1_000 + 48 * 3_600, 1_000, noon_s)) > 8


def test_errors_of_a_home_are_refusals(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    for verb in (
        lambda: home.address_of("nobody"),
        lambda: home.account("../x", "y"),
        lambda: home.new_account("crew", "y"),
    ):
        with pytest.raises(AssayError):
            verb()
    assert os.listdir(tmp_path) == []


class TestDamage:
    """Somebody, or a disk, has changed what is in a home: which file it is, how it comes back, and its own code."""

    @pytest.mark.parametrize("content", [b"{", b"", b'{"format": 1}', RECORD.to_bytes()[:-40]])
    def test_a_network_file_that_is_cut(self, tmp_path: Path, content: bytes) -> None:
        home = Home.create(tmp_path)
        put(home, content)
        with pytest.raises(Malformed) as refusal:
            Home.open(tmp_path)
        assert str(tmp_path / "network.json") in refusal.value.message
        assert "restore it from a copy" in refusal.value.hint
        assert refusal.value.fields["file"] == str(tmp_path / "network.json")
        (check,) = [check for check in Doctor(tmp_path).examine() if check.name == "network"]
        assert (check.state, "restore it" in check.fix) == ("fail", True)

    def test_another_chain_id(self, tmp_path: Path) -> None:
        home = Home.create(tmp_path)
        home.keep(replace(RECORD, chain_id=7))
        with pytest.raises(WrongChain, match=r"network\.json.* on chain 31337, this home on 7") as refusal:
            Home.open(tmp_path)
        assert "restore it" in refusal.value.hint
        home.keep(replace(RECORD, chain_id=7, deployment=replace(PLACED, chain_id=7)))
        (tmp_path / "chain.bin").write_text("x")
        with pytest.raises(WrongChain, match=r"network\.json") as refusal:
            start(home, ["--bare"], lambda _: None)
        assert "restore" in refusal.value.hint

    def test_a_chain_that_ends_before_its_contracts(self, tmp_path: Path) -> None:
        from assay.chain.embedded import EmbeddedChain

        home = Home.create(tmp_path)
        home.keep(RECORD)
        EmbeddedChain(31_337, path=tmp_path / "chain.bin").close()
        with pytest.raises(Truncated, match=r"chain\.bin ends at block 0, without the contract Rounds") as refusal:
            start(home, ["--bare"], lambda _: None)
        assert "network.json from one copy" in refusal.value.hint
        chain = EmbeddedChain(31_337, path=tmp_path / "chain.bin")
        chain.mine()
        chain.close()
        whole = (tmp_path / "chain.bin").read_bytes()
        (tmp_path / "chain.bin").write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        with pytest.raises(Truncated, match=r"chain\.bin has lost its end") as refusal:
            start(home, ["--bare"], lambda _: None)
        assert "chain.bin.end" in refusal.value.hint
        (tmp_path / "chain.bin").write_bytes(b"no chain\n")
        with pytest.raises(Malformed, match=rf"{tmp_path}.*chain\.bin is corrupt") as refusal:
            start(home, ["--bare"], lambda _: None)
        assert "restore it" in refusal.value.hint


class TestTime:
    def test_it_stands_still_until_everybody_is_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """However long a start takes: nobody can act meanwhile."""
        now_s, seen = [100.0], list[float]()
        clocks = [NetworkClock(1_800_000_000, lambda: now_s[0]) for _ in range(2)]

        def place(host: Host, *_: object) -> None:
            first = clock()
            now_s[0] += 3_600
            seen.append(clock() - first)

        class Stop(threading.Event):
            """Somebody stops it a minute after it is ready."""

            def wait(self, timeout: float | None = None) -> bool:
                first = clock()
                now_s[0] += 60
                seen.append(clock() - first)
                return True

        monkeypatch.setattr(Host, "_place", place)
        for clock in clocks:
            monkeypatch.setattr("assay.api.host.NetworkClock", lambda _, clock=clock: clock)
            assert Host(Home.create(tmp_path), HostOptions(bare=True), Stop()).run() == 0
        assert seen == [3_600, 60, 0, 60], "of a chain that begins, time passes at once"


class TestFollowing:
    """Somebody else has started the network, and it is not there yet."""

    def tell(self, home: Home, *events: str) -> None:
        with (home.path / "network.log").open("a") as log:
            log.writelines(f'{{"event": "{event}", "step": "deploying"}}\n' for event in events)

    def test_it_returns_when_the_other_is_ready(self, tmp_path: Path) -> None:
        home, holder = Home.create(tmp_path), Hold(tmp_path / "lock")
        assert holder.take("1")
        self.tell(home, "Entered")
        later = threading.Timer(0.3, self.tell, (home, "Ready"))
        later.start()
        said: list[str] = []
        follow(home, said.append)
        later.join()
        assert said == ["deploying"]
        holder.release()

    def test_a_slow_one_is_waited_for_as_long_as_it_says_something(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home, holder, now_s, ready = Home.create(tmp_path), Hold(tmp_path / "lock"), [0.0], 3
        assert holder.take("1")
        self.tell(home, "Entered")

        def sleep(_: float) -> None:
            now_s[0] += operator.START_S - 1
            self.tell(home, "Ready" if now_s[0] > ready * operator.START_S else "Seated")

        monkeypatch.setattr(operator, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep))
        follow(home, lambda _: None)
        assert now_s[0] > ready * operator.START_S
        monkeypatch.setattr(self, "tell", lambda *_: None)
        (home.path / "network.log").write_text("")
        with pytest.raises(Unavailable, match="has said nothing for 300 s"):
            follow(home, lambda _: None)
        holder.release()

    def test_it_says_when_the_other_is_gone(self, tmp_path: Path) -> None:
        home, holder = Home.create(tmp_path), Hold(tmp_path / "lock")
        assert holder.take("1")
        self.tell(home, "Entered")
        later = threading.Timer(0.3, holder.release)
        later.start()
        with pytest.raises(Unavailable, match="ended"):
            follow(home, lambda _: None)
        later.join()

    def test_who_comes_later_starts_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home, holder = Home.create(tmp_path), Hold(tmp_path / "lock")
        assert holder.take("1")
        self.tell(home, "Entered", "Ready")
        monkeypatch.setattr(operator, "_launch", lambda *_: pytest.fail("another one was begun"))
        assert not start(home, ["--bare"], lambda _: None)
        holder.release()

    def test_who_comes_while_another_starts_waits_and_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home, launch, holder = Home.create(tmp_path), Hold(tmp_path / "lock.start"), Hold(tmp_path / "lock")
        assert launch.take("1")
        monkeypatch.setattr(operator, "_launch", lambda *_: pytest.fail("another one was begun"))
        said: list[str] = []

        def say(step: str) -> None:
            if not said:
                assert holder.take("1")
                self.tell(home, "Entered", "Ready")
                launch.release()
            said.append(step)

        assert not start(home, ["--bare"], say)
        assert said == ["somebody else is starting the network: waiting for it", "deploying"]
        holder.release()

    def test_a_nodes_url_is_no_argument(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everybody on a machine may read those of a process."""
        begun: list[tuple[list[str], dict[str, str]]] = []

        def popen(command: list[str], *, env: dict[str, str], **_: object) -> object:
            begun.append((command, env))
            return SimpleNamespace(poll=lambda: 3)

        monkeypatch.setattr(operator.subprocess, "Popen", popen)
        monkeypatch.setenv(operator.NODE_URL, "http://left.over")
        for url in ("http://node/secret", ""):
            with pytest.raises(Unavailable, match="ended with code 3"):
                start(Home.create(tmp_path), ["--bare"], lambda _: None, url=url)
        (command, with_url), (_, without) = begun
        assert not any("secret" in word for word in command)
        assert with_url[operator.NODE_URL] == "http://node/secret"
        assert operator.NODE_URL not in without

    def test_who_is_turned_away_follows_the_other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another one had been begun before: the log that both look at is that of the one that works."""
        home, holder = Home.create(tmp_path), Hold(tmp_path / "lock")
        self.tell(home, "Entered", "Ready")
        launch = operator._launch

        def late(*given: Any) -> Any:
            assert holder.take("1")
            return launch(*given)

        monkeypatch.setattr(operator, "_launch", late)
        said: list[str] = []
        assert not start(home, ["--bare"], said.append)
        assert said == ["deploying"]
        assert [line["event"] for line in read_log(home)] == ["Entered", "Ready"]
        holder.release()
