"""The model is explored whole for small jobs, and the contracts are held to it step by step."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import StopTest
from hypothesis.stateful import run_state_machine_as_test

from tests.model import mutants
from tests.model.explore import SMALL, explore
from tests.model.machine import DRAWN, STANDBY, Machine, No
from tests.model.machine import Phase as RoundPhase
from tests.model.record import COURT, EVIDENCE, IDLE, LONG, QUICK, Plan
from tests.model.walk import WALK, Walk

QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)


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
    run_state_machine_as_test(Walk, settings=settings(QUIET, max_examples=12, stateful_step_count=120, derandomize=True))


@pytest.mark.long
def test_the_contracts_do_what_the_model_does_in_many_walks() -> None:
    run_state_machine_as_test(Walk, settings=settings(QUIET, max_examples=400, stateful_step_count=200))
