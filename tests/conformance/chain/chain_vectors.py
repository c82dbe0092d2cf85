"""Cases and what they come to, as plain JSON values."""

from typing import Any

from assay.chain.engine import Message, Outcome
from assay.chain.state import Change, Diff, State
from tests.properties.chain.chain_programs import Case


def _pack_account(balance: int, nonce: int, code: bytes, storage: dict[int, int]) -> list[Any]:
    return [str(balance), nonce, code.hex(), {f"{slot:x}": f"{value:x}" for slot, value in sorted(storage.items())}]


def pack_case(case: Case) -> dict[str, Any]:
    """What `unpack_case` reads."""
    message = case.message
    accounts = {a.hex(): _pack_account(c.balance, c.nonce, c.code or b"", c.storage) for a, c in case.accounts.items()}
    listed = [[address.hex(), [f"{slot:x}" for slot in slots]] for address, slots in message.access_list]
    sent = [message.sender.hex(), message.to and message.to.hex(), message.data.hex(), str(message.value)]
    return {"accounts": accounts, "message": [*sent, message.gas_limit, message.gas_price, message.nonce, listed]}


def unpack_case(vector: dict[str, Any]) -> Case:
    """The case of a vector."""
    accounts: Diff = {
        bytes.fromhex(address): Change(
            int(balance), nonce, bytes.fromhex(code) or None, {int(s, 16): int(v, 16) for s, v in storage.items()}
        )
        for address, (balance, nonce, code, storage) in vector["accounts"].items()
    }
    sender, to, payload, value, gas_limit, gas_price, nonce, listed = vector["message"]
    access = tuple((bytes.fromhex(a), tuple(int(slot, 16) for slot in slots)) for a, slots in listed)
    target = None if to is None else bytes.fromhex(to)
    message = Message(
        bytes.fromhex(sender), target, bytes.fromhex(payload), int(value), gas_limit, gas_price, nonce, access
    )
    return Case(accounts, message)


def pack_outcome(case: Case, outcome: Outcome) -> dict[str, Any]:
    """All that must agree: not the name of a halt, which is an implementation's own, but that there was one."""
    return {
        "success": outcome.success,
        "halted": bool(outcome.halt),
        "gas_used": outcome.gas_used,
        "output": outcome.output.hex(),
        "logs": [[log.address.hex(), [topic.hex() for topic in log.topics], log.payload.hex()] for log in outcome.logs],
        "created": outcome.created and outcome.created.hex(),
        "changed": after(case.open_state(), outcome.diff),
    }


def after(state: State, diff: Diff) -> dict[str, list[Any]]:
    """The accounts that are not as before, as they are then."""
    before = _pack_state(state)
    state.apply(diff)
    now = _pack_state(state)
    return {
        address: now.get(address, []) for address in sorted({*before, *now}) if before.get(address) != now.get(address)
    }


def _pack_state(state: State) -> dict[str, list[Any]]:
    return {
        address.hex(): _pack_account(x.balance, x.nonce, x.code, x.storage)
        for address, x in state.accounts.items()
        if not x.is_empty
    }
