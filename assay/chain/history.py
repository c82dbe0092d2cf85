"""What has happened on the embedded chain, as steps that can be undone, with the indexes over them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from assay.chain.blocks import Block, Receipt
from assay.chain.engine import Engine, open_engine
from assay.chain.journal import Journal
from assay.chain.records import BlockRecord, ChangeRecord, RewindRecord
from assay.chain.state import Diff, State, merge_diffs


@dataclass(frozen=True, slots=True)
class Entry:
    """One undoable step: a block, or a change from outside (a faucet) when `block` is None."""

    block: Block | None
    inverse: Diff
    change: Diff


class History:
    """Blocks, state and engine moving together. A step is a block, or a change from outside any transaction."""

    def __init__(self, engine: str) -> None:
        self.state = State()
        self.engine: Engine = open_engine(self.state, engine)
        self.blocks: list[Block] = []
        self.by_hash: dict[bytes, Block] = {}
        self.by_transaction: dict[bytes, tuple[Block, Receipt]] = {}
        self.feed: list[tuple[bool, Block]] = []  # (removed, block), append-only, for filters
        self.entries: list[Entry] = []
        self.fork_count = 0  # grows with every rewind, so that replaced blocks never hash alike
        self._journal: Journal | None = None

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    def hash_of(self, number: int) -> bytes:
        """Hash of a block by number; 32 zeros where there is none."""
        return self.blocks[number].hash if 0 <= number < len(self.blocks) else bytes(32)

    def at(self, number: int) -> AbstractContextManager[None]:
        """The state as it was after block `number`, for the body of the `with`."""
        return self._back_to(number) if number < self.head.header.number else nullcontext()

    @contextmanager
    def _back_to(self, number: int) -> Iterator[None]:
        undo: Diff = {}
        for entry in reversed(self.entries):
            if entry.block is not None and entry.block.header.number == number:
                break
            undo = merge_diffs(undo, entry.inverse)
        redo = self.write(undo)
        try:
            yield
        finally:
            self.write(redo)

    def write(self, diff: Diff) -> Diff:
        """Apply a diff to state and engine alike, outside the history; the inverse must be written back."""
        if not diff:
            return {}
        inverse = self.state.apply(diff)
        self.engine.load(diff)
        return inverse

    def push(self, block: Block, inverse: Diff, forward: Diff) -> None:
        """Add a block whose changes are written already."""
        if self._journal is not None:
            self._journal.append(BlockRecord(block, forward))
        self.blocks.append(block)
        self.by_hash[block.hash] = block
        for receipt in block.receipts:
            self.by_transaction[receipt.transaction.hash] = (block, receipt)
        self.feed.append((False, block))
        self.entries.append(Entry(block, inverse, forward))

    def change(self, diff: Diff) -> None:
        """Write state from outside any transaction, undone by snapshots like a block is."""
        if self._journal is not None:
            self._journal.append(ChangeRecord(diff))
        self.entries.append(Entry(None, self.write(diff), diff))

    def pop_to(self, depth: int) -> list[Entry]:
        """Undo entries until `depth` are left; the undone ones, oldest first."""
        undone = []
        if self._journal is not None and depth < len(self.entries):
            self._journal.append(RewindRecord(depth))
        while len(self.entries) > depth:
            entry = self.entries.pop()
            self.write(entry.inverse)
            if entry.block is not None:
                self.blocks.pop()
                del self.by_hash[entry.block.hash]
                for receipt in entry.block.receipts:
                    del self.by_transaction[receipt.transaction.hash]
                self.feed.append((True, entry.block))
            undone.append(entry)
        return undone[::-1]

    def keep(self, journal: Journal) -> None:
        """Take over what a file holds, and write every further step to it before it takes effect."""
        for record in journal.records:
            if isinstance(record, BlockRecord):
                self.push(record.block, self.write(record.forward), record.forward)
            elif isinstance(record, ChangeRecord):
                self.change(record.change)
            else:
                self.pop_to(record.depth)
                self.fork_count += 1
        self.feed = [(False, block) for block in self.blocks]
        self._journal = journal

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._journal is not None:
            self._journal.close()
