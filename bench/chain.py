"""How many transactions per second, with receipts, does the embedded chain take, and a node beside it?

    python -m bench.chain [--json] [--count N] [--url http://...]

Each transaction is estimated, priced, signed, sent and its receipt decoded, one after another, as a role does it.
"""

import argparse
import json
import platform
import time

from web3 import Web3

from assay.chain.connect import connect
from assay.chain.deploy import DEMO_LIMITS, deploy, plan_system
from assay.chain.ledger import Ledger
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner

COIN = "0x" + "00" * 20


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


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--url", help="a development node to measure in the same call")
    options = parser.parse_args()
    results = {engine: measure(connect(engine=engine), options.count) for engine in ("revm", "interpreter")}
    if options.url:
        results["node"] = measure(connect(options.url), options.count)
    if options.json:
        print(json.dumps({"python": platform.python_version(), "machine": platform.machine(), **results}))
        return
    for name, rates in results.items():
        print(name, *(f"{key}={value}" for key, value in rates.items()))


if __name__ == "__main__":
    main()
