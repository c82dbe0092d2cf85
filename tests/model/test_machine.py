"""The model is explored whole for small sizes, and the contracts are held to it step by step."""

from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from assay.protocol.phase import JobPhase, RoundPhase
from tests.model.contracts import Contracts, seats_of, slots_of
from tests.model.explore import SMALL, all_moves, explore, kind_of
from tests.model.machine import Machine, No, Phase, Size

SIZES = (
    Size(),
    Size(slots=3, seats=3, quorum=2, rounds=3, lookahead=2, train=9, table=9, open=9, aggregate=9, challenge=40),
    Size(slots=3, reports_min=2, seats=5, quorum=3, rounds=3, lookahead=2),
    Size(slots=1, seats=1, quorum=1, rounds=2, lookahead=0, train=2, table=3, open=5, aggregate=3, challenge=2),
)


@pytest.mark.parametrize(("rounds", "lookahead", "generations"), [(1, 0, 0), (1, 0, 1)])
def test_every_state_of_a_small_job_holds_and_has_a_way_out(rounds: int, lookahead: int, generations: int) -> None:
    found = explore(replace(SMALL, rounds=rounds, lookahead=lookahead), generations)
    assert found.states > 1_000
    assert not found.stuck


@pytest.mark.long
@pytest.mark.parametrize(("rounds", "slots"), [(2, 1), (1, 2)])
def test_every_state_of_a_larger_job_holds_and_has_a_way_out(rounds: int, slots: int) -> None:
    found = explore(replace(SMALL, rounds=rounds, slots=slots), 0)
    assert found.states > 10_000
    assert not found.stuck


STEPS = 100
KINDS = {
    "commit": 20,
    "table": 40,
    "reveal": 40,
    "include": 20,
    "aggregate": 20,
    "finalise": 4,
    "enter": 6,
    "advance": 4,
    "demand": 3,
    "answer": 3,
    "default": 8,
    "equivocate": 1,
    "proceed": 1,
    "end": 2,
    "cancel": 0.1,
    "fault": 0.3,
    "any": 4,
    "wait": 20,
    "wait long": 5,
}
"""How often a kind of move is taken, if there is one; what ends all, like faults of the job, is rare."""


@cache
def contracts(size: Size) -> Contracts:
    """One started job for each size; every example goes back to its start."""
    return Contracts(size)


class Walk:
    """The contracts and the model, under the same moves."""

    def __init__(self, size: Size, seed: int) -> None:
        self.real, self.chance = contracts(size), Random(seed)
        self.model = Machine(size, now_s=self.real.view((0, 0)).opened_at).start()
        self.told: list[str] = []
        self.compare()

    def take(self, step_count: int) -> None:
        """Takes so many steps from where the job has just started, and goes back there."""
        snapshot, began_s = self.real.chain.snapshot(), self.real.ground.now_s()
        try:
            for _ in range(step_count):
                if not self.model.ended:
                    self.step()
        finally:
            self.real.chain.revert(snapshot)
            self.real.ground._now_s = began_s

    def step(self) -> None:
        """One move, mostly one that the model allows; or time passes."""
        self.now()
        moves = {words: move for words, move in all_moves(self.model) if words != "wait"}
        allowed = {words: move for words, move in moves.items() if self.allowed(move)}
        kinds = {kind_of(words) for words in allowed} | {"any", "wait", "wait long"}
        kind = self.chance.choices(*zip(*((each, KINDS[each]) for each in sorted(kinds)), strict=True))[0]
        if kind.startswith("wait"):
            return self.wait(kind)
        words = self.chance.choice(
            [each for each in moves if kind == "any" or (kind_of(each) == kind and each in allowed)]
        )
        move = moves[words]
        if " answer " in words and words not in allowed:
            return None  # what nobody has called for may be shown all the same, and changes nothing
        outcomes = []
        for side in (self.model, self.real):
            try:
                move(side)  # type: ignore[arg-type]
                outcomes.append("done")
            except No as refusal:
                outcomes.append(f"refused {refusal}")
        self.told.append(f"{words}: {outcomes}")
        assert outcomes[0][:4] == outcomes[1][:4], self.told[-20:]
        self.compare()
        return None

    def wait(self, kind: str) -> None:
        """A second passes, or as many as until something is due."""
        due_s = [r.deadline_s for r in self.model.rounds.values() if r.phase < Phase.FINAL]
        ahead_s = min(due_s, default=0) - self.real.chain.now()
        self.real.wait(max(1, ahead_s) if kind == "wait long" else 1)

    def now(self) -> None:
        """The next transaction's block and time."""
        self.model.now_s, self.model.block = self.real.chain.now(), self.real.chain.head.header.number + 1

    def allowed(self, move: Any) -> bool:
        """Whether the model allows it."""
        try:
            move(self.model.copy())
        except No:
            return False
        return True

    def compare(self) -> None:
        """Everything that both of them know."""
        model, real = self.model, self.real
        jobs, job = real.network.ledger.jobs, real.job
        progress, view = real.rounds.progress(job), jobs.view_of(job)
        assert (progress.generation, progress.first_open, progress.next) == (model.generation, model.first, model.next)
        assert (view.ending or view.ended, view.ended) == (model.ending or model.ended, model.ended)
        assert (view.phase == JobPhase.FAULTED) == model.faulted
        assert slots_of(jobs.slots_open(job)) == model.slots
        assert seats_of(jobs.seats_live(job)) == model.seats
        assert real.aggregator() == model.aggregator
        assert {(each >> 32, each & 0xFFFFFFFF) for each in real.rounds.orphans_of(job)} == set(model.orphans)
        assert real.rounds.settled(job) == model.settled()
        for name, r in model.rounds.items():
            seen = real.view(name)
            assert seen.phase == RoundPhase(r.phase), name
            present = r.direct if r.phase == Phase.TRAINING else r.present
            assert slots_of(seen.present) == present, name
            assert (slots_of(seen.accepted), slots_of(seen.included)) == (r.accepted, r.included), name
            assert (seats_of(seen.tables_committed), seats_of(seen.tables_revealed)) == (r.committed, r.revealed), name
            assert (seen.redraws, seen.optimistic, seen.orphan) == (r.redraws, r.optimistic, r.orphan), name
            assert seen.disputes_open == model.disputes(name), name
            if r.phase < Phase.FINAL:
                assert seen.deadline == r.deadline_s, name
            if Phase.SAMPLING <= r.phase < Phase.FINAL:
                assert seen.beacon_block == r.beacon_block, name


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SIZES), st.integers(0, 1 << 32))
def test_the_contracts_do_what_the_model_does_step_by_step(size: Size, seed: int) -> None:
    Walk(size, seed).take(STEPS)


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SIZES), st.integers(0, 1 << 32))
def test_the_contracts_do_what_the_model_does_in_many_walks(size: Size, seed: int) -> None:
    Walk(size, seed).take(2 * STEPS)
