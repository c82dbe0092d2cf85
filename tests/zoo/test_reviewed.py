"""What honest parties do not lose by: disputes of what nobody has seen, rows of nothing, bids beyond a stake, programs
without end, and consumers who leave."""

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assay.chain.contracts.containers import Claim
from assay.chain.contracts.disputes import ChallengeOpened, Disputes, MarksShown, Settled
from assay.chain.contracts.jobs import Abstained, BidForfeited
from assay.chain.contracts.rounds import Disproved, Finalised, Included, Late, Penalised, Rewound
from assay.exact.primitives import BY_NAME
from assay.protocol.errors import Refused
from assay.protocol.job import Job
from assay.protocol.phase import JobPhase, RoundPhase, Settlement, Target
from assay.protocol.table import Entry
from assay.protocol.transcript import ZERO
from assay.roles import assignment, assignments, pace
from assay.roles.aggregator import Aggregator
from assay.roles.claims import aggregate_claim
from assay.roles.finding import Disagreement
from assay.roles.forms import on_chain
from assay.roles.grounds import score_facts
from assay.roles.network import PATIENT_BLOCKS, Network
from assay.roles.provider import Provider
from assay.roles.seals import sealed_challenge
from assay.roles.stage import Stage
from assay.roles.validator import Validator
from assay.roles.wake import IDLE, wake_at
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.node import Node
from assay.work.program import Bundle

OPTIMIZER = {"name": "sgd", "lr": 0.5, "momentum": 0.9}
COIN = "0x" + "00" * 20
PLENTY = 10**8
Tiny = Callable[..., Stage]


@pytest.fixture(scope="module")
def samples() -> Samples:
    torch.set_num_threads(1)
    x = np.random.default_rng(1).random((60, 6), dtype=np.float32)
    return Samples(x, (x.sum(1) > 3).astype(np.int64))


@pytest.fixture(scope="module")
def programs() -> Bundle:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    return capture(model, "cross_entropy", OPTIMIZER, x, y, counts=(1, 2, 3), init="seed:1")


@pytest.fixture(scope="module")
def tiny(samples: Samples, programs: Bundle) -> Tiny:
    def tiny(
        *,
        slots: int = 2,
        providers: tuple[Any, ...] = (Provider,) * 2,
        validators: tuple[Any, ...] = (Validator,) * 5,
        rounds: int = 1,
        bundle: Bundle | None = None,
        **settings: Any,
    ) -> Stage:
        tables = {
            "job": {"name": "tiny", "budget": "250"},
            "match": {"providers": slots, "validators": len(validators)},
            "model": {"architecture": "assay.architectures:mlp", "init": "seed:1"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": OPTIMIZER, "rounds": rounds, "steps": 8, "segment_steps": 1, "batch_size": 4},
            "aggregate": {"reports_min": 1},
            "verify": {"samples": 3},
        }
        network = Network(sha256(b"tiny").digest(), time.perf_counter)
        stage = Stage(network, Job.from_tables(tables), bundle or programs, samples, samples, **settings)
        stage.enter("provider", *providers)
        stage.enter("validator", *validators)
        stage.enter("aggregator", Aggregator)
        return stage

    return tiny


def phase_of(stage: Stage, job: int = 0) -> JobPhase:
    return JobPhase(stage.network.ledger.jobs.view_of(job or stage.job).phase)


def blamed(stage: Stage) -> dict[str, bytes]:
    """Who was fined or slashed, for what."""
    found = {event.account: event.reason.rstrip(b"\0") for event in stage.said(Penalised)}
    found |= {event.provider: event.reason.rstrip(b"\0") for event in stage.said(Disproved)}
    found |= {event.provider: b"late" for event in stage.said(Late)}
    names = {stage.address(name): name for name in stage.network.worlds}
    return {names[account]: reason for account, reason in found.items()}


def settlements(stage: Stage) -> list[Settlement]:
    return [Settlement(event.outcome) for event in stage.said(Settled)]


class Disputer(Provider):
    """Trains honestly, and disputes something itself."""

    behaviour = "disputer"
    dispute = 0
    sealed: tuple[Claim, int] | None = None

    def press(self, job: int, claim: Callable[[], Claim]) -> bool:
        """Seals the challenge, then opens it; whether it is open."""
        disputes = self.world.ledger.open(Disputes)
        head = self.world.ledger.rpc.get_head()
        if self.sealed is None:
            self.sealed = (claim(), head)
            assert self.clerk.fund(self.clerk.order(job).token, disputes.bond_of(job))
            sealed = sealed_challenge(self.sealed[0], self.world.address, ZERO)
            assert self.clerk.attempt(disputes.commit_challenge(job, sealed)).acted
        elif not self.dispute and head > self.sealed[1] + 1:
            facts = score_facts(self.assignment(job))
            opened = self.clerk.attempt(disputes.open_challenge(self.sealed[0], facts, ZERO)).acted
            self.dispute = disputes.dispute_count() if opened else 0
        return bool(self.dispute)


class Twice(Provider):
    """Rewinds the first round, by showing two commitments of its own after it was included."""

    behaviour = "rewinds"
    done = False

    def open(self, name: Any, view: Any, piece: Any) -> Any:
        wake = super().open(name, view, piece)
        if view.phase != RoundPhase.CHALLENGING or self.done or name[1:] != (0, 0):
            return wake
        self.done = True
        other = replace(piece.commitment, sealed_hash=b"x" * 32)
        proof = (on_chain(piece.commitment), piece.signature, on_chain(other), self.sign(other))
        return wake | self.clerk.attempt(self.world.ledger.rounds.equivocate(*proof))


class Bystander(Disputer):
    """Disputes the score of the round that was rewound in the last block before the one in its place is final."""

    behaviour = "bystander"

    def false(self, job: int) -> Claim:
        void = self.world.ledger.rounds.view_of(job, 0, 0)
        return aggregate_claim((job, 0, 0), void, Target.SCORE)

    def turn(self, job: int) -> Any:
        if self.clerk.view(job).phase != JobPhase.RUNNING or not self.clerk.progress(job)[0]:
            return self.clerk.close(job) if self.clerk.view(job).ended else IDLE
        generation, first_open, _ = self.clerk.progress(job)
        view = self.clerk.round((job, generation, 0))
        if self.dispute or first_open or view.phase != RoundPhase.CHALLENGING:
            return IDLE
        if self.sealed is None or self.world.clock() >= view.deadline:
            self.press(job, lambda: self.false(job))
        return wake_at(view.deadline)


def test_what_is_disputed_of_a_void_round_is_remembered_until_it_is_settled(tiny: Tiny) -> None:
    stage = tiny(slots=3, providers=(Twice, Provider, Provider))
    stage.watch(Bystander, price=0)
    stage.network.mint(stage.network.worlds["watcher"], PLENTY)
    # The round in its place is final before anybody has had a turn.
    parties = stage.network.parties
    first = {name: parties.pop(name) for name in ("watcher", "aggregator-1")}
    stage.network.parties = {**first, **parties}
    stage.play()
    assert [(event.generation, event.round) for event in stage.said(Rewound)] == [(1, 0)]
    (dispute,) = stage.said(ChallengeOpened)
    assert (dispute.target, dispute.generation, dispute.round) == (Target.SCORE, 0, 0)
    told = [type(event) for event in stage.events() if isinstance(event, ChallengeOpened | Finalised | Settled)]
    assert told == [ChallengeOpened, Finalised, Settled]
    assert len(stage.said(MarksShown)) == 1
    assert settlements(stage) == [Settlement.DISMISSED], "it has not said what of the score is false"
    assert blamed(stage) == {"provider-1": b"equivocation"}


class BeyondTheEnd(Validator):
    """Tells a row of a segment that no round has, and disputes it itself."""

    behaviour = "row-beyond-the-end"

    def draw(self, name: Any, view: Any, beacon: bytes, misses: int) -> Any:
        sheet = super().draw(name, view, beacon, misses)
        pair = (0, self.clerk.segments(name[0]))
        sheet.sample.append(pair)
        sheet.entries[pair] = Entry(*pair, view.start_root, sha256(b"x").digest(), 0)
        return sheet

    def serve(self, name: Any, view: Any) -> Any:
        sheet = self.sheets.of(name, view)
        told = view.phase >= RoundPhase.OPENING and self.has(view.tables_revealed, name[0])
        if sheet is not None and told and self.judge.openings.of(name, view, 0) is not None:
            row, segment = len(sheet.sample) - 1, self.clerk.segments(name[0])
            own = Disagreement(Target.TABLE, 0, segment, self.world.address, row)
            return super().serve(name, view) | self.challenges.raise_one(name, view, own, 0)
        return super().serve(name, view)


def test_a_row_of_a_segment_that_no_round_has_troubles_its_teller_only(tiny: Tiny) -> None:
    stage = tiny(validators=(*(Validator,) * 4, BeyondTheEnd))
    stage.play()
    assert len(stage.said(Finalised)) == 1
    assert set(blamed(stage)) <= {"validator-5"}
    assert all(event.accused == stage.address("validator-5") for event in stage.said(ChallengeOpened))


def test_what_no_round_has_is_not_derived(tiny: Tiny) -> None:
    stage = tiny()
    stage.post()
    role: Any = stage.network.parties["validator-1"]

    stage.network.run(lambda: phase_of(stage) == JobPhase.RUNNING)
    name = (stage.job, 0, 0)
    view, starts, replays = role.clerk.round(name), role.judge.starts, role.judge.replays
    count = role.clerk.segments(stage.job)
    for segment in (-1, count, count + 7):
        assert starts.find(name, view, 0, segment) is None
        assert replays.replay(name, view, 0, segment) is None
    derived = replays.replay(name, view, 0, count - 1)
    assert derived is not None
    assert [span.state is None for span in replays._trails[name, 0, view.start_root].spans] == [True] * 7 + [False]
    spans = replays._trails[name, 0, view.start_root].spans
    assert replays.replay(name, view, 0, 2).span.state_root == spans[2].state_root


class Silent(Provider):
    """Enters its commitment directly and tells nobody of it."""

    behaviour = "tells-nobody"

    def tell(self, name: Any, piece: Any) -> None:
        self.pieces[name] = piece

    def enter(self, name: Any, view: Any, piece: Any) -> Any:
        return self.include_itself(name, piece)

    def open(self, name: Any, view: Any, piece: Any) -> Any:
        return IDLE


def test_nobody_calls_for_what_it_cannot_name(tiny: Tiny) -> None:
    stage = tiny()
    stage.post()
    stage.network.run(lambda: phase_of(stage) == JobPhase.RUNNING)
    role: Any = stage.network.parties["validator-1"]
    assert role.signatory.call_in((stage.job, 0, 0), [7]) == IDLE


def test_a_slot_that_told_nobody_is_left_out(tiny: Tiny) -> None:
    stage = tiny(providers=(Silent, Provider))
    stage.play()
    assert len(stage.said(Included)) == 1
    assert not [name for name in blamed(stage) if name.startswith("validator")]
    assert stage.paid("provider-2") == stage.price()


# bids


def forfeits(stage: Stage, *jobs: int) -> list[BidForfeited]:
    """Bonds lost, once anybody has asked for it."""
    for job in jobs:
        for name in stage.honest("provider"):
            world = stage.network.worlds[name]
            stage.network.parties[name].clerk.attempt(world.ledger.jobs.settle_bid(job, world.address))
    return stage.said(BidForfeited)


def test_nobody_bids_where_its_stake_is_not_enough(tiny: Tiny) -> None:
    stage = tiny(validators=(Validator,) * 3)
    stage.order = replace(stage.order, provider_stake=stage.order.provider_stake + 1)
    stage.play()
    assert phase_of(stage) == JobPhase.CANCELLED
    assert not forfeits(stage, stage.job)
    role: Any = stage.network.parties["provider-1"]
    assert role.bidding.declined == {stage.job: "what is at stake does not cover the job beside other bids"}


def test_nobody_promises_one_stake_to_two_jobs(tiny: Tiny) -> None:
    stage = tiny(validators=(Validator,) * 3)
    for name in ("provider-1", "provider-2"):
        stage.network.mint(stage.network.worlds[name], 4 * stage.order.price_ceiling)
    stage.network.mint(stage.consumer.world, stage.network.ledger.jobs.cost(stage.order))
    jobs = [stage.post(), stage.consumer.post(stage.order)]

    def over() -> bool:
        return all(stage.network.ledger.jobs.view_of(job).ended for job in jobs)

    stage.network.run(over)
    assert sorted(phase_of(stage, job) for job in jobs) == sorted((JobPhase.DONE, JobPhase.CANCELLED))
    assert not forfeits(stage, *jobs)


def test_a_bond_is_never_taken_from_the_money_for_gas(tiny: Tiny) -> None:
    stage = tiny(validators=(Validator,) * 3)
    order, ceiling = stage.order, 10**18
    worst = order.providers * ceiling + order.validators * order.validator_fee + order.aggregator_fee
    stakes: dict[str, Any] = {f"{role}_stake": worst for role in ("provider", "validator", "aggregator")}
    stage.order = replace(order, token=COIN, price_ceiling=ceiling, **stakes)
    stage.play()
    assert phase_of(stage) == JobPhase.CANCELLED
    for name in ("provider-1", "provider-2"):
        role: Any = stage.network.parties[name]
        assert role.bidding.declined == {stage.job: "the job pays in another token than this provider works for"}
        assert not role.clerk.notices.bid_sealed(stage.job)


# programs without end


def dear(bundle: Bundle, count: int) -> Bundle:
    """The same programs, with a step that does `count` large things besides."""
    step = bundle.step
    value, shape = len(step.inputs) + len(step.nodes), (1 << 16, 4, 6)

    def node(operator: str, *inputs: int) -> Node:
        return Node(BY_NAME[operator].opcode, 1, "F32", shape, inputs, ())

    heavy = [node("expand", len(step.inputs) - 2), *(node("erf", value) for _ in range(count))]
    return replace(bundle, step=replace(step, nodes=step.nodes + tuple(heavy)))


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (500, "the program takes longer than the 0.5 s that are allowed here"),
        (20_000, "for a single program for which the job leaves"),
    ],
)
def test_who_tries_a_program_without_end_stops_in_time(
    tiny: Tiny, programs: Bundle, monkeypatch: pytest.MonkeyPatch, count: int, words: str
) -> None:
    monkeypatch.setattr(pace, "TRIAL_S", 0.5)
    stage = tiny(validators=(Validator,) * 3, bundle=dear(programs, count))
    stage.post()
    for name, role in stage.network.parties.items():
        began_s = time.perf_counter()
        role.tick()
        assert time.perf_counter() - began_s < 15, name
    provider: Any = stage.network.parties["provider-1"]
    assert words in provider.bidding.declined[stage.job]
    assert {event.account for event in stage.said(Abstained)} == {stage.address(n) for n in stage.honest("validator")}


def test_an_unfit_job_is_looked_at_once(tiny: Tiny, programs: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fetch = assignment.fetch_assignment

    def counted(world: Any, *arguments: Any) -> Any:
        asked.append(world.address)
        return fetch(world, *arguments)

    monkeypatch.setattr(assignments, "fetch_assignment", counted)
    stage = tiny(validators=(Validator,) * 3, bundle=replace(programs, aggregate={2: programs.aggregate[2]}))
    stage.post()
    for _ in range(5):
        for role in stage.network.parties.values():
            role.tick()
        stage.network.ground.pass_block()
    assert len(asked) == len(set(asked)) == 6
    idle: Any = stage.network.parties["aggregator-1"]
    for _ in range(3):
        with pytest.raises(Refused):
            idle.assignment(stage.job)
    assert len(asked) == 6
    assert len(stage.said(Abstained)) == 4


def test_what_is_promised_elsewhere_is_not_promised_again(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = tiny(validators=(Validator,) * 3)
    monkeypatch.setattr(pace, "round_s", lambda found, compute: found.order.windows.train * 0.6 / pace.MARGIN)
    stage.network.mint(stage.consumer.world, stage.network.ledger.jobs.cost(stage.order))
    for name in ("provider-1", "provider-2"):
        world = stage.network.worlds[name]
        stage.network.mint(world, stage.order.provider_stake + 4 * stage.order.price_ceiling)
        stage.network.stake(world, stage.order.provider_stake)
    first, second = stage.post(), stage.consumer.post(stage.order)
    for name in ("provider-1", "provider-2"):
        role: Any = stage.network.parties[name]
        role.tick()
        assert role.bidding.made(first)
        assert not role.bidding.made(second)
        assert role.bidding.declined[second].startswith("this machine would want")


# consumers who leave


def test_a_job_goes_on_when_its_consumer_leaves(tiny: Tiny) -> None:
    stage = tiny(validators=(Validator,) * 3)
    stage.post()
    del stage.network.parties["consumer"]
    stage.play()
    assert phase_of(stage) == JobPhase.DONE
    assert stage.paid("provider-1") == stage.price()


def test_a_job_that_finds_no_validators_ends(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "round_s", lambda found, compute: found.order.windows.table)
    stage = tiny(validators=(Validator,) * 3)
    monkeypatch.setattr(Provider, "admit", lambda self, assignment: None)
    stage.post()
    stage.network.run(lambda: phase_of(stage) == JobPhase.DRAWING)
    for _ in range(PATIENT_BLOCKS):
        stage.network.ground.pass_block()
    # Nobody can be drawn yet, and who tries knows when to try again.
    wake = stage.consumer.tick()
    assert wake.at_s == stage.network.ledger.jobs.view_of(stage.job).phase_deadline
    stage.play(turns_max=400)
    assert phase_of(stage) == JobPhase.CANCELLED
    assert not blamed(stage)
