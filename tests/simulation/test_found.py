"""What the simulation has found and was mended: each a plan as small as it got, with its cause."""

import resource
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from assay.protocol.errors import AssayError
from assay.roles.clerk import Clerk
from assay.store.disk import DiskBlobs
from tests.simulation.faults import Span
from tests.simulation.plan import Plan, Reorg, give
from tests.simulation.storm import Storm, play

SMALL: dict[str, Any] = {"rounds": 1, "samples": 2}
VALIDATORS = ["validator-1", "validator-2", "validator-3"]


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


AWAY = ["consumer", "provider-1", "provider-2", "validator-1", "validator-3"]
LOSSY = ["consumer", "provider-1", "provider-2", "validator-2", "aggregator-1", "aggregator-2"]
FOUND = {
    # Judge.round dropped the job's fault while any disagreement was listed, settled ones too, so that a false table
    # made the honest slots that had met the fault late.
    "fault forgotten": Plan(0, ("rubber-stamp", "nan-bomb"), honest=3, validators=5, **SMALL),
    # In a dispute about a segment of a slot that went astray before it, who was served the start state voted for what
    # follows from it, who was not for UNSERVED, and the fewer were slashed.
    "two truths": Plan(94, ("wrong-data", "hidden-rows"), validators=5, rounds=1, samples=1),
    # A challenge that became needless before it was opened was neither opened nor withdrawn.
    "bond left": Plan(54, ("two-faced", "rubber-stamp"), validators=5, samples=1),
    # Bids, salts, trained work, nonces, tables and ballots were in memory only, or the journal was taken for the
    # chain.
    "bid unopened": crash("provider-1", "BidCommitted"),
    "bid closed": crash("provider-1", "BidRevealed"),
    "work lost": crash("provider-1", "Committed"),
    "bid half sealed": crash("provider-1", "bid/"),
    "work half signed": crash("provider-1", "signed/"),
    "tip lost": crash("validator-1", "nonces/"),
    "table half sealed": crash("validator-1", "table/"),
    "salt lost": crash("validator-1", "TableCommitted"),
    "challenge half sealed": give(Plan(3, ("skipper",), **SMALL), ["validator-1"], crash_after="challenges/", down_s=3),
    # Where every provider's clock was ahead, a bid was opened too early, and nobody had a reason to try again.
    "clocks ahead": give(Plan(7, **SMALL), ["provider-1", "provider-2"], skew_s=8),
    # What the node had not taken was held for done.
    "bid unsent": unsent("provider-2", "revealBid(uint256,uint128,bytes32)"),
    "tip unsent": unsent("validator-2", "enlist(uint256,bytes32)"),
    "table unsent": unsent("validator-2", "commitTable(uint256,uint32,uint32,bytes32)"),
    # Book.note asked the node in between, and what else was polled was lost if it did not answer.
    "messages lost": give(Plan(2, **SMALL), ["aggregator-1"], silent_node=0.05),
    # Where a new state is was said once, and who missed it could neither train nor re-execute.
    "state unheard": give(Plan(5, samples=2), ["provider-2"], drop=0.15),
    "state unheard by a validator": give(Plan(5, samples=2), ["validator-2"], drop=0.15),
    # An opening was said again in the phase in which it was due only: an aggregator that missed it there could not
    # aggregate in the next, and was held for silent.
    "opening unheard": give(
        give(Plan(4012, ("skipper", "two-roots"), honest=3, jobs=2, rounds=1, samples=3), LOSSY, delay_s=3, drop=0.05),
        ["consumer", "validator-1"],
        cut_off=(Span(6, 16),),
    ),
    # What a node answered wrongly was tried again when somebody else had a reason to wake, and the table came too late.
    "table unheard": give(
        give(Plan(2047, ("two-faced", "silent"), rounds=1), [*AWAY, "aggregator-2"], cut_off=(Span(99, 116),)),
        ["validator-2", "validator-3", "aggregator-2"],
        garbled_node=0.03,
    ),
    # Whoever forgot what it had concluded from blocks that were replaced forgot the announcements that still stood too.
    "announcements forgotten": give(
        Plan(
            1004,
            ("copycat", "unrevealed-secret"),
            samples=1,
            reorgs=(Reorg(18, 7, True), Reorg(43, 1, True), Reorg(72, 7, True)),
        ),
        [*AWAY, "validator-2", "aggregator-1", "aggregator-2"],
        crashes=(778, 185, 642),
        down_s=9,
    ),
    # Notices.nonce took the first reveal of a table with these rows, and another drawing had had the same.
    "rows drawn twice": give(
        Plan(38, ("lazy", "flattering-aggregator"), validators=5, samples=1),
        ["validator-2"],
        sound=False,
        cut_off=(Span(122, 381),),
    ),
    # A voter that had heard of a state and not of the commitment which it opens itself against fell over it.
    "state before its commitment": give(
        Plan(74, ("low-precision", "flattering-aggregator"), jobs=2, rounds=1),
        ["validator-3"],
        sound=False,
        delay_s=3,
        drop=0.5,
    ),
    # Where a rewritten chain forgets what honest validators had shown, too few seats are left to decide anything.
    "no quorum left": Plan(72, ("skipper", "silent-validator"), honest=3, reorgs=(Reorg(50, 5, False),)),
    # What was mined once was taken for mined for ever, and caches outlived the blocks that they came from.
    "bid reorganised": Plan(7, reorgs=(Reorg(12, 4, True),), **SMALL),
    "tip reorganised": Plan(7, reorgs=(Reorg(28, 10, True),), **SMALL),
    "table reorganised": Plan(7, reorgs=(Reorg(36, 10, True),), **SMALL),
    # A validator whose node lags had no reason to be woken before the beacon could be seen, and time passed it by.
    "beacon behind": give(Plan(21, ("copycat",), **SMALL), VALIDATORS, lag_blocks=2),
    # A secret that was called for held its round when the chain was rewritten under it: only who judges an opening
    # round saw to it that a demand ends.
    "demand outlived": Plan(
        37,
        ("copycat",),
        honest=3,
        validators=5,
        rounds=1,
        samples=3,
        reorgs=(
            Reorg(18, 2, True),
            Reorg(120, 10, True),
            Reorg(129, 7, True),
        ),
    ),
    # The same after a fault of the job, whose void round nobody owes a secret of: the job never ended.
    "demand of a void round": give(
        give(
            Plan(193, ("decoy-commitment", "nan-bomb"), samples=2, unsound=frozenset({"validator-1"})),
            ["validator-1"],
            delay_s=3,
            drop=0.9,
        ),
        ["validator-3", "aggregator-1"],
        cut_off=(Span(440, 458),),
    ),
}


@pytest.mark.parametrize("plan", FOUND.values(), ids=list(FOUND))
def test_what_was_found_holds(plan: Plan) -> None:
    play(plan)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


@pytest.mark.parametrize("answer", [None, 7, [BARE]], ids=["nothing", "number", "topics"])
def test_logs_that_are_none_are_refused(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk: Clerk = Storm(Plan(1, **SMALL)).actors["provider-1"].role.clerk
    rpc = clerk._notices._cursor._rpc
    request = rpc.request
    monkeypatch.setattr(
        rpc,
        "request",
        lambda method, *params: answer if method == "eth_getLogs" else request(method, *params),
    )
    with pytest.raises(AssayError):
        clerk.notices.due_s((1, 0, 0), 0)


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
