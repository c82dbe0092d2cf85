"""How what is not to be seen yet is committed: the hash of it with a salt, as the contracts compute it."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from assay.chain.contracts.containers import Claim

CLAIM_TYPE = (
    "(uint8,(uint256,uint32,uint32,uint16,address,bytes32,bytes32,bytes32,bytes32,bytes32),bytes32[],bytes,bytes32,"
    "(uint32,bytes32,uint32,bytes32),bytes32[],(uint32,bytes32,uint32,bytes32),bytes32[],address,"
    "(uint16,uint32,bytes32,bytes32,uint32),uint32,uint32,bytes32[])"
)
"""`Claim` of the contracts as the ABI writes it."""


def sealed(root: bytes, nonce: bytes, salt: bytes) -> bytes:
    """keccak256(abi.encode(root, nonce, salt)): how a table is committed before it is shown."""
    return keccak(root + nonce + salt)


def sealed_bid(job: int, bidder: str, price: int, salt: bytes) -> bytes:
    """keccak256(abi.encode(job, bidder, price, salt)): how a bid is committed before it is opened."""
    return keccak(encode(["uint256", "address", "uint128", "bytes32"], [job, bidder, price, salt]))


def sealed_challenge(claim: Claim, challenger: str, salt: bytes) -> bytes:
    """keccak256(abi.encode(claim, challenger, salt)): how a challenge is committed before it is shown."""
    return keccak(encode([CLAIM_TYPE, "address", "bytes32"], [claim.to_abi(), challenger, salt]))
