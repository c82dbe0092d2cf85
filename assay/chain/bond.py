"""What of an account's money a job still holds: the bond of its bid, and what of its stake is locked for it."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.chain.ledger import Ledger

BOND = 2
"""`IVault.Kind.Bond`."""


def is_held(ledger: Ledger, token: str, job: int, account: str) -> bool:
    """Whether a bond or a lock is left of a job that pays in `token`. Once the job has ended, `Jobs.settleBid` gives
    both back: the end itself releases those of so many slots only, and no bond of a bid that was not opened."""
    if ledger.vault.balance(token, BOND, _key("assay.bond.1", job, account)):
        return True
    lock = ledger.stakes.lock_of(_key("assay.obligation.1", job, account))
    return bool(int(lock.account, 16)) and not lock.released


def _key(of: str, job: int, account: str) -> bytes:
    """As `Book.bondKey` and `Book.obligation` make it."""
    return bytes(keccak(encode(("string", "uint256", "address"), (of, job, account))))
