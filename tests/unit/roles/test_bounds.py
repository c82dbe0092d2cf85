"""What a posted job may take of everybody who looks at it: bytes, time and memory, each bounded before it is spent."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from assay.api import machine
from assay.api.crew import SIZES, CrewProvider
from assay.api.turns import Turns
from assay.chain.contracts.jobs import Abstained, Cancelled
from assay.chain.contracts.rounds import Disproved, Finalised, Late, Penalised
from assay.exact.primitives import BY_NAME
from assay.protocol.errors import LimitExceeded, Overload, Refused, Unavailable
from assay.protocol.job import Job
from assay.protocol.order import Roots
from assay.roles import looks, pace, world
from assay.roles.assignment import STATES_KEPT, Document, states_kept
from assay.roles.consumer import Consumer
from assay.roles.looks import Looks
from assay.roles.party import Party
from assay.roles.provider import Provider
from assay.roles.stage import Stage
from assay.roles.wake import IDLE
from assay.roles.world import World
from assay.store.manifest import Field, Manifest
from assay.store.samples import Samples
from assay.work.limits import Limits, Space, is_exhaustion, within_memory
from assay.work.node import Node
from assay.work.program import Bundle, Program
from assay.work.rates import HashRates

Tiny = Callable[..., Stage]
RECORD = 32
"""Bytes of a sample of the tiny job."""
ROOM_BYTES = 36_000
"""Enough for a provider of the tiny job, whose state takes 1 KB, if it keeps every other one."""


def posting(alter: Callable[[Manifest], Manifest]) -> type[Consumer]:
    """A consumer whose training samples are said to be others, in its document and on chain."""

    class Posting(Consumer):
        behaviour = "posting"

        def publish(self, job: Job, bundle: Bundle, train: Samples, test: Samples) -> tuple[Document, Roots]:
            document, roots = super().publish(job, bundle, train, test)
            manifest = alter(Manifest.from_bytes(self.world.blobs.get(document.train, 1 << 20)))
            other = replace(document, train=self.world.blobs.put(manifest.to_bytes()))
            self.world.blobs.put(other.to_bytes())
            return other, replace(roots, data_root=manifest.root)

    return Posting


def watched(stage: Stage) -> list[str]:
    """The blobs that anybody fetches from now on."""
    blobs, asked = stage.network.blobs, []
    get = blobs.get

    def counted(cid: str, size_max_bytes: int) -> bytes:
        asked.append(cid)
        return get(cid, size_max_bytes)

    blobs.get = counted  # type: ignore[method-assign]
    return asked


def repeated(times: int) -> Callable[[Manifest], Manifest]:
    return lambda old: replace(old, count=old.count * times, blob_samples=old.count, blobs=old.blobs * times)


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (repeated(1_000), "names a blob twice"),
        (lambda old: replace(old, x=Field("F32", (3, 2))), "does not fit its step"),
        (lambda old: replace(old, y=Field("I64", (1,))), "does not fit its step"),
        (lambda old: replace(old, count=1 << 23, blob_samples=1 << 23), "8388668 samples, at most 4194304"),
        (lambda old: replace(old, count=1), "more slots than samples"),
    ],
)
def test_samples_out_of_bounds_are_declined_before_any_is_fetched(
    tiny_stage: Tiny, alter: Callable[[Manifest], Manifest], words: str
) -> None:
    stage = tiny_stage(consumer=posting(alter))
    samples = [cid for cid in stage.network.blobs._blobs if len(stage.network.blobs._blobs[cid]) == 60 * RECORD]
    asked = watched(stage)
    stage.play()
    assert stage.said(Cancelled)
    provider: Any = stage.network.parties["provider-1"]
    assert words in provider.bidding.declined[stage.job]
    assert len(samples) == 1
    assert f"sha256:{samples[0].hex()}" not in asked


def test_the_limits_on_samples_are_the_partys_own(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    job = stage.post()
    party = Party(stage.network.worlds["provider-1"], Limits(samples=119))
    with pytest.raises(LimitExceeded, match="120 samples, at most 119"):
        party.assignment(job)
    party = Party(stage.network.worlds["provider-1"], Limits(samples_bytes=120 * RECORD - 1))
    with pytest.raises(LimitExceeded, match="3840 bytes of samples, at most 3839"):
        party.assignment(job)


def test_samples_that_take_too_long_to_hash_are_declined_unfetched(
    tiny_stage: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "measure_hashing", lambda timer: HashRates(1.0, 0.0))
    stage = tiny_stage()
    stage.post()
    asked = watched(stage)
    for party in stage.network.parties.values():
        party.tick()
    provider, validator = stage.network.parties["provider-1"], stage.network.parties["validator-1"]
    assert "hashing the job's data takes longer than the 30 s" in provider.bidding.declined[stage.job]
    assert "hashing the job's data takes longer than the 30 s" in validator.troubles[stage.job]
    assert len(stage.said(Abstained)) == 4
    blobs = stage.network.blobs._blobs
    assert {len(blobs[bytes.fromhex(cid[7:])]) for cid in asked}.isdisjoint({60 * RECORD})
    # It is no flaw of the job: whoever is drawn nevertheless does what it can.
    assert validator.assignment(stage.job).train.count == 60


def test_a_turns_looks_have_one_budget_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    compute = world.Compute(lambda: now_s[0])
    party: Any = SimpleNamespace(compute=compute, clock=lambda: 7)
    found = Looks(party)

    def overrun() -> None:
        with found.one(1, 1_000):
            now_s[0] += looks.LOOK_S + 1
            compute.allowance.check()

    with pytest.raises(Overload, match="longer than the 30 s"):
        overrun()
    with pytest.raises(Unavailable, match="this turn's time"), found.one(2, 1_000):
        pytest.fail("looked")
    found.begin()
    with found.one(2, 1_000):
        pass


def test_a_job_that_is_not_to_be_had_is_looked_at_ever_more_rarely() -> None:
    now_s = 0
    party: Any = SimpleNamespace(compute=world.Compute(lambda: 0.0), clock=lambda: now_s)
    found, looked = Looks(party), []

    def look() -> None:
        with found.one(1, 1_000):
            looked.append(now_s)
            raise Unavailable("a blob is not here")

    for now_s in range(32):  # noqa: B007 - the clock reads it
        with pytest.raises(Unavailable):
            look()
    assert looked == [0, 1, 3, 7, 15, 31]


# memory


def spaces(stage: Stage, size_bytes: int) -> None:
    for each in stage.network.worlds.values():
        each.compute.space = Space(size_bytes)


def test_a_job_without_the_memory_for_it_is_declined_before_it_is_fetched(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    spaces(stage, 1 << 10)
    asked = watched(stage)
    stage.play()
    assert stage.said(Cancelled)
    provider: Any = stage.network.parties["provider-1"]
    assert "MiB of memory beside its other jobs" in provider.bidding.declined[stage.job]
    blobs = stage.network.blobs._blobs
    assert {len(blobs[bytes.fromhex(cid[7:])]) for cid in asked}.isdisjoint({60 * RECORD})
    assert not stage.said(Penalised)


class Member(CrewProvider):
    """Of a crew, and bids all that a job offers."""

    def __init__(self, world: World, price: int) -> None:
        super().__init__(world, 1.0)
        self.price = price


def test_a_member_of_a_crew_declines_what_fits_one_machine_and_not_the_whole_crew(tiny_stage: Tiny) -> None:
    alone, crowd = (tiny_stage(providers=(Member,) * 2) for _ in range(2))
    spaces(alone, 4 * ROOM_BYTES)
    assert played(alone)
    for each in crowd.network.worlds.values():
        each.compute.space = Space(4 * ROOM_BYTES, shared_by=sum(SIZES.values()))
    asked = watched(crowd)
    crowd.play()
    assert crowd.said(Cancelled)
    provider: Any = crowd.network.parties["provider-1"]
    assert "MiB of memory beside its other jobs" in provider.bidding.declined[crowd.job]
    blobs = crowd.network.blobs._blobs
    assert {len(blobs[bytes.fromhex(cid[7:])]) for cid in asked}.isdisjoint({60 * RECORD})


def test_memory_that_is_promised_is_not_promised_again(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    stage.post()
    provider: Any = stage.network.parties["provider-1"]
    provider.tick()
    space, kept = provider.world.compute.space, provider.fitness._spaces.get(stage.job)
    assert kept > 120 * RECORD
    space.admit(0, space.size_bytes - kept, kept)
    with pytest.raises(Overload):
        space.admit(1, space.size_bytes - kept, kept)
    with pytest.raises(Overload):
        Space(space.size_bytes, shared_by=2).admit(0, space.size_bytes // 2, 1)
    assert provider.fitness._others(stage.job + 1) == [stage.job]


def played(stage: Stage) -> tuple[Any, ...]:
    stage.play()
    assert [stage.said(kind) for kind in (Disproved, Penalised, Late)] == [[], [], []]
    assert stage.said(Finalised)
    return tuple(stage.events())


def test_a_provider_that_keeps_few_states_serves_the_same_ones(tiny_stage: Tiny) -> None:
    roomy, narrow = tiny_stage(rounds=2), tiny_stage(rounds=2)
    for name, each in narrow.network.worlds.items():
        if name.startswith("provider"):
            each.compute.space = Space(ROOM_BYTES)
    shelves = []
    compute = Provider.compute

    def spied(self: Provider, *arguments: Any) -> Any:
        work = compute(self, *arguments)
        shelves.append(work.states)
        return work

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Provider, "compute", spied)
        assert played(roomy) == played(narrow)
    assert {shelf._stride for shelf in shelves} == {1, 2}
    assert any(shelf._derived[1] for shelf in shelves), "some state was derived again"


class Hungry(Provider):
    """Has not got the memory for a job when it is to train."""

    behaviour = "hungry"
    error: Exception = MemoryError()

    def compute(self, *_: Any) -> Any:
        raise self.error


def allocate_too_much() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def test_what_there_is_no_memory_for_is_a_trouble_of_that_job(tiny_stage: Tiny) -> None:
    with pytest.raises(RuntimeError) as caught:
        allocate_too_much()
    assert is_exhaustion(caught.value)
    for error in (MemoryError(), caught.value):
        Hungry.error = error
        stage = tiny_stage(providers=(Provider, Hungry))
        stage.play(turns_max=3_000)
        hungry: Any = stage.network.parties["provider-2"]
        assert "has not got the memory" in hungry.troubles[stage.job]
        assert stage.paid("provider-1") == stage.price()


def test_a_loop_of_roles_keeps_who_has_no_memory_for_a_job(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    stage.post()
    party = Party(stage.network.worlds["provider-1"])
    taken = []

    def turn(job: int) -> Any:
        taken.append(job)
        allocate_too_much()
        return IDLE

    role = SimpleNamespace(tick=lambda: party.each_job(turn))
    turns = Turns({"provider": lambda: role}, lambda: len(taken), lambda: 0, threading.Event(), poll_s=0)
    turns._crashed = lambda name, bug: pytest.fail(f"{name}: {bug}")
    turns.run(lambda: len(taken) > 5)
    assert turns.crashes == {}
    assert "has not got the memory" in party.troubles[stage.job]


def test_other_errors_stay_bugs() -> None:
    with pytest.raises(RuntimeError, match="a bug"), within_memory():
        raise RuntimeError("a bug")


# what is prepared


def counting(bundle: Bundle, elements: int) -> Bundle:
    """The same job, whose step also counts to a number that nothing uses."""
    old, iota = bundle.step, BY_NAME["iota"]
    node = Node(iota.opcode, iota.version, "I64", (elements,), attributes=(0,))
    step = Program(old.profile, old.inputs, (*old.nodes, node), old.outputs, old.side)
    return replace(bundle, step=step)


def test_what_a_few_bytes_prepare_is_bounded(bundle: Bundle) -> None:
    counting(bundle, (64 << 20) // 8 - 1_000)
    with pytest.raises(LimitExceeded, match="prepared values in bytes"):
        counting(bundle, (64 << 20) // 8 + 1)
    half = counting(bundle, (40 << 20) // 8)
    with pytest.raises(LimitExceeded, match="prepared values in bytes"):
        replace(half, evaluate=replace(half.evaluate, nodes=(*half.evaluate.nodes, half.step.nodes[-1])))


def test_programs_are_let_go_with_their_jobs(tiny_stage: Tiny, bundle: Bundle) -> None:
    stage = tiny_stage(programs=counting(bundle, 1 << 20))
    stage.network.mint(stage.consumer.world, 2 * stage.network.ledger.jobs.cost(stage.order))
    parties = [stage.network.parties[name] for name in ("validator-1", "aggregator-1")]
    for _ in range(2):
        job = stage.consumer.post(stage.order)
        for party in parties:
            party.tick()
        assert parties[0].world.compute.prepared_bytes > 8 << 20
        stage.network.ledger.jobs.cancel(job).send(stage.consumer.world.ledger.sender)
        for party in parties:
            party.tick(), party.tick()
            assert party.clerk.put_away(job)
            assert party.world.compute.prepared_bytes == 0


def test_programs_of_another_job_stay(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    stage.network.mint(stage.consumer.world, stage.network.ledger.jobs.cost(stage.order))
    first, second = stage.consumer.post(stage.order), stage.post()
    validator: Any = stage.network.parties["validator-1"]
    validator.tick()
    kept = set(validator.world.compute._runners)
    validator.assignments.drop(first)
    assert set(validator.world.compute._runners) == kept != set()
    validator.assignments.drop(second)
    assert not validator.world.compute._runners


def test_what_went_to_others_is_let_go(tiny_stage: Tiny) -> None:
    stage = tiny_stage()
    stage.enter("provider", Provider)  # one more than there are slots
    stage.post()
    stage.network.run(lambda: stage.network.ledger.rounds.progress(stage.job).next > 0)
    chosen = stage.network.ledger.jobs.providers_of(stage.job)
    for name, party in stage.network.parties.items():
        if name.startswith("provider"):
            party.tick()
            served = stage.address(name) in chosen
            assert party.assignments.jobs() == ({stage.job} if served else set())
            assert bool(party.world.compute._runners) == served


def test_all_programs_of_a_job_have_one_bound_on_nodes(bundle: Bundle) -> None:
    count, content = sum(len(program.nodes) for _, _, program in bundle.sections()), bundle.to_bytes()
    assert Bundle.from_bytes(content, Limits(bundle_nodes=count)) == bundle
    with pytest.raises(LimitExceeded, match=f"node count in all parts is {count}, at most {count - 1}"):
        Bundle.from_bytes(content, Limits(bundle_nodes=count - 1))


def test_states_are_remembered_as_far_as_there_is_room() -> None:
    order: Any = SimpleNamespace(lookahead=2)
    assert states_kept(order, 1 << 10, Space()) == STATES_KEPT
    assert states_kept(order, 32 << 20, Space()) == 16
    assert states_kept(order, 1 << 30, Space()) == 5, "what open rounds begin from and end in"


def test_states_that_cannot_be_derived_in_time_are_not_promised(
    tiny_stage: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = tiny_stage()
    stage.post()
    provider: Any = stage.network.parties["provider-1"]
    assignment, compute = provider.assignment(stage.job), provider.world.compute
    monkeypatch.setattr(pace, "round_s", lambda found, _: found.order.windows.table / 8)
    assert pace.check_serving(assignment, compute) == 0.0
    compute.space = Space(ROOM_BYTES // 2)
    # Three validators ask for four starts each of two slots, half of which were not kept: of six one segment of eight.
    assert pace.check_serving(assignment, compute) == pytest.approx(pace.MARGIN * 6 / 8 / 4)
    monkeypatch.setattr(pace, "round_s", lambda found, _: found.order.windows.table / 4)
    with pytest.raises(Refused, match="this machine would want"):
        pace.check_serving(assignment, compute)


def test_a_machine_gives_half_of_what_it_has_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert machine.measure_space(5 << 20, 3) == Space(5 << 20, 3)
    said = tmp_path / "meminfo"
    monkeypatch.setattr(machine, "MEMORY_FILE", said)
    said.write_text("MemTotal:  9 kB\nMemAvailable:     4096 kB\n")
    assert machine.measure_space() == Space(2 << 20)
    said.unlink()
    monkeypatch.delattr(machine.os, "sysconf")
    assert machine.measure_space().size_bytes == machine.UNKNOWN_BYTES // 2
