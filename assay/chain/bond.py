"""What of an account's money a job still holds: the bond of its bid, and what of its stake is locked for it."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from assay.chain.ledger import Ledger

BOND = 2
"""`IVault.Kind.Bond`."""


def bond_key(job: int, bidder: str) -> bytes:
    """Under which the vault holds the bond of a bid (`Book.bondKey`)."""
    return bytes(keccak(encode(("string", "uint256", "address"), ("assay.bond.1", job, bidder))))


def is_held(ledger: Ledger, job: int, account: str) -> bool:
    """Whether a bond or a lock is left. Once the job has ended, `Jobs.settleBid` gives both back: the end itself
    releases those of so many slots only, and no bond of a bid that was not opened."""
    if ledger.vault.balance(ledger.jobs.order_of(job).token, BOND, bond_key(job, account)):
        return True
    lock = ledger.stakes.lock_of(ledger.jobs.obligation(job, account))
    return bool(int(lock.account, 16)) and not lock.released
