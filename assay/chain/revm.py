"""The fast engine: pyrevm, made pure and exact.

pyrevm keeps one journal open for ever, in which everything touched stays warm and every original value is stale. So
each message runs between a checkpoint and its revert, the diff is read from the journal's debug text, and state is
written to the database underneath. Opcodes that pyrevm answers wrongly (BLOCKHASH is a hash of the number, BASEFEE is
0, BALANCE of the sender is undeducted) are trapped: code holding one runs a second time with those opcodes invalid,
and where the two runs differ the exact interpreter decides.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

from eth_hash.auto import keccak
from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env, TxEnv

from assay.chain.blocks import to_address
from assay.chain.engine import (
    CODE_LIMIT_BYTES,
    INITCODE_LIMIT_BYTES,
    BlockContext,
    Log,
    Message,
    Outcome,
    compute_intrinsic_gas,
)
from assay.chain.interpreter import Interpreter
from assay.chain.state import Account, Change, Diff, State

TRAPPED = frozenset((0x31, 0x40, 0x48, 0x49, 0x4A))  # BALANCE BLOCKHASH BASEFEE BLOBHASH BLOBBASEFEE
INVALID = 0xFE
JUMPDEST, ENDS = 0x5B, frozenset((0x00, 0x56, 0xF3, 0xFD, 0xFE, 0xFF))  # STOP JUMP RETURN REVERT INVALID SELFDESTRUCT
CODES_KEPT = 256
INFOS_KEPT = 1_024
DEPLOYER, GAS_LIMIT = "0x" + "de" * 20, 30_000_000
"""Whoever deploys code to have it analysed, and more than the largest takes."""
DEEP_GAS = 10**9
"""Less cannot get 1,024 calls deep, as each leaves a 64th behind; our checkpoint takes one of pyrevm's levels."""
RENAMED = {"ReentrancySentryOutOfGas": "OutOfGas", "CreateContractSizeLimit": "CreateContractInvalid"}
"""Halts under a name that says too much: the second is that of code beginning with 0xEF, too."""

_ACCOUNT = re.compile(r"0x([0-9a-f]{40}): Account \{ info: AccountInfo \{ balance: (\d+), nonce: (\d+), ")
_CODE = re.compile(r"bytecode: 0x([0-9a-f]*), state: (?:Analysed \{ len: (\d+)|Raw)")
_SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: (\d+), present_value: (\d+) ")


def _read_code(text: str, start: int, end: int) -> bytes:
    """Code out of an account's debug text; analysed code is padded there, and only its length tells where it ends."""
    found = _CODE.search(text, start, end)
    if found is None:
        return b""
    code = bytes.fromhex(found.group(1))
    return code if found.group(2) is None else code[: int(found.group(2))]


@lru_cache(maxsize=INFOS_KEPT)
def _info(balance: int, nonce: int, code_hash: bytes, code: bytes | None = None) -> AccountInfo:
    """An account as pyrevm takes it; its published stub forgets the balance."""
    fields: dict[str, Any] = {"balance": balance, "nonce": nonce, "code_hash": code_hash, "code": code}
    return AccountInfo(**fields)


def _insert(evm: EVM, address: bytes, account: Account | Change, code_hash: bytes, code: bytes) -> None:
    """Puts an account in with its code, which the database keeps by the hash in the form that it came in first."""
    key, known = "0x" + address.hex(), analyse_code(code)
    if known is not None:
        evm.insert_account_info(key, known)
    evm.insert_account_info(key, _info(account.balance, account.nonce, code_hash, None if known else code))


@lru_cache(maxsize=CODES_KEPT)
def trap_code(code: bytes) -> tuple[bytes, bytes] | None:
    """`code` with the trapped opcodes made invalid and a hash for it, or None when it holds none. Chains of one process
    mostly hold the same contracts, and each takes 5 ms to read through.

    What follows an end and is no place to jump to never runs: the compiler puts tables there, with any bytes in them.
    """
    if TRAPPED.isdisjoint(code):
        return None
    patched, position, found, runs = bytearray(code), 0, False, True
    while position < len(code):
        opcode = code[position]
        runs = (runs and opcode not in ENDS) or opcode == JUMPDEST
        if runs and opcode in TRAPPED:
            patched[position] = INVALID
            found = True
        position += opcode - 0x5E if 0x60 <= opcode <= 0x7F else 1
    return (bytes(patched), keccak(patched)) if found else None


@lru_cache(maxsize=CODES_KEPT)
def analyse_code(code: bytes) -> AccountInfo | None:
    """An account whose code pyrevm has analysed, or None where it would not deploy it.

    Code that is put in is analysed anew by every call of it, which for a large contract takes longer than most calls
    do; code that was deployed is not.
    """
    size = len(code)
    if not 0 < size <= CODE_LIMIT_BYTES:
        return None
    evm = EVM(gas_limit=GAS_LIMIT, spec_id="Cancun")
    # PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, and behind it what is returned.
    returning = b"\x61" + size.to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3")
    try:
        created = evm.deploy(DEPLOYER, returning + code, 0, GAS_LIMIT, 0)
    except RuntimeError:
        return None
    return evm.journal_state[to_address(bytes.fromhex(created[2:]))]


class Revm:
    """`Engine` on pyrevm, Cancun rules."""

    name = "revm"

    def __init__(self, state: State) -> None:
        self._state = state
        self._exact = Interpreter(state)
        self._evm: EVM | None = None
        self._settings = (0, 0)
        self._seen: tuple[object, ...] = ()
        """What the EVM was told last of the block."""
        self._traps: dict[bytes, tuple[bytes, bytes]] = {}  # address -> patched code and its hash
        self._trap_keys: dict[str, bytes] = {}
        """The same addresses, as pyrevm writes them."""

    def load(self, diff: Diff) -> None:
        if self._evm is None:
            return
        evm = self._evm
        mark = evm.snapshot()
        for address, change in diff.items():
            key = "0x" + address.hex()
            if change.code is not None:
                self._note_code(address, change.code)
                _insert(evm, address, change, keccak(change.code), change.code)
            else:
                code_hash = self._state.get(address).code_hash
                evm.insert_account_info(key, _info(change.balance, change.nonce, code_hash))
        evm.revert(mark)
        for address, change in diff.items():
            for slot, value in change.storage.items():
                # One at a time: once the account is loaded, a slot would go to the journal and be undone.
                mark = evm.snapshot()
                evm.insert_account_storage("0x" + address.hex(), slot, value)
                evm.revert(mark)

    def execute(self, block: BlockContext, message: Message, *, keep: bool = True) -> Outcome:
        if self._is_beyond(message):
            return self._exact.execute(block, message)
        outcome, trapped = self._run(block, message, keep)
        if not trapped:
            return outcome
        again = self._run_trapped(block, message, trapped, keep)
        return outcome if outcome == again else self._exact.execute(block, message)

    def _is_beyond(self, message: Message) -> bool:
        """Whether pyrevm would refuse a message that the chain may ask about, or answer it wrongly."""
        if message.to is None and (len(message.data) > INITCODE_LIMIT_BYTES or trap_code(message.data) is not None):
            return True
        if message.access_list or message.gas_limit >= DEEP_GAS:  # a list would stay warm in the journal
            return True
        short = message.value > self._state.get(message.sender).balance
        return short or compute_intrinsic_gas(message) > message.gas_limit

    def _open(self, block: BlockContext) -> EVM:
        settings = (block.chain_id, block.gas_limit)
        if self._evm is None or settings != self._settings:
            self._settings = settings
            # What GASLIMIT answers is given here: the block's environment is overridden.
            env = Env(cfg=CfgEnv(chain_id=block.chain_id))
            self._evm = EVM(env=env, gas_limit=block.gas_limit, spec_id="Cancun")
            self._seen = ()
            self._traps.clear()
            self._trap_keys.clear()
            self.load(self._state.whole())
        return self._evm

    def _note_code(self, address: bytes, code: bytes) -> None:
        trapped = trap_code(code)
        if trapped is None:
            self._traps.pop(address, None)
            self._trap_keys.pop(to_address(address), None)
        else:
            self._traps[address] = trapped
            self._trap_keys[to_address(address)] = address

    def _run_trapped(self, block: BlockContext, message: Message, trapped: list[bytes], keep: bool) -> Outcome:
        evm = self._open(block)
        try:
            for address in trapped:
                account, (code, code_hash) = self._state.get(address), self._traps[address]
                _insert(evm, address, account, code_hash, code)
            return self._run(block, message, keep)[0]
        finally:
            for address in trapped:
                account = self._state.get(address)
                _insert(evm, address, account, account.code_hash, account.code)

    def _run(self, block: BlockContext, message: Message, keep: bool) -> tuple[Outcome, list[bytes]]:
        evm = self._open(block)
        sender, coinbase = "0x" + message.sender.hex(), "0x" + block.coinbase.hex()
        # The chain has deducted the fee already; pyrevm wants to see it there.
        fee = message.gas_limit * message.gas_price
        account, miner = self._state.get(message.sender), self._state.get(block.coinbase)
        # A deployment bumps the nonce by itself and draws the address from it.
        nonce = message.nonce if message.to is None else account.nonce
        # A call that costs nothing finds both as they were loaded.
        free = message.to is not None and not fee
        if not free:
            evm.insert_account_info(coinbase, _info(miner.balance, miner.nonce, miner.code_hash))
            evm.insert_account_info(sender, _info(account.balance + fee, nonce, account.code_hash))
        self._show(evm, block, coinbase)
        evm.set_tx_env(TxEnv(chain_id=block.chain_id))
        mark = evm.snapshot()
        try:
            outcome, trapped = self._run_between(evm, message, block, fee, keep)
        finally:
            evm.revert(mark)
            evm.reset_transient_storage()
            if not free:
                evm.insert_account_info(sender, _info(account.balance, account.nonce, account.code_hash))
        return outcome, trapped

    def _show(self, evm: EVM, block: BlockContext, coinbase: str) -> None:
        """Tells the EVM of the block, unless it is the one that it knows."""
        seen = (block.number, coinbase, block.timestamp, block.prevrandao, block.gas_limit)
        if seen == self._seen:
            return
        self._seen = seen
        evm.set_block_env(
            BlockEnv(
                number=block.number,
                coinbase=coinbase,
                timestamp=block.timestamp,
                prevrandao=block.prevrandao,
                basefee=0,
                gas_limit=block.gas_limit,
                excess_blob_gas=0,
            )
        )

    def _run_between(
        self, evm: EVM, message: Message, block: BlockContext, fee: int, keep: bool
    ) -> tuple[Outcome, list[bytes]]:
        sender, price, created, failure, output = "0x" + message.sender.hex(), message.gas_price, None, "", b""
        try:
            if message.to is None:
                text = evm.deploy(sender, message.data, message.value, message.gas_limit, price)
                created = bytes.fromhex(text[2:])
            else:
                to = "0x" + message.to.hex()
                output = evm.message_call(sender, to, message.data, message.value, message.gas_limit, price)
        except RuntimeError as error:
            failure = str(error)
        touched = evm.journal_state
        trapped = [address for key, address in self._trap_keys.items() if key in touched]
        if failure:
            return self._explain_failure(failure, evm), trapped
        result = evm.result
        if result is None:
            raise RuntimeError("the engine succeeded without a result")
        # The code that a deployment leaves is in the diff alone.
        diff = self._read_diff(evm.journal_str) if keep or created is not None else {}
        if created is not None and created in diff:
            output = diff[created].code or b""
        if diff:
            self._undo_fee(diff, message, block, fee, result.gas_used)
        logs = tuple(Log(bytes.fromhex(log.address[2:]), tuple(log.data[0]), bytes(log.data[1])) for log in result.logs)
        return Outcome(True, result.gas_used, bytes(output), "", logs, created, diff), trapped

    def _explain_failure(self, failure: str, evm: EVM) -> Outcome:
        result = evm.result
        if result is None:
            raise RuntimeError(f"the engine refused a message that the chain admitted: {failure}")
        if result.is_halt:
            reason = str(result.reason).partition("(")[0]  # what ran it out of gas is in brackets
            return Outcome(False, result.gas_used, b"", RENAMED.get(reason, reason))
        found = re.search(r"output: 0x([0-9a-f]*)", failure)
        return Outcome(False, result.gas_used, bytes.fromhex(found.group(1)) if found else b"")

    def _undo_fee(self, diff: Diff, message: Message, block: BlockContext, fee: int, gas_used: int) -> None:
        """Take out what pyrevm did with fees: a deployment pays, a call does not."""
        paid = gas_used * message.gas_price if message.to is None else 0
        change = diff.get(message.sender)
        if change is not None:
            diff[message.sender] = Change(change.balance + paid - fee, change.nonce, None, change.storage)
        miner = diff.get(block.coinbase)
        if miner is not None and paid:
            diff[block.coinbase] = Change(miner.balance - paid, miner.nonce, miner.code, miner.storage)
        for address in (message.sender, block.coinbase):
            account, change = self._state.get(address), diff.get(address)
            if change is not None and (change.balance, change.nonce) == (account.balance, account.nonce):
                del diff[address]

    def _read_diff(self, text: str) -> Diff:
        heads = list(_ACCOUNT.finditer(text))
        ends = [*(head.start() for head in heads), len(text)]
        diff: Diff = {}
        for head, (start, end) in zip(heads, pairwise(ends), strict=True):
            address = bytes.fromhex(head.group(1))
            tail = text.index(", storage: {", start, end)
            closing = text.index("status: AccountStatus(", tail, end)
            flags = text[closing : text.index(")", closing)]
            account = self._state.get(address)
            balance, nonce = int(head.group(2)), int(head.group(3))
            slots = {int(s): int(new) for s, old, new in _SLOT.findall(text, tail, closing) if old != new}
            code = None
            if "Created" in flags:
                code = _read_code(text, head.end(), tail)
            if "SelfDestructed" in flags:
                balance, nonce, code, slots = 0, 0, b"", {}
            if (balance, nonce) != (account.balance, account.nonce) or slots or code:
                diff[address] = Change(balance, nonce, code, slots)
        return diff
