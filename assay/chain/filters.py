"""Log filters of the embedded chain: matching by address, topics and range, and polling with removals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.chain.blocks import Block, render_log, to_hex
from assay.chain.embedded import EmbeddedChain
from assay.chain.engine import Log
from assay.protocol.errors import BadInput, LimitExceeded

FILTER_LIMIT_COUNT = 4_096
TOPIC_LIMIT_COUNT = 4
ADDRESSES_KEPT = 64
RANGE_LIMIT_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a log must match. None and the empty set match everything."""

    addresses: frozenset[bytes]
    topics: tuple[frozenset[bytes] | None, ...]

    def matches(self, log: Log) -> bool:
        """True when address and every position of the topics match."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(wanted is None or topic in wanted for wanted, topic in zip(self.topics, log.topics, strict=False))


def parse_bytes(value: Any, size_bytes: int | None = None) -> bytes:
    """Bytes from a JSON-RPC parameter: bytes, or hex with 0x."""
    try:
        parsed = value if isinstance(value, bytes) else bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError:
        raise BadInput(f"not hexadecimal: {str(value)[:80]!r}", hint="write 0x and an even number of digits") from None
    if size_bytes is not None and len(parsed) != size_bytes:
        raise BadInput(f"expected {size_bytes} bytes, got {len(parsed)}", hint="check the parameter's length")
    return bytes(parsed)


def parse_criteria(query: Mapping[str, Any]) -> Criteria:
    """Read the `address` and `topics` of eth_getLogs."""
    listed = _choices(query.get("address") or [])
    given = query.get("topics") or []
    if not isinstance(given, list | tuple):
        raise BadInput("the topics of a filter are no list", hint="write a list of topics, null for any")
    topics: list[frozenset[bytes] | None] = []
    for item in given:
        choices = [] if item is None else _choices(item)
        anything = not choices or any(choice is None for choice in choices)
        topics.append(None if anything else frozenset(parse_bytes(choice, 32) for choice in choices))
    if len(topics) > TOPIC_LIMIT_COUNT:
        raise BadInput("a log has at most four topics", hint="shorten the filter")
    texts = tuple([each if isinstance(each, bytes) else str(each) for each in listed])
    return Criteria(_parse_addresses(texts), tuple(topics))


@lru_cache(maxsize=ADDRESSES_KEPT)
def _parse_addresses(listed: tuple[str | bytes, ...]) -> frozenset[bytes]:
    """Kept, since whoever follows some contracts asks for the same at every block."""
    return frozenset(parse_bytes(each, 20) for each in listed)


def _choices(value: Any) -> Sequence[Any]:
    """One of several, or the only one."""
    if isinstance(value, str | bytes):
        return [value]
    if not isinstance(value, list | tuple):
        raise BadInput("a filter names neither hex nor a list of it", hint="write addresses and topics with 0x")
    return value


def iterate_logs(block: Block, criteria: Criteria, *, removed: bool = False) -> Iterator[dict[str, Any]]:
    """Matching logs of one block in their JSON-RPC form."""
    for receipt in block.receipts:
        for position, log in enumerate(receipt.logs):
            if criteria.matches(log):
                yield render_log(log, receipt.first_log_index + position, receipt, block, removed=removed)


def get_logs(chain: EmbeddedChain, criteria: Criteria, first: int, last: int) -> list[dict[str, Any]]:
    """Logs of the blocks `first` to `last`, both included."""
    if last - first >= RANGE_LIMIT_COUNT:
        raise LimitExceeded(
            "the block range is too wide", hint="ask in parts", limit=RANGE_LIMIT_COUNT, actual=last - first + 1
        )
    return [log for block in chain.blocks[max(first, 0) : last + 1] for log in iterate_logs(block, criteria)]


@dataclass(slots=True)
class _Filter:
    kind: str  # "logs", "blocks" or "pending"
    criteria: Criteria | None
    first: int
    last: int | None
    position: int  # in the chain's feed


class Filters:
    """Installed filters by number. A poll reports what came, and logs that a reorganisation took away."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain
        self._filters: dict[int, _Filter] = {}
        self._count = 0

    def install(self, kind: str, criteria: Criteria | None = None, first: int = 0, last: int | None = None) -> str:
        """Install one and return its number in hex."""
        if len(self._filters) >= FILTER_LIMIT_COUNT:
            raise LimitExceeded(
                "too many filters", hint="uninstall some", limit=FILTER_LIMIT_COUNT, actual=len(self._filters)
            )
        self._count += 1
        self._filters[self._count] = _Filter(kind, criteria, first, last, len(self._chain.feed))
        return hex(self._count)

    def uninstall(self, number: int) -> bool:
        """Remove one; False when there was none."""
        return self._filters.pop(number, None) is not None

    def poll(self, number: int) -> list[Any]:
        """What happened since the last poll."""
        found = self._find(number)
        events = self._chain.feed[found.position :]
        found.position = len(self._chain.feed)
        if found.kind == "blocks":
            return [to_hex(block.hash) for removed, block in events if not removed]
        if found.criteria is None:
            return []
        return [
            log
            for removed, block in events
            if block.header.number >= found.first and (found.last is None or block.header.number <= found.last)
            for log in iterate_logs(block, found.criteria, removed=removed)
        ]

    def read_all(self, number: int) -> list[dict[str, Any]]:
        """Every log that an installed log filter matches now."""
        found = self._find(number)
        if found.criteria is None:
            raise BadInput("this filter is not a log filter", hint="install one with eth_newFilter")
        last = self._chain.head.header.number if found.last is None else found.last
        return get_logs(self._chain, found.criteria, found.first, last)

    def _find(self, number: int) -> _Filter:
        try:
            return self._filters[number]
        except KeyError:
            raise BadInput("filter not found", hint="install it again") from None
