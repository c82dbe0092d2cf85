"""The background process of `assay up`: the chain and its server, and the local crew. `python -m assay.api.host HOME`.

It may be killed at any moment; the next one goes on from what is in the home.
"""

import argparse
import json
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assay.api.home import CREW, GLANCE_S, ChainClock, Home, Record, wrong_chain
from assay.api.operator import NODE_URL, TURNED_AWAY
from assay.chain.calendar import Calendar
from assay.chain.connect import connect, disconnect
from assay.chain.deploy import DEMO_LIMITS, Deployment, deploy, plan_system
from assay.chain.embedded import EmbeddedChain
from assay.chain.equipment import find_engine
from assay.chain.faucet import find_faucet, price_gas
from assay.chain.ground import DEPLOY_GAS, PARTY_GAS, WEALTH_WEI
from assay.chain.keyfile import read_key
from assay.chain.keystore import create_keystore, open_keystore, read_password, write_private
from assay.chain.link import Link
from assay.chain.rpc import Rpc
from assay.chain.sender import Sender
from assay.chain.server import BLOCK_S, ChainServer, Heart, NetworkClock
from assay.chain.signer import KeySigner
from assay.protocol.errors import AssayError, BadInput, Truncated

CHAIN_ID = 31_337
PURGE_S = 600.0


@dataclass(frozen=True)
class HostOptions:
    """What `assay up` was asked for. `rpc` is the URL of somebody else's node, nothing for a chain of our own."""

    bare: bool = False
    port: int = 0
    block_s: float = BLOCK_S
    rpc: str = ""
    key_file: str = ""
    memory_mb: int = 0
    compiled: bool = False


def note(event: str, **fields: object) -> None:
    """One line of the log: an event in the past participle. Nothing secret may be among the fields."""
    line = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **fields}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


class Host:
    """One home's network in this process."""

    def __init__(self, home: Home, options: HostOptions, stop: threading.Event) -> None:
        self.home, self.options, self.stop = home, options, stop
        self._closers: list[Callable[[], None]] = []
        self._resume: Callable[[], None] = lambda: None

    def run(self) -> int:
        """Until stopped; the exit code."""
        if not self.home.lock.take(str(os.getpid())):
            return TURNED_AWAY
        try:
            self._closers.append(self.home.lock.release)
            web3, fund = self._open_chain()
            seed = self._crew_seed()
            self._place(web3, fund, crew(seed, "operator"))
            self._work(web3, fund, seed)
            note("Stopped")
            return 0
        finally:
            for close in reversed(self._closers):
                close()

    # the chain

    def _open_chain(self) -> tuple[Link, "Fund"]:
        """The chain, and what gives its coin."""
        record = self.home.record
        if self.options.rpc or (record and not record.served):
            return self._open_node(record)
        return self._open_embedded(record)

    def _open_embedded(self, record: Record | None) -> tuple[Link, "Fund"]:
        note("Entered", step="opening the chain")
        path, clock = self.home.path / "chain.bin", NetworkClock(time.time())
        known = path.exists() and path.stat().st_size > 0
        if record and record.deployment and not known:
            raise BadInput(
                f"{path} is gone, and with it the network that network.json speaks of",
                hint="restore it from a copy, or begin anew with another --home",
            )
        if record and record.chain_id != CHAIN_ID:
            there = self.home.path / "network.json"
            raise wrong_chain(CHAIN_ID, record.chain_id, f"restore {there} from a copy", f"{there}: the chain here is")
        chain = EmbeddedChain(CHAIN_ID, clock=clock, path=path)
        note("Entered", step=f"the chain's engine: {find_engine(chain.engine.name).words}")
        os.chmod(path, 0o600)
        if known:
            # Nobody can act while the crew takes its seats and looks around, so nobody misses a deadline then.
            clock.hold(chain.head.header.timestamp)
            self._resume = clock.resume
        self._closers.append(chain.close)
        if record and record.deployment:
            check_contracts(chain, record.deployment, path)
        server = self._serve(chain, record)
        heart = Heart(chain, block_s=self.options.block_s)
        heart.start()
        self._closers.append(heart.close)
        self.home.keep(
            Record(
                CHAIN_ID,
                server.url,
                server.operator_url,
                os.getpid(),
                server.port,
                token=record.token if record else "",
                deployment=record.deployment if record else None,
            )
        )
        note("Served", url=server.url, engine=chain.engine.name, block=chain.head.header.number)
        web3 = connect(chain=chain)

        def fund(signer: KeySigner, gas: int) -> None:  # noqa: ARG001 - wealth is for any gas
            if chain.state.get(bytes.fromhex(signer.address[2:])).balance < WEALTH_WEI // 2:
                chain.set_balance(bytes.fromhex(signer.address[2:]), WEALTH_WEI)

        return web3, fund

    def _serve(self, chain: EmbeddedChain, record: Record | None) -> ChainServer:
        secret, port = secrets.token_urlsafe(24), self.options.port or (record.port if record else 0)
        try:
            server = ChainServer(chain, secret, port=port)
        except BadInput:
            if self.options.port:
                raise
            server = ChainServer(chain, secret)  # somebody took the port it had before
        server.start()
        self._closers.append(server.close)
        return server

    def _open_node(self, record: Record | None) -> tuple[Link, "Fund"]:
        note("Entered", step="connecting to the node")
        if record and record.served:
            raise BadInput("this home has a chain of its own", hint="name another --home for somebody else's chain")
        url = self.options.rpc or (record.url if record else "")
        web3 = connect(url)
        self._closers.append(partial(disconnect, web3))
        rpc = Rpc(web3)
        chain_id = rpc.get_chain_id()
        if record and record.chain_id != chain_id:
            raise wrong_chain(chain_id, record.chain_id)
        placed = record.deployment if record else None
        token = record.token if record else ""
        self.home.keep(Record(chain_id, url, "", os.getpid(), served=False, token=token, deployment=placed))
        key = read_key(Path(self.options.key_file)) if self.options.key_file else None

        def fund(signer: KeySigner, gas: int) -> None:
            missing_wei = gas * price_gas(rpc) - rpc.get_balance(signer.address)
            if missing_wei > 0:
                find_faucet(web3, key).give(signer, missing_wei)

        return web3, fund

    def _place(self, web3: Link, fund: "Fund", operator: KeySigner) -> None:
        """Deploys the contracts unless that is done."""
        record = self.home.record
        assert record is not None
        if record.deployment is not None:
            return
        note("Entered", step="deploying the contracts")
        fund(operator, DEPLOY_GAS)
        placed: Deployment = deploy(Sender(web3, operator), plan_system(operator.address, DEMO_LIMITS))
        self.home.update(deployment=placed, token=placed.get_address("TestStablecoin"))
        note("Deployed", rounds=placed.get_address("Rounds"), gas=placed.gas_used)

    def _crew_seed(self) -> KeySigner:
        """The key that all of the crew's follow from. Its password lies beside it: it guards test money."""
        path, keystore = self.home.path / "crew.password", self.home.keys / f"{CREW}.json"
        record = self.home.record
        settled = bool(record and record.deployment)
        missing = [each for each in (path, keystore) if not each.exists()]
        if settled and missing:
            # Others' keys follow from it, and what they have at stake.
            hint = "restore it from a copy, or begin anew with another --home"
            raise BadInput(f"{missing[0]} is gone, and with it the crew's keys", hint=hint)
        if not path.exists():
            keystore.unlink(missing_ok=True)  # half made when a first start was killed
            write_private(path, secrets.token_urlsafe(24).encode() + b"\n")
        password = read_password(path)
        if not self.home.has_account(CREW):
            return create_keystore(self.home.keys, CREW, password)
        try:
            return open_keystore(self.home.keys, CREW, password)
        except BadInput as error:
            if keystore.is_file() and "password" in error.message:
                error.message = f"{path} does not open {keystore}"
                error.hint = "restore both from one copy, or begin anew with another --home"
            raise

    # the crew

    def _work(self, web3: Link, fund: "Fund", seed: KeySigner) -> None:
        if self.options.bare:
            self._resume()
            note("Ready")
            self.stop.wait()
            return
        import torch

        from assay.api.crew import KEEPER, make_member, members, settle_in
        from assay.api.machine import MEBIBYTE, measure_space
        from assay.api.turns import Turns

        takers = sum(role != KEEPER for _, role in members())
        self.home.warmth.compiles = self.options.compiled
        space = measure_space(self.options.memory_mb * MEBIBYTE, takers)
        # Tensors this small are slower on two threads than on one; the bits are the same.
        torch.set_num_threads(1)
        self.home.clock = ChainClock(Rpc(web3))
        clock = Calendar(self.home.clock)
        token = self.home.token
        makers: dict[str, Callable[[], Any]] = {}
        for name, role in members():
            if self.stop.is_set():
                return
            note("Entered", step=f"seating {name}")
            signer = crew(seed, name)
            fund(signer, PARTY_GAS)
            world = self.home.world(signer, web3=web3, clock=clock)
            settle_in(world, token, role)
            note("Seated", name=name, role=role, address=signer.address)
            makers[name] = self._maker(signer, web3, clock, space, name, role, make_member)
            self._closers.append(world.journal.close)  # type: ignore[attr-defined]
        head, board = Rpc(web3), self.home.board
        self._closers.append(self.home.close)
        purged_s = time.monotonic()

        def pulse() -> Hashable:
            nonlocal purged_s
            if time.monotonic() - purged_s > PURGE_S:
                purged_s = time.monotonic()
                board.purge()
                for maker in makers:
                    fund(crew(seed, maker), PARTY_GAS // 2)
            return head.get_head(), board.last

        turns = Turns(makers, pulse, clock, self.stop, note=self._trouble, crashed=self._crash, poll_s=GLANCE_S)
        note("Ready")
        turns.run(self._go_on)

    def _go_on(self) -> bool:
        """After everybody's turn: time passes from the first one on; nothing ends."""
        self._resume()
        return False

    def _maker(
        self, signer: KeySigner, web3: Link, clock: Calendar, space: Any, name: str, role: str, make: Any
    ) -> Any:
        return lambda: make(self.home.world(signer, web3=web3, clock=clock, space=space), name, role)

    def _trouble(self, name: str, error: AssayError) -> None:
        note("Troubled", who=name, error=error.code, message=error.message)

    def _crash(self, name: str, bug: Exception) -> None:
        note("Crashed", who=name, kind=type(bug).__name__, trace=traceback.format_exc(limit=-6))


def check_contracts(chain: EmbeddedChain, placed: Deployment, path: Path) -> None:
    """Whether a chain still has what was deployed on it. Errors: `Truncated`."""
    for name, address in placed.addresses.items():
        if not chain.state.get(bytes.fromhex(address[2:])).code:
            raise Truncated(
                f"{path} ends at block {chain.head.header.number}, without the contract {name} that network.json names",
                hint=f"restore {path.name} and network.json from one copy, or begin anew with another --home",
                file=str(path),
            )


Fund = Callable[[KeySigner, int], None]


def crew(seed: KeySigner, name: str) -> KeySigner:
    """A member's key."""
    from assay.api.crew import crew_signer

    return crew_signer(seed, name)


def main(arguments: list[str] | None = None) -> int:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m assay.api.host", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--block-s", type=float, default=BLOCK_S)
    parser.add_argument("--key-file", default="")
    parser.add_argument("--memory-mb", type=int, default=0)
    parser.add_argument("--compile", dest="compiled", action="store_true")
    given = vars(parser.parse_args(arguments)) | {"rpc": os.environ.pop(NODE_URL, "")}
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host = Host(Home.create(given.pop("home")), HostOptions(**given), stop)
    try:
        return host.run()
    except AssayError as error:
        note("Failed", error=error.code, message=error.message, hint=error.hint)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
