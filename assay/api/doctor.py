"""What may keep a person from taking part, looked at one thing after another; each failure with its fix."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.api.home import Home, Record
from assay.api.money import POOLS, Till
from assay.chain.equipment import find_curve, find_engine
from assay.chain.keystore import broken_keystores
from assay.chain.rpc import Rpc
from assay.protocol.errors import AssayError, Malformed
from assay.store.database import LOST_HINT, Database
from assay.store.port import cid_of

SPACE_MIN_BYTES = 1 << 30
CLOCK_MAX_S = 60
COIN_MIN_WEI = 10**15
BLOBS_CHECKED = 200


@dataclass(frozen=True)
class Check:
    """One finding: `state` is "ok", "note" or "fail"."""

    name: str
    state: str
    words: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """As plain values."""
        return asdict(self)


class Doctor:
    """Examines a home. Nothing is changed but a probe in the home's folder, which is removed."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)

    def examine(self) -> Iterator[Check]:
        """All checks, in order; what cannot be looked at without something that failed is left out."""
        try:
            yield from self._guard("storage", self._storage)
            yield from self._guard("arithmetic", self._arithmetic)
            yield from self._guard("engine", self._equipment)
            yield from self._guard("keys", self._keys)
            try:
                record = self.home.record
            except AssayError as error:
                yield Check("network", "fail", error.message, error.hint)
                return
            if record is None or record.deployment is None:
                yield Check("network", "fail", f"there is no network in {self.home.path}", "start one: assay up")
                return
            yield from self._guard("messages", self._messages)
            yield from self._guard("journals", self._journals)
            chain = list(self._guard("chain", lambda: self._chain(record)))
            yield from chain
            if any(check.state == "fail" for check in chain):
                return
            yield from self._guard("clock", lambda: self._clock(record))
            yield from self._guard("balance", self._balances)
        finally:
            self.home.close()

    def _guard(self, name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
        try:
            yield from look()
        except AssayError as error:
            yield Check(name, "fail", error.message, error.hint)
        except OSError as error:
            words = error.strerror or type(error).__name__
            yield Check(name, "fail", f"{words}: {error.filename or self.home.path}", "see to that file")

    def _storage(self) -> Iterator[Check]:
        path = self.home.path
        if not path.is_dir():
            yield Check("storage", "note", f"{path} is not there yet", "assay up makes it")
            return
        probe = path / f"probe.{os.getpid()}"
        try:
            probe.write_bytes(b"assay")
        finally:
            probe.unlink(missing_ok=True)
        free_bytes = shutil.disk_usage(path).free
        words = f"{path}, {free_bytes / 2**30:.1f} GiB free"
        if os.name == "posix" and path.stat().st_mode & 0o077:
            yield Check("storage", "fail", f"others can look into {path}", f"chmod 700 {path}")
        elif free_bytes < SPACE_MIN_BYTES:
            yield Check("storage", "fail", words, "free some space, or name another --home")
        else:
            yield Check("storage", "ok", words)
        yield from self._blobs(path / "blobs")

    def _blobs(self, folder: Path) -> Iterator[Check]:
        """Some of the blobs, whether they are what their names say; the newest, for they were written last."""
        files = [each for each in folder.glob("[0-9a-f][0-9a-f]/*") if len(each.name) == 64 and each.is_file()]
        files = sorted(files, key=lambda each: each.stat().st_mtime)[-BLOBS_CHECKED:]
        bad = [each for each in files if cid_of(each.read_bytes()) != f"sha256:{each.name}"]
        if bad:
            fix = f"remove {bad[0]}: it is fetched again, or was lost"
            yield Check("blobs", "fail", f"{len(bad)} of {len(files)} blobs are damaged", fix)
        elif files:
            yield Check("blobs", "ok", f"the newest {len(files)} are what their names say")

    def _arithmetic(self) -> Iterator[Check]:
        from assay.exact.selftest import check

        report = check()
        wrong = [name for name, agrees in report["operators"].items() if not agrees]
        if report["agrees"]:
            right = sum(report["paths"].values())
            words = f"{len(report['operators'])} operators give the bits on record, {right} paths agree"
            yield Check("arithmetic", "ok", f"{words} (torch {report['torch']}, {report['cpu_capability']})")
        else:
            fix = "this torch computes other bits: take another build; work done with it would be slashed"
            yield Check("arithmetic", "fail", f"wrong here: {', '.join(wrong) or 'float64 products'}", fix)

    def _equipment(self) -> Iterator[Check]:
        for name, found in (("engine", find_engine()), ("signatures", find_curve())):
            if found.missing:
                fix = f"results are the same; for speed, a Python for which {found.missing} has a wheel"
                yield Check(name, "note", found.words, fix)
            else:
                yield Check(name, "ok", found.words)

    def _keys(self) -> Iterator[Check]:
        accounts, broken = self.home.accounts(), list(broken_keystores(self.home.keys))
        for error in broken:
            yield Check("keys", "fail", error.message, error.hint)
        if accounts:
            yield Check("keys", "ok", ", ".join(f"{name} {address}" for name, address in accounts.items()))
        elif not broken:
            yield Check("keys", "note", "there is no account", "make one: assay faucet")

    def _messages(self) -> Iterator[Check]:
        path = self.home.path / "board.sqlite"
        if not path.exists():
            return
        try:
            check_database(path)
        except Malformed as error:
            error.hint = f"assay down, move {path} and what is named like it away, assay up: messages of open rounds go"
            raise
        yield Check("messages", "ok", f"{path.stat().st_size / 2**20:.1f} MiB of what parties said")

    def _journals(self) -> Iterator[Check]:
        paths, broken = sorted((self.home.path / "journal").glob("*.sqlite")), 0
        for path in paths:
            try:
                check_database(path)
            except AssayError as error:
                broken += 1
                yield Check("journals", "fail", error.message, f"{error.hint}: what it held back is nowhere else")
        if paths and not broken:
            yield Check("journals", "ok", f"{len(paths)} parties' journals are whole")

    def _chain(self, record: Record) -> Iterator[Check]:
        rpc = Rpc(self.home.web3)
        head, version = rpc.get_head(), str(rpc.request("web3_clientVersion"))[:60]
        fix = "begin anew with another --home"
        for name, address in self.home.deployment.addresses.items():
            if rpc.request("eth_getCode", address, "latest") == "0x":
                yield Check("chain", "fail", f"there is no contract at {address}, where {name} should be", fix)
                return
        self.home.ledger().params.limits()  # of another version, it would not decode
        yield Check("chain", "ok", f"chain {record.chain_id} at block {head} ({version})")

    def _clock(self, record: Record) -> Iterator[Check]:
        behind_s = int(time.time()) - Rpc(self.home.web3).get_timestamp()
        if record.served:
            stood = f"; it stood still for {behind_s // 60} min while the network was down" if behind_s > 120 else ""
            if behind_s < -CLOCK_MAX_S:
                fix = "nothing breaks; waits are shown by the machine's clock"
                yield Check("clock", "note", f"the network's time is {-behind_s} s ahead of this machine's", fix)
            else:
                yield Check("clock", "ok", f"the network's time goes with the machine's steady clock{stood}")
        elif abs(behind_s) > CLOCK_MAX_S:
            words = f"the newest block is {abs(behind_s)} s {'old' if behind_s > 0 else 'in the future'}"
            yield Check("clock", "note", words, "set this machine's clock, or see whether the node follows its chain")
        else:
            yield Check("clock", "ok", f"within {abs(behind_s)} s of the newest block")

    def _balances(self) -> Iterator[Check]:
        ledger, token = self.home.ledger(), self.home.token
        for name, address in self.home.accounts().items():
            till = Till(ledger, token, address)
            held = till.look()
            if held.coin_wei < COIN_MIN_WEI:
                yield Check("balance", "fail", f"{name} has no coin for gas", f"assay faucet --account {name}")
            else:
                words = f"{name} holds {till.words(held.wallet + held.free)} and coin for gas"
                yield Check("balance", "ok", words)
            pools = [role for role in POOLS if till.weight(role)]
            where = f", in the pool of {' and '.join(f'{role}s' for role in pools)}" if pools else ""
            if held.staked:
                words = f"{name} has {till.words(held.staked)} at stake, {till.words(held.locked)} locked{where}"
                yield Check("stake", "ok", words)
            else:
                yield Check("stake", "note", f"{name} has nothing at stake", "to provide: assay stake AMOUNT")


def check_database(path: Path) -> None:
    """Whether a database is whole. Errors: as for `Database`."""
    database = Database(path, "SELECT 1")
    try:
        if database.execute("PRAGMA quick_check")[0][0] != "ok":
            raise Malformed(f"{path} is damaged", hint=LOST_HINT)
    finally:
        database.close()


def report(checks: list[Check]) -> dict[str, Any]:
    """All checks as one object."""
    return {"well": all(check.state != "fail" for check in checks), "checks": [check.to_json() for check in checks]}
