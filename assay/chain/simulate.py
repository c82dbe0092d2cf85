"""Questions to the embedded chain that leave no trace: eth_call and eth_estimateGas."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.chain.embedded import EmbeddedChain
from assay.chain.engine import Message, Outcome, compute_intrinsic_gas
from assay.chain.filters import parse_bytes
from assay.chain.state import Change
from assay.protocol.errors import BadInput, Refused, Reverted

ESTIMATE_TOLERANCE_PERCENT = 2
NOBODY = bytes(20)
"""Who asks, where nobody is named."""
STIPEND_GAS = 2_300
REFUND_PARTS = 5
"""A fifth of what was used may have been given back (EIP-3529), and has to be there before."""


def parse_quantity(value: Any) -> int:
    """A number from a JSON-RPC parameter: an int, or hex with 0x."""
    try:
        number = value if isinstance(value, int) else int(str(value), 16)
    except ValueError:
        raise BadInput(f"not a quantity: {str(value)[:80]!r}", hint="write 0x and hexadecimal digits") from None
    if not 0 <= number < 2**256:
        raise BadInput("a quantity is a 256-bit number", hint="check the parameter")
    return number


def parse_message(chain: EmbeddedChain, call: Mapping[str, Any]) -> Message:
    """Read the transaction object of eth_call; absent gas means the block's limit, absent price means free."""
    named, to, value = call.get("from"), call.get("to"), call.get("value")
    sender = parse_bytes(named, 20) if named else NOBODY
    gas_limit = chain.head.header.gas_limit
    gas = parse_quantity(call["gas"]) if call.get("gas") is not None else gas_limit
    price = call.get("gasPrice", call.get("maxFeePerGas"))
    payload = call.get("input", call.get("data"))
    return Message(
        sender,
        parse_bytes(to, 20) if to else None,
        parse_bytes(payload) if payload else b"",
        parse_quantity(value) if value else 0,
        min(gas, gas_limit),
        parse_quantity(price) if price is not None else 0,
        chain.state.get(sender).nonce,
        tuple(
            (parse_bytes(e["address"], 20), tuple(parse_quantity(s) for s in e["storageKeys"]))
            for e in call.get("accessList") or ()
        ),
    )


def run(chain: EmbeddedChain, message: Message, number: int, *, pending: bool = False) -> Outcome:
    """Execute `message` on block `number`'s state. At the head the time is now, as in a block mined at once."""
    head = chain.head.header
    if number < head.number:
        header = chain.blocks[number].header
        context = chain.get_context(number, header.timestamp, header.base_fee)
    else:
        context = chain.get_context(head.number + pending, chain.now(), chain.next_base_fee())
    account = chain.state.get(message.sender)
    fee = message.gas_limit * message.gas_price
    if account.balance < fee + message.value:
        raise Refused(
            f"insufficient funds for gas * price + value: have {account.balance} want {fee + message.value}",
            hint="fund the account",
        )
    if compute_intrinsic_gas(message) > message.gas_limit:
        raise Refused("intrinsic gas too low", hint="give the call more gas")
    if not fee:
        return chain.engine.execute(context, message, keep=False)
    redo = chain.write({message.sender: Change(account.balance - fee, account.nonce)})
    try:
        return chain.engine.execute(context, message, keep=False)
    finally:
        chain.write(redo)


def call(chain: EmbeddedChain, message: Message, number: int, *, pending: bool = False) -> bytes:
    """The return value. Raises `Reverted` with `output`, or `Refused` naming an exceptional halt."""
    with chain.at(number):
        outcome = run(chain, message, number, pending=pending)
    raise_failure(outcome)
    return outcome.output


def raise_failure(outcome: Outcome) -> None:
    """Raise what a failed outcome means; nothing for a success."""
    if outcome.success:
        return
    if outcome.halt:
        raise Refused(f"EVM error {outcome.halt}", hint="the code is faulty or the gas too little")
    raise Reverted("execution reverted", hint="decode the data with the contract's ABI", output=outcome.output)


def estimate_gas(chain: EmbeddedChain, message: Message, number: int) -> int:
    """A gas limit at which `message` succeeds: the least, or hardly more than that. Raises like `call`.

    What it uses with all the gas there is, a stipend and the 64th part that calls hold back nearly always do; else what
    may have been refunded on top; else the least is looked for, from there upwards.
    """
    with chain.at(number):
        outcome = run(chain, message, number, pending=True)
        raise_failure(outcome)
        low, high = outcome.gas_used - 1, message.gas_limit
        guess = _with_held_back(outcome.gas_used)
        if guess < high and not run(chain, _with_gas(message, guess), number, pending=True).success:
            low, guess = guess, _with_held_back(outcome.gas_used * REFUND_PARTS // (REFUND_PARTS - 1))
            while guess < high and not run(chain, _with_gas(message, guess), number, pending=True).success:
                low, guess = guess, 2 * guess
            high = min(guess, high)
            while high - low > max(1, high * ESTIMATE_TOLERANCE_PERCENT // 100):
                guess = (low + high) // 2
                if run(chain, _with_gas(message, guess), number, pending=True).success:
                    high = guess
                else:
                    low = guess
            return high
        return min(guess, high)


def _with_held_back(gas_used: int) -> int:
    return (gas_used + STIPEND_GAS) * 64 // 63


def _with_gas(message: Message, gas_limit: int) -> Message:
    return replace(message, gas_limit=max(gas_limit, compute_intrinsic_gas(message)))
