"""JSON-RPC in front of the embedded chain, as a web3 provider: the methods a node has, answered in process."""

from collections.abc import Callable, Mapping
from typing import Any

from eth_utils.address import is_address
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from assay.chain import simulate
from assay.chain.blocks import Block, render_block, render_pending, render_receipt, render_transaction, to_hex
from assay.chain.embedded import EmbeddedChain
from assay.chain.filters import Filters, get_logs, parse_bytes, parse_criteria
from assay.chain.simulate import parse_quantity
from assay.protocol.errors import AssayError, BadInput, Refused, Reverted

PRIORITY_FEE_WEI = 1_000_000_000
FEE_HISTORY_LIMIT_COUNT = 1_024
PLAIN = ("to", "data")
"""Fields of a view, which many parties in one process ask for."""
ANSWERS_MAX_COUNT = 4_096

Method = Callable[..., Any]


class EmbeddedProvider(BaseProvider):
    """A web3 provider on an `EmbeddedChain`. Unknown methods get error -32601, as from a node."""

    def __init__(self, chain: EmbeddedChain) -> None:
        super().__init__()
        self.chain = chain
        self.filters = Filters(chain)
        self._moment: tuple[Any, int] = (None, 0)
        self._answers: dict[Any, str] = {}
        self._shown: tuple[Any, dict[str, Any]] = (None, {})
        self._methods: dict[str, Method] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: ARG002 - web3's signature
        """Always: the chain is in this process."""
        return True

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answer one request; refusals become JSON-RPC errors."""
        found = self._methods.get(method)
        if found is None:
            return _error(-32601, f"the method {method} does not exist")
        try:
            with self.chain.lock:
                if self.chain.mining == "interval":
                    self.chain.advance()
                return {"jsonrpc": "2.0", "id": 1, "result": found(*(params or ()))}
        except Reverted as error:
            return _error(3, "execution reverted", to_hex(error.fields["output"]))
        except BadInput as error:
            return _error(-32602, str(error))
        except AssayError as error:
            return _error(-32000, error.message)
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            return _error(-32602, f"wrong number of parameters for {method}")

    # Blocks

    def _number(self, tag: Any) -> int:
        head = self.chain.head.header.number
        if tag is None or tag in ("latest", "pending"):
            return head
        if tag in ("safe", "finalized"):
            return head
        if tag == "earliest":
            return 0
        if isinstance(tag, Mapping):
            if "blockHash" in tag:
                block = self.chain.by_hash.get(parse_bytes(tag["blockHash"], 32))
                if block is None:
                    raise Refused("header not found", hint="the block is not on this chain")
                return block.header.number
            return self._number(tag.get("blockNumber"))
        number = parse_quantity(tag)
        if number > head:
            raise Refused("header not found", hint="the block is not mined yet")
        return number

    def _block(self, tag: Any) -> Block | None:
        try:
            return self.chain.blocks[self._number(tag)]
        except Refused:
            return None

    def do_eth_blockNumber(self) -> str:  # noqa: N802 - JSON-RPC's own name, here and below
        return hex(self.chain.head.header.number)

    def do_eth_getBlockByNumber(self, tag: Any, full: bool = False) -> Any:  # noqa: N802
        block = self._block(tag)
        return None if block is None else render_block(block, full=True) if full else self._show(block)

    def _show(self, block: Block) -> dict[str, Any]:
        """A block without its transactions, written once while everybody asks for the same."""
        if self._shown[0] is not block:
            self._shown = (block, render_block(block, full=False))
        return dict(self._shown[1])

    def do_eth_getBlockByHash(self, block_hash: Any, full: bool = False) -> Any:  # noqa: N802
        block = self.chain.by_hash.get(parse_bytes(block_hash, 32))
        return None if block is None else render_block(block, full=full)

    def do_eth_getBlockTransactionCountByNumber(self, tag: Any) -> Any:  # noqa: N802
        block = self._block(tag)
        return None if block is None else hex(len(block.receipts))

    def do_eth_getTransactionByHash(self, transaction_hash: Any) -> Any:  # noqa: N802
        key = parse_bytes(transaction_hash, 32)
        found = self.chain.by_transaction.get(key)
        if found is not None:
            return render_transaction(found[1], found[0])
        waiting = self.chain.pool.get(key)
        return None if waiting is None else render_pending(waiting)

    def do_eth_getTransactionReceipt(self, transaction_hash: Any) -> Any:  # noqa: N802
        found = self.chain.by_transaction.get(parse_bytes(transaction_hash, 32))
        return None if found is None else render_receipt(found[1], found[0])

    # Accounts

    def _at(self, tag: Any, read: Callable[[], Any]) -> Any:
        with self.chain.at(self._number(tag)):
            return read()

    def do_eth_getBalance(self, address: Any, tag: Any = None) -> Any:  # noqa: N802
        key = parse_bytes(address, 20)
        return self._at(tag, lambda: hex(self.chain.state.get(key).balance))

    def do_eth_getCode(self, address: Any, tag: Any = None) -> Any:  # noqa: N802
        key = parse_bytes(address, 20)
        return self._at(tag, lambda: to_hex(self.chain.state.get(key).code))

    def do_eth_getStorageAt(self, address: Any, slot: Any, tag: Any = None) -> Any:  # noqa: N802
        key, index = parse_bytes(address, 20), parse_quantity(slot)
        return self._at(tag, lambda: to_hex(self.chain.state.get(key).storage.get(index, 0).to_bytes(32, "big")))

    def do_eth_getTransactionCount(self, address: Any, tag: Any = None) -> Any:  # noqa: N802
        key = parse_bytes(address, 20)
        if tag == "pending":
            nonce = self.chain.state.get(key).nonce
            return hex(nonce + self.chain.pool.count_ready(key, nonce))
        return self._at(tag, lambda: hex(self.chain.state.get(key).nonce))

    # Sending and asking

    def do_eth_sendRawTransaction(self, raw: Any) -> str:  # noqa: N802
        return to_hex(self.chain.submit(parse_bytes(raw)))

    def do_eth_call(self, transaction: Mapping[str, Any], tag: Any = None) -> str:
        to, data = transaction.get("to"), transaction.get("data")
        # Of a plain question, which says nothing more, the answer follows from the state and the time alone.
        plain = tag == "latest" and len(transaction) == len(PLAIN) and type(to) is str and type(data) is str
        key, answers = (to, data) if plain else None, self._answers_now()
        if key in answers:
            return answers[key]
        message = simulate.parse_message(self.chain, transaction)
        answer = to_hex(simulate.call(self.chain, message, self._number(tag), pending=tag == "pending"))
        if key is not None and len(answers) < ANSWERS_MAX_COUNT:
            answers[key] = answer
        return answer

    def _answers_now(self) -> dict[Any, str]:
        """Answers given since the state last changed or time last passed: many parties in one process ask the same."""
        moment = (self.chain.entries[-1], self.chain.now())
        if moment[0] is not self._moment[0] or moment[1] != self._moment[1]:
            self._moment, self._answers = moment, {}
        return self._answers

    def do_eth_estimateGas(self, transaction: Mapping[str, Any], tag: Any = None) -> str:  # noqa: N802
        message = simulate.parse_message(self.chain, transaction)
        return hex(simulate.estimate_gas(self.chain, message, self._number(tag)))

    # Fees and identity

    def do_eth_chainId(self) -> str:  # noqa: N802
        return hex(self.chain.chain_id)

    def do_net_version(self) -> str:
        return str(self.chain.chain_id)

    def do_net_listening(self) -> bool:
        return True

    def do_eth_syncing(self) -> bool:
        return False

    def do_eth_accounts(self) -> list[str]:
        return []

    def do_web3_clientVersion(self) -> str:  # noqa: N802
        return f"assay-embedded/{self.chain.engine.name}"

    def do_eth_gasPrice(self) -> str:  # noqa: N802
        return hex(self.chain.next_base_fee() + PRIORITY_FEE_WEI)

    def do_eth_maxPriorityFeePerGas(self) -> str:  # noqa: N802
        return hex(PRIORITY_FEE_WEI)

    def do_eth_feeHistory(self, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:  # noqa: N802
        last = self._number(newest)
        first = max(0, last + 1 - min(parse_quantity(count), FEE_HISTORY_LIMIT_COUNT))
        blocks = self.chain.blocks[first : last + 1]
        following = (
            self.chain.blocks[last + 1].header.base_fee
            if last < self.chain.head.header.number
            else self.chain.next_base_fee()
        )
        history: dict[str, Any] = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [*(hex(b.header.base_fee) for b in blocks), hex(following)],
            "gasUsedRatio": [b.header.gas_used / b.header.gas_limit for b in blocks],
        }
        if percentiles:
            history["reward"] = [[_find_reward(block, p) for p in percentiles] for block in blocks]
        return history

    # Logs

    def _range(self, query: Mapping[str, Any]) -> tuple[int, int]:
        if "blockHash" in query:
            number = self._number({"blockHash": query["blockHash"]})
            return number, number
        first, last = query.get("fromBlock", "latest"), query.get("toBlock", "latest")
        head = self.chain.head.header.number
        return min(self._bound(first), head + 1), min(self._bound(last), head)

    def _bound(self, tag: Any) -> int:
        if tag is None or (isinstance(tag, str) and not tag.startswith("0x")):
            return self._number(tag)
        return parse_quantity(tag)

    def do_eth_getLogs(self, query: Mapping[str, Any]) -> Any:  # noqa: N802
        first, last = self._range(query)
        return get_logs(self.chain, parse_criteria(query), first, last)

    def do_eth_newFilter(self, query: Mapping[str, Any]) -> str:  # noqa: N802
        last = query.get("toBlock")
        until = None if last is None or last in ("latest", "pending") else self._bound(last)
        first = query.get("fromBlock")
        since = 0 if first is None or first in ("latest", "pending") else self._bound(first)
        return self.filters.install("logs", parse_criteria(query), since, until)

    def do_eth_newBlockFilter(self) -> str:  # noqa: N802
        return self.filters.install("blocks")

    def do_eth_getFilterChanges(self, number: Any) -> Any:  # noqa: N802
        return self.filters.poll(parse_quantity(number))

    def do_eth_getFilterLogs(self, number: Any) -> Any:  # noqa: N802
        return self.filters.read_all(parse_quantity(number))

    def do_eth_uninstallFilter(self, number: Any) -> bool:  # noqa: N802
        return self.filters.uninstall(parse_quantity(number))

    # Time travel and money, with anvil's names

    def do_evm_increaseTime(self, seconds: Any) -> str:  # noqa: N802
        self.chain.increase_time(parse_quantity(seconds))
        return hex(parse_quantity(seconds))

    def do_evm_setNextBlockTimestamp(self, timestamp: Any) -> None:  # noqa: N802
        self.chain.set_next_timestamp(parse_quantity(timestamp))

    def do_evm_mine(self, timestamp: Any = None) -> str:
        self.chain.mine(None if timestamp is None else parse_quantity(timestamp))
        return "0x0"

    def do_anvil_mine(self, count: Any = 1, interval: Any = 0) -> None:
        step, stamp = parse_quantity(interval), self.chain.now()
        for index in range(min(parse_quantity(count), FEE_HISTORY_LIMIT_COUNT)):
            self.chain.mine(stamp + index * step)

    def do_evm_snapshot(self) -> str:
        return hex(self.chain.snapshot())

    def do_evm_revert(self, snapshot: Any) -> bool:
        return self.chain.revert(parse_quantity(snapshot))

    def do_anvil_setBalance(self, address: Any, balance_wei: Any) -> None:  # noqa: N802
        if not is_address(address):
            raise BadInput("not an address", hint="give 20 bytes in hex")
        self.chain.set_balance(parse_bytes(address, 20), parse_quantity(balance_wei))

    def do_anvil_reorg(self, depth: Any, transactions: Any = None) -> None:
        if transactions:
            raise BadInput("replacing transactions are not supported", hint="send them after the reorganisation")
        self.chain.reorganise(parse_quantity(depth))

    def do_evm_setAutomine(self, enabled: bool) -> None:  # noqa: N802
        self.chain.set_mining("auto" if enabled else "manual")


def _find_reward(block: Block, percentile: float) -> str:
    """The tip at a percentile of a block's gas, as eth_feeHistory defines it."""
    tips = sorted((r.price - block.header.base_fee, r.gas_used) for r in block.receipts)
    threshold, seen = block.header.gas_used * percentile / 100, 0
    for tip, gas in tips:
        seen += gas
        if seen >= threshold:
            return hex(tip)
    return "0x0"


def _error(code: int, message: str, payload: str | None = None) -> RPCResponse:
    error: dict[str, Any] = {"code": code, "message": message}
    if payload is not None:
        error["data"] = payload
    return {"jsonrpc": "2.0", "id": 1, "error": error}  # type: ignore[typeddict-item]
