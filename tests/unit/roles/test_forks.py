"""What is remembered of a chain that is no more."""

from dataclasses import replace
from types import MethodType
from typing import Any

import pytest

from assay.chain.contracts.disputes import Settled
from assay.chain.contracts.jobs import BidForfeited
from assay.chain.contracts.rounds import Aggregated, Rounds
from assay.chain.cursor import Page
from assay.protocol.errors import Malformed, Unavailable
from assay.protocol.phase import JobPhase, RoundPhase, Settlement
from assay.roles.aggregator import Aggregator
from assay.roles.consumer import Consumer
from assay.roles.wake import IDLE
from assay.roles.zoo import CHEATS


def deep(stage: Any) -> Any:
    """The same stage, on a chain whose last blocks may be replaced."""
    for world in stage.network.worlds.values():
        world.depth_blocks = 12
    return stage


def test_a_bid_is_for_an_order_and_not_for_its_document(tiny_stage: Any) -> None:
    """The number goes to another order of the same document and second: the old price cannot be opened there."""
    stage = deep(tiny_stage())
    network, provider, jobs = stage.network, stage.network.parties["provider-1"], stage.network.ledger.jobs
    assert provider.clerk.fund(stage.order.token, 2 * stage.order.price_ceiling)  # from work before, long settled
    before = network.ledger.rpc.get_head()
    first = stage.post()
    provider.tick()
    assert provider.bidding.made(first)
    network.chain.reorganise(network.ledger.rpc.get_head() - before, keep_transactions=False)
    assert jobs.job_count() == 0
    stage.order = replace(stage.order, price_ceiling=stage.order.price_ceiling // 2)
    assert stage.post() == first
    opens_s = jobs.view_of(first).posted_at + stage.order.windows.bid
    for until_s in (0, opens_s, opens_s + stage.order.windows.reveal):
        while network.ground.now_s() < until_s:
            network.ground.approach(until_s)
        provider.tick()
    provider.clerk.attempt(network.worlds["provider-1"].ledger.jobs.settle_bid(first, provider.world.address))
    assert not stage.said(BidForfeited)


@pytest.mark.parametrize("blocks", [False, True], ids=["in leaps", "block by block"])
def test_a_file_that_was_closed_is_opened_again(tiny_stage: Any, blocks: bool) -> None:
    """A job is posted and called off; the chain is rewritten, and its number goes to another order."""
    stage = deep(tiny_stage())
    network, jobs = stage.network, stage.network.ledger.jobs
    for name in ("provider-1", "provider-2"):
        network.parties[name].clerk.fund(stage.order.token, 2 * stage.order.price_ceiling)
    for party in network.parties.values():
        party.tick()
    before = network.ledger.rpc.get_head()
    job = stage.post()
    stage.consumer.world.ledger.jobs.cancel(job).send()
    for party in network.parties.values():
        party.tick()
    assert all(party.clerk.closed(job) for party in network.parties.values())
    network.chain.reorganise(network.ledger.rpc.get_head() - before, keep_transactions=False)
    stage.order = replace(stage.order, seed=bytes([9]) * 32)
    assert stage.post() == job
    for _ in range(100 if blocks else 0):
        for party in network.parties.values():
            party.tick()
        network.ground.pass_block()
    network.run(lambda: jobs.view_of(job).phase >= JobPhase.RUNNING, turns_max=2_000)
    assert jobs.view_of(job).phase == JobPhase.RUNNING
    assert not stage.said(BidForfeited)


def test_a_consumer_minds_the_number_that_its_order_has_now(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, first = stage.network, stage.consumer
    second = Consumer(network.world("consumer-2", 0))
    deep(stage)
    network.mint(second.world, network.ledger.jobs.cost(stage.order))
    for consumer in (first, second):
        consumer.clerk.fund(stage.order.token, network.ledger.jobs.cost(stage.order))
    before = network.ledger.rpc.get_head()
    assert (first.post(stage.order), second.post(stage.order)) == (1, 2)
    for consumer in (first, second):
        consumer.tick()
    network.chain.reorganise(network.ledger.rpc.get_head() - before, keep_transactions=False)
    assert (second.post(stage.order), first.post(stage.order)) == (1, 2)
    for consumer in (first, second):
        consumer.tick()
    assert 1 in second.clerk.jobs()
    assert 2 in first.clerk.jobs()


def test_an_unsound_job_is_looked_at_anew(tiny_stage: Any) -> None:
    stage = deep(tiny_stage())
    validator = stage.network.parties["validator-1"]
    job = stage.post()
    validator.flaws._unsound.add(job)
    validator.doubt(job)
    assert job not in validator.flaws._unsound


def test_a_node_s_wrong_answer_is_no_flaw_of_a_job(tiny_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = tiny_stage()
    network, validator = stage.network, stage.network.parties["validator-1"]
    job = stage.post()
    network.run(lambda: network.ledger.jobs.view_of(job).phase == JobPhase.RUNNING, turns_max=2_000)
    name = (job, 0, 0)
    round_view = validator.clerk.round(name)
    validator.clerk.refresh()

    def garbled(_: int) -> None:
        raise Malformed("the node sent '0x' for bytes")

    with monkeypatch.context() as patch:
        patch.setattr(validator.clerk.ledger.jobs, "view_of", garbled)
        with pytest.raises(Malformed):
            validator.flaws.of(name, round_view)
    assert validator.flaws.of(name, round_view) is None


def test_a_fork_is_not_forgotten_because_the_node_fails_while_it_is_read(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = deep(tiny_stage())
    network, party = stage.network, stage.network.parties["provider-1"]
    job = stage.post()
    network.run(lambda: network.ledger.jobs.view_of(job).phase == JobPhase.RUNNING)
    party.tick()
    cursor = party.clerk._notices._cursor
    logs = [log for block in cursor._seen for log in block.logs]
    taken = next(log for log in reversed(logs) if getattr(party.clerk.ledger.decode(log).event, "job", 0) == job)
    pages = iter([Page((taken,), (), party.clerk.head, False)])

    def poll() -> Page:
        for page in pages:
            return page
        raise Unavailable("the node does not answer")

    with monkeypatch.context() as node:
        node.setattr(cursor, "poll", poll)
        with pytest.raises(Unavailable):
            party.tick()
    party.clerk.refresh()
    assert party.clerk.rewritten() == {job}


def test_who_challenged_one_lie_challenges_the_next_on_another_branch(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else compares what a round comes to: whoever has sealed a challenge of one end does so with another."""
    stage = deep(tiny_stage())
    network, rounds = stage.network, stage.network.ledger.rounds
    liar = CHEATS["inventing-aggregator"].load()
    network.parties["aggregator-1"] = liar(network.parties["aggregator-1"].world)
    watcher, *others = [network.parties[name] for name in stage.honest("validator")]
    for other in others:
        monkeypatch.setattr(other.signatory, "compare_aggregate", lambda name, view: IDLE)
    before, lies, plain = [0], [], Rounds.aggregate

    def lie(self: Rounds, job: int, generation: int, index: int, root: bytes, *rest: Any) -> Any:
        return plain(self, job, generation, index, bytes([root[0] ^ 1, *root[1:]]), *rest)

    def over() -> bool:
        view, head = rounds.view_of(stage.job, 0, 0), network.ledger.rpc.get_head()
        if view.phase == RoundPhase.AGGREGATING and not lies:
            before[0] = head
        if view.phase == RoundPhase.CHALLENGING and watcher.challenges._raised.get(stage.job) and not lies:
            lies.append(view.end_root)
            network.chain.reorganise(head - before[0], keep_transactions=False)
            monkeypatch.setattr(Rounds, "aggregate", lie)
        return bool(stage.over())

    stage.post()
    network.run(over, turns_max=5_000)
    told = [event.end_root for event in stage.said(Aggregated)]
    assert lies
    assert lies[0] not in told
    assert Settlement.UPHELD in {event.outcome for event in stage.said(Settled)}


def test_a_true_aggregate_is_not_disputed_for_a_false_one_that_was_taken_back(tiny_stage: Any) -> None:
    """On the other branch the aggregator tells the truth, which a quorum has signed, before anybody else has looked."""
    stage = deep(tiny_stage())
    network, rounds = stage.network, stage.network.ledger.rounds
    liar = CHEATS["inventing-aggregator"].load()
    network.parties["aggregator-1"] = liar(network.parties["aggregator-1"].world)
    honest = [network.parties[name] for name in stage.honest("validator")]
    before: list[int] = []
    depths: list[int] = []

    def over() -> bool:
        phase, head = rounds.view_of(stage.job, 0, 0).phase, network.ledger.rpc.get_head()
        if phase == RoundPhase.AGGREGATING:
            before[:] = [head]
        is_sealed = any(validator.challenges._raised.get(stage.job) for validator in honest)
        if phase == RoundPhase.CHALLENGING and is_sealed and not depths:
            depths.append(head - before[0])
            network.chain.reorganise(depths[0], keep_transactions=False)
            teller = network.parties["aggregator-1"]
            teller.aggregate = MethodType(Aggregator.aggregate, teller)
            for _ in range(3):
                teller.tick()
            assert rounds.view_of(stage.job, 0, 0).phase == RoundPhase.CHALLENGING
        return bool(stage.over())

    stage.post()
    network.run(over, turns_max=5_000)
    assert depths
    assert Settlement.DISMISSED not in {event.outcome for event in stage.said(Settled)}
