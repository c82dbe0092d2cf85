"""What the simulation has found: each a plan as small as it got, a test from then on.

What is not mended yet is marked with its cause; the mark is strict, so that the mend must take it off.
"""

import resource
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from assay.protocol.errors import AssayError
from assay.roles.clerk import Clerk
from assay.store.disk import DiskBlobs
from tests.simulation.plan import Plan, Reorg, give
from tests.simulation.storm import Broken, Storm, play

SMALL: dict[str, Any] = {"rounds": 1, "samples": 2}


WORD = "0x" + "00" * 32
BARE = {
    "address": "0x" + "00" * 20,
    "topics": [],
    "data": "0x",
    "blockNumber": "0x1",
    "blockHash": WORD,
    "transactionHash": WORD,
    "logIndex": "0x0",
}
"""A log of nobody's, that says nothing."""


def crash(name: str, mark: str) -> Plan:
    """One party dies after an event or a line in its journal, and is back three seconds later with the journal."""
    return give(Plan(7, **SMALL), [name], crash_after=mark, down_s=3)


def unsent(name: str, function: str, *cheats: str) -> Plan:
    """One party's node does not answer when it is asked to take a transaction for the first time."""
    return give(Plan(3, cheats, **SMALL), [name], unsent=function)


def found(plan: Plan, cause: str) -> Any:
    """A plan that does not hold yet."""
    return pytest.param(plan, id=cause.split(":")[0], marks=pytest.mark.xfail(reason=cause, strict=True, raises=Broken))


def mended(plan: Plan, name: str) -> Any:
    """A plan that once did not hold."""
    return pytest.param(plan, id=name)


FOUND = [
    found(
        Plan(0, ("rubber-stamp", "nan-bomb"), honest=3, validators=5, **SMALL),
        "fault forgotten: Judge.round drops the job's fault while any disagreement is listed, settled ones too, so a"
        " false table makes the honest slots that met the fault late",
    ),
    found(
        Plan(94, ("wrong-data", "hidden-rows"), validators=5, rounds=1, samples=1),
        "two truths: in a dispute about a segment of a slot that went astray before it, who was served the start state"
        " votes for what follows from it, who was not for UNSERVED, and the fewer are slashed",
    ),
    found(
        Plan(54, ("two-faced", "rubber-stamp"), validators=5, samples=1),
        "bond left: Challenges.raise_one opens or withdraws what it has sealed only while the disagreement is listed",
    ),
    mended(crash("provider-1", "BidCommitted"), "bid unopened"),
    mended(crash("provider-1", "BidRevealed"), "bid closed"),
    mended(crash("provider-1", "Committed"), "work lost"),
    found(crash("validator-1", "nonces/"), "tip lost: Validator.enlist takes a journaled seed for a sent transaction"),
    mended(crash("validator-1", "TableCommitted"), "salt lost"),
    found(
        unsent("provider-2", "revealBid(uint256,uint128,bytes32)"),
        "bid unsent: Provider.bid marks a bid as opened before the node has taken it",
    ),
    found(
        unsent("validator-2", "enlist(uint256,bytes32)"),
        "tip unsent: Validator.enlist takes a journaled seed for a sent transaction",
    ),
    found(
        unsent("validator-2", "commitTable(uint256,uint32,uint32,bytes32)"),
        "table unsent: Validator.commit_table marks a table as committed before the node has taken it",
    ),
    found(
        unsent("validator-1", "vote(uint256,bytes32)", "skipper"),
        "vote unsent: Challenges.vote takes a ballot for a vote that was sent",
    ),
    found(
        unsent("validator-1", "revealVote(uint256,bytes32,bytes32)", "skipper"),
        "vote unrevealed: Challenges.vote marks a ballot as revealed before the node has taken it",
    ),
    mended(give(Plan(3, ("skipper",), **SMALL), ["validator-1"], crash_after="Voted", down_s=3), "ballot lost"),
    found(
        give(Plan(2, **SMALL), ["aggregator-1"], silent_node=0.05),
        "messages lost: Book.note asks the node in between, and drops what else was polled if it does not answer",
    ),
    found(
        give(Plan(5, samples=2), ["provider-2"], drop=0.15),
        "state unheard: only the aggregator says where a new state is, once; who misses it cannot train",
    ),
    found(
        give(Plan(5, samples=2), ["validator-2"], drop=0.15),
        "state unheard by a validator: the same; it cannot re-execute, and is fined as silent",
    ),
    found(
        Plan(7, reorgs=(Reorg(12, 4, True),), **SMALL),
        "bid reorganised: what was refused on the new chain is not sent again",
    ),
    found(Plan(7, reorgs=(Reorg(28, 10, True),), **SMALL), "tip reorganised: the same for an enlistment"),
    found(Plan(7, reorgs=(Reorg(36, 10, True),), **SMALL), "table reorganised: the same for a table"),
]


@pytest.mark.parametrize("plan", FOUND)
def test_what_was_found_holds(plan: Plan) -> None:
    play(plan)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


@pytest.mark.xfail(reason="Notices takes what the node says for a list of logs of Rounds", strict=True)
@pytest.mark.parametrize("answer", [None, 7, [BARE]], ids=["nothing", "number", "topics"])
def test_logs_that_are_none_are_refused(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk: Clerk = Storm(Plan(1, **SMALL)).actors["provider-1"].role.clerk
    request = clerk.ledger.rpc.request
    monkeypatch.setattr(
        clerk.ledger.rpc,
        "request",
        lambda method, *params: answer if method == "eth_getLogs" else request(method, *params),
    )
    with pytest.raises(AssayError):
        clerk.notices.due_s((1, 0, 0), 0)


@pytest.mark.xfail(reason="Clerk.jobs walks as many jobs as the node says there are", strict=True, raises=TimeoutError)
def test_a_node_that_says_there_are_countless_jobs_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    clerk: Clerk = Storm(Plan(1, **SMALL)).actors["provider-1"].role.clerk
    monkeypatch.setattr(clerk, "job_count", lambda: 2**255)
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(AssayError):
            clerk.jobs()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.xfail(reason="DiskBlobs lets the OSError of a full disk through: no role's turn catches it", strict=True)
def test_a_full_disk_is_a_refusal_and_no_crash(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(AssayError):
            blobs.put(bytes(64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.rglob("part-*"))
