"""Transactions that wait: one queue per sender, ordered by nonce."""

from collections.abc import Iterator

from assay.chain.transactions import Transaction
from assay.protocol.errors import LimitExceeded, Refused

POOL_LIMIT_COUNT = 65_536
REPLACEMENT_BUMP_PERCENT = 10


class Pool:
    """Pending and queued transactions. Arrival order decides between senders; nonces decide within one."""

    def __init__(self) -> None:
        self._by_sender: dict[bytes, dict[int, Transaction]] = {}
        self._arrivals: dict[bytes, Transaction] = {}  # by hash, in order of arrival

    def __len__(self) -> int:
        return len(self._arrivals)

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._arrivals.values()))

    def copy(self) -> "Pool":
        """An independent pool with the same transactions."""
        twin = Pool()
        for transaction in self:
            twin.put(transaction)
        return twin

    def get(self, transaction_hash: bytes) -> Transaction | None:
        """A waiting transaction by its hash."""
        return self._arrivals.get(transaction_hash)

    def add(self, transaction: Transaction) -> None:
        """Queue one. Raises `Refused` for a replacement that does not pay a tenth more."""
        if transaction.hash in self._arrivals:
            raise Refused("already known", hint="wait for its receipt")
        if len(self._arrivals) >= POOL_LIMIT_COUNT:
            raise LimitExceeded(
                "the transaction pool is full", hint="mine a block", limit=POOL_LIMIT_COUNT, actual=len(self._arrivals)
            )
        rival = self._by_sender.get(transaction.sender, {}).get(transaction.nonce)
        if rival is not None:
            if transaction.max_fee * 100 < rival.max_fee * (100 + REPLACEMENT_BUMP_PERCENT):
                raise Refused("replacement transaction underpriced", hint="offer at least a tenth more per gas")
            self.remove(rival)
        self.put(transaction)

    def put(self, transaction: Transaction) -> None:
        """Queue without asking, as when a reorganisation gives transactions back."""
        self._by_sender.setdefault(transaction.sender, {})[transaction.nonce] = transaction
        self._arrivals[transaction.hash] = transaction

    def remove(self, transaction: Transaction) -> None:
        """Take one out, if it is there."""
        queue = self._by_sender.get(transaction.sender, {})
        if queue.get(transaction.nonce) is transaction:
            del queue[transaction.nonce]
        self._arrivals.pop(transaction.hash, None)

    def count_ready(self, sender: bytes, nonce: int) -> int:
        """How many consecutive transactions of `sender` start at `nonce`."""
        queue = self._by_sender.get(sender, {})
        count = 0
        while nonce + count in queue:
            count += 1
        return count
