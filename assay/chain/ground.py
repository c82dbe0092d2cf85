"""What a network stands on: a chain, its time, and coin for gas. Here the embedded one; any other is a node's."""

from collections.abc import Callable
from typing import Any, Protocol

from web3 import Web3

from assay.chain.embedded import EmbeddedChain
from assay.chain.metered import connect_metered
from assay.chain.signer import Signer

GENESIS_S = 1_800_000_000
"""Where simulated time begins; any fixed moment does."""
BLOCK_S = 2
"""Simulated seconds from one idle block to the next."""
WEALTH_WEI = 10**21
PARTY_GAS = 4_000_000
"""Gas that a party is given coin for at once: its own dealings over some rounds."""
DEPLOY_GAS = 65_000_000
"""The same for whoever deploys the system and mints."""

Timer = Callable[[], float]


class Ground(Protocol):
    """A chain under a network. Everything may raise `Unavailable`, and `Refused` with a node's words."""

    salt: bytes
    """What keys must follow from besides a public seed; nothing where no stranger sees the chain."""
    depth_blocks: int
    """How many of the newest blocks may yet be replaced by others."""

    @property
    def chain(self) -> Any:
        """`blocks` of `receipts`, each with `gas_used` and a `transaction` of `to` and `data`, as `EmbeddedChain` has
        them: all that were sent through `connect`."""
        ...

    def connect(self, timer: Timer, note: Callable[[float], None]) -> Web3:
        """A connection that notes the seconds of each request."""
        ...

    def now_s(self) -> int:
        """The chain's time."""
        ...

    def fund(self, signer: Signer, gas: int = PARTY_GAS) -> None:
        """Sees to it that an account has coin for that much gas. Errors: `BadInput` where there is none to give."""
        ...

    def pass_block(self) -> None:
        """Lets time pass until there is another block."""
        ...

    def approach(self, at_s: int) -> None:
        """Brings the chain's time to `at_s`, or closer to it where time cannot be moved."""
        ...

    def close(self) -> None:
        """Takes back what is left of the coin, and disconnects."""
        ...


class SimulatedGround:
    """The embedded chain on a clock that stands still until it is moved: free of cost, and a function of its inputs."""

    salt = b""
    depth_blocks = 0

    def __init__(self, chain_id: int = 31_337) -> None:
        self._now_s = GENESIS_S
        self.chain = EmbeddedChain(chain_id, clock=self.now_s)

    def connect(self, timer: Timer, note: Callable[[float], None]) -> Web3:
        """A metered connection to it."""
        return connect_metered(self.chain, timer, note)

    def now_s(self) -> int:
        """Seconds that pass only when told to."""
        return self._now_s

    def fund(self, signer: Signer, gas: int = PARTY_GAS) -> None:  # noqa: ARG002 - wealth is for any gas
        """Sets a balance that nobody uses up."""
        self.chain.set_balance(bytes.fromhex(signer.address[2:]), WEALTH_WEI)

    def pass_block(self) -> None:
        """Mines an empty block, `BLOCK_S` later."""
        self.approach(self._now_s + BLOCK_S)

    def approach(self, at_s: int) -> None:
        """Moves the clock and mines."""
        self._now_s = at_s
        self.chain.mine()

    def close(self) -> None:
        """Nothing is left to be taken back."""
        self.chain.close()
