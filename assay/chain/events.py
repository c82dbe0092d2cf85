"""Logs of contracts as typed events: the raw entry, the base of the generated classes, and the way between them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, Self, TypeVar

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from assay.chain.rpc import read_bytes, read_object, read_quantity
from assay.protocol.errors import Malformed

TOPIC_LIMIT_COUNT = 4
EVENTS_KEPT = 1_024


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log with its place on the chain."""

    address: str
    topics: tuple[bytes, ...]
    payload: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int

    @property
    def place(self) -> tuple[int, int]:
        """Order on one chain: block number, then log index."""
        return self.block_number, self.log_index


def read_log(value: Any) -> LogEntry:
    """A log as a node sends it. Raises `Malformed`."""
    log = read_object(value)
    topics = log.get("topics")
    if not isinstance(topics, list) or len(topics) > TOPIC_LIMIT_COUNT:
        raise Malformed("the node sent a log with bad topics", hint="use another node")
    return LogEntry(
        address=_to_checksum(read_bytes(log.get("address"), 20)),
        topics=tuple(read_bytes(topic, 32) for topic in topics),
        payload=read_bytes(log.get("data")),
        block_number=read_quantity(log.get("blockNumber"), 2**64),
        block_hash=read_bytes(log.get("blockHash"), 32),
        transaction_hash=read_bytes(log.get("transactionHash"), 32),
        log_index=read_quantity(log.get("logIndex"), 2**32),
    )


@lru_cache(maxsize=256)
def _to_checksum(address: bytes) -> str:
    return str(Web3.to_checksum_address(address))


class Event:
    """Base of the generated events. `TYPES` gives (ABI type, indexed) per field, in the order of the fields."""

    TOPIC: ClassVar[bytes]
    CONTRACT: ClassVar[str]
    TYPES: ClassVar[tuple[tuple[str, bool], ...]]

    @classmethod
    def from_abi(cls, values: tuple[Any, ...]) -> Self:
        """From decoded ABI values in the order of the fields."""
        return cls(*values)

    @classmethod
    def decode(cls, log: LogEntry) -> Self:
        """From a log that has this event's topic. Raises `Malformed` when the rest does not fit."""
        kind: Any = cls
        event: Self = _decode(kind, log.topics, log.payload)
        return event


@lru_cache(maxsize=EVENTS_KEPT)
def _decode(kind: type[Event], topics: tuple[bytes, ...], payload: bytes) -> Any:
    """An event. Kept, since every party of a process reads the same logs, and no event ever changes."""
    return kind.from_abi(_decode_values(kind.TOPIC, kind.TYPES, kind.__name__, topics, payload))


def _decode_values(
    topic: bytes, types: tuple[tuple[str, bool], ...], name: str, topics: tuple[bytes, ...], payload: bytes
) -> tuple[Any, ...]:
    """An event's ABI values."""
    if not topics or topics[0] != topic:
        raise Malformed(f"the log is not a {name}", hint="look the event up by its topic")
    plain = [kind for kind, indexed in types if not indexed]
    if len(topics) != 1 + len(types) - len(plain):
        raise Malformed(f"a {name} has the wrong number of topics", hint="use another node")
    try:
        body, words = iter(decode(plain, payload)), iter(topics[1:])
        return tuple(decode_topic(kind, next(words)) if indexed else next(body) for kind, indexed in types)
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        raise Malformed(f"a {name} does not decode: {error}", hint="use another node") from None


def decode_topic(kind: str, topic: bytes) -> Any:
    """An indexed value; of a type that does not fit a word only its keccak is there, as bytes."""
    if kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("("):
        return topic
    return decode([kind], topic)[0]


E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Emitted(Generic[E_co]):
    """A typed event with the log that carried it."""

    event: E_co
    log: LogEntry
