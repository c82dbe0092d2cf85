"""How does the protocol's own cost grow with providers, validators, segments and jobs at once?

    python -m bench.scale [--json] [--write] [--small]

Scripted: the real contracts on the embedded chain, 1,000 accounts with real keys, stakes, bids, commitments, tables
and signatures, sent by the real client code; the work is a hash, so nothing but the chain is measured. Played: whole
networks of the real roles, with a model of five weights, for what is said and asked per round. Growth is the exponent
of a power law through the figures at both ends; at the end, through the last two.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib.metadata import version
from math import log
from typing import Any

import numpy as np
import torch
from torch import nn

from assay.chain.contracts.rounds import Finalised
from assay.chain.embedded import GAS_LIMIT
from assay.protocol.job import Job
from assay.roles.aggregator import Aggregator
from assay.roles.network import Network
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.store.samples import Samples
from assay.work.capture import capture
from bench import _record
from bench._crowd import CEILING, FEE, ROUND_CALLS, Crowd, Crowded, Tally, order_of, wait, wait_blocks

ENROLLED, BESIDE = 1_000, 100
"""Accounts that bid in turn, and those that only validate and aggregate, when all others hold a slot."""
PROVIDERS = (4, 16, 64, 256, 1_000)
VALIDATORS = (3, 9, 21, 63)
SEGMENTS = (16, 64, 256, 1_000)
JOBS = (1, 10, 100)
PLAYED = (2, 4, 8, 16)
TRANSACTION_GAS_MAX = 1 << 24
"""Of Osaka (EIP-7825)."""
MATCH_CALLS = ("post", "commitBid", "revealBid", "close", "draw", "enlist", "start")
ROUNDS = 2
Row = dict[str, Any]


def run_jobs(crowd: Crowd, jobs: Sequence[Crowded]) -> tuple[Tally, Tally]:
    """Jobs of two rounds side by side: what matching took, and what the first round took, which opens the second."""
    mark = crowd.tally()
    for job in jobs:
        job.post()
    wait(crowd)
    for job in jobs:
        job.open()
    wait_blocks(crowd)
    for job in jobs:
        job.start()
    matched, mark = mark.read(), crowd.tally()
    run_round(crowd, jobs, 0)
    first = mark.read()
    run_round(crowd, jobs, 1)
    for job in jobs:
        job.finish()
    return matched, first


def run_round(crowd: Crowd, jobs: Sequence[Crowded], round_: int) -> None:
    """A round of each, phase by phase."""
    for job in jobs:
        job.begin(round_)
    wait_blocks(crowd)
    for job in jobs:
        job.seal()
    for job in jobs:
        job.judge()
    wait(crowd)
    for job in jobs:
        job.finalise()


def figures(matched: Tally, played: Tally, jobs: int = 1) -> Row:
    """Of one job's round, and of its matching."""
    match, own = matched.of(MATCH_CALLS), played.of(ROUND_CALLS)
    return {
        "match_gas": match["gas"] // jobs,
        "match_transactions": match["transactions"] // jobs,
        "match_highest_gas": match["highest_gas"],
        "round_gas": own["gas"] // jobs,
        "round_transactions": own["transactions"] // jobs,
        "round_calldata_bytes": own["calldata_bytes"] // jobs,
        "round_highest_gas": own["highest_gas"],
        "round_requests": played.requests // jobs,
        "round_chain_s": round(played.seconds / jobs, 4),
        "match_by_call": {
            name: (matched.gas[name] // matched.count[name], matched.highest[name]) for name in MATCH_CALLS
        },
        "gas_by_call": {name: played.gas[name] // played.count[name] for name in ROUND_CALLS if played.count[name]},
    }


def scripted(crowd: Crowd, providers: int, validators: int, segments: int) -> Row:
    """One job of a size."""
    job = Crowded(crowd, order_of(providers, validators, segments, ROUNDS), crowd.members[:providers], providers)
    return {"providers": providers, "validators": validators, "segments": segments, **figures(*run_jobs(crowd, [job]))}


def at_once(crowd: Crowd, jobs: int) -> Row:
    """So many jobs in the same phase at the same time, ten providers and five validators each."""
    order, count = order_of(10, 5, 16, ROUNDS), len(crowd.members) - BESIDE
    bidders = [[crowd.members[(10 * at + each) % count] for each in range(10)] for at in range(jobs)]
    crowded = [Crowded(crowd, order, bidders[at], at) for at in range(jobs)]
    matched, played = run_jobs(crowd, crowded)
    return {"jobs": jobs, **figures(matched, played, jobs), "blocks": -(-played.of(ROUND_CALLS)["gas"] // GAS_LIMIT)}


def opening(crowd: Crowd, segments: int) -> Row:
    """One secret that is called for and shown on chain."""
    job = Crowded(crowd, order_of(4, 3, segments, 1), crowd.members[:4], segments)
    for step in (job.post, lambda: wait(crowd), job.open, lambda: wait_blocks(crowd), job.start):
        step()
    job.begin(0)
    wait_blocks(crowd)
    job.seal()
    job.judge()
    mark = crowd.tally()
    job.unveil(0)
    tally = mark.read()
    wait(crowd)
    job.finalise()
    job.finish()
    shown = tally.of(["revealSecret"])
    demanded = tally.of(["demandSecret"])
    row = {"segments": segments, "demand_gas": demanded["gas"], "reveal_gas": shown["gas"]}
    return row | {"reveal_calldata_bytes": shown["calldata_bytes"]}


def played(providers: int, validators: int) -> Row:
    """A whole network of real roles: what is said and asked in a round."""
    x = np.random.default_rng(5).random((20 * providers, 4), dtype=np.float32)
    samples = Samples(x, np.ascontiguousarray(x.sum(1, keepdims=True)))
    optimizer = {"name": "sgd", "lr": 0.05}
    bundle = capture(
        nn.Linear(4, 1), "mse", optimizer, torch.zeros(4, 4), torch.zeros(4, 1), init="seed:1",
        counts=range(1, providers + 1),
    )  # fmt: skip
    job = Job.from_tables(
        {
            "job": {"name": "line", "budget": "1000"},
            "match": {"providers": providers, "validators": validators},
            "model": {"architecture": "torch.nn:Linear", "init": "seed:1", "loss": "mse"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": optimizer, "rounds": ROUNDS, "steps": 16, "segment_steps": 1, "batch_size": 4},
            "verify": {"rate": 0.13},
        }
    )
    network = Network(sha256(b"scale").digest(), time.perf_counter)
    requests = [0]

    def count(spent_s: float, note: Any = network.meter.add) -> None:
        requests[0] += 1
        note("chain", spent_s)

    network.web3.provider._note = count  # type: ignore[attr-defined]
    stage = Stage(network, job, bundle, samples, samples)
    stage.enter("provider", *(Provider,) * providers)
    stage.enter("validator", *(Validator,) * validators)
    stage.enter("aggregator", Aggregator)
    before, began_s = requests[0], time.perf_counter()
    stage.play()
    elapsed_s = time.perf_counter() - began_s
    assert len(stage.said(Finalised)) == ROUNDS
    said = [message for message in network.board.messages if message.round < ROUNDS]
    kinds = sorted({message.kind for message in said})
    return {
        "providers": providers,
        "validators": validators,
        "messages": len(said) // ROUNDS,
        "message_bytes": sum(len(message.body) for message in said) // ROUNDS,
        "by_kind": {kind: sum(message.kind == kind for message in said) / ROUNDS for kind in kinds},
        "longest_message_bytes": max(len(message.body) for message in said),
        "heard_bytes": sum(len(message.body) for message in said) * len(network.parties) // ROUNDS,
        "requests": (requests[0] - before) // ROUNDS,
        "requests_per_party": (requests[0] - before) // ROUNDS // len(network.parties),
        "seconds": round(elapsed_s / ROUNDS, 2),
    }


def growth(first: Row, last: Row, over: str, of: str) -> float | None:
    """Exponent of a power law through two rows."""
    if not first[of] or not last[of]:
        return None
    return round(log(last[of] / first[of]) / log(last[over] / first[over]), 2) + 0.0


SETS = {
    "providers": ("match_gas", "round_gas", "round_calldata_bytes", "round_requests", "round_chain_s"),
    "validators": ("match_gas", "round_gas", "round_calldata_bytes", "round_requests", "round_chain_s"),
    "segments": ("demand_gas", "reveal_gas", "reveal_calldata_bytes"),
    "jobs": ("round_gas", "round_chain_s", "round_requests"),
    "played": (
        "messages",
        "message_bytes",
        "longest_message_bytes",
        "heard_bytes",
        "requests",
        "requests_per_party",
        "seconds",
    ),
}


def measure(small: bool) -> dict[str, Any]:
    """All figures."""
    enrolled, cut = (100, 2) if small else (ENROLLED, None)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"enrolled": enrolled}
    began_s = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - began_s:5.0f} s  {what}", file=sys.stderr, flush=True)

    found["played"] = [played(providers, 3) for providers in PLAYED[:cut]]
    tell("played")
    crowd = Crowd(enrolled + BESIDE, 2 * (ENROLLED * CEILING + 100 * FEE) + 100 * (10 * CEILING + 6 * FEE))
    tell(f"{enrolled} enrolled")
    found["jobs"] = [at_once(crowd, jobs) for jobs in JOBS[:cut]]
    tell("jobs at once")
    found["validators"] = [scripted(crowd, 16, validators, 16) for validators in VALIDATORS[:cut]]
    found["segments"] = [opening(crowd, segments) for segments in SEGMENTS[:cut]]
    tell("validators, segments")
    found["providers"] = []
    for providers in PROVIDERS[:cut]:
        found["providers"].append(scripted(crowd, providers, 5, 16))
        tell(f"{providers} providers")
    found["growth"] = {
        name: {of: [growth(found[name][at], found[name][-1], SHOWN[name][0], of) for at in (0, -2)] for of in columns}
        for name, columns in SETS.items()
    }
    found["seconds"] = round(time.perf_counter() - began_s)
    return found


SHOWN = {
    "providers": ("providers", "match_gas", "match_highest_gas", "round_gas", "round_highest_gas", "round_transactions",
                  "round_calldata_bytes", "round_requests", "round_chain_s"),
    "validators": ("validators", "match_gas", "round_gas", "round_highest_gas", "round_transactions",
                   "round_calldata_bytes", "round_requests", "round_chain_s"),
    "segments": ("segments", "demand_gas", "reveal_gas", "reveal_calldata_bytes"),
    "jobs": ("jobs", "match_gas", "round_gas", "round_transactions", "round_requests", "round_chain_s", "blocks"),
    "played": ("providers", "messages", "message_bytes", "longest_message_bytes", "heard_bytes", "requests",
               "requests_per_party", "seconds"),
}  # fmt: skip
TITLES = {
    "providers": "Providers of one job (scripted; five validators, 16 segments)",
    "validators": "Validators of one job (scripted; 16 providers, 16 segments)",
    "segments": "Segments: one secret called for and shown on chain (scripted)",
    "jobs": "Jobs in the same phase at once, per job (scripted; ten providers and five validators each)",
    "played": "What is said and asked in a round (played by the real roles; three validators, 16 segments)",
}


def parts(found: dict[str, Any]) -> Iterable[str]:
    """The tables, with each column's growth in the last line."""
    yield (__doc__ or "").split("\n\n", 2)[2].replace("1,000 accounts", f"{found['enrolled']:,} accounts").strip()
    for name, title in TITLES.items():
        rows = [tuple(_shown(row[column]) for column in SHOWN[name]) for row in found[name]]
        exponents = found["growth"][name]
        whole, end = (
            (words, *(_shown(exponents.get(column, ("", ""))[at]) for column in SHOWN[name][1:]))
            for at, words in enumerate(("*growth*", "*growth at the end*"))
        )
        yield f"## {title}"
        yield _record.table([column.replace("_", " ") for column in SHOWN[name]], [*rows, whole, end])
    yield "## Gas of each call of a match, by providers: the mean, and the dearest"
    yield _record.table(("providers", *MATCH_CALLS), [(row["providers"], *_dearest(row)) for row in found["providers"]])
    calls = [
        (row["providers"], *(f"{row['gas_by_call'][name]:,}" for name in ROUND_CALLS)) for row in found["providers"]
    ]
    yield "## Gas of each call of a round, by providers"
    yield _record.table(("providers", *ROUND_CALLS), calls)
    yield "\n".join(f"- {line}" for line in limits(found))


def _dearest(row: Row) -> list[str]:
    pairs = row["match_by_call"].values()
    return [f"{mean:,}" if mean == most else f"{mean:,}; {most:,}" for mean, most in pairs]


def limits(found: dict[str, Any]) -> Iterable[str]:
    """Where something ends."""
    yield (
        "A job takes at most 1,024 slots and 64 validators (`Params`); a deployment allows 256 slots unless its owner"
        " sets another limit."
    )
    last = found["providers"][-1]
    yield (
        f"The dearest transaction of a job of {last['providers']:,} takes {last['match_highest_gas']:,} gas while it is"
        f" matched and {last['round_highest_gas']:,} in a round; a block here holds {GAS_LIMIT:,}, a transaction on"
        f" Osaka {TRANSACTION_GAS_MAX:,}."
    )
    busiest = found["jobs"][-1]
    yield f"A round of {busiest['jobs']} jobs fills {busiest['blocks']} blocks of {GAS_LIMIT:,} gas."
    yield (
        "Everybody locks a round's cost, so what all providers of a job lock together grows with the square of their"
        " number."
    )


def _shown(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/scale.md")
    parser.add_argument("--small", action="store_true", help="a hundred accounts and the smaller sizes")
    options = parser.parse_args()
    load = _record.load_average()
    found = measure(options.small)
    if options.write:
        packages = ", ".join(f"{name} {version(name)}" for name in ("web3", "pyrevm", "torch"))
        command = shlex.join(["python", "-m", "bench.scale", *sys.argv[1:]])
        _record.write("scale", "The protocol's cost and its growth", command, packages, load, parts(found))
    if options.json:
        print(json.dumps(found))
        return
    print("\n\n".join(parts(found)))


if __name__ == "__main__":
    main()
