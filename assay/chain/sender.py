"""Sending transactions with one key: gas, fees, nonces, waiting, and a decoded reason when a contract says no."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from assay.chain.events import LogEntry, read_log
from assay.chain.rpc import Rpc, read_bytes, read_object, read_quantity
from assay.chain.signer import Signer
from assay.protocol.errors import Refused, Reverted, Unavailable

TIMEOUT_S = 120.0
POLL_S = (0.002, 1.0)  # first and longest pause between two questions for a receipt
GAS_MARGIN_PERCENT = 25
GAS_ATTEMPT_COUNT = 3
"""How often a transaction is estimated anew that ran out of gas, since others were faster and it had more to do."""
NONCE_ATTEMPT_COUNT = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """A mined, successful transaction. `fee_wei` is what it cost; `created` is the new contract's address."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    gas_used: int
    fee_wei: int
    created: str | None
    logs: tuple[LogEntry, ...]


class Sender:
    """Sends from one signer's account. Thread-safe: nonces are given out under a lock, receipts awaited outside it.

    `wait` is what passes time between two questions for a receipt; a simulation passes one that moves its clock.
    """

    def __init__(
        self,
        web3: Web3,
        signer: Signer,
        *,
        timeout_s: float = TIMEOUT_S,
        fee_limit_wei: int | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rpc, self.signer = Rpc(web3), signer
        self._timeout_s, self._fee_limit_wei, self._wait = timeout_s, fee_limit_wei, wait
        self._lock = threading.Lock()
        self._next_nonce = 0
        self._under_way: set[bytes] = set()
        self._chain_id: int | None = None

    @property
    def address(self) -> str:
        """The account that sends."""
        return self.signer.address

    def send(self, to: str | None, payload: bytes = b"", *, value_wei: int = 0, gas: int | None = None) -> Sent:
        """Sign, send and wait. Raises `Reverted` (unpaid, where the estimate shows it), `Refused`, `Unavailable`.

        What took more than its estimate is estimated and sent again, with twice the margin each time.
        """
        margin_percent = GAS_MARGIN_PERCENT
        for attempt in range(1, GAS_ATTEMPT_COUNT + 1):
            sent = self.submit(to, payload, value_wei=value_wei, gas=gas, margin_percent=margin_percent)
            try:
                return self.wait_for(sent)
            except Reverted as failure:
                if gas is not None or not failure.fields.get("out_of_gas") or attempt == GAS_ATTEMPT_COUNT:
                    raise
            margin_percent *= 2
        raise AssertionError("the loop returns or raises")

    def submit(
        self,
        to: str | None,
        payload: bytes = b"",
        *,
        value_wei: int = 0,
        gas: int | None = None,
        margin_percent: int = GAS_MARGIN_PERCENT,
    ) -> bytes:
        """Sign and send without waiting; the transaction's hash. `margin_percent` is added to an estimate of gas."""
        call: dict[str, Any] = {"from": self.address, "data": "0x" + payload.hex(), "value": hex(value_wei)}
        if to is not None:
            call["to"] = to
        head = read_object(self.rpc.request("eth_getBlockByNumber", "latest", False))
        if gas is None:
            estimate = read_quantity(self.rpc.request("eth_estimateGas", call))
            gas = min(estimate + estimate * margin_percent // 100, read_quantity(head.get("gasLimit")))
        fields = {"to": to or b"", "data": payload, "value": value_wei, "gas": gas, "type": 2, **self._price(head, gas)}
        for attempt in range(NONCE_ATTEMPT_COUNT):
            try:
                return self._submit_next(fields)
            except Refused as error:
                self._under_way.clear()
                if "nonce" not in error.message or attempt == NONCE_ATTEMPT_COUNT - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _price(self, head: dict[str, Any], gas: int) -> dict[str, int]:
        tip = read_quantity(self.rpc.request("eth_maxPriorityFeePerGas"))
        price = 2 * read_quantity(head.get("baseFeePerGas")) + tip
        if self._fee_limit_wei is not None and gas * price > self._fee_limit_wei:
            raise Refused(
                f"the transaction could cost {gas * price} wei",
                hint="raise the fee limit, or wait for cheaper blocks",
                limit=self._fee_limit_wei,
                actual=gas * price,
            )
        return {"maxFeePerGas": price, "maxPriorityFeePerGas": tip}

    def _submit_next(self, fields: dict[str, Any]) -> bytes:
        with self._lock:
            if self._chain_id is None:
                self._chain_id = self.rpc.get_chain_id()
            # With nothing under way the node knows best: a reorganisation may have taken transactions back.
            asked = read_quantity(self.rpc.request("eth_getTransactionCount", self.address, "pending"))
            nonce = max(asked, self._next_nonce) if self._under_way else asked
            raw = self.signer.sign_transaction({**fields, "chainId": self._chain_id, "nonce": nonce})
            sent = read_bytes(self.rpc.request("eth_sendRawTransaction", "0x" + raw.hex()), 32)
            self._next_nonce = nonce + 1
            self._under_way.add(sent)
            return sent

    def wait_for(self, transaction_hash: bytes) -> Sent:
        """Wait for a receipt. Raises `Reverted` if the transaction failed, `Unavailable` when time is up."""
        pause_s, waited_s = POLL_S[0], 0.0
        while True:
            found = self.rpc.request("eth_getTransactionReceipt", "0x" + transaction_hash.hex())
            if found is not None:
                self._under_way.discard(transaction_hash)
                return self._read_receipt(transaction_hash, read_object(found))
            if waited_s >= self._timeout_s:
                self._under_way.discard(transaction_hash)
                raise Unavailable(
                    f"transaction 0x{transaction_hash.hex()} is not mined after {waited_s:.0f} s",
                    hint="it may still be: look it up before sending again",
                    transaction_hash="0x" + transaction_hash.hex(),
                )
            self._wait(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * 2, POLL_S[1])

    def _read_receipt(self, transaction_hash: bytes, receipt: dict[str, Any]) -> Sent:
        number, gas_used = read_quantity(receipt.get("blockNumber")), read_quantity(receipt.get("gasUsed"))
        if read_quantity(receipt.get("status")) != 1:
            self._explain_failure(transaction_hash, number, gas_used)
        created = receipt.get("contractAddress")
        return Sent(
            transaction_hash=transaction_hash,
            block_number=number,
            block_hash=read_bytes(receipt.get("blockHash"), 32),
            gas_used=gas_used,
            fee_wei=gas_used * read_quantity(receipt.get("effectiveGasPrice")),
            created=Web3.to_checksum_address(read_bytes(created, 20)) if created is not None else None,
            logs=tuple(read_log(log) for log in receipt.get("logs") or ()),
        )

    def _explain_failure(self, transaction_hash: bytes, number: int, gas_used: int) -> None:
        """Ask again what the transaction asked, on the state before its block, and raise what comes."""
        shown = "0x" + transaction_hash.hex()
        transaction = read_object(self.rpc.request("eth_getTransactionByHash", shown))
        call = {key: transaction[key] for key in ("from", "to", "value", "gas") if transaction.get(key) is not None}
        call["data"] = transaction.get("input")
        # A call inside keeps a 64th back for its caller, which then reverts without a reason.
        out_of_gas = 32 * gas_used >= 31 * read_quantity(transaction.get("gas"))
        for block in (number - 1, number):
            try:
                self.rpc.request("eth_call", call, hex(block))
            except Reverted as error:
                fields = {**error.fields, "out_of_gas": out_of_gas and not error.fields.get("contract_error")}
                raise Reverted(error.message, hint=error.hint, **fields, transaction_hash=shown) from None
            except Refused:
                continue
        raise Reverted(
            f"transaction {shown} failed without a reason that can be asked for again",
            hint="it may have run out of gas",
            contract_error="",
            arguments={},
            out_of_gas=out_of_gas,
            transaction_hash=shown,
        )
