"""How many transactions per second, with receipts, does the embedded chain take, and a node beside it?

    python -m bench.chain [--json] [--write] [--count N] [--url http://...]

Each transaction is estimated, priced, signed, sent and its receipt decoded, one after another, as a role does it. The
floor is what no chain can save: the sender's signature and its recovery, for as many transactions in the same call.
"""

import argparse
import json
import platform
import shlex
import sys
import time
from importlib.metadata import version

from web3 import Web3

from assay.chain.connect import connect
from assay.chain.deploy import DEMO_LIMITS, deploy, plan_system
from assay.chain.equipment import find_curve, find_engine
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner
from assay.chain.transactions import decode_transaction
from bench import _record

COIN = "0x" + "00" * 20
FLOOR = (
    "The floor is what no chain can save: to sign each transaction and to recover its sender, nothing else. Here that"
    " is {per_s} a second in the same call; the share is the part of a transaction's time that it takes."
)


def measure(web3: Web3, count: int) -> dict[str, float]:
    """Rates per second, and the seconds of a whole deployment."""
    signer = KeySigner.create()
    web3.provider.make_request("anvil_setBalance", [signer.address, hex(10**24)])  # type: ignore[arg-type]
    started = time.perf_counter()
    deployment = deploy(Sender(web3, signer), plan_system(signer.address, DEMO_LIMITS))
    deployed_s = time.perf_counter() - started
    ledger = Ledger(web3, deployment, signer)
    started = time.perf_counter()
    for _ in range(count):
        ledger.vault.deposit(COIN, 1, value_wei=1).send()
    sending_s = time.perf_counter() - started
    started = time.perf_counter()
    for _ in range(count):
        ledger.vault.free(COIN, signer.address)
    asking_s = time.perf_counter() - started
    return {
        "deploy_s": round(deployed_s, 3),
        "transactions_per_s": round(count / sending_s, 1),
        "views_per_s": round(count / asking_s, 1),
    }


def measure_floor(count: int) -> float:
    """Transactions per second by signing and recovering alone; of a deposit's size."""
    signer = KeySigner.create()
    fields = {"to": signer.address, "data": bytes(68), "value": 1, "gas": 200_000, "type": 2, "chainId": 31_337}
    prices = {"maxFeePerGas": 10**9, "maxPriorityFeePerGas": 1}
    started = time.perf_counter()
    for nonce in range(count):
        sender = decode_transaction(signer.sign_transaction({**fields, **prices, "nonce": nonce})).sender
        assert sender.hex() == signer.address[2:].lower()
    return round(count / (time.perf_counter() - started), 1)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/chain.md")
    parser.add_argument("--count", type=int, default=300, help="transactions, and views, of each")
    parser.add_argument("--url", help="a development node to measure in the same call")
    options = parser.parse_args()
    load = _record.load_average()
    engines = ("interpreter",) if find_engine().missing else ("revm", "interpreter")
    results = {engine: measure(connect(engine=engine), options.count) for engine in engines}
    if options.url:
        results["node"] = measure(connect(options.url), options.count)
    floor_per_s = measure_floor(options.count)
    if options.write:
        write(results, floor_per_s, load)
    if options.json:
        about = {"python": platform.python_version(), "machine": platform.machine(), "load_average": load}
        print(json.dumps({**about, "floor_transactions_per_s": floor_per_s, **results}))
        return
    for name, rates in results.items():
        print(name, *(f"{key}={value}" for key, value in rates.items()))
    print(f"floor transactions_per_s={floor_per_s}")


def write(results: dict[str, dict[str, float]], floor_per_s: float, load: tuple[float, float, float]) -> None:
    """Keeps the figures."""
    rows = [
        (
            name,
            rates["transactions_per_s"],
            f"{rates['transactions_per_s'] / floor_per_s:.0%}",
            rates["views_per_s"],
            rates["deploy_s"],
        )
        for name, rates in results.items()
    ]
    head = ("chain", "transactions a second", "share of the floor", "views a second", "seconds to deploy all contracts")
    packages = ", ".join(f"{name} {version(name)}" for name in ("web3", "eth-account"))
    packages += f", {find_engine().words}, {find_curve().words}"
    command = shlex.join(["python", "-m", "bench.chain", *sys.argv[1:]])
    parts = (_record.table(head, rows), FLOOR.format(per_s=floor_per_s))
    _record.write("chain", "Transactions on the embedded chain", command, packages, load, parts)


if __name__ == "__main__":
    main()
