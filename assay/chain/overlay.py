"""What one message has changed so far: a journal over the state with checkpoints, for the exact interpreter."""

from collections.abc import Callable
from typing import Any

from eth_hash.auto import keccak

from assay.chain.engine import Log
from assay.chain.state import EMPTY_CODE_HASH, Change, Diff, State


class Overlay:
    """Reads fall through to the state; writes are journaled, so a frame that reverts is undone by `rewind`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._undo: list[Callable[[], object]] = []
        self.balances: dict[bytes, int] = {}
        self.nonces: dict[bytes, int] = {}
        self.codes: dict[bytes, bytes] = {}
        self.slots: dict[tuple[bytes, int], int] = {}
        self.transient: dict[tuple[bytes, int], int] = {}
        self.warm: dict[Any, bool] = {}  # addresses, and (address, slot) pairs
        self.created: dict[bytes, bool] = {}
        self.destroyed: dict[bytes, bool] = {}
        self.logs: list[Log] = []
        self.refund = 0

    def mark(self) -> int:
        """A checkpoint for `rewind`."""
        return len(self._undo)

    def rewind(self, mark: int) -> None:
        """Undo everything after the checkpoint."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            old = table[key]
            self._undo.append(lambda: table.__setitem__(key, old))
        else:
            self._undo.append(lambda: table.pop(key, None))
        table[key] = value

    def get_balance(self, address: bytes) -> int:
        """Balance in wei."""
        found = self.balances.get(address)
        return self._state.get(address).balance if found is None else found

    def get_nonce(self, address: bytes) -> int:
        """Transaction or creation count."""
        found = self.nonces.get(address)
        return self._state.get(address).nonce if found is None else found

    def get_code(self, address: bytes) -> bytes:
        """Deployed code."""
        found = self.codes.get(address)
        return self._state.get(address).code if found is None else found

    def get_code_hash(self, address: bytes) -> bytes:
        """Keccak of the code; 32 zeros for an empty account (EIP-1052)."""
        if self.is_empty(address):
            return bytes(32)
        if address in self.codes:
            code = self.codes[address]
            return keccak(code) if code else EMPTY_CODE_HASH
        return self._state.get(address).code_hash

    def get_slot(self, address: bytes, slot: int) -> int:
        """Current value of a storage slot."""
        found = self.slots.get((address, slot))
        return self.get_original(address, slot) if found is None else found

    def get_original(self, address: bytes, slot: int) -> int:
        """Value of a slot before the message; a contract created in it had none."""
        return 0 if address in self.created else self._state.get(address).storage.get(slot, 0)

    def is_empty(self, address: bytes) -> bool:
        """EIP-161."""
        return not (self.get_balance(address) or self.get_nonce(address) or self.get_code(address))

    def set_balance(self, address: bytes, balance: int) -> None:
        """Write a balance in wei."""
        self._put(self.balances, address, balance)

    def transfer(self, source: bytes, target: bytes, value: int) -> None:
        """Move `value` wei; the caller has checked that it is there."""
        if value:
            self.set_balance(source, self.get_balance(source) - value)
            self.set_balance(target, self.get_balance(target) + value)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Write a nonce."""
        self._put(self.nonces, address, nonce)

    def set_code(self, address: bytes, code: bytes) -> None:
        """Write deployed code."""
        self._put(self.codes, address, code)

    def set_slot(self, address: bytes, slot: int, value: int) -> None:
        """Write a storage slot."""
        self._put(self.slots, (address, slot), value)

    def set_transient(self, address: bytes, slot: int, value: int) -> None:
        """Write a transient slot (EIP-1153)."""
        self._put(self.transient, (address, slot), value)

    def touch(self, key: Any) -> bool:
        """Warm an address or an (address, slot) pair; True when it was cold (EIP-2929)."""
        if key in self.warm:
            return False
        self._put(self.warm, key, True)
        return True

    def note_created(self, address: bytes) -> None:
        """Remember that this message created `address` (EIP-6780)."""
        self._put(self.created, address, True)

    def note_destroyed(self, address: bytes) -> None:
        """Remember that `address` goes at the end of the message."""
        self._put(self.destroyed, address, True)

    def add_log(self, log: Log) -> None:
        """Append an event."""
        self.logs.append(log)
        self._undo.append(self.logs.pop)

    def add_refund(self, gas: int) -> None:
        """Count a refund, which may be negative (EIP-3529)."""
        old = self.refund
        self._undo.append(lambda: setattr(self, "refund", old))
        self.refund = old + gas

    def collect_diff(self) -> Diff:
        """Everything changed, as values."""
        storage: dict[bytes, dict[int, int]] = {}
        for (address, slot), value in self.slots.items():
            if value != self._state.get(address).storage.get(slot, 0):
                storage.setdefault(address, {})[slot] = value
        diff: Diff = {}
        for address in {*self.balances, *self.nonces, *self.codes, *storage}:
            before = self._state.get(address)
            if address in self.destroyed:
                change = Change(0, 0, b"" if before.code else None, dict.fromkeys(before.storage, 0))
            else:
                code = self.codes.get(address)
                slots = storage.get(address, {})
                change = Change(self.get_balance(address), self.get_nonce(address), code or None, slots)
            same = (change.balance, change.nonce) == (before.balance, before.nonce)
            if not same or change.storage or change.code:
                diff[address] = change
        return diff
