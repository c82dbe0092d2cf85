"""A bundle's anchors on a live chain: are its logs, its block and its order those that a node of that chain shows?

What `assay.api.verify` takes from the bundle on trust is compared here with a node that you trust, or with several.
"""

from eth_utils.address import is_checksum_address

from assay.api.bundle import Evidence
from assay.api.export import of_job
from assay.api.finding import Finding
from assay.chain.connect import connect, disconnect
from assay.chain.cursor import Cursor
from assay.chain.deploy import Deployment
from assay.chain.ledger import Ledger
from assay.chain.link import Link
from assay.chain.rpc import Rpc, read_bytes, read_object
from assay.protocol.errors import Malformed, WrongChain

NAME = "chain"


def check_at(evidence: Evidence, url: str) -> Finding:
    """`check_anchors` at a node's URL. Errors: `Unreachable`, `WrongChain`, `BadInput`."""
    web3 = connect(url)
    try:
        return check_anchors(evidence, web3)
    finally:
        disconnect(web3)


def check_anchors(evidence: Evidence, web3: Link) -> Finding:
    """What a node confirms of a bundle: its newest block, each of its logs, that none of the job's is left out, and the
    order. Errors: `WrongChain`; `Malformed` for addresses that are none; `Unavailable`."""
    finding, rpc = Finding(NAME), Rpc(web3)
    chain_id = rpc.get_chain_id()
    if chain_id != evidence.chain_id:
        words = f"the node is on chain {chain_id}, the bundle is of chain {evidence.chain_id}"
        raise WrongChain(words, hint="give a node of that chain", chain_id=chain_id, expected=evidence.chain_id)
    if not all(is_checksum_address(address) for address in evidence.contracts.values()):
        raise Malformed("the bundle names a contract's address that is none", hint="export it again")
    reached = rpc.get_head()
    if reached < evidence.head:
        words = f"the node has reached block {reached} of {evidence.head}"
        finding.missing.append(f"{words}: ask again later, or another node")
        return finding
    block = read_object(rpc.request("eth_getBlockByNumber", hex(evidence.head), False))
    same = read_bytes(block.get("hash"), 32) == evidence.head_hash
    finding.check(same, f"block {evidence.head} is another one there")
    _check_logs(evidence, web3, finding)
    return finding


def _check_logs(evidence: Evidence, web3: Link, finding: Finding) -> None:
    deployment = Deployment(evidence.chain_id, evidence.first_block, evidence.contracts)
    ledger = Ledger(web3, deployment)
    read = Cursor(web3, list(evidence.contracts.values()), first_block=evidence.first_block).drain()
    there = [log for log in read.added if log.block_number <= evidence.head]
    known, given = set(there), set(evidence.logs)
    for log in evidence.logs:
        place = f"log {log.log_index} of block {log.block_number}"
        finding.check(log in known, f"{place} is not on the chain")
    emitted = [each for log in there if (each := ledger.decode(log)) is not None]
    left_out = [each.log for each in of_job(emitted, evidence.job) if each.log not in given]
    finding.check(not left_out, f"{len(left_out)} logs of the job on the chain are not in the bundle")
    finding.check(ledger.jobs.order_of(evidence.job) == evidence.order, "the order on the chain is another one")
