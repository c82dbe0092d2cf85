"""Where coin for gas comes from on a node: its own power to set balances, an account it unlocks, or a key of ours."""

from typing import Protocol

from web3 import Web3

from assay.chain.rpc import Rpc, read_bytes, read_object, read_quantity
from assay.chain.sender import Sender
from assay.chain.signer import KeySigner, Signer
from assay.protocol.errors import AssayError, BadInput, Refused, Reverted

SETTERS = ("anvil_setBalance", "hardhat_setBalance")
ETHER_WEI = 10**18
POOR_HINT = "send coin to that account, name another with --key-file, or use a development node"


class Faucet(Protocol):
    """Gives coin; `words` say whose."""

    words: str

    @property
    def address(self) -> str | None:
        """Who takes back what is left over; None where coin is free."""
        ...

    def give(self, signer: Signer, amount_wei: int) -> None:
        """Coin for an account, mined. Errors: `BadInput` when there is not enough."""
        ...


class Setter:
    """A development node that sets balances."""

    address = None

    def __init__(self, rpc: Rpc, method: str) -> None:
        self._rpc, self._method = rpc, method
        self.words = f"{method} of the node"

    def give(self, signer: Signer, amount_wei: int) -> None:
        """Sets a balance, whatever it was."""
        self._rpc.request(self._method, signer.address, hex(amount_wei))


class Unlocked:
    """An account that the node signs for."""

    def __init__(self, web3: Web3, address: str) -> None:
        self._web3, self.address = web3, address
        self.words = f"the node's account {address}"

    def give(self, signer: Signer, amount_wei: int) -> None:
        """Has the node send coin."""
        rpc = Rpc(self._web3)
        _require(rpc, self.address, amount_wei)
        transfer = {"from": self.address, "to": signer.address, "value": hex(amount_wei)}
        try:
            sent = read_bytes(rpc.request("eth_sendTransaction", transfer), 32)
        except (Refused, Reverted) as error:
            raise BadInput(f"{self.words} sends no coin: {error.message}", hint=POOR_HINT) from None
        Sender(self._web3, signer).wait_for(sent)


class Purse:
    """An account whose key we hold."""

    def __init__(self, web3: Web3, key: KeySigner) -> None:
        self._sender, self.address = Sender(web3, key), key.address
        self.words = f"account {key.address} of the key file"

    def give(self, signer: Signer, amount_wei: int) -> None:
        """Sends coin."""
        _require(self._sender.rpc, self.address, amount_wei)
        try:
            self._sender.send(signer.address, value_wei=amount_wei)
        except (Refused, Reverted) as error:
            raise BadInput(f"{self.words} sends no coin: {error.message}", hint=POOR_HINT) from None


def find_faucet(web3: Web3, key: KeySigner | None = None) -> Faucet:
    """The key's account where one is given, else what the node offers. Errors: `BadInput` where it offers nothing."""
    if key is not None:
        return Purse(web3, key)
    rpc, stranger = Rpc(web3), KeySigner.create().address
    for method in SETTERS:
        if _works(rpc, method, stranger):
            return Setter(rpc, method)
    try:
        accounts = rpc.request("eth_accounts")
    except Refused:
        accounts = []
    if isinstance(accounts, list) and accounts and Web3.is_address(accounts[0]):
        return Unlocked(web3, str(Web3.to_checksum_address(accounts[0])))
    raise BadInput(
        "the node neither sets balances nor unlocks an account, so nobody can pay for gas",
        hint="name a key that holds coin with --key-file, or use a development node",
    )


def price_gas(rpc: Rpc) -> int:
    """Most that a unit of gas costs now, wei: twice the base fee and the tip, as `Sender` offers."""
    head = read_object(rpc.request("eth_getBlockByNumber", "latest", False))
    return 2 * read_quantity(head.get("baseFeePerGas")) + read_quantity(rpc.request("eth_maxPriorityFeePerGas"))


def _works(rpc: Rpc, method: str, stranger: str) -> bool:
    try:
        rpc.request(method, stranger, hex(1))
        return rpc.get_balance(stranger) == 1
    except AssayError:
        return False


def _require(rpc: Rpc, address: str, amount_wei: int) -> None:
    held_wei = rpc.get_balance(address)
    if held_wei < amount_wei:
        raise BadInput(
            f"account {address} holds {held_wei / ETHER_WEI:.6f} coin, {amount_wei / ETHER_WEI:.6f} are needed next",
            hint=POOR_HINT,
        )
