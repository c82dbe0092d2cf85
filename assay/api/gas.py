"""What a job's transactions cost, by phase."""

from functools import cache

from assay.chain.artifacts import list_artifacts, load_artifact
from assay.chain.embedded import EmbeddedChain
from assay.chain.reverts import compute_selector

PHASES = {
    "match": ("post", "commitBid", "revealBid", "close", "draw", "enlist", "start", "settleBid"),
    "commit": ("commit", "commitSlot"),
    "verify": ("record", "commitTable", "revealTable", "include"),
    "dispute": (
        "commitChallenge",
        "openChallenge",
        "withdrawChallenge",
        "showUpdates",
        "showMarks",
        "begin",
        "beginScore",
        "claimFault",
        "aggregateFault",
        "settle",
        "demandRun",
        "demandRows",
        "demandLeaves",
        "demandContent",
        "demandState",
        "answerSteps",
        "answerRows",
        "answerLeaves",
        "answerContent",
        "answerState",
        "answerParts",
        "answerWitness",
        "answerFault",
        "answerFaultySample",
        "recall",
        "prove",
        "provePart",
        "proveOutput",
        "proveLoss",
        "proveSample",
        "resign",
        "timeout",
        "demandSecret",
        "revealSecret",
        "defaultSecret",
        "equivocate",
        "penaliseSilent",
        "attestFault",
    ),
    "aggregate": ("aggregate",),
    "finalise": ("finalise", "proceed", "advance"),
    "settle": ("end", "claim", "mint", "cancel", "unstake", "release", "withdraw"),
    "fund": ("approve", "deposit", "stake", "enrol"),
}
"""Functions by the phase of a job that calls them."""
ROUND_PHASES = ("commit", "verify", "aggregate", "finalise")


@cache
def _phase_of() -> dict[bytes, str]:
    phases = {function: phase for phase, functions in PHASES.items() for function in functions}
    found = {}
    for name in list_artifacts():
        if name in ("TestStablecoin", "AssayToken"):
            continue
        for entry in load_artifact(name).get_entries("function"):
            if entry["name"] in phases:
                found[compute_selector(entry)] = phases[entry["name"]]
    return found


def gas_by_phase(chain: EmbeddedChain) -> dict[str, int]:
    """Gas of every transaction on a chain, by phase; deployment and other contracts' calls are left out."""
    totals = dict.fromkeys(PHASES, 0)
    for block in chain.blocks:
        for receipt in block.receipts:
            phase = _phase_of().get(receipt.transaction.data[:4])
            if phase is not None and receipt.transaction.to is not None:
                totals[phase] += receipt.gas_used
    return totals
