"""A node as the ground of a network: its chain's time is moved where the node lets us, and waited for where not."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from web3 import Web3
from web3.types import RPCResponse

from assay.chain.connect import NodeProvider, connect, disconnect
from assay.chain.faucet import find_faucet, price_gas
from assay.chain.ground import BLOCK_S, PARTY_GAS, WEALTH_WEI, Timer
from assay.chain.location import show_url
from assay.chain.rpc import Rpc, read_quantity
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner, Signer
from assay.chain.transactions import decode_transaction
from assay.protocol.errors import AssayError, BadInput, Unavailable

POLL_S = 0.5
NUDGE_S = 15.0
"""Seconds without a block, longer than any usual chain takes, after which a transaction of our own asks for one."""
SILENCE_S = 180.0
"""Seconds without a block after which the chain is given up."""
GLANCE_S = 30.0
"""How long a wait for a deadline lasts before everybody is given another turn."""
NOTE_S = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class SentCall:
    """What was signed and sent: `to` is None for a deployment."""

    to: bytes | None
    data: bytes


@dataclass(frozen=True)
class SentReceipt:
    """What it took."""

    transaction: SentCall
    gas_used: int


@dataclass
class SentRecord:
    """Transactions that went through one connection and were mined, all in one of the `blocks` that a chain has."""

    receipts: list[SentReceipt] = field(default_factory=list)
    _waiting: dict[str, SentCall] = field(default_factory=dict)

    @property
    def blocks(self) -> "tuple[SentRecord, ...]":
        """This record alone."""
        return (self,)

    def hear(self, method: str, params: Any, answer: RPCResponse) -> None:
        """Takes in one answer of the node."""
        result: Any = answer.get("result")
        if method == "eth_sendRawTransaction" and isinstance(result, str):
            sent = decode_transaction(bytes.fromhex(params[0][2:]))
            self._waiting[result.lower()] = SentCall(sent.to, sent.data)
        elif method == "eth_getTransactionReceipt" and isinstance(result, dict) and params[0] in self._waiting:
            self.receipts.append(SentReceipt(self._waiting.pop(params[0]), read_quantity(result.get("gasUsed"))))


class NodeGround:
    """A node at `url`. `key` pays for gas where the node gives no coin; `say` takes a line while we wait.

    Raises `BadInput` for a URL of another kind or a node without coin, `Unavailable` when nothing answers.
    """

    depth_blocks = 12
    """What exchanges have long waited for on Ethereum; the deepest reorganisation seen there in years undid seven."""

    def __init__(
        self,
        url: str,
        key: KeySigner | None = None,
        *,
        say: Say = lambda _: None,
        timer: Timer = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._say, self._timer, self._sleep = url, say, timer, sleep
        self._said_s = timer()
        self._web3 = connect(url)
        self._open = [self._web3]
        self._rpc = Rpc(self._web3)
        # Keys that follow from a seed alone are anybody's, and so is what they hold.
        self.salt = os.urandom(32)
        self.chain = SentRecord()
        self._signers: dict[str, Signer] = {}
        try:
            self._faucet = find_faucet(self._web3, key)
            self.moves_time = self._try_time()
        except BaseException:
            disconnect(self._web3)
            raise

    @property
    def words(self) -> str:
        """Where this is, who pays, and how its time passes."""
        time_words = "the node lets us move its time" if self.moves_time else "its time passes as it does"
        return f"chain {self._rpc.get_chain_id()} at {show_url(self._url)}; {self._faucet.words} pays; {time_words}"

    def connect(self, timer: Timer, note: Callable[[float], None]) -> Web3:
        """Another connection, whose requests are noted and whose transactions are kept in `chain`."""
        web3 = connect(self._url)
        self._open.append(web3)
        assert isinstance(web3.provider, NodeProvider)

        def hear(method: str, params: Any, answer: RPCResponse, spent_s: float) -> None:
            note(spent_s)
            self.chain.hear(method, params, answer)

        web3.provider.timer, web3.provider.heard = timer, hear
        return web3

    # time

    def now_s(self) -> int:
        """Timestamp of the newest block: what comes next is never earlier."""
        return self._rpc.get_timestamp()

    def pass_block(self) -> None:
        """One more block."""
        self._refuel()
        if self.moves_time:
            self._move(BLOCK_S)
        else:
            self._await_block("waiting for the next block")

    def approach(self, at_s: int) -> None:
        """Moves time to `at_s`, or waits towards it for at most `GLANCE_S`."""
        self._refuel()
        if self.moves_time:
            self._move(max(0, at_s - self.now_s()))
            return
        until_s = self._timer() + GLANCE_S
        while (left_s := at_s - self.now_s()) > 0 and self._timer() < until_s:
            self._await_block(f"waiting for the chain's time: {left_s} s to the next deadline")

    def _try_time(self) -> bool:
        """Whether the node moves its time for us; the second that it is moved by is of no account."""
        try:
            before_s = self.now_s()
            self._move(1)
            return self.now_s() > before_s
        except AssayError:
            return False

    def _move(self, seconds: int) -> None:
        self._rpc.request("evm_increaseTime", seconds)
        self._rpc.request("evm_mine")

    def _await_block(self, words: str) -> None:
        """Returns when there is a new block. A chain that mines on demand only is sent a transaction to mine."""
        head, began_s, nudged = self._rpc.get_head(), self._timer(), False
        while self._rpc.get_head() <= head:
            waited_s = self._timer() - began_s
            if waited_s > SILENCE_S:
                hint = "is it mining, and are its peers there?"
                raise Unavailable(f"the chain has had no new block for {waited_s:.0f} s", hint=hint)
            if waited_s > NUDGE_S and not nudged and self._signers:
                nudged = True
                signer = next(iter(self._signers.values()))
                Sender(self._web3, signer).submit(signer.address)
            self._tell(words)
            self._sleep(POLL_S)

    def _tell(self, words: str) -> None:
        if self._timer() - self._said_s >= NOTE_S:
            self._said_s = self._timer()
            self._say(words)

    # coin

    def fund(self, signer: Signer, gas: int = PARTY_GAS) -> None:
        """Coin for an account, at what gas costs now."""
        if self._faucet.address is None:
            self._faucet.give(signer, WEALTH_WEI)
            return
        self._signers[signer.address] = signer
        missing_wei = gas * price_gas(self._rpc) - self._rpc.get_balance(signer.address)
        if missing_wei > 0:
            self._faucet.give(signer, missing_wei)

    def _refuel(self) -> None:
        """Whoever has used up half of its coin gets more, as long as there is more. Free coin is never used up."""
        if not self._signers:
            return
        least_wei = PARTY_GAS // 2 * price_gas(self._rpc)
        for signer in self._signers.values():
            if self._rpc.get_balance(signer.address) < least_wei:
                try:
                    self.fund(signer)
                except BadInput as refusal:
                    # What it has may last; a job that is under way is not given up for what may never be needed.
                    self._tell(refusal.message)

    def close(self) -> None:
        """Sends what coin is left back to whoever gave it, without waiting for it to arrive, and disconnects."""
        try:
            for signer in self._signers.values():
                with suppress(AssayError):
                    self._return_coin(signer)
        finally:
            for web3 in self._open:
                disconnect(web3)

    def _return_coin(self, signer: Signer) -> None:
        target = self._faucet.address
        transfer = {"from": signer.address, "to": target, "value": hex(1)}
        # Twice the estimate: `Sender` adds a margin of its own, and some chains charge for bytes besides.
        gas = 2 * read_quantity(self._rpc.request("eth_estimateGas", transfer))
        left_wei = self._rpc.get_balance(signer.address) - gas * price_gas(self._rpc)
        if left_wei > 0:
            Sender(self._web3, signer).submit(target, value_wei=left_wei)
