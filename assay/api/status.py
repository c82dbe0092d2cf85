"""How a network stands: whether it runs, who is there, every job with whom it waits for, and one's own accounts."""

from typing import Any

from assay.api.home import Home, frozen_words
from assay.api.money import Till
from assay.api.operator import crew_of, read_log
from assay.api.token import describe_token, show_token
from assay.chain.keystore import broken_keystores
from assay.chain.location import show_url
from assay.chain.rpc import Rpc
from assay.protocol.phase import JobPhase
from assay.protocol.units import format_amount

JOBS_SHOWN = 20
"""Newest first; jobs that have not ended are shown in any case."""


def read_status(home: Home) -> dict[str, Any]:
    """Everything, as plain values. Errors: those of reading the chain; a network that is down is not one."""
    record = home.record
    assert record is not None
    down = record.served and not home.is_running()
    whole: dict[str, Any] = {
        "home": str(home.path),
        "running": not down,
        "process": home.is_running(),
        "url": show_url(record.url),
        "chain_id": record.chain_id,
        "accounts": [{"name": name, "address": address} for name, address in home.accounts().items()],
        "crew": [],
        "troubles": troubles(home),
        "jobs": [],
    }
    if down:
        return whole
    rpc, ledger = Rpc(home.web3), home.ledger()
    whole |= {"block": rpc.get_head(), "time_s": rpc.get_timestamp(), "crew": crew_of(home)}
    until_s = ledger.clock.frozen_until()
    whole["frozen_until_s"] = until_s or None
    if until_s:
        whole["frozen"] = frozen_words(whole["time_s"], until_s - whole["time_s"])
    for account in whole["accounts"]:
        till = Till(ledger, home.token, account["address"])
        held = till.look()
        amounts = {"wallet": held.wallet + held.free, "staked": held.staked, "locked": held.locked}
        account |= {name: format_amount(units, till.decimals) for name, units in amounts.items()}
        account |= {"symbol": till.symbol, "coin": f"{held.coin_wei / 10**18:.4f}"}
    whole["jobs"] = _jobs(home)
    return whole


def troubles(home: Home) -> list[str]:
    """What the background process was troubled by since it started, the newest last, and keys that cannot be read."""
    said = [line for line in read_log(home) if line.get("event") in ("Troubled", "Crashed", "Failed")]
    told = [f"{line.get('who', 'network')}: {line.get('message') or line.get('kind')}" for line in said[-5:]]
    return told + [f"keys: {error}" for error in broken_keystores(home.keys)]


def _jobs(home: Home) -> list[dict[str, Any]]:
    jobs = home.ledger().jobs
    rows: list[dict[str, Any]] = []
    for job in range(jobs.job_count(), 0, -1):
        view = jobs.view_of(job)
        live = not view.ended and view.phase != JobPhase.CANCELLED
        if live or len(rows) < JOBS_SHOWN:
            rows.append(
                {"job": job, "phase": JobPhase(view.phase).name.lower(), "consumer": view.consumer, "live": live}
            )
    live_rows = [row for row in rows if row["live"]]
    if live_rows:
        _tell_waits(home, live_rows)
    return rows


def _tell_waits(home: Home, rows: list[dict[str, Any]]) -> None:
    """Adds to each job whom it waits for, as its events and messages tell."""
    from assay.api.inspect import Watcher

    default, jobs = describe_token(home.web3, home.token), home.ledger().jobs
    for row in rows:
        token = show_token(home.web3, jobs.order_of(row["job"]).token, default)
        watcher = Watcher(home.onlooker(), token, row["job"], lambda _: None)
        watcher.tick()
        wait = watcher.waiting()
        if wait is None:
            continue
        row["waiting_for"], row["until_s"] = wait.text, None
        calendar = watcher.world.calendar
        if wait.until_s is not None:
            row["until_s"] = calendar.when_s(wait.until_s)
        row["words"] = watcher.told(wait)
