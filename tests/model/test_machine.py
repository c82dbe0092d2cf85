"""The contracts are held to the model step by step, and the model is explored whole for small sizes."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.walk import Walk

STEP_BY_STEP = settings(
    max_examples=20,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_the_contracts_do_what_the_model_does_step_by_step() -> None:
    run_state_machine_as_test(Walk, settings=STEP_BY_STEP)  # type: ignore[no-untyped-call]
