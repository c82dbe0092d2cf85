"""The model is explored whole for small jobs, the contracts are held to it step by step, and both find broken rules."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import mutants
from tests.model.explore import SMALL, explore
from tests.model.machine import Machine
from tests.model.record import COURT, EVIDENCE, FAULTS, IDLE, LONG, QUICK, Plan
from tests.model.walk import Walk

WALKS = settings(
    max_examples=12,
    stateful_step_count=120,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("plan", QUICK, ids=lambda plan: plan.title)
def test_every_state_of_a_small_job_holds_and_leads_to_its_end(plan: Plan) -> None:
    found = explore(plan.size, plan.without)
    assert found.states > 1_000
    assert found.ends
    assert not found.stuck
    assert not found.endless


@pytest.mark.long
@pytest.mark.parametrize("plan", LONG, ids=lambda plan: plan.title)
def test_every_state_of_a_larger_job_holds_and_leads_to_its_end(plan: Plan) -> None:
    found = explore(plan.size, plan.without)
    assert found.states > 10_000
    assert not found.stuck
    assert not found.endless


def test_the_contracts_do_what_the_model_does_step_by_step() -> None:
    run_state_machine_as_test(Walk, settings=WALKS)


@pytest.mark.long
def test_the_contracts_do_what_the_model_does_in_many_walks() -> None:
    run_state_machine_as_test(Walk, settings=settings(WALKS, max_examples=400, stateful_step_count=200))


# ---------------------------------------------------------------- both can fail


@pytest.mark.parametrize("broken", [mutants.SameGeneration, mutants.FreeSilence, mutants.PaidTwice])
def test_a_walk_finds_a_rule_that_differs(broken: type[Machine]) -> None:
    _walk(broken, 60)


@pytest.mark.long
@pytest.mark.parametrize("broken", mutants.DIFFERENT)
def test_walks_find_every_rule_that_differs(broken: type[Machine]) -> None:
    _walk(broken, 1_000)


def _walk(broken: type[Machine], examples: int) -> None:
    kind = type(f"{broken.__name__}Walk", (Walk,), {"model": broken})
    generated = settings(WALKS, max_examples=examples, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(kind, settings=generated)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (mutants.EarlyFinal, "nothing is final before its windows are over"),
        (mutants.EarlyFault, "nothing is final before its windows are over"),
        (mutants.SameGeneration, "only a rewind or a fault takes rounds back"),
        (mutants.PaidTwice, "what is credited is what was earned"),
        (mutants.KeptCredit, "what is credited is what was earned"),
        (mutants.HeldLock, "no lock outlives its job"),
    ],
)
def test_the_exploration_finds_what_must_not_be(broken: type[Machine], words: str) -> None:
    size = mutants.TWO_ROUNDS if broken is mutants.EarlyFault else SMALL
    with pytest.raises(AssertionError, match=words):
        explore(size, COURT | IDLE | EVIDENCE - {"equivocate"}, kind=broken, states_max=20_000)


def test_the_exploration_finds_where_nobody_leads_on() -> None:
    found = explore(SMALL, COURT | EVIDENCE | IDLE | FAULTS | {"cancel", "commit_slot"}, kind=mutants.NoWayOut)
    assert found.stuck


def test_the_exploration_finds_what_goes_on_for_ever() -> None:
    without = EVIDENCE | IDLE | FAULTS | {"cancel", "commit_slot"}
    found = explore(SMALL, without, kind=mutants.EndlessTables)
    assert found.endless
