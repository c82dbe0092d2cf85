"""Which signed transactions the embedded chain admits, in the words that nodes use for refusing."""

from assay.chain.engine import INITCODE_LIMIT_BYTES, Message, compute_intrinsic_gas
from assay.chain.state import Account
from assay.chain.transactions import Transaction
from assay.protocol.errors import LimitExceeded, Refused


def to_message(transaction: Transaction, price: int) -> Message:
    """What the EVM sees of a transaction at an effective price in wei per gas."""
    return Message(
        transaction.sender,
        transaction.to,
        transaction.data,
        transaction.value,
        transaction.gas_limit,
        price,
        transaction.nonce,
        transaction.access_list,
    )


def check_transaction(
    transaction: Transaction, account: Account, *, chain_id: int, gas_limit: int, base_fee: int
) -> None:
    """Raise `Refused` unless `account` may send this now. `gas_limit` of a block; `base_fee` in wei per gas."""
    if transaction.chain_id != chain_id:
        raise Refused("invalid chain id for signer", hint=f"sign for chain {chain_id}")
    if transaction.nonce < account.nonce:
        raise Refused(f"nonce too low: next nonce {account.nonce}, tx nonce {transaction.nonce}", hint="sign again")
    if account.code:
        raise Refused("sender not an eoa", hint="sign with a key, not for a contract")
    if transaction.gas_limit > gas_limit:
        raise LimitExceeded(
            "exceeds block gas limit", hint="ask for less gas", limit=gas_limit, actual=transaction.gas_limit
        )
    cost = transaction.gas_limit * transaction.max_fee + transaction.value
    if cost > account.balance:
        have = f"have {account.balance} want {cost}"
        raise Refused(f"insufficient funds for gas * price + value: {have}", hint="fund the account")
    if compute_intrinsic_gas(to_message(transaction, 0)) > transaction.gas_limit:
        raise Refused("intrinsic gas too low", hint="estimate the gas")
    if transaction.to is None and len(transaction.data) > INITCODE_LIMIT_BYTES:
        raise Refused("max initcode size exceeded", hint="split the contract (EIP-3860)")
    if transaction.max_fee < base_fee:
        raise Refused("max fee per gas less than block base fee", hint=f"offer {base_fee} wei per gas")
