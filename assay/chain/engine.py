"""What an EVM must do for the embedded chain: execute one message purely, against a state it mirrors.

`execute` changes nothing: it returns the outcome with the diff it would make. Fees and the sender's nonce belong to
the chain, so that both engines (`revm`, `interpreter`) need only the rules of execution. Hardfork: Cancun.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from assay.chain.state import Diff, State

CODE_LIMIT_BYTES = 24_576  # EIP-170
INITCODE_LIMIT_BYTES = 49_152  # EIP-3860


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a block shows to the code in it. `timestamp` in seconds, `base_fee` in wei per gas."""

    number: int
    timestamp: int
    coinbase: bytes
    gas_limit: int
    base_fee: int
    prevrandao: bytes
    chain_id: int
    hash_of: Callable[[int], bytes]  # asked for the last 256 blocks only


@dataclass(frozen=True, slots=True)
class Message:
    """A transaction as the EVM sees it; `to` None creates a contract. `gas_price` is the effective price in wei."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int
    gas_limit: int
    gas_price: int
    nonce: int
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """One event as emitted; topics are 32 bytes each."""

    address: bytes
    topics: tuple[bytes, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a message. `gas_used` is net of refunds. `halt` names an exceptional halt; empty on revert.

    `output` is the return value, the revert payload, or the created code. `diff` excludes fees, and excludes the
    sender's nonce except where a creation bumps it.
    """

    success: bool
    gas_used: int
    output: bytes
    halt: str = ""
    logs: tuple[Log, ...] = ()
    created: bytes | None = None
    diff: Diff = field(default_factory=dict)


class Engine(Protocol):
    """Executes messages. The caller passes every write of the state to `load`, with balances deducted for fees."""

    name: str

    def load(self, diff: Diff) -> None:
        """Mirror a diff that was just applied to the state."""

    def execute(self, block: BlockContext, message: Message, *, keep: bool = True) -> Outcome:
        """Run `message` on the current state without changing it. Who will not `keep` what it changes gets no diff."""


def compute_intrinsic_gas(message: Message) -> int:
    """Gas charged before the first opcode (EIP-2028, 2930, 3860)."""
    zeros = message.data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(message.data) - zeros)
    if message.to is None:
        gas += 32_000 + 2 * ((len(message.data) + 31) // 32)
    return gas + sum(2_400 + 1_900 * len(slots) for _, slots in message.access_list)


def open_engine(state: State, name: str = "auto") -> Engine:
    """An engine on `state`: "revm", "interpreter", or "auto" (revm where its wheel is installed)."""
    from assay.chain.interpreter import Interpreter
    from assay.protocol.errors import BadInput

    if name in ("auto", "revm"):
        try:
            from assay.chain.revm import Revm

            return Revm(state)
        except ImportError:
            if name == "revm":
                raise BadInput("pyrevm is not installed here", hint='use engine = "interpreter"') from None
    elif name != "interpreter":
        raise BadInput(f"no engine is called {name!r}", hint='choose "auto", "revm" or "interpreter"')
    return Interpreter(state)
