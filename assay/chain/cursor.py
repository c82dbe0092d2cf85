"""Reading events so that each is delivered once, though chains reorganise and nodes err.

The cursor remembers the hashes of the blocks it has read, and their logs. When a remembered block is no longer on the
chain it takes back that block's logs (newest first) before it reads on. Deeper than `WINDOW_BLOCKS` it refuses to
guess. A node's answers are believed only where they fit together: parents link, logs lie in the blocks, the range and
at the addresses asked for. A node that silently leaves logs out is not noticed: use one that you trust, or several.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from web3 import Web3

from assay.chain.events import LogEntry, read_log
from assay.chain.rpc import Rpc, read_bytes, read_object, read_quantity
from assay.protocol.errors import BadInput, LimitExceeded, Malformed, Refused, Unavailable

WINDOW_BLOCKS = 256
RANGE_BLOCKS = 2_000
ATTEMPT_COUNT = 3
STATE_FORMAT = "assay-cursor-1"


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A block that was read, with the logs delivered from it."""

    number: int
    hash: bytes
    logs: tuple[LogEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What one poll brought: `removed` first (newest first), then `added` (oldest first)."""

    removed: tuple[LogEntry, ...]
    added: tuple[LogEntry, ...]
    head: int
    is_caught_up: bool


class _Shifted(Exception):
    """The chain moved between two answers, or the node contradicts itself: ask again."""


class Cursor:
    """Events of some contracts from `first_block` on. Save `dump()` together with what you made of the page."""

    def __init__(
        self,
        web3: Web3,
        addresses: Sequence[str],
        *,
        first_block: int = 0,
        range_blocks: int = RANGE_BLOCKS,
        window_blocks: int = WINDOW_BLOCKS,
    ) -> None:
        if not addresses or first_block < 0 or range_blocks < 1 or window_blocks < 1:
            raise BadInput("a cursor needs addresses and positive bounds", hint="pass the deployment's addresses")
        self._rpc = Rpc(web3)
        self._addresses = frozenset(str(Web3.to_checksum_address(address)) for address in addresses)
        self._listed = sorted(self._addresses)
        self._first_block, self._range_blocks, self._window_blocks = first_block, range_blocks, window_blocks
        self._seen: tuple[SeenBlock, ...] = ()

    @property
    def next_block(self) -> int:
        """Number of the block that will be read next."""
        return self._seen[-1].number + 1 if self._seen else self._first_block

    def poll(self) -> Page:
        """Read up to `range_blocks` further blocks. Nothing changes when it raises.

        Raises `Unavailable` when the node keeps contradicting itself or does not answer, `Malformed` for a log that
        was not asked for, and `Refused` when the chain was rewritten below the window.
        """
        trouble = ""
        for _ in range(ATTEMPT_COUNT):
            try:
                return self._poll_once()
            except _Shifted as shift:
                trouble = str(shift)
        raise Unavailable(f"the node's answers do not fit together: {trouble}", hint="try again, or use another node")

    def drain(self) -> Page:
        """Poll until the head is reached; one page with everything."""
        removed: list[LogEntry] = []
        added: list[LogEntry] = []
        while True:
            page = self.poll()
            # What was added by an earlier page of this drain and is taken back now never happened.
            for log in page.removed:
                if log in added:
                    added.remove(log)
                else:
                    removed.append(log)
            added.extend(page.added)
            if page.is_caught_up:
                return Page(tuple(removed), tuple(added), page.head, True)

    def _poll_once(self) -> Page:
        newest, parent = self._read_header("latest")
        head = newest.number
        if self._seen and self._seen[-1].hash == newest.hash:
            return Page((), (), head, True)
        if self._seen and (self._seen[-1].number + 1, self._seen[-1].hash) == (head, parent):
            return self._read_next(newest)
        kept, removed = self._find_fork(head)
        first = kept[-1].number + 1 if kept else self._first_block
        if first > head:
            self._seen = kept
            return Page(removed, (), head, True)
        last = min(head, first + self._range_blocks - 1)
        window_start = head - self._window_blocks + 1
        if first < window_start:
            # Deep history: only the border block is remembered, the rest is beyond any reorganisation we undo.
            last = min(last, window_start - 1)
            last, logs = self._read_range(first, last)
            fresh: tuple[SeenBlock, ...] = (self._read_header(last)[0],)
            kept = ()
        else:
            fresh, logs, last = self._read_linked(first, last, kept[-1].hash if kept else None)
        self._seen = (kept + fresh)[-self._window_blocks :]
        return Page(removed, logs, head, last == head)

    def _read_next(self, block: SeenBlock) -> Page:
        """The one block that has come since. Were it replaced meanwhile, the next poll would find that out."""
        _, logs = self._read_range(block.number, block.number)
        if any(log.block_hash != block.hash for log in logs):
            raise _Shifted(f"a log of block {block.number} names another block")
        self._seen = (*self._seen, SeenBlock(block.number, block.hash, logs))[-self._window_blocks :]
        return Page((), logs, block.number, True)

    def _find_fork(self, head: int) -> tuple[tuple[SeenBlock, ...], tuple[LogEntry, ...]]:
        """Remembered blocks that are still on the chain, and the logs of those that are not."""
        kept = list(self._seen)
        removed: list[LogEntry] = []
        while kept:
            top = kept[-1]
            if top.number <= head and self._read_header(top.number)[0].hash == top.hash:
                return tuple(kept), tuple(removed)
            removed.extend(reversed(top.logs))
            kept.pop()
        if self._seen and self._seen[0].number > self._first_block:
            raise Refused(
                f"the chain was rewritten below block {self._seen[0].number}",
                hint="start again from the deployment's block with a new cursor",
                block_number=self._seen[0].number,
            )
        return (), tuple(removed)

    def _read_header(self, number: int | str) -> tuple[SeenBlock, bytes]:
        """A block by number, or "latest", and its parent's hash."""
        answer = self._rpc.request("eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False)
        if answer is None:
            raise _Shifted(f"block {number} is not there")
        block = read_object(answer)
        found = read_quantity(block.get("number"), 2**64)
        if number not in (found, "latest"):
            raise _Shifted(f"block {number} was asked for, another came")
        return SeenBlock(found, read_bytes(block.get("hash"), 32)), read_bytes(block.get("parentHash"), 32)

    def _read_linked(
        self, first: int, last: int, parent: bytes | None
    ) -> tuple[tuple[SeenBlock, ...], tuple[LogEntry, ...], int]:
        blocks = []
        for number in range(first, last + 1):
            block, parent_hash = self._read_header(number)
            if parent is not None and parent_hash != parent:
                raise _Shifted(f"block {number} does not link to the block before it")
            parent = block.hash
            blocks.append(block)
        last, logs = self._read_range(first, last)
        blocks = blocks[: last - first + 1]
        by_number: dict[int, list[LogEntry]] = {block.number: [] for block in blocks}
        hashes = {block.number: block.hash for block in blocks}
        for log in logs:
            if hashes[log.block_number] != log.block_hash:
                raise _Shifted(f"a log of block {log.block_number} names another block")
            by_number[log.block_number].append(log)
        if self._read_header(last)[0].hash != blocks[-1].hash:
            raise _Shifted(f"block {last} changed while it was read")
        return tuple(SeenBlock(b.number, b.hash, tuple(by_number[b.number])) for b in blocks), logs, last

    def _read_range(self, first: int, last: int) -> tuple[int, tuple[LogEntry, ...]]:
        """Logs from `first` to as far as the node is willing to go in one answer, and that block."""
        while True:
            query = {"address": self._listed, "fromBlock": hex(first), "toBlock": hex(last)}
            try:
                answer = self._rpc.request("eth_getLogs", query)
            except Refused:
                if last == first:
                    raise
                last = first + (last - first) // 2  # nodes bound ranges and answers; each has its own words for it
                continue
            return last, self._check_logs(answer, first, last)

    def _check_logs(self, answer: Any, first: int, last: int) -> tuple[LogEntry, ...]:
        if not isinstance(answer, list):
            raise Malformed("the node sent no list of logs", hint="use another node")
        logs = sorted((read_log(item) for item in answer), key=lambda log: log.place)
        for before, log in zip([None, *logs], logs, strict=False):
            if log.address not in self._addresses:
                raise Malformed(
                    f"the node sent a log of {log.address}, which was not asked for", hint="use another node"
                )
            if not first <= log.block_number <= last:
                raise Malformed(
                    f"the node sent a log of block {log.block_number}, outside {first}..{last}", hint="use another node"
                )
            if before is not None and before.place == log.place:
                raise Malformed(f"the node sent two logs for one place {log.place}", hint="use another node")
        if any(isinstance(item, dict) and item.get("removed") for item in answer):
            raise _Shifted("a log is marked as removed")
        return tuple(logs)

    def dump(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {
            "format": STATE_FORMAT,
            "addresses": list(self._listed),
            "first_block": self._first_block,
            "seen": [[b.number, b.hash.hex(), [_dump_log(log) for log in b.logs]] for b in self._seen],
        }

    def restore(self, state: Any) -> None:
        """Go on from a `dump()` of a cursor on the same addresses. Raises `Malformed` or `BadInput`."""
        try:
            if state["format"] != STATE_FORMAT:
                raise ValueError("another format")
            seen = tuple(
                SeenBlock(int(number), bytes.fromhex(block_hash), tuple(_load_log(log) for log in logs))
                for number, block_hash, logs in state["seen"]
            )
            asked = (frozenset(state["addresses"]), int(state["first_block"]))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise Malformed(f"not a cursor's state: {error!r}", hint="start a new cursor") from None
        if asked != (self._addresses, self._first_block):
            raise BadInput("the state is of a cursor on other contracts", hint="open the cursor as it was opened")
        if len(seen) > max(self._window_blocks, WINDOW_BLOCKS):
            raise LimitExceeded(
                "the state is too long", hint="start a new cursor", limit=self._window_blocks, actual=len(seen)
            )
        if any(len(b.hash) != 32 for b in seen) or any(b.number >= a.number for b, a in pairwise(seen)):
            raise Malformed("the state's blocks are not in order", hint="start a new cursor")
        self._seen = seen


def _dump_log(log: LogEntry) -> list[Any]:
    return [
        log.address,
        [topic.hex() for topic in log.topics],
        log.payload.hex(),
        log.block_number,
        log.block_hash.hex(),
        log.transaction_hash.hex(),
        log.log_index,
    ]


def _load_log(value: Any) -> LogEntry:
    address, topics, payload, block_number, block_hash, transaction_hash, log_index = value
    unhex = bytes.fromhex
    return LogEntry(
        str(address),
        tuple(unhex(topic) for topic in topics),
        unhex(payload),
        int(block_number),
        unhex(block_hash),
        unhex(transaction_hash),
        int(log_index),
    )
