"""Base of the generated clients: typed calls to one contract, encoded and decoded by its ABI.

A view answers at once. A transaction is a `Call` first: `ask` what it would return, `estimate` its gas, or `send` it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from web3 import Web3

from assay.chain.events import Emitted, Event
from assay.chain.rpc import BlockTag, Rpc, read_quantity
from assay.chain.sender import Sender, Sent
from assay.protocol.errors import BadInput, Malformed

T = TypeVar("T")
E = TypeVar("E", bound=Event)
ANSWERS_KEPT = 4_096


@dataclass(frozen=True)
class Call(Generic[T]):
    """A transaction that is ready to be sent; `T` is what the function returns."""

    contract: "Contract"
    payload: bytes
    value_wei: int
    read: Callable[[bytes], T]

    def send(self, sender: Sender | None = None, *, gas: int | None = None) -> Sent:
        """Send it and wait. Raises `Reverted` with the decoded error."""
        chosen = self._choose(sender)
        return chosen.send(self.contract.address, self.payload, value_wei=self.value_wei, gas=gas)

    def ask(self, sender: str | None = None, block: BlockTag = "latest") -> T:
        """What it would return if `sender` (an address) sent it; nothing is sent."""
        contract = self.contract
        source = sender or (contract.sender.address if contract.sender else None)
        answer = contract.rpc.call(contract.address, self.payload, sender=source, value_wei=self.value_wei, block=block)
        return self.read(answer)

    def estimate(self, sender: Sender | None = None) -> int:
        """Gas that it would take."""
        transaction = {
            "from": self._choose(sender).address,
            "to": self.contract.address,
            "data": "0x" + self.payload.hex(),
            "value": hex(self.value_wei),
        }
        return read_quantity(self.contract.rpc.request("eth_estimateGas", transaction))

    def _choose(self, sender: Sender | None) -> Sender:
        chosen = sender or self.contract.sender
        if chosen is None:
            raise BadInput("nobody is there to sign", hint="open the client with a sender, or pass one")
        return chosen


class Contract:
    """One deployed contract at `address`; `sender` signs where a call names no other."""

    NAME: ClassVar[str]
    EVENTS: ClassVar[tuple[type[Event], ...]] = ()

    def __init__(self, web3: Web3, address: str, sender: Sender | None = None) -> None:
        if not Web3.is_address(address):
            raise BadInput(f"not an address: {address!r}", hint="give 20 bytes in hex")
        self.rpc, self.sender = Rpc(web3), sender
        self.address = str(Web3.to_checksum_address(address))

    def _view(self, payload: bytes, kinds: tuple[str, ...], block: BlockTag) -> tuple[Any, ...]:
        return unpack(kinds, self.rpc.call(self.address, payload, block=block))

    def find(self, sent: Sent, kind: type[E]) -> list[Emitted[E]]:
        """Events of one kind that this contract emitted in a transaction."""
        return [
            Emitted(kind.decode(log), log)
            for log in sent.logs
            if log.address == self.address and log.topics[:1] == (kind.TOPIC,)
        ]


def pack(selector: bytes, kinds: tuple[str, ...], values: tuple[Any, ...]) -> bytes:
    """Calldata. Raises `BadInput` when a value does not fit its type.

    Kept where the values can be a key: whoever waits asks the same many times.
    """
    try:
        return _pack_kept(selector, kinds, values)
    except TypeError:  # nothing else raises it
        return _pack(selector, kinds, values)


def _pack(selector: bytes, kinds: tuple[str, ...], values: tuple[Any, ...]) -> bytes:
    try:
        return selector + encode(kinds, values)
    except (EncodingError, OverflowError, TypeError, ValueError) as error:
        raise BadInput(f"an argument does not fit its type: {error}", hint="compare with the contract's ABI") from None


_pack_kept = lru_cache(maxsize=ANSWERS_KEPT)(_pack)


@lru_cache(maxsize=ANSWERS_KEPT)
def unpack(kinds: tuple[str, ...], payload: bytes) -> tuple[Any, ...]:
    """Decoded return values, addresses checksummed by the generated code. Raises `Malformed`.

    Kept, since whoever waits gets the same answer many times, and so does everybody else in the process.
    """
    try:
        return tuple(decode(kinds, payload))
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        hint = "is the contract deployed at this address, on this chain?"
        raise Malformed(f"the answer does not decode: {error}", hint=hint) from None


def read_nothing(payload: bytes) -> None:
    """Read the answer of a function that returns nothing."""
    unpack((), payload)


class Struct(Protocol):
    """A generated struct."""

    @classmethod
    def from_abi(cls, values: tuple[Any, ...]) -> Self:
        """From decoded ABI values."""
        ...


S = TypeVar("S", bound=Struct)


def read_struct(kind: type[S], values: tuple[Any, ...]) -> S:
    """A struct from decoded ABI values. Raises `Malformed`. Kept as the values are, since no struct ever changes."""
    struct: S = _read_struct(kind, values)
    return struct


@lru_cache(maxsize=ANSWERS_KEPT)
def _read_struct(kind: type[Struct], values: tuple[Any, ...]) -> Any:
    return kind.from_abi(values)


@lru_cache(maxsize=ANSWERS_KEPT)
def to_checksum(address: str) -> str:
    """EIP-55 form of an address that the decoder gave in lower case."""
    return str(Web3.to_checksum_address(address))


N = TypeVar("N", bound=IntEnum)


def to_enum(kind: type[N], value: int) -> N:
    """A Solidity enum's value. Raises `Malformed` for one that this version does not know."""
    try:
        return kind(value)
    except ValueError:
        hint = "the contracts are newer than this package, or the node lies"
        raise Malformed(f"{value} is not a {kind.__name__}", hint=hint) from None
