"""The demo on a node's chain: a real anvil, as it is or behind a gate that keeps back what development nodes do."""

import importlib
import itertools
import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from assay.api.cast import DemoOptions
from assay.api.demo import compose, run_demo
from assay.api.scene import stretch
from assay.chain.connect import connect, disconnect
from assay.chain.ground import PARTY_GAS
from assay.chain.keyfile import read_key
from assay.chain.location import check_url, show_url
from assay.chain.node import NodeGround
from assay.chain.rpc import Rpc
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.protocol.errors import BadInput, Refused, Unavailable
from assay.protocol.job import Job
from assay.roles.provider import Provider
from assay.store.sources import load

pytestmark = pytest.mark.xdist_group("anvil")

sys.path.append(str(Path(__file__).parents[1] / "conformance" / "chain"))
find_anvil = importlib.import_module("chain_networks").find_anvil

ETHER = 10**18
KEY = bytes(range(1, 33))
SETTERS = ("anvil_setBalance", "hardhat_setBalance")
TRAVEL = ("evm_increaseTime", "evm_mine")
SMALL = ("--model", "mlp", "--rounds", "2", "--cheaters", "lazy,update-swapper,rubber-stamp")
"""Who trains nothing is missed by both rounds' samples about once in a thousand runs, whatever a node's beacon is; who
trains every other segment, once in thirty."""


@contextmanager
def run_node(*arguments: str) -> Iterator[str]:
    """A fresh anvil on a port that the system chooses, so that no two meet; its URL."""
    command = [find_anvil(), "--port", "0", "--hardfork", "cancun", "--chain-id", "31337", "--no-cors", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            seen = []
            for line in process.stdout:
                seen.append(line)
                found = re.search(r"Listening on (\S+)", line)
                if found:
                    # Its log must be read on, or it stands still when the pipe is full.
                    threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
                    yield f"http://{found.group(1)}"
                    return
            raise AssertionError("anvil did not start:\n" + "".join(seen))
        finally:
            process.terminate()
            process.wait(timeout=10)


@contextmanager
def keep_back(url: str, *methods: str) -> Iterator[str]:
    """The node at `url` without some of its methods; the URL, whose path stands for an access key."""
    session = requests.Session()

    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(asked)
            if request["method"] in methods:
                refusal = {"code": -32601, "message": f"the method {request['method']} does not exist"}
                answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": refusal}).encode()
            else:
                answer = session.post(url, data=asked, headers={"Content-Type": "application/json"}).content
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v3/0123456789abcdef"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        session.close()


@contextmanager
def ask(url: str) -> Iterator[Rpc]:
    web3 = connect(url)
    try:
        yield Rpc(web3)
    finally:
        disconnect(web3)


def demo(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assay.cli", "demo", "--json", "--rpc", url, "--out", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def write_key(folder: Path, text: str = KEY.hex(), mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def check(report: dict[str, Any]) -> None:
    """What holds on every chain, whoever its beacon draws."""
    assert report["accuracy"] >= 0.85
    everybody = [party for group in ("providers", "validators", "aggregators") for party in report[group]]
    cheats = [party for party in everybody if party["behaviour"] != "honest"]
    assert sorted(party["behaviour"] for party in cheats) == ["lazy", "rubber-stamp", "update-swapper"]
    for party in cheats:
        assert Decimal(party["slashed"]) > 0, party
        assert Decimal(party["paid"]) == 0 or party["behaviour"] == "rubber-stamp", party
        assert party["evidence"], party
    for party in everybody:
        if party["behaviour"] == "honest":
            assert Decimal(party["slashed"]) == Decimal(party["bond_burned"]) == 0, party
            assert not party["evidence"], party
    assert all(Decimal(party["paid"]) > 0 for party in report["providers"][:4] + report["validators"][:4])
    escrow = {name: Decimal(amount) for name, amount in report["escrow"].items()}
    assert escrow["deposited"] == escrow["paid"] + escrow["refunded"] + escrow["forfeited"] + escrow["held"]
    assert escrow["held"] == escrow["forfeited"] == 0
    assert escrow["paid"] == sum(Decimal(party["paid"]) for party in everybody)
    stakes = {name: Decimal(amount) for name, amount in report["stakes"].items()}
    assert stakes["staked"] == sum(amount for name, amount in stakes.items() if name != "staked")
    slashed = sum(Decimal(party["slashed"]) for party in everybody)
    assert slashed == stakes["burned"] + stakes["to_consumer"] + stakes["to_challengers"]
    assert report["audit"]["honest"] is True
    assert report["model"]["token_id"] == 1
    phases = report["gas"]["per_phase"]
    assert all(phases[phase] > 0 for phase in ("match", "commit", "verify", "dispute", "aggregate", "settle", "fund"))


def test_the_whole_job_on_a_node_that_sets_balances_and_moves_time(tmp_path: Path) -> None:
    with run_node("--accounts", "0") as url, ask(url) as rpc:
        began_s = rpc.get_timestamp()
        done = demo(url, tmp_path, *SMALL)
        assert done.returncode == 0, done.stderr
        check(json.loads(done.stdout))
        # Two bidding windows, two challenge windows and the unbonding time have all been jumped over.
        assert rpc.get_timestamp() > began_s + 300


@pytest.mark.long  # it waits in real time, and a machine that is busy with other tests is too slow for its windows
def test_the_whole_job_on_a_node_whose_time_is_waited_for(tmp_path: Path) -> None:
    """An unlocked account pays. The chain's clock runs twenty times as fast as ours, so that windows pass; a block is
    long enough for a busy machine to act in, and windows are made for the pace of blocks."""
    with run_node("--block-time", "0.2") as url, ask(url) as rpc:
        rpc.request("anvil_setBlockTimestampInterval", 4)
        payer = rpc.request("eth_accounts")[0]
        before_wei = rpc.get_balance(payer)
        with keep_back(url, *SETTERS, *TRAVEL) as gated:
            done = demo(gated, tmp_path, *SMALL)
        assert done.returncode == 0, done.stderr
        check(json.loads(done.stdout))
        rpc.request("evm_mine")
        spent_wei = before_wei - rpc.get_balance(payer)
        assert 0 < spent_wei < PARTY_GAS * 20 * 10**9


def test_a_key_file_pays_and_gets_back_what_is_left(tmp_path: Path) -> None:
    with run_node("--accounts", "0") as url, ask(url) as rpc:
        payer = read_key(write_key(tmp_path, f"0x{KEY.hex()}\n"))
        party = KeySigner.create()
        rpc.request("anvil_setBalance", payer.address, hex(ETHER))
        with keep_back(url, *SETTERS, "eth_accounts") as gated:
            ground = NodeGround(gated, payer)
            ground.fund(party)
            given_wei = rpc.get_balance(party.address)
            assert 0 < given_wei < ETHER
            spent = Sender(ground.connect(lambda: 0.0, lambda _: None), party)
            spent.send(payer.address, value_wei=given_wei // 4 * 3)
            assert [receipt.gas_used for block in ground.chain.blocks for receipt in block.receipts] == [21_000]
            ground.pass_block()
            assert rpc.get_balance(party.address) > given_wei // 2
            ground.close()
        assert rpc.get_balance(party.address) < given_wei // 20
        assert rpc.get_balance(payer.address) > ETHER * 99 // 100


def test_a_chain_that_mines_on_demand_is_asked_for_a_block() -> None:
    with run_node() as url, keep_back(url, *SETTERS, *TRAVEL) as gated:
        clock, said = [0.0], []
        ground = NodeGround(
            gated, say=said.append, timer=lambda: clock[0], sleep=lambda pause_s: clock.append(clock.pop() + pause_s)
        )
        assert not ground.moves_time
        ground.fund(KeySigner.create())
        with ask(url) as rpc:
            head = rpc.get_head()
            ground.pass_block()
            assert rpc.get_head() == head + 1
            assert 15 < clock[0] < 20
            assert said == ["waiting for the next block"]
            rpc.request("evm_setAutomine", False)
            with pytest.raises(Unavailable, match="no new block"):
                ground.pass_block()
        ground.close()


def test_an_account_that_runs_dry_is_told_of_and_does_not_end_the_job() -> None:
    payer, said = KeySigner(KEY), []
    with run_node("--accounts", "0") as url, ask(url) as rpc, keep_back(url, *SETTERS) as gated:
        ticks = itertools.count(step=20)
        ground = NodeGround(gated, payer, say=said.append, timer=lambda: float(next(ticks)))
        rpc.request("anvil_setBalance", payer.address, hex(ETHER))
        party = KeySigner.create()
        ground.fund(party)
        rpc.request("anvil_setBalance", payer.address, hex(1))
        rpc.request("anvil_setBalance", party.address, hex(1))
        head = rpc.get_head()
        ground.pass_block()
        ground.close()
        assert rpc.get_head() == head + 1
        assert len(said) == 1
        assert payer.address in said[0]


def test_windows_are_made_for_the_pace_of_the_chain() -> None:
    job, _ = compose(DemoOptions(), 6, load("sklearn:digits"))
    assert stretch(job, 0.0) == stretch(job, 0.1) == job
    slow = stretch(job, 12.0)
    assert slow.windows.bid_s >= 2 * 3 * 6 * 12
    assert slow.windows.table_s * job.windows.bid_s == job.windows.table_s * slow.windows.bid_s
    assert slow.verify.challenge_s * job.windows.bid_s == job.verify.challenge_s * slow.windows.bid_s
    assert Job.from_document(slow.document) == slow


def test_a_job_that_nobody_takes_ends_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Provider, assignment: object) -> None:
        raise Refused("not on this machine")

    monkeypatch.setattr(Provider, "admit", refuse)
    with pytest.raises(Unavailable, match="cancelled") as refusal:
        run_demo(DemoOptions(model="mlp", rounds=1), lambda _: None)
    assert refusal.value.hint


def test_nothing_answers(tmp_path: Path) -> None:
    done = demo("http://127.0.0.1:9/v3/0123456789abcdef", tmp_path)
    assert done.returncode == Unavailable.exit_code
    failure = json.loads(done.stdout)
    assert failure["error"] == "unreachable-node"
    assert "no node answers at http://127.0.0.1:9:" in failure["message"]
    assert failure["hint"]
    assert "0123456789abcdef" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8545", "ftp://127.0.0.1", "http://", "http://[::1", "http://h:99999", "http://a b", "ws://h:8546"],
)
def test_what_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match="not a node's URL"):
        check_url(url)
    if url in ("", "http://h:99999"):
        done = demo(url, tmp_path)
        assert done.returncode == BadInput.exit_code
        assert json.loads(done.stdout)["error"] == "bad-input"


def test_a_page_is_no_node(tmp_path: Path) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(Unavailable, match="no node answers"):
            connect(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_a_url_is_shown_without_its_secrets() -> None:
    assert show_url("https://user:word@host.example/v3/key?key=1") == "https://host.example"
    assert show_url("http://[::1]:8545/key") == "http://[::1]:8545"


def test_a_node_or_a_key_without_coin_is_refused_with_a_hint(tmp_path: Path) -> None:
    with run_node("--accounts", "0") as url, keep_back(url, *SETTERS) as gated:
        done = demo(gated, tmp_path)
        assert done.returncode == BadInput.exit_code
        failure = json.loads(done.stdout)
        assert "neither sets balances nor unlocks" in failure["message"]
        assert "--key-file" in failure["hint"]
        done = demo(gated, tmp_path, "--key-file", str(write_key(tmp_path)))
        assert done.returncode == BadInput.exit_code
        assert KeySigner(KEY).address in json.loads(done.stdout)["message"]
        assert KEY.hex() not in done.stdout + done.stderr
        with ask(url) as rpc:
            assert rpc.get_head() <= 1


def test_key_files_that_do_not_fit_are_refused_and_never_shown(tmp_path: Path) -> None:
    for text in (
        "",
        "0x",
        KEY.hex()[:-1],
        KEY.hex() * 2,
        "z" * 64,
        "0" * 64,
        KEY.hex() + " " * 200,
        "key=" + KEY.hex(),
    ):
        with pytest.raises(BadInput) as refusal:
            read_key(write_key(tmp_path, text))
        assert KEY.hex()[:16] not in str(refusal.value)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "none", tmp_path / "pipe", Path("\0")):
        with pytest.raises(BadInput):
            read_key(path)
    for mode in (0o640, 0o604, 0o620):
        with pytest.raises(BadInput) as refusal:
            read_key(write_key(tmp_path, mode=mode))
        assert "chmod 600" in refusal.value.hint
    assert read_key(write_key(tmp_path)).address == KeySigner(KEY).address
    command = [sys.executable, "-m", "assay.cli", "demo", "--key-file", str(tmp_path / "key"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == BadInput.exit_code
    assert "--rpc" in done.stderr
