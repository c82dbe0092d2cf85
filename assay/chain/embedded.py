"""The embedded chain: blocks, receipts and money around an engine, on an injected clock.

Time is whatever `clock` says (seconds), plus what `increase_time` added; timestamps never fall, and blocks mined at
one instant share it. Mining is automatic (a block per ready batch), by interval (blocks appear as the clock passes
their time, with no thread), or manual. Everything is undone by diffs, so snapshots and reorganisations are exact.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from eth_hash.auto import keccak

from assay.chain.admission import check_transaction, to_message
from assay.chain.blocks import Block, Header, Receipt, compute_bloom, compute_next_base_fee
from assay.chain.calls import compute_create_address
from assay.chain.engine import BlockContext, Outcome
from assay.chain.history import History
from assay.chain.journal import Journal
from assay.chain.pool import Pool
from assay.chain.state import Change, Diff, digest_diff, merge_diffs
from assay.chain.transactions import Transaction, decode_transaction
from assay.protocol.errors import BadInput, Refused

COINBASE = bytes.fromhex("c01bba5e") + bytes(16)
GAS_LIMIT = 30_000_000
BASE_FEE_WEI = 1_000_000_000
INTERVAL_CATCH_UP_COUNT = 1_024  # blocks mined at once after a long sleep

Mining = Literal["auto", "interval", "manual"]


class Clock(Protocol):
    """Seconds since the epoch."""

    def __call__(self) -> float: ...


@dataclass(frozen=True, slots=True)
class _Snapshot:
    depth: int
    pool: Pool
    offset_s: int
    next_timestamp: int | None


@lru_cache(maxsize=64)
def _draw_randao(chain_id: int, parent_hash: bytes, fork_count: int) -> bytes:
    return bytes(keccak(b"randao%d" % chain_id + parent_hash + fork_count.to_bytes(8, "big")))


class EmbeddedChain(History):
    """An EVM chain in this process. Thread-safe. `path` persists it; reopening the path resumes it."""

    def __init__(
        self,
        chain_id: int = 31_337,
        *,
        clock: Clock = time.time,
        mining: Mining = "auto",
        interval_s: int = 1,
        engine: str = "auto",
        gas_limit: int = GAS_LIMIT,
        base_fee_wei: int = BASE_FEE_WEI,
        balances: Mapping[str, int] | None = None,
        path: Path | None = None,
    ) -> None:
        if not 0 < chain_id < 2**63 or interval_s < 1 or mining not in ("auto", "interval", "manual"):
            raise BadInput("the embedded chain's settings are out of range", hint="chain id and interval are positive")
        super().__init__(engine)
        self.chain_id, self.mining, self.interval_s = chain_id, mining, interval_s
        self.lock = threading.RLock()
        self.pool = Pool()
        self._clock, self._offset_s = clock, 0
        self._next_timestamp: int | None = None
        self._context: tuple[object, BlockContext] | tuple[None, None] = (None, None)
        self._snapshots: dict[int, _Snapshot] = {}
        self._snapshot_count = 0
        if path is not None:
            self.keep(Journal(path, chain_id))
        if not self.blocks:
            self.push(self._seal(int(clock()), bytes(32), gas_limit, base_fee_wei, (), {}, {}), {}, {})
            for address, balance_wei in (balances or {}).items():
                self.set_balance(bytes.fromhex(address.removeprefix("0x")), balance_wei)

    # Reading

    def now(self) -> int:
        """The timestamp in seconds that a block mined now would have."""
        if self._next_timestamp is not None:
            return self._next_timestamp
        return max(int(self._clock()) + self._offset_s, self.blocks[-1].header.timestamp)

    def get_context(self, number: int, timestamp: int, base_fee: int) -> BlockContext:
        """What code sees in a block that is being built on, or asked about at, the head."""
        key = (number, timestamp, base_fee, self.head.hash, self.fork_count)
        known, context = self._context
        if context is None or known != key:
            context = self._make_context(number, timestamp, base_fee)
            self._context = (key, context)
        return context

    def _make_context(self, number: int, timestamp: int, base_fee: int) -> BlockContext:
        parent = self.blocks[min(number, len(self.blocks)) - 1] if number else self.blocks[0]
        randao = self.blocks[number].header.prevrandao if number < len(self.blocks) else self._draw_randao(parent.hash)
        return BlockContext(
            number, timestamp, COINBASE, parent.header.gas_limit, base_fee, randao, self.chain_id, self.hash_of
        )

    # Sending and mining

    def submit(self, raw: bytes) -> bytes:
        """Admit a signed transaction, mine it when mining is automatic, and return its hash."""
        transaction = decode_transaction(raw)
        with self.lock:
            self.advance()
            self._check(transaction)
            self.pool.add(transaction)
            if self.mining == "auto":
                while self._has_ready():
                    self.mine()
        return transaction.hash

    def _check(self, transaction: Transaction) -> None:
        if transaction.hash in self.by_transaction:
            raise Refused("already known", hint="it is mined: read its receipt")
        minimum = self.next_base_fee() if self.mining == "auto" else 0
        account, gas_limit = self.state.get(transaction.sender), self.head.header.gas_limit
        check_transaction(transaction, account, chain_id=self.chain_id, gas_limit=gas_limit, base_fee=minimum)

    def next_base_fee(self) -> int:
        """Base fee of the next block, wei per gas."""
        return compute_next_base_fee(self.head.header)

    def _has_ready(self) -> bool:
        fee = self.next_base_fee()
        return any(t.nonce == self.state.get(t.sender).nonce and t.max_fee >= fee for t in self.pool)

    def advance(self) -> None:
        """Mine the blocks whose time has come, when mining is by interval."""
        if self.mining != "interval":
            return
        with self.lock:
            now = int(self._clock()) + self._offset_s
            due = (now - self.head.header.timestamp) // self.interval_s
            start = now - min(due, INTERVAL_CATCH_UP_COUNT) * self.interval_s
            for index in range(min(due, INTERVAL_CATCH_UP_COUNT)):
                self.mine(start + (index + 1) * self.interval_s)

    def mine(self, timestamp: int | None = None) -> Block:
        """Mine one block with every transaction that is ready and fits; empty if there is none."""
        with self.lock:
            stamp = max(self.now() if timestamp is None else timestamp, self.head.header.timestamp)
            parent, base_fee = self.head, self.next_base_fee()
            context = self.get_context(parent.header.number + 1, stamp, base_fee)
            receipts, forward, inverse = self._execute_ready(context)
            block = self._seal(stamp, parent.hash, parent.header.gas_limit, base_fee, receipts, forward, inverse)
            self._next_timestamp = None
            self.push(block, inverse, forward)
            return block

    def _execute_ready(self, context: BlockContext) -> tuple[tuple[Receipt, ...], Diff, Diff]:
        receipts: list[Receipt] = []
        forward: Diff = {}
        inverse: Diff = {}
        gas_used = log_count = 0
        progress = True
        while progress:
            progress = False
            for transaction in self.pool:
                account = self.state.get(transaction.sender)
                if transaction.nonce < account.nonce:
                    self.pool.remove(transaction)
                    continue
                affordable = transaction.gas_limit * transaction.max_fee + transaction.value <= account.balance
                fits = gas_used + transaction.gas_limit <= context.gas_limit
                if transaction.nonce != account.nonce or transaction.max_fee < context.base_fee or not fits:
                    continue
                self.pool.remove(transaction)
                if not affordable:
                    continue
                outcome, done, undone = self._execute(transaction, context)
                forward, inverse = merge_diffs(forward, done), merge_diffs(undone, inverse)
                gas_used += outcome.gas_used
                receipts.append(
                    Receipt(
                        transaction,
                        len(receipts),
                        outcome.success,
                        outcome.gas_used,
                        gas_used,
                        transaction.compute_price(context.base_fee),
                        None if transaction.to else compute_create_address(transaction.sender, transaction.nonce),
                        outcome.logs,
                        log_count,
                        b"" if outcome.success else outcome.output,
                    )
                )
                log_count += len(outcome.logs)
                progress = True
        return tuple(receipts), forward, inverse

    def _execute(self, transaction: Transaction, context: BlockContext) -> tuple[Outcome, Diff, Diff]:
        price = transaction.compute_price(context.base_fee)
        sender = self.state.get(transaction.sender)
        bought: Diff = {
            transaction.sender: Change(sender.balance - transaction.gas_limit * price, transaction.nonce + 1)
        }
        inverse = self.write(bought)
        outcome = self.engine.execute(context, to_message(transaction, price))
        inverse = merge_diffs(self.write(outcome.diff), inverse)
        back = (transaction.gas_limit - outcome.gas_used) * price
        sender = self.state.get(transaction.sender)
        refund: Diff = {transaction.sender: Change(sender.balance + back, sender.nonce)}
        inverse = merge_diffs(self.write(refund), inverse)
        miner = self.state.get(COINBASE)
        tip: Diff = {COINBASE: Change(miner.balance + outcome.gas_used * (price - context.base_fee), miner.nonce)}
        inverse = merge_diffs(self.write(tip), inverse)
        return outcome, merge_diffs(merge_diffs(merge_diffs(bought, outcome.diff), refund), tip), inverse

    # Building and undoing

    def _draw_randao(self, parent_hash: bytes) -> bytes:
        return _draw_randao(self.chain_id, parent_hash, self.fork_count)

    def _seal(
        self,
        timestamp: int,
        parent_hash: bytes,
        gas_limit: int,
        base_fee: int,
        receipts: tuple[Receipt, ...],
        forward: Diff,
        inverse: Diff,
    ) -> Block:
        previous_root = self.head.header.state_root if self.blocks else bytes(32)
        logs = [log for receipt in receipts for log in receipt.logs]
        header = Header(
            number=len(self.blocks),
            parent_hash=parent_hash,
            timestamp=timestamp,
            coinbase=COINBASE,
            gas_limit=gas_limit,
            gas_used=receipts[-1].cumulative_gas if receipts else 0,
            base_fee=base_fee,
            prevrandao=self._draw_randao(parent_hash),
            state_root=keccak(previous_root + digest_diff(forward, inverse)),
            transactions_root=keccak(b"".join(r.transaction.hash for r in receipts)),
            receipts_root=keccak(repr([(r.success, r.gas_used, r.logs) for r in receipts]).encode()),
            bloom=compute_bloom(logs),
        )
        return Block(header, header.compute_hash(), receipts)

    def set_balance(self, address: bytes, balance_wei: int) -> None:
        """The faucet: set a balance in wei."""
        if not 0 <= balance_wei < 2**256:
            raise BadInput("a balance is a 256-bit number", hint="give wei between 0 and 2^256 - 1")
        with self.lock:
            self.change({address: Change(balance_wei, self.state.get(address).nonce)})

    def snapshot(self) -> int:
        """Remember blocks, state, pool and time; give the number to `revert`."""
        with self.lock:
            self._snapshot_count += 1
            self._snapshots[self._snapshot_count] = _Snapshot(
                len(self.entries), self.pool.copy(), self._offset_s, self._next_timestamp
            )
            return self._snapshot_count

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot, which is used up with all later ones; False where there is none."""
        with self.lock:
            found = self._snapshots.get(snapshot)
            if found is None:
                return False
            self._snapshots = {k: v for k, v in self._snapshots.items() if k < snapshot}
            self.pop_to(found.depth)
            self.fork_count += 1
            self.pool, self._offset_s, self._next_timestamp = found.pool, found.offset_s, found.next_timestamp
            return True

    def reorganise(self, depth: int, *, keep_transactions: bool = False) -> None:
        """Replace the last `depth` blocks by as many others: empty, or with the old transactions in the first.

        Changes from outside that fell between them are made again. Snapshots taken inside are lost.
        """
        with self.lock:
            if not 0 < depth < len(self.blocks):
                raise BadInput(f"cannot replace {depth} of {len(self.blocks)} blocks", hint="keep the genesis block")
            mark = next(i for i, e in enumerate(self.entries) if e.block is self.blocks[-depth])
            self._snapshots = {k: v for k, v in self._snapshots.items() if v.depth <= mark}
            undone = self.pop_to(mark)
            self.fork_count += 1
            for entry in undone:
                if entry.block is None:
                    self.change(entry.change)
                elif keep_transactions:
                    for receipt in entry.block.receipts:
                        self.pool.put(receipt.transaction)
            stamps = [e.block.header.timestamp for e in undone if e.block is not None]
            held = self.pool
            for stamp in stamps:
                self.pool = held if keep_transactions else Pool()
                self.mine(stamp)
            self.pool = held

    def set_mining(self, mining: Mining) -> None:
        """Switch between automatic, interval and manual mining; automatic mines what waits."""
        with self.lock:
            self.mining = mining
            while mining == "auto" and self._has_ready():
                self.mine()

    def increase_time(self, seconds: int) -> None:
        """Move the chain's time ahead of its clock."""
        if seconds < 0:
            raise BadInput("time does not go back", hint="take a snapshot and revert to it")
        with self.lock:
            self._offset_s += seconds

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's timestamp, and carry the clock on from there. Seconds."""
        with self.lock:
            if timestamp < self.head.header.timestamp:
                raise BadInput("the next timestamp is before the head's", hint="give a later one")
            self._next_timestamp = timestamp
            self._offset_s = timestamp - int(self._clock())
