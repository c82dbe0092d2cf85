"""Who stays in a draw: no job that comes to nothing, or hides its bytes, takes an honest validator out of another's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.chain.contracts.jobs import Abstained, Drawn
from assay.protocol.errors import Refused, Unavailable
from assay.protocol.job import Job
from assay.protocol.phase import JobPhase
from assay.roles import assignment, pace
from assay.roles.aggregator import Aggregator
from assay.roles.consumer import chain_order
from assay.roles.footprint import Footprint
from assay.roles.stage import DECIMALS
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, Wake
from assay.store.manifest import Manifest
from assay.store.samples import Samples
from assay.work.limits import Space

LOOK_S = 12.0
"""What hashing 4 million samples takes, the most that a job may have."""
NOTHING = {
    "price_ceiling": 1,
    "validator_fee": 0,
    "aggregator_fee": 0,
    "fault_deposit": 100,
    "provider_stake": 2,
    "validator_stake": 2,
    "aggregator_stake": 2,
}
COIN = {**NOTHING, "token": "0x" + "00" * 20}


class Colluder(Validator):
    """Takes any job."""

    behaviour = "colluder"

    def consider(self, job: int, *checks: Any) -> Wake:
        return IDLE


def left(stage: Any, job: int) -> set[str]:
    return {event.account for event in stage.said(Abstained) if event.job == job}


def decoy(stage: Any, terms: dict[str, Any], **windows: int) -> int:
    """A job that leaves validators little more time than they need, and that no provider bids for."""
    hurried = replace(stage.order.windows, open=5, **windows)
    return int(stage.consumer.post(replace(stage.order, **terms, windows=hurried)))


@pytest.mark.parametrize("terms", [COIN, NOTHING], ids=["of another pool", "of the same pool"])
def test_a_job_without_bids_takes_nobody_from_another(
    tiny_stage: Any, monkeypatch: pytest.MonkeyPatch, terms: dict[str, Any]
) -> None:
    stage = tiny_stage()
    network, jobs = stage.network, stage.network.ledger.jobs
    stage.enter("validator", Colluder, Colluder, Colluder)
    # A validator's sample and one hidden slot take 3 * (1 + 4 / 8) * 1.1 = 4.95 s of this machine.
    monkeypatch.setattr(pace, "round_s", lambda assignment, compute: 1.1)
    network.mint(stage.consumer.world, stage.network.ledger.jobs.cost(stage.order))
    decoy(stage, terms)
    for name in stage.honest("validator"):
        network.parties[name].tick()
    sound = stage.post()
    network.run(lambda: jobs.view_of(sound).phase >= JobPhase.RUNNING, turns_max=2_000)
    assert not left(stage, sound)
    assert all(network.parties[name].candidacy.stays(sound) for name in stage.honest("validator"))


def test_a_job_that_nobody_bids_for_ends_though_its_poster_is_gone(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, jobs = stage.network, stage.network.ledger.jobs
    job = stage.post()
    network.blobs._blobs.clear()
    network.parties.pop("consumer")
    for _ in range(60):
        for party in network.parties.values():
            party.tick()
        network.ground.approach(network.ground.now_s() + 10)
    assert jobs.view_of(job).phase == JobPhase.CANCELLED
    assert all(party.clerk.put_away(job) for party in network.parties.values())


def test_a_job_that_can_be_left_no_more_is_not_let_go(tiny_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older job is looked at for the first time after its match, while a younger one runs here."""
    stage = tiny_stage()
    network, jobs = stage.network, stage.network.ledger.jobs
    validator = network.parties["validator-1"]
    crowd(validator)
    network.mint(stage.consumer.world, jobs.cost(stage.order))
    older = stage.consumer.post(replace(stage.order, windows=replace(stage.order.windows, bid=3_000)))
    for party in list(network.parties.values()):
        needed = 2 * stage.order.provider_stake
        network.mint(party.world, needed + 4 * stage.order.price_ceiling)
        network.stake(party.world, needed, None)
    younger = stage.post()
    network.run(lambda: jobs.view_of(younger).phase >= JobPhase.RUNNING, turns_max=2_000)
    assert validator.world.address in jobs.validators_of(younger)
    view, posted_s = validator.clerk.view, jobs.view_of(older).posted_at
    drawing = replace(view(older), phase=JobPhase.DRAWING, draw_block=10**9)
    monkeypatch.setattr(validator.clerk, "view", lambda job: drawing if job == older else view(job))
    monkeypatch.setattr(validator.world, "clock", lambda: posted_s + 3_001)
    validator.clerk.refresh()
    validator.fitness.looks.begin()
    validator.candidacy.consider(older, lambda *_, **__: 0.1)
    assert validator.fitness._spaces.get(younger) == 100
    assert not validator.candidacy.stays(older)


def test_of_two_jobs_that_want_the_same_time_one_is_left(tiny_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = tiny_stage()
    network, jobs = stage.network, stage.network.ledger.jobs
    # Two thirds of half the table window.
    monkeypatch.setattr(pace, "round_s", lambda assignment, compute: stage.order.windows.table / 3 / 4.5)
    network.mint(stage.consumer.world, jobs.cost(stage.order))
    first, second = stage.post(), stage.post()
    ended = (JobPhase.DONE, JobPhase.CANCELLED, JobPhase.FAULTED)
    network.run(lambda: all(jobs.view_of(job).phase in ended for job in (first, second)), turns_max=5_000)
    honest = {stage.address(name) for name in stage.honest("validator")}
    assert not honest & left(stage, first)
    assert honest <= left(stage, second)


def crowd(party: Any) -> None:
    """Leaves a party room for one job and a half."""
    party.world.compute.space, party.fitness.measure = Space(150), lambda order, content, space: Footprint(0, 100)


def test_room_goes_to_the_job_whose_bids_are_closed_first(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, jobs = stage.network, stage.network.ledger.jobs
    validator = network.parties["validator-1"]
    crowd(validator)
    network.mint(stage.consumer.world, jobs.cost(stage.order))
    later = decoy(stage, NOTHING, bid=3_000)
    validator.tick()
    assert later in validator.assignments.jobs()
    sound = stage.post()
    network.run(lambda: jobs.view_of(sound).phase >= JobPhase.RUNNING, turns_max=2_000)
    assert not left(stage, sound)
    assert validator.world.address in stage.said(Drawn)[0].validators
    assert not validator.candidacy._fits.get(later)


def test_two_jobs_that_nobody_bids_for_do_not_take_each_others_room_for_ever(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, validator = stage.network, stage.network.parties["validator-1"]
    crowd(validator)
    network.mint(stage.consumer.world, network.ledger.jobs.cost(stage.order))
    decoys, looked, fetch = [decoy(stage, NOTHING) for _ in range(2)], [], validator.assignments._fetch

    def fetched(job: int, order: Any) -> Any:
        looked.append(job)
        return fetch(job, order)

    validator.assignments._fetch = fetched
    posted_s = network.ledger.jobs.view_of(decoys[0]).posted_at
    for passed_s in range(0, 10 * stage.order.windows.bid, 5):
        validator.world.clock = lambda passed_s=passed_s: posted_s + passed_s
        validator.tick()
    assert len(looked) < 12, "one is left"
    assert left(stage, decoys[1]) == {validator.world.address}


def test_a_provider_bids_once_there_is_room(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    crowd(provider)
    network.mint(stage.consumer.world, network.ledger.jobs.cost(stage.order))
    network.mint(provider.world, 2 * stage.order.provider_stake)
    network.stake(provider.world, stage.order.provider_stake, None)
    first = stage.post()
    provider.tick()
    second = stage.post()
    provider.tick()
    assert [provider.bidding.made(job) for job in (first, second)] == [True, False]
    assert second not in provider.bidding.declined
    assert stage.consumer.clerk.attempt(stage.consumer.world.ledger.jobs.cancel(first)).acted
    now_s = network.ground.now_s()
    while network.ground.now_s() < now_s + 8:
        network.ground.approach(now_s + 8)
        provider.tick()
    assert provider.bidding.made(second)


def test_a_provider_says_that_it_had_no_room(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    crowd(provider)
    provider.fitness._spaces.keep(100, stage.post())
    network.mint(stage.consumer.world, network.ledger.jobs.cost(stage.order))
    job = stage.post()
    posted_s = network.ledger.jobs.view_of(job).posted_at
    provider.bidding.declined[1] = "has another job"
    for at_s in (0, stage.order.windows.bid):
        provider.world.clock = lambda at_s=at_s: posted_s + at_s
        provider.tick()
    assert "memory beside its other jobs" in provider.bidding.declined[job]


def test_an_abstention_that_was_not_sent_is_sent_again(tiny_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = tiny_stage()
    network, validator = stage.network, stage.network.parties["validator-1"]
    job = stage.post()
    network.blobs._blobs.clear()
    order, posted_s = network.ledger.jobs.order_of(job), network.ledger.jobs.view_of(job).posted_at
    attempt, failures = validator.clerk.attempt, [Unavailable("the node does not answer")]

    def flaky(call: Any) -> Wake:
        if failures:
            raise failures.pop()
        return attempt(call)

    monkeypatch.setattr(validator.clerk, "attempt", flaky)
    for passed_s in range(order.windows.bid):
        validator.world.clock = lambda passed_s=passed_s: posted_s + passed_s
        validator.tick()
    assert not failures
    assert left(stage, job) == {validator.world.address}


def test_who_stands_by_takes_no_job_over_that_it_cannot_do(tiny_stage: Any) -> None:
    stage = tiny_stage(rounds=2)
    network, jobs = stage.network, stage.network.ledger.jobs
    (standby,) = stage.enter("aggregator", Aggregator, enrol=False)
    aggregator = network.parties["aggregator-1"]

    def refuse(*_: Any, **__: Any) -> None:
        raise Refused("this machine is too slow")

    standby.fitness.take_on, aggregator.serve = refuse, lambda job: IDLE
    stage.post()

    def replaced() -> bool:
        running = jobs.view_of(stage.job).phase >= JobPhase.RUNNING
        return running and jobs.aggregator_of(stage.job) != aggregator.world.address

    network.run(replaced, turns_max=3_000)
    assert jobs.aggregator_of(stage.job) != standby.world.address


def test_a_provider_looks_again_before_bids_are_closed(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, provider = stage.network, stage.network.parties["provider-1"]
    job = stage.post()
    order, posted_s = network.ledger.jobs.order_of(job), network.ledger.jobs.view_of(job).posted_at
    passed_s, get, failures = [0.0], provider.world.blobs.get, [Unavailable("not here yet")]
    provider.world.clock = lambda: posted_s + int(passed_s[0])
    provider.world.compute.timer = provider.world.compute.allowance.timer = lambda: passed_s[0]

    def slow(cid: str, size_max_bytes: int) -> bytes:
        if failures:
            passed_s[0] += LOOK_S
            raise failures.pop()
        return get(cid, size_max_bytes)

    network.blobs.get = slow  # type: ignore[method-assign]
    while passed_s[0] < order.windows.bid - 1:
        provider.tick()
        passed_s[0] += 1
    assert provider.bidding.made(job)


def test_who_is_about_to_leave_looks_once_more(tiny_stage: Any) -> None:
    stage = tiny_stage()
    network, validator = stage.network, stage.network.parties["validator-1"]
    blobs = network.blobs._blobs
    withheld = dict(blobs)
    job = stage.post()
    order, posted_s = network.ledger.jobs.order_of(job), network.ledger.jobs.view_of(job).posted_at
    blobs.clear()
    for passed_s in range(order.windows.bid):
        if passed_s == order.windows.bid // 2 + 2:
            blobs.update(withheld)  # the next look by itself would be after bids are closed
        validator.world.clock = lambda passed_s=passed_s: posted_s + passed_s
        validator.tick()
    assert not left(stage, job)


@pytest.fixture
def dear(tiny_stage: Any, bundle: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A stage whose validator has a clock and a timer of its own, and how to post jobs that hide their test samples and
    have training samples that take long to hash."""

    def make(bid: str) -> Any:
        stage = tiny_stage()
        network, validator = stage.network, stage.network.parties["validator-1"]
        passed_s, withheld, fetch = [0.0], set(), assignment.fetch_samples
        world, began_s = validator.world, network.ground.now_s()
        world.clock = lambda: began_s + int(passed_s[0])
        world.compute.timer = world.compute.allowance.timer = lambda: passed_s[0]
        job = Job.from_tables(
            {
                "job": {"name": "tiny", "budget": "250"},
                "match": {"providers": 2, "validators": 3},
                "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
                "data": {"source": "sklearn:digits"},
                "train": {
                    "optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.9},
                    "rounds": 1,
                    "steps": 8,
                    "segment_steps": 1,
                    "batch_size": 4,
                },
                "aggregate": {"reports_min": 1},
                "verify": {"samples": 4},
                "windows": {"bid": bid},
            }
        )

        def fetched(blobs: Any, manifest: Manifest, *rest: Any) -> Samples:
            if manifest.root in withheld:
                passed_s[0] += LOOK_S
            return fetch(blobs, manifest, *rest)

        def post(train: Samples, test: Samples) -> int:
            document, roots = stage.consumer.publish(job, bundle, train, test)
            order = chain_order(job, document, roots, network.token.address, DECIMALS)
            network.mint(stage.consumer.world, network.ledger.jobs.cost(order))
            if test is not train:
                manifest = Manifest.from_bytes(network.blobs.get(document.test, 1 << 20))
                withheld.add(Manifest.from_bytes(network.blobs.get(document.train, 1 << 20)).root)
                del network.blobs._blobs[bytes.fromhex(manifest.blobs[0][7:])]
            return int(stage.consumer.post(order))

        monkeypatch.setattr(assignment, "fetch_samples", fetched)
        stage.passed_s, stage.post_dear, stage.watcher = passed_s, post, validator
        return stage

    return make


@pytest.mark.parametrize(("decoys", "bid"), [(0, "60s"), (3, "60s"), (10, "600s")])
def test_bytes_that_are_withheld_starve_no_first_look(
    dear: Callable[[str], Any], samples: Samples, decoys: int, bid: str
) -> None:
    stage = dear(bid)
    validator, passed_s = stage.watcher, stage.passed_s
    for number in range(decoys):
        x, z = np.random.default_rng(100 + number).random((2, 60, 6), dtype=np.float32)
        post = [Samples(each, (each.sum(1) > 3).astype(np.int64)) for each in (x, z)]
        stage.post_dear(*post)
    sound = stage.post_dear(samples, samples)
    began_s = validator.world.clock()
    while passed_s[0] < stage.network.ledger.jobs.order_of(sound).windows.bid:
        wake = validator.tick()
        passed_s[0] = max(passed_s[0] + 1, min(wake.at_s or 0, validator.world.clock() + 5) - began_s)
    assert sound not in validator.troubles
    assert not left(stage, sound)
