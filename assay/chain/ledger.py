"""The ledger as a role sees it: one deployment, typed clients of its contracts, one signer, and its events."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any, TypeVar

from web3 import Web3

from assay.chain.artifacts import list_artifacts
from assay.chain.client import Contract
from assay.chain.contracts.beacon import Beacon
from assay.chain.contracts.clock import Clock
from assay.chain.contracts.jobs import Jobs
from assay.chain.contracts.params import Params
from assay.chain.contracts.rounds import Rounds
from assay.chain.contracts.stakes import Stakes
from assay.chain.contracts.vault import Vault
from assay.chain.cursor import Cursor
from assay.chain.deploy import Deployment
from assay.chain.events import Emitted, Event, LogEntry
from assay.chain.render import to_snake
from assay.chain.rpc import Rpc
from assay.chain.sender import Sender
from assay.chain.signer import Signer
from assay.protocol.errors import BadInput, WrongChain

C = TypeVar("C", bound=Contract)


class Ledger:
    """Reads for everybody; sends for `signer`. Settings beyond are those of `Sender`.

    Raises `WrongChain` when the connection is to another chain than the deployment.
    """

    def __init__(self, web3: Web3, deployment: Deployment, signer: Signer | None = None, **settings: Any) -> None:
        self.web3, self.deployment, self.signer = web3, deployment, signer
        self.rpc = Rpc(web3)
        chain_id = self.rpc.get_chain_id()
        if chain_id != deployment.chain_id:
            raise WrongChain(
                f"the node is on chain {chain_id}, the deployment on {deployment.chain_id}",
                hint="connect to the deployment's chain",
                chain_id=chain_id,
                expected=deployment.chain_id,
            )
        self.sender = Sender(web3, signer, **settings) if signer is not None else None
        self._open: dict[str, Contract] = {}

    def open(self, kind: type[C]) -> C:
        """The typed client of a deployed contract: `ledger.open(Jobs)`."""
        found = self._open.get(kind.NAME)
        if not isinstance(found, kind):
            found = kind(self.web3, self.deployment.get_address(kind.NAME), self.sender)
            self._open[kind.NAME] = found
        return found

    @property
    def address(self) -> str:
        """The signer's account. Raises `BadInput` without one."""
        if self.signer is None:
            raise BadInput("this ledger only reads", hint="open it with a signer")
        return self.signer.address

    @property
    def jobs(self) -> Jobs:
        """Orders, bids, matches."""
        return self.open(Jobs)

    @property
    def rounds(self) -> Rounds:
        """Commitments, tables, aggregates."""
        return self.open(Rounds)

    @property
    def stakes(self) -> Stakes:
        """Stakes and their locks."""
        return self.open(Stakes)

    @property
    def vault(self) -> Vault:
        """All tokens."""
        return self.open(Vault)

    @property
    def params(self) -> Params:
        """Floors and ceilings."""
        return self.open(Params)

    @property
    def beacon(self) -> Beacon:
        """Recorded block hashes."""
        return self.open(Beacon)

    @property
    def clock(self) -> Clock:
        """Protocol time, and freezes."""
        return self.open(Clock)

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, bytes], type[Event]]:
        return _find_kinds(tuple(self.deployment.addresses.items()))

    def decode(self, log: LogEntry) -> Emitted[Event] | None:
        """The typed event of a log, or None for one that no contract of this deployment declares."""
        kind = self._kinds.get((log.address, log.topics[0])) if log.topics else None
        return None if kind is None else Emitted(kind.decode(log), log)

    def open_cursor(self, **bounds: int) -> Cursor:
        """A cursor over all contracts of the deployment, from its first block. `bounds` as for `Cursor`."""
        addresses = list(self.deployment.addresses.values())
        return Cursor(self.web3, addresses, first_block=self.deployment.first_block, **bounds)


@lru_cache(maxsize=16)
def _find_kinds(addresses: tuple[tuple[str, str], ...]) -> Mapping[tuple[str, bytes], type[Event]]:
    """The events of a deployment's contracts by address and topic, the same for all parties of a process."""
    kinds: dict[tuple[str, bytes], type[Event]] = {}
    for name, address in addresses:
        for event in find_client(name).EVENTS if name in list_artifacts() else ():
            kinds[address, event.TOPIC] = event
    return kinds


def find_client(name: str) -> type[Contract]:
    """The generated client class of a contract by its name; the bare `Contract` where it has nothing to call."""
    try:
        module = import_module(f"assay.chain.contracts.{to_snake(name)}")
    except ModuleNotFoundError:
        return Contract
    kind: type[Contract] = getattr(module, name)
    return kind
