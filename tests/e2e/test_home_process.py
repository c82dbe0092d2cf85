"""A network of one's own on this machine, in real processes over real HTTP: it stays, whatever is done to its process.

Real time passes: windows are a few seconds, and every wait ends as soon as what it waits for is there.
"""

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from home_job import PASSWORD, open_account, post_tiny, view

from assay.api.account import Kind
from assay.api.home import Home
from assay.api.money import Till
from assay.api.operator import read_log
from assay.chain.contracts.jobs import BidCommitted, BidForfeited, Unenlisted
from assay.chain.contracts.rounds import Claimed, Disproved, Finalised, Late, Penalised, Voided
from assay.protocol.phase import JobPhase

pytestmark = pytest.mark.xdist_group("home")
WAIT_S = 120.0
ASKED = "9"
KILLS = 2
LOSSES = (BidForfeited, Unenlisted, Disproved, Late, Penalised, Voided)
QUICK = {"bid_s": "6s", "reveal_s": "4s", "open_s": "6s"}


class Place:
    """A home and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self.password = folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)

    def start(self, verb: str, *arguments: str, signs: bool = False, **settings: Any) -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "assay.cli", verb, *arguments, "--home", str(self.path)]
        words += ["--password-file", str(self.password)] if signs else []
        return subprocess.Popen(words, text=True, stdin=subprocess.DEVNULL, **settings)

    def run(self, verb: str, *arguments: str, signs: bool = False) -> "subprocess.CompletedProcess[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.start(verb, *arguments, signs=signs, **pipes) as process:
            told, troubled = process.communicate(timeout=WAIT_S)
        assert "Traceback" not in troubled, troubled
        return subprocess.CompletedProcess(process.args, process.returncode, told, troubled)

    def ask(self, verb: str, *arguments: str, signs: bool = False, code: int = 0) -> dict[str, Any]:
        done = self.run(verb, *arguments, "--json", signs=signs)
        assert done.returncode == code, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @property
    def home(self) -> Home:
        return Home.open(self.path)

    def kill(self) -> None:
        """As the power does."""
        pid = int(self.home.lock.words)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not self.home.is_running(), "the process is gone")


def until(done: Callable[[], Any], what: str) -> Any:
    """Waits for something; fails with its name."""
    limit_s = time.monotonic() + WAIT_S
    while time.monotonic() < limit_s:
        found = done()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"never: {what}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("network"))
    assert place.ask("up", "--block-s", "0.5")["crew"] == {"provider": 4, "validator": 5, "aggregator": 2}
    try:
        yield place
    finally:
        place.run("down")


def post(place: Place, rounds: int = 2, providers: int = 3, **windows: str) -> int:
    home = place.home
    try:
        return post_tiny(home.world(open_account(home)), home.token, rounds, providers, **{**QUICK, **windows})
    finally:
        home.close()


def look(place: Place, job: int) -> Any:
    home = place.home
    try:
        return view(home, job)
    finally:
        home.close()


def finish(place: Place, job: int) -> None:
    until(lambda: look(place, job).ended, f"job {job} has ended")
    home = place.home
    try:
        assert look(place, job).phase == JobPhase.DONE
        assert home.ledger().rounds.complete(job)
    finally:
        home.close()


def said(place: Place, job: int, *kinds: type[Any]) -> list[Any]:
    """What the contracts have said of a job."""
    home = place.home
    try:
        ledger = home.ledger()
        events = [ledger.decode(log) for log in ledger.open_cursor().drain().added]
        found = [each.event for each in events if each is not None and isinstance(each.event, kinds)]
        return [event for event in found if event.job == job]
    finally:
        home.close()


def paid(place: Place, job: int) -> dict[str, int]:
    return {claim.account: claim.amount for claim in said(place, job, Claimed)}


def survive(place: Place, job: int, phase: JobPhase) -> None:
    """Kills the process in a phase of a job, starts it again, and sees the job to its end."""
    until(lambda: look(place, job).phase >= phase, f"job {job} is {phase.name}")
    if phase == JobPhase.BIDDING:
        until(lambda: len(said(place, job, BidCommitted)) == 4, "all bids are sealed")
    place.kill()
    down = place.ask("status")
    assert down["running"] is False
    assert down["jobs"] == []
    time.sleep(3)  # the network's time stands still meanwhile
    place.ask("up", "--block-s", "0.5")
    finish(place, job)
    assert not said(place, job, *LOSSES), "everybody was honest, and is not blamed for a crash"


def test_a_job_survives_a_kill_and_is_still_there_after_down_and_up(place: Place) -> None:
    job = post(place)
    survive(place, job, JobPhase.RUNNING)
    before = until(lambda: found if len(found := paid(place, job)) >= 7 else None, "everybody has claimed")
    assert place.ask("down")["stopped"]
    assert not place.ask("status")["running"]
    assert place.ask("down")["stopped"] is False
    again = place.ask("up", "--block-s", "0.5")
    assert again["started"]
    assert look(place, job).phase == JobPhase.DONE
    assert paid(place, job) == before
    assert place.ask("up")["started"] is False


@pytest.mark.long
@pytest.mark.parametrize("phase", [JobPhase.BIDDING, JobPhase.DRAWING, JobPhase.ENLISTING])
def test_a_job_survives_a_kill_in_any_phase(place: Place, phase: JobPhase) -> None:
    survive(place, post(place, rounds=3), phase)


def stakes_of(place: Place) -> dict[str, int]:
    """What each of the crew has at stake."""
    home = place.home
    try:
        ledger, crew = home.ledger(), place.ask("status")["crew"]
        return {each["address"]: ledger.stakes.staked(home.token, each["address"]) for each in crew}
    finally:
        home.close()


def test_a_job_survives_kills_at_random_moments(place: Place) -> None:
    """While it is bid for, trained, checked or paid, and while the process is on its way up again."""
    seed = int.from_bytes(os.urandom(4), "big")
    sys.stdout.write(f"seed {seed}\n")
    chance, before = random.Random(seed), stakes_of(place)
    assert len(before) == 12
    job = post(place, bid_s="8s", reveal_s="8s")
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, 10))
        place.kill()
        with place.start("up", "--block-s", "0.5", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as half:
            until(place.home.is_running, "the process is on its way up")
            time.sleep(chance.uniform(0, 4))
            place.kill()
            assert half.wait(WAIT_S) in (0, 6), "it was up, or it says that its process is gone"
        place.ask("up", "--block-s", "0.5")
    finish(place, job)
    assert not said(place, job, *LOSSES), "everybody was honest, and is not blamed for a crash"
    due = sum(final.credited for final in said(place, job, Finalised))
    until(lambda: sum(claim.amount for claim in said(place, job, Claimed)) >= due, "everybody has claimed")
    claims = said(place, job, Claimed)
    assert sum(claim.amount for claim in claims) == due
    assert len({claim.account for claim in claims}) == len(claims), "nobody is paid twice"
    home, key = place.home, job.to_bytes(32, "big")
    try:
        assert [home.ledger().vault.balance(home.token, kind, key) for kind in (Kind.ESCROW, Kind.CREDIT)] == [0, 0]
    finally:
        home.close()
    assert stakes_of(place) == before


def test_a_person_provides_beside_the_crew_and_is_paid(place: Place) -> None:
    got = place.ask("faucet", "--account", "alice", signs=True)
    assert got["made"]
    assert got["wallet"] == "10000"
    assert place.ask("provide", "--account", "alice", "--yes", signs=True, code=2)["hint"].startswith("assay stake")
    staked = place.ask("stake", "500", "--account", "alice", "--yes", signs=True)
    assert staked["staked"] == "500"
    # A place for everybody, and the highest bid, so that the order of the openings does not matter to what they take.
    job = post(place, providers=5, bid_s="20s")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = ("--account", "alice", "--price", ASKED, "--window-s", "1", "--yes", "--json")
    with place.start("provide", *words, signs=True, **pipes) as provider:
        assert provider.stdout is not None
        limit = threading.Timer(2 * WAIT_S, provider.kill)
        limit.start()
        looked = json.loads(provider.stdout.readline())
        (mine,) = [each for each in looked["jobs"] if each["job"] == job]
        assert mine["fits"], mine["refusal"]
        words_of = {row["job"]: row.get("words", "") for row in place.ask("status")["jobs"]}
        assert re.fullmatch(r"waiting for .+, until [\d:]{5,8}", words_of[job]), words_of
        assert mine["earns"] == 2 * int(float(ASKED) * 10**6)
        finish(place, job)
        twice = place.run("provide", *words, signs=True)
        assert twice.returncode == 5
        assert "another process" in twice.stdout
        until(lambda: got["address"] in paid(place, job), "alice has claimed")
        provider.send_signal(signal.SIGINT)
        told, troubled = provider.communicate(timeout=WAIT_S)
        limit.cancel()
    assert provider.returncode == 0, troubled
    events = [json.loads(line)["event"] for line in told.splitlines()]
    for event in ("Bid", "BidOpened", "Matched", "Trained", "Finalised", "Claimed", "Stopped"):
        assert event in events, events
    assert paid(place, job)[got["address"]] == 2 * look(place, job).price
    claimed = place.ask("claim", "--account", "alice", signs=True)
    assert float(claimed["wallet"]) > 9_500
    place.ask("unstake", "--account", "alice", signs=True, code=2)  # nobody is there to ask
    begun = place.ask("unstake", "--account", "alice", "--yes", signs=True)
    assert begun["begun"] == "500"


def test_doctor_is_content(place: Place) -> None:
    place.ask("faucet", signs=True)
    whole = place.ask("doctor")
    assert whole["well"]
    names = {check["name"] for check in whole["checks"]}
    assert names >= {"storage", "arithmetic", "keys", "messages", "chain", "clock", "balance", "stake"}


def test_nothing_in_the_home_is_anybody_elses_and_no_secret_is_in_a_log(place: Place) -> None:
    home = place.home
    signer = home.account("me", PASSWORD) if home.has_account("me") else open_account(home)
    key = bytes(signer._account.key)
    crew = (place.path / "crew.password").read_text().strip()
    operator = home.record.operator if home.record else ""
    secrets = [PASSWORD, key.hex(), crew, operator.rpartition("/")[2]]
    assert all(len(secret) >= 16 for secret in secrets)
    place.ask("down")
    place.ask("up", "--block-s", "0.5")
    logs = [path.read_text() for path in place.path.glob("network.log*")]
    assert len(logs) == 2, "of this start, and of the one before"
    assert all("Ready" in text for text in logs)
    shown = [place.run("status").stdout, json.dumps(place.ask("status")), json.dumps(place.ask("doctor"))]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    for text in (*logs, *shown, listed):
        for secret in secrets:
            assert secret not in text
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o700
    for path in (
        place.path / "network.json",
        place.path / "chain.bin",
        *place.path.glob("keys/*"),
        *place.path.glob("journal/*"),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_wrong_password_is_a_refusal_and_is_not_shown(place: Place, tmp_path: Path) -> None:
    place.ask("faucet", signs=True)
    other = tmp_path / "other"
    other.write_text("a wrong one, of course\n")
    other.chmod(0o600)
    done = place.run("claim", "--password-file", str(other))
    assert done.returncode == 2
    assert "does not open" in done.stderr
    assert "a wrong one" not in done.stderr + done.stdout
    other.chmod(0o644)
    assert "chmod 600" in place.run("claim", "--password-file", str(other)).stderr
    assert place.run("claim").returncode == 2, "nobody is there to ask"


def test_money_adds_up(place: Place) -> None:
    """Every unit that was minted is in a wallet or in the vault."""
    home = place.home
    till = Till(home.ledger(), home.token, home.address_of("me"))
    vault, coin = home.ledger().vault, till.coin
    assert sum(vault.total(home.token, kind) for kind in range(6)) == coin.balance_of(vault.address)
    home.close()


def test_of_three_starts_at_once_one_wins_and_the_others_say_so(tmp_path: Path) -> None:
    place = Place(tmp_path)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    begun = [place.start("up", "--bare", **pipes) for _ in range(3)]
    try:
        ended = [(*each.communicate(timeout=WAIT_S), each.returncode) for each in begun]
        assert [code for _, _, code in ended] == [0, 0, 0], ended
        first = [told.splitlines()[0] for told, _, _ in ended]
        assert sorted(first) == ["the network is up", "the network is up already", "the network is up already"], ended
        assert not any("Traceback" in troubled for _, troubled, _ in ended)
        assert place.ask("status")["running"]
        heard = [line["event"] for line in read_log(place.home)]
        assert heard.count("Ready") == heard.count("Deployed") == 1
        assert not (place.path / "network.log.1").exists(), "only one process was ever begun"
    finally:
        place.run("down")


def test_a_secret_in_a_nodes_url_is_in_no_argument_and_no_log(tmp_path: Path) -> None:
    """The node does not answer, so that the process ends and says so."""
    place, secret = Place(tmp_path), "s3cr3t" * 4
    file = tmp_path / "node.url"
    file.write_text(f"http://127.0.0.1:9/{secret}\n")
    file.chmod(0o600)
    done = place.run("up", "--bare", "--rpc", f"@{file}")
    assert done.returncode != 0
    assert "no node answers at http://127.0.0.1:9" in done.stderr
    logged = (place.path / "network.log").read_text()
    assert "Failed" in logged
    assert secret not in done.stdout + done.stderr + logged


def test_an_interrupted_start_goes_on_and_the_next_one_waits_for_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = place.start("up", "--bare", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert first.stderr is not None
    assert "opening the chain" in first.stderr.readline()
    first.send_signal(signal.SIGINT)
    told, troubled = first.communicate(timeout=WAIT_S)
    try:
        assert (first.returncode, told) == (130, ""), troubled
        assert "goes on starting in the background" in troubled
        assert troubled.strip().endswith("interrupted")
        assert "Traceback" not in troubled
        second = place.run("up", "--bare")
        assert second.returncode == 0, second.stderr
        assert "the network is up already" in second.stdout
        assert place.ask("status")["running"]
    finally:
        place.run("down")
