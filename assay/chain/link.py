"""The type of a connection to a chain, for rooms that pass one on without speaking its language."""

from typing import TypeAlias

from web3 import Web3

Link: TypeAlias = Web3
