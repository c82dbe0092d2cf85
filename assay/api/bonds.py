"""Where bonds went: what bidders and challengers put up, and lose when they do not do as they said.

    posted = returned + burned + paid to validators + paid to the accused + held

A bond lies in the vault under a key of its own, so whose it was is whose money went there first. Under keys of the same
kind also lies the deposit against a job at fault, which belongs to the escrow: `assay.api.account` keeps that.
"""

from dataclasses import dataclass, field

from eth_hash.auto import keccak

WORD_BYTES = 32


@dataclass
class Bonds:
    """The bonds of one token on one deployment, in units. Keys are those of `IVault.Kind.Bond`, owners addresses."""

    posted: int = 0
    returned: int = 0
    burned: int = 0
    paid_to_validators: int = 0
    paid_to_accused: int = 0
    owners: dict[bytes, str] = field(default_factory=dict)
    amounts: dict[bytes, int] = field(default_factory=dict)
    accused: dict[bytes, str] = field(default_factory=dict)

    def post(self, key: bytes, owner: str, amount: int) -> None:
        """Money goes under a key."""
        self.posted += amount
        self.owners[key] = owner
        self.amounts[key] = self.amounts.get(key, 0) + amount

    def pass_on(self, key: bytes, to: bytes, amount: int) -> None:
        """A challenge's bond becomes that of its dispute."""
        self.amounts[key] -= amount
        self.owners[to] = self.owners[key]
        self.amounts[to] = self.amounts.get(to, 0) + amount

    def leave_out(self, job: int) -> None:
        """What was just posted under a job's fault key is no bond but the consumer's deposit."""
        key = key_of("assay.fault.1", job)
        self.owners.pop(key, None)
        self.posted -= self.amounts.pop(key, 0)

    def challenge(self, dispute: int, accused: str) -> None:
        """Remembers who is paid should the challenge be dismissed."""
        self.accused[key_of("assay.dispute.bond.1", dispute)] = accused

    def burn(self, key: bytes, amount: int) -> str | None:
        """Whose bond was burned; None where this was none."""
        if self.amounts.get(key, 0) < amount:
            return None
        self.amounts[key] -= amount
        self.burned += amount
        return self.owners[key]

    def pay(self, key: bytes, to: str, amount: int) -> str | None:
        """Whose bond was paid out, its own to its owner included; None where this was none."""
        if self.amounts.get(key, 0) < amount:
            return None
        self.amounts[key] -= amount
        owner = self.owners[key]
        if to == owner:
            self.returned += amount
        elif to == self.accused.get(key):
            self.paid_to_accused += amount
        else:
            self.paid_to_validators += amount
        return owner


def key_of(name: str, number: int) -> bytes:
    """keccak256(abi.encode(name, number)) of a short name: how the contracts name a purse."""
    text = name.encode()
    words = [2 * WORD_BYTES, number, len(text)]
    head = b"".join(value.to_bytes(WORD_BYTES, "big") for value in words)
    return bytes(keccak(head + text.ljust(WORD_BYTES, b"\0")))
