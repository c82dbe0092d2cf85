"""World state of the embedded chain: accounts in a dictionary, changed by diffs that can be undone.

Both engines compute a `Diff` and change nothing; only `State.apply` writes, and it returns the inverse, so that
snapshots, reorganisations and persistence are lists of diffs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from eth_hash.auto import keccak

EMPTY_CODE_HASH = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


@dataclass(slots=True)
class Account:
    """One account. `balance` in wei; `storage` holds non-zero slots only."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    code_hash: bytes = EMPTY_CODE_HASH
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True when EIP-161 calls the account empty."""
        return not (self.balance or self.nonce or self.code)


@dataclass(frozen=True, slots=True)
class Change:
    """New values of one account. `code` None leaves the code; `storage` lists written slots, zero clears one."""

    balance: int
    nonce: int
    code: bytes | None = None
    storage: Mapping[int, int] = field(default_factory=dict)


Diff: TypeAlias = dict[bytes, Change]  # by 20-byte address

_NOBODY = Account()


class State:
    """Accounts by 20-byte address."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, Account] = {}

    def get(self, address: bytes) -> Account:
        """The account, or an empty one that must not be written to."""
        return self.accounts.get(address, _NOBODY)

    def apply(self, diff: Diff) -> Diff:
        """Write `diff` and return the diff that undoes it."""
        inverse: Diff = {}
        for address, change in diff.items():
            account = self.accounts.get(address)
            if account is None:
                account = self.accounts[address] = Account()
            before = {slot: account.storage.get(slot, 0) for slot in change.storage}
            old_code = account.code if change.code is not None and change.code != account.code else None
            inverse[address] = Change(account.balance, account.nonce, old_code, before)
            account.balance, account.nonce = change.balance, change.nonce
            if change.code is not None and change.code != account.code:
                account.code = change.code
                account.code_hash = keccak(change.code) if change.code else EMPTY_CODE_HASH
            for slot, value in change.storage.items():
                if value:
                    account.storage[slot] = value
                else:
                    account.storage.pop(slot, None)
            if account.is_empty and not account.storage:
                del self.accounts[address]
        return inverse

    def whole(self) -> Diff:
        """Everything as one diff, for a fresh engine."""
        return {a: Change(x.balance, x.nonce, x.code, dict(x.storage)) for a, x in self.accounts.items()}


def merge_diffs(first: Diff, then: Diff) -> Diff:
    """One diff with the effect of `first` followed by `then`."""
    merged = dict(first)
    for address, change in then.items():
        earlier = merged.get(address)
        if earlier is None:
            merged[address] = change
        else:
            code = earlier.code if change.code is None else change.code
            merged[address] = Change(change.balance, change.nonce, code, {**earlier.storage, **change.storage})
    return merged


def digest_diff(forward: Diff, inverse: Diff) -> bytes:
    """Hash of what really changes: the same whatever order an engine lists it in, and whatever it merely touched."""
    rows = []
    for address in sorted(forward):
        new, old = forward[address], inverse[address]
        storage = sorted((slot, value) for slot, value in new.storage.items() if old.storage.get(slot, 0) != value)
        code = b"" if old.code is None or new.code is None else new.code
        if storage or code or (new.balance, new.nonce) != (old.balance, old.nonce):
            rows.append((address, new.balance, new.nonce, code, storage))
    return keccak(repr(rows).encode())
