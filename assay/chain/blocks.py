"""Blocks and receipts of the embedded chain, their hashes, and their JSON-RPC form.

The header is a real one (keccak of its RLP), with one difference said here: state, transaction and receipt roots are
running digests, not tries, because nothing on this chain proves against them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from assay.chain import rlp
from assay.chain.engine import Log
from assay.chain.transactions import Transaction

EMPTY_UNCLES = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
GAS_TARGET_DIVISOR = 2  # EIP-1559 elasticity
BASE_FEE_STEP = 8  # EIP-1559: at most an eighth per block
ADDRESSES_KEPT = ITEMS_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class Header:
    """What a block's hash covers. `timestamp` in seconds, `base_fee` in wei per gas."""

    number: int
    parent_hash: bytes
    timestamp: int
    coinbase: bytes
    gas_limit: int
    gas_used: int
    base_fee: int
    prevrandao: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes

    def compute_hash(self) -> bytes:
        """Keccak of the RLP of a Cancun header."""
        fields: list[rlp.Item] = [
            self.parent_hash,
            EMPTY_UNCLES,
            self.coinbase,
            self.state_root,
            self.transactions_root,
            self.receipts_root,
            self.bloom,
            0,
            self.number,
            self.gas_limit,
            self.gas_used,
            self.timestamp,
            b"assay",
            self.prevrandao,
            bytes(8),
            self.base_fee,
            bytes(32),
            0,
            0,
            bytes(32),
        ]
        return bytes(keccak(rlp.encode(fields)))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one transaction. `price` is the effective gas price in wei; `output` explains a revert."""

    transaction: Transaction
    index: int
    success: bool
    gas_used: int
    cumulative_gas: int
    price: int
    created: bytes | None
    logs: tuple[Log, ...]
    first_log_index: int
    output: bytes = b""


@dataclass(frozen=True, slots=True)
class Block:
    """A mined block."""

    header: Header
    hash: bytes
    receipts: tuple[Receipt, ...] = field(default=())


def compute_bloom(logs: Sequence[Log]) -> bytes:
    """The 2048-bit bloom filter of addresses and topics (Yellow Paper 4.3.1)."""
    bits = 0
    for item in {item for log in logs for item in (log.address, *log.topics)}:
        bits |= _bloom_bits(item)
    return bits.to_bytes(256, "big")


@lru_cache(maxsize=ITEMS_KEPT)
def _bloom_bits(item: bytes) -> int:
    """The three bits of an address or a topic: most come again and again."""
    digest = keccak(item)
    return sum({1 << (int.from_bytes(digest[start : start + 2], "big") & 2047) for start in (0, 2, 4)})


def compute_next_base_fee(parent: Header) -> int:
    """EIP-1559's rule, in wei per gas. Genesis states the fee of the first block, as it does on anvil."""
    if parent.number == 0:
        return parent.base_fee
    target = parent.gas_limit // GAS_TARGET_DIVISOR
    if parent.gas_used == target:
        return parent.base_fee
    change = parent.base_fee * abs(parent.gas_used - target) // target // BASE_FEE_STEP
    return parent.base_fee + max(change, 1) if parent.gas_used > target else parent.base_fee - change


def to_hex(value: bytes) -> str:
    """Bytes as JSON-RPC wants them."""
    return "0x" + value.hex()


@lru_cache(maxsize=ADDRESSES_KEPT)
def to_address(value: bytes) -> str:
    """An account's EIP-55 form: a hash each, and a chain says the same few over and over."""
    return str(to_checksum_address(value))


def render_block(block: Block, *, full: bool) -> dict[str, Any]:
    """A block as eth_getBlockBy* returns it; with whole transactions where `full`."""
    header = block.header
    transactions = [render_transaction(r, block) if full else to_hex(r.transaction.hash) for r in block.receipts]
    return {
        "number": hex(header.number),
        "hash": to_hex(block.hash),
        "parentHash": to_hex(header.parent_hash),
        "nonce": "0x0000000000000000",
        "sha3Uncles": to_hex(EMPTY_UNCLES),
        "logsBloom": to_hex(header.bloom),
        "transactionsRoot": to_hex(header.transactions_root),
        "stateRoot": to_hex(header.state_root),
        "receiptsRoot": to_hex(header.receipts_root),
        "miner": to_address(header.coinbase),
        "difficulty": "0x0",
        "extraData": to_hex(b"assay"),
        "size": hex(1_000 + sum(len(r.transaction.raw) for r in block.receipts)),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "mixHash": to_hex(header.prevrandao),
        "baseFeePerGas": hex(header.base_fee),
        "withdrawalsRoot": to_hex(bytes(32)),
        "withdrawals": [],
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": to_hex(bytes(32)),
        "transactions": transactions,
        "uncles": [],
    }


def render_pending(transaction: Transaction) -> dict[str, Any]:
    """A transaction that is in no block yet."""
    shown: dict[str, Any] = {
        "type": hex(transaction.kind),
        "nonce": hex(transaction.nonce),
        "gas": hex(transaction.gas_limit),
        "gasPrice": hex(transaction.max_fee),
        "to": to_address(transaction.to) if transaction.to else None,
        "value": hex(transaction.value),
        "input": to_hex(transaction.data),
        "v": hex(transaction.v),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
        "from": to_address(transaction.sender),
        "hash": to_hex(transaction.hash),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
    }
    if transaction.chain_id is not None:
        shown["chainId"] = hex(transaction.chain_id)
    if transaction.kind == 2:
        shown["maxFeePerGas"] = hex(transaction.max_fee)
        shown["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee)
    if transaction.kind:
        shown["yParity"] = hex(transaction.v)
        shown["accessList"] = [
            {"address": to_address(a), "storageKeys": [to_hex(s.to_bytes(32, "big")) for s in slots]}
            for a, slots in transaction.access_list
        ]
    return shown


def render_transaction(receipt: Receipt, block: Block) -> dict[str, Any]:
    """A mined transaction as eth_getTransactionByHash returns it."""
    return render_pending(receipt.transaction) | {
        "gasPrice": hex(receipt.price),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(block.header.number),
        "transactionIndex": hex(receipt.index),
    }


def render_log(log: Log, log_index: int, receipt: Receipt, block: Block, *, removed: bool = False) -> dict[str, Any]:
    """One log as eth_getLogs returns it."""
    return {
        "address": to_address(log.address),
        "topics": [to_hex(topic) for topic in log.topics],
        "data": to_hex(log.payload),
        "blockNumber": hex(block.header.number),
        "blockHash": to_hex(block.hash),
        "blockTimestamp": hex(block.header.timestamp),
        "transactionHash": to_hex(receipt.transaction.hash),
        "transactionIndex": hex(receipt.index),
        "logIndex": hex(log_index),
        "removed": removed,
    }


def render_receipt(receipt: Receipt, block: Block) -> dict[str, Any]:
    """A receipt as eth_getTransactionReceipt returns it."""
    transaction = receipt.transaction
    return {
        "transactionHash": to_hex(transaction.hash),
        "transactionIndex": hex(receipt.index),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(block.header.number),
        "from": to_address(transaction.sender),
        "to": to_address(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": hex(receipt.cumulative_gas),
        "gasUsed": hex(receipt.gas_used),
        "effectiveGasPrice": hex(receipt.price),
        "contractAddress": to_address(receipt.created) if receipt.created else None,
        "logs": [
            render_log(log, receipt.first_log_index + position, receipt, block)
            for position, log in enumerate(receipt.logs)
        ],
        "logsBloom": to_hex(compute_bloom(receipt.logs)),
        "type": hex(transaction.kind),
        "status": hex(int(receipt.success)),
    }
