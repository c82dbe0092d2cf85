"""Where every unit went: the vault's own movements, added up by party and purpose.

Every unit that moves inside the vault is in a `Moved` event, so the account is the contracts' and not ours. It holds

    deposited      = paid + refunded + forfeited + held                           of the escrow, fault deposit included
    staked         = withdrawn + burned + to_consumer + to_challengers + held     of the stakes
    to_challengers = the rewards of all parties together
    bonds posted   = returned + burned + paid_to_validators + paid_to_accused + held

to the last unit, or `check` raises. Forfeited is the deposit of a job that was itself at fault.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from assay.api.bonds import Bonds
from assay.chain.client import to_checksum
from assay.chain.contracts.disputes import ChallengeOpened
from assay.chain.contracts.jobs import Cancelled, Ended, Faulted, Posted
from assay.chain.contracts.vault import Moved
from assay.chain.events import Event
from assay.chain.ledger import Ledger


class Kind(IntEnum):
    """`IVault.Kind`."""

    FREE = 0
    STAKED = 1
    BOND = 2
    ESCROW = 3
    CREDIT = 4
    BURNED = 5


@dataclass
class Purse:
    """One account's money, in units."""

    paid: int = 0
    slashed: int = 0
    bond_burned: int = 0
    bond_paid: int = 0
    """What of its bonds went to others."""
    bond_shares: int = 0
    """What of others' bonds came to it."""
    rewards: int = 0
    """Shares of slashes as challenger; no bond is in it."""


@dataclass
class Account:
    """The account of one token on one deployment."""

    ledger: Ledger
    token: str
    purses: dict[str, Purse] = field(default_factory=lambda: defaultdict(Purse))
    bonded: Bonds = field(default_factory=Bonds)
    flows: dict[tuple[Kind, Kind], int] = field(default_factory=lambda: defaultdict(int))
    deposited: int = 0
    fault_deposits: int = 0
    forfeited: int = 0
    withdrawn: int = 0
    jobs: set[int] = field(default_factory=set)

    def enter(self, events: Iterable[Event]) -> None:
        """Adds events, each once, in order."""
        for event in events:
            match event:
                case Moved():
                    self._enter_move(event)
                case Posted():
                    self.jobs.add(event.job)
                    self.bonded.leave_out(event.job)
                    if self._is_ours(event.job):
                        self.deposited += event.deposited
                        self.fault_deposits += self.ledger.jobs.order_of(event.job).fault_deposit
                case Faulted() if self._is_ours(event.job):
                    self.forfeited += event.forfeited
                    self.fault_deposits -= event.forfeited
                case Cancelled() if self._is_ours(event.job):
                    self.fault_deposits -= self.ledger.jobs.order_of(event.job).fault_deposit
                case Ended() if self._is_ours(event.job):
                    self.fault_deposits -= 0 if self.forfeited else self.ledger.jobs.order_of(event.job).fault_deposit
                case ChallengeOpened():
                    self.bonded.challenge(event.dispute, event.accused)

    def _is_ours(self, job: int) -> bool:
        """Whether a job is paid in this token."""
        return self.ledger.jobs.order_of(job).token == self.token

    def _enter_move(self, move: Moved) -> None:
        if move.token != self.token:
            return
        source, target = Kind(move.from_kind), Kind(move.to_kind)
        self.flows[source, target] += move.amount
        match source, target:
            case Kind.CREDIT, Kind.FREE:
                self.purses[_address(move.to_key)].paid += move.amount
            case Kind.STAKED, Kind.FREE if move.from_key == move.to_key:
                self.withdrawn += move.amount
            case Kind.FREE, Kind.BOND:
                self.bonded.post(move.to_key, _address(move.from_key), move.amount)
            case Kind.BOND, Kind.BOND:
                self.bonded.pass_on(move.from_key, move.to_key, move.amount)
            case Kind.BOND, Kind.FREE:
                to = _address(move.to_key)
                owner = self.bonded.pay(move.from_key, to, move.amount)
                if owner is not None and owner != to:
                    self.purses[owner].bond_paid += move.amount
                    self.purses[to].bond_shares += move.amount
            case Kind.BOND, Kind.BURNED:
                owner = self.bonded.burn(move.from_key, move.amount)
                if owner is not None:
                    self.purses[owner].bond_burned += move.amount
            case Kind.STAKED, _:
                self.purses[_address(move.from_key)].slashed += move.amount
                if target == Kind.FREE:
                    self.purses[_address(move.to_key)].rewards += move.amount

    @property
    def escrow(self) -> dict[str, int]:
        """deposited, paid, refunded, forfeited, held."""
        held = sum(self.ledger.vault.total(self.token, kind) for kind in (Kind.ESCROW, Kind.CREDIT))
        refunds = self.flows[Kind.ESCROW, Kind.FREE] + (self.deposits_returned)
        return {
            "deposited": self.deposited,
            "paid": self.flows[Kind.CREDIT, Kind.FREE],
            "refunded": refunds - self.stakes["to_consumer"],
            "forfeited": self.forfeited,
            "held": held + self.fault_deposits,
        }

    @property
    def deposits_returned(self) -> int:
        """Fault deposits that went back."""
        posted = self.deposited - self.flows[Kind.FREE, Kind.ESCROW]
        return posted - self.forfeited - self.fault_deposits

    @property
    def stakes(self) -> dict[str, int]:
        """staked, withdrawn, burned, to_consumer, to_challengers, held."""
        return {
            "staked": self.flows[Kind.FREE, Kind.STAKED],
            "withdrawn": self.withdrawn,
            "burned": self.flows[Kind.STAKED, Kind.BURNED],
            "to_consumer": self.flows[Kind.STAKED, Kind.ESCROW],
            "to_challengers": self.flows[Kind.STAKED, Kind.FREE] - self.withdrawn,
            "held": self.ledger.vault.total(self.token, Kind.STAKED),
        }

    @property
    def bonds(self) -> dict[str, int]:
        """posted, returned, burned, paid_to_validators, paid_to_accused, held."""
        return {
            "posted": self.bonded.posted,
            "returned": self.bonded.returned,
            "burned": self.bonded.burned,
            "paid_to_validators": self.bonded.paid_to_validators,
            "paid_to_accused": self.bonded.paid_to_accused,
            "held": self.ledger.vault.total(self.token, Kind.BOND) - self.fault_deposits,
        }

    def check(self) -> None:
        """Raises `AssertionError`, a bug, unless every unit is accounted for."""
        escrow, stakes, bonds = self.escrow, self.stakes, self.bonds
        assert escrow["deposited"] == sum(amount for name, amount in escrow.items() if name != "deposited"), escrow
        assert stakes["staked"] == sum(amount for name, amount in stakes.items() if name != "staked"), stakes
        assert bonds["posted"] == sum(amount for name, amount in bonds.items() if name != "posted"), bonds
        burned = stakes["burned"] + bonds["burned"] + escrow["forfeited"]
        assert burned == self.ledger.vault.burned(self.token), (stakes, bonds, escrow)
        rewards = sum(purse.rewards for purse in self.purses.values())
        assert stakes["to_challengers"] == rewards, (stakes, rewards)


def _address(key: bytes) -> str:
    return to_checksum("0x" + key[12:].hex())
