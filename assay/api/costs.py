"""What transactions have cost: gas, fee, who sent them, and which move of a game they were."""

from functools import cache

from assay.api.moves import NOTHING_KNOWN, Spent
from assay.chain.artifacts import load_artifact
from assay.chain.ledger import Ledger
from assay.chain.reverts import compute_selector
from assay.chain.rpc import read_bytes, read_object, read_quantity
from assay.protocol.errors import Malformed, Refused

ASKED_MAX = 4_096
"""Transactions that a node is asked about; of those beyond nothing is said."""
SELECTOR_BYTES = 4
QUANTITY_MAX = 1 << 128


class Costs:
    """Asks a node for each transaction once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[bytes, Spent] = {}

    def of(self, transaction: bytes) -> Spent:
        """What a transaction cost; nothing where the node does not say, or too much was asked. Errors:
        `Unavailable`."""
        if transaction not in self._known and len(self._known) < ASKED_MAX:
            try:
                self._known[transaction] = self._ask(transaction)
            except (Malformed, Refused):
                self._known[transaction] = NOTHING_KNOWN
        return self._known.get(transaction, NOTHING_KNOWN)

    def _ask(self, transaction: bytes) -> Spent:
        rpc, name = self._ledger.rpc, "0x" + transaction.hex()
        receipt = read_object(rpc.request("eth_getTransactionReceipt", name))
        gas = read_quantity(receipt.get("gasUsed"), QUANTITY_MAX)
        price_wei = read_quantity(receipt.get("effectiveGasPrice"), QUANTITY_MAX)
        sender = "0x" + read_bytes(receipt.get("from"), 20).hex()
        to, call, arguments = str(receipt.get("to") or ""), "", b""
        contract = {self._ledger.deployment.addresses[each].lower(): each for each in ("Games", "Disputes")}
        if to.lower() in contract:
            payload = read_bytes(read_object(rpc.request("eth_getTransactionByHash", name)).get("input"))
            call = _calls(contract[to.lower()]).get(payload[:SELECTOR_BYTES], "")
            arguments = payload[SELECTOR_BYTES:]
        return Spent(gas, gas * price_wei, sender, call, arguments)


@cache
def _calls(contract: str) -> dict[bytes, str]:
    return {compute_selector(entry): str(entry["name"]) for entry in load_artifact(contract).get_entries("function")}
