"""What is paid in: the network's own token, the chain's coin, or any ERC-20. Looked up, shown, and put into the vault.

An ERC-20 is a stranger's contract: what it says of itself is checked before it is shown or counted with.
"""

import re
from dataclasses import dataclass

from eth_utils.address import is_checksum_address

from assay.chain.contracts.test_stablecoin import TestStablecoin
from assay.chain.ledger import Ledger
from assay.chain.link import Link
from assay.chain.rpc import Rpc
from assay.protocol.errors import BadInput, BadKey, Malformed, Refused, Reverted, show
from assay.protocol.units import format_amount

NATIVE = "0x" + "00" * 20
"""How contracts name the chain's own coin."""
COIN, COIN_DECIMALS = "coin", 18
DECIMALS_MAX = 36
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
SYMBOL = re.compile(r"[A-Za-z0-9$._-]{1,12}")
ALLOWED = '"default", "native" or the address of an ERC-20'
KEY = "job.token"
ODD = (Malformed, Refused, Reverted)
"""What asking a contract raises that answers nothing, or something else than it should."""


@dataclass(frozen=True)
class Token:
    """What is paid in. `symbol` is for people: a stranger's token may call itself anything."""

    address: str = NATIVE
    symbol: str = "aUSD"
    decimals: int = 6

    @property
    def is_native(self) -> bool:
        """Whether it is the chain's own coin, which gas is paid in too."""
        return not int(self.address, 16)

    @property
    def where(self) -> str:
        """Its address in few letters."""
        return f"{self.address[:6]}…{self.address[-4:]}"

    def words(self, units: int) -> str:
        """An amount for people."""
        return f"{format_amount(units, self.decimals)} {self.symbol}"


COIN_TOKEN = Token(NATIVE, COIN, COIN_DECIMALS)


def find_token(web3: Link, named: str, default: Token) -> Token:
    """The token that a job file names. Errors: `BadKey` for what is no contract, or no ERC-20."""
    try:
        return pick_token(web3, named, default)
    except BadInput as error:
        raise BadKey(error.message, hint=error.hint, key=KEY, value=named, allowed=ALLOWED) from error


def pick_token(web3: Link, named: str, default: Token) -> Token:
    """The token that somebody names: "default", "native" or an address. Errors: `BadInput`."""
    if named in ("default", "native"):
        return default if named == "default" else COIN_TOKEN
    if not ADDRESS.fullmatch(named):
        raise BadInput(f"{show(named)} is no token", hint=f"give {ALLOWED}")
    return tell_apart(describe_token(web3, named), default)


def find_offline(named: str) -> Token:
    """The same where no network is there to ask. Errors: `BadKey` for an address."""
    if named in ("default", "native"):
        return Token() if named == "default" else COIN_TOKEN
    hint = "leave out --offline"
    raise BadKey("a network has to be asked what this token is", hint=hint, key=KEY, value=named, allowed=ALLOWED)


def tell_apart(token: Token, default: Token) -> Token:
    """The token under a name that no other has: whoever calls a token like another is shown with its address."""
    if token.address == default.address:
        return default
    if token.symbol in (default.symbol, COIN) and not token.is_native:
        return Token(token.address, f"{token.symbol}@{token.where}", token.decimals)
    return token


def describe_token(web3: Link, address: str) -> Token:
    """What stands at an address. Errors: `BadInput` for what is no contract, or no ERC-20."""
    if not int(address, 16):
        return COIN_TOKEN
    mixed = address[2:] not in (address[2:].lower(), address[2:].upper())
    if mixed and not is_checksum_address(address):
        raise BadInput(f"{address} has a wrong checksum: a letter of it is another", hint="copy it once more")
    coin = TestStablecoin(web3, address)
    if Rpc(web3).request("eth_getCode", coin.address, "latest") in ("0x", None):
        raise BadInput(f"there is no contract at {coin.address}", hint="is the token on this chain?")
    try:
        decimals = coin.decimals()
        coin.total_supply()
        coin.allowance(coin.address, coin.address)
        coin.balance_of(coin.address)
    except ODD as error:
        raise BadInput(f"the contract at {coin.address} is no ERC-20", hint="name a token with decimals") from error
    if decimals > DECIMALS_MAX:
        raise BadInput(
            f"the token at {coin.address} has {decimals} decimal places",
            hint=f"name one with {DECIMALS_MAX} at most",
        )
    bare = Token(coin.address, "", decimals)
    return Token(coin.address, _symbol(coin) or bare.where, decimals)


def show_token(web3: Link, address: str, default: Token) -> Token:
    """The token of an order that stands, whatever it is; a strange one is shown by its address and in its units."""
    if address == default.address:
        return default
    try:
        return tell_apart(describe_token(web3, address), default)
    except BadInput:
        return Token(address, Token(address).where, 0)


def _symbol(coin: TestStablecoin) -> str:
    """What a token calls itself; nothing where that is not a short plain word."""
    try:
        symbol = coin.symbol()
    except ODD:
        return ""
    return symbol if SYMBOL.fullmatch(symbol) else ""


def balance_of(ledger: Ledger, token: str, account: str) -> int:
    """Units in a wallet."""
    if not int(token, 16):
        return Rpc(ledger.web3).get_balance(account)
    return TestStablecoin(ledger.web3, token).balance_of(account)


def deposit(ledger: Ledger, token: str, amount: int) -> None:
    """Puts units out of the wallet into the vault. Errors: `Reverted`."""
    if amount <= 0:
        return
    if int(token, 16):
        coin = TestStablecoin(ledger.web3, token, ledger.sender)
        coin.approve(ledger.vault.address, amount).send()
    ledger.vault.deposit(token, amount, value_wei=0 if int(token, 16) else amount).send()
