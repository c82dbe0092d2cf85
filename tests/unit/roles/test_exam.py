"""What a model is worth: only targets that are there count, whatever the size of a batch."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from assay.protocol.errors import Refused
from assay.protocol.job import Job
from assay.protocol.score import UNSCORED
from assay.roles.assignment import check_stop
from assay.roles.exam import evaluate, score
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.capture import capture

SGD = {"name": "sgd", "lr": 0.1}
COMPUTE = Compute(lambda: 0.0)


def flat_cross_entropy(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), y.reshape(-1))


def job_like(
    model: nn.Module,
    loss: Any,
    x: torch.Tensor,
    y: torch.Tensor,
    samples: Samples,
    metric: str,
    ignored: int | None = None,
) -> Any:
    bundle = capture(model, loss, SGD, x, y, counts=[1], init="given")
    return SimpleNamespace(bundle=bundle, test=samples, batch_size=len(x), metric=metric, ignored_target=ignored), list(
        bundle.state.values()
    )


def test_the_loss_of_numbers_is_not_thinned_by_padding() -> None:
    torch.manual_seed(1)
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    x, y = np.ones((5, 3), dtype=np.float32), np.full((5, 1), 2.0, dtype=np.float32)
    assignment, state = job_like(model, "mse", torch.ones(4, 3), torch.ones(4, 1), Samples(x, y), "loss")
    mark = evaluate(COMPUTE, assignment, state, assignment.test)
    assert mark.loss == pytest.approx(4.0)
    assert score(COMPUTE, assignment, state) == -4_000_000


def test_what_a_loss_ignores_does_not_count() -> None:
    model = nn.Embedding(5, 5)
    with torch.no_grad():
        model.weight.copy_(8 * torch.eye(5))
    tokens = np.arange(10, dtype=np.int64) % 5
    zeros, loss = torch.zeros(4, dtype=torch.int64), {"name": "cross_entropy", "ignore": 3}
    for targets, counted in ((tokens, 8), (np.where(tokens == 1, -100, tokens), 6)):
        assignment, state = job_like(model, loss, zeros, zeros, Samples(tokens, targets), "accuracy", 3)
        mark = evaluate(COMPUTE, assignment, state, assignment.test)
        assert (mark.correct_count, mark.target_count) == (counted, counted)


def test_every_target_of_a_sequence_counts() -> None:
    torch.manual_seed(1)
    model = nn.Embedding(5, 5)
    with torch.no_grad():
        model.weight.copy_(8 * torch.eye(5))
    tokens = np.arange(15, dtype=np.int64).reshape(3, 5) % 5
    targets = tokens.copy()
    targets[0, 0] = -1
    targets[1, 1] = (targets[1, 1] + 1) % 5
    zeros = torch.zeros(2, 5, dtype=torch.int64)
    assignment, state = job_like(model, flat_cross_entropy, zeros, zeros, Samples(tokens, targets), "accuracy")
    mark = evaluate(COMPUTE, assignment, state, assignment.test)
    assert (mark.correct_count, mark.target_count) == (13, 14)
    assert score(COMPUTE, assignment, state) == 13 * 1_000_000 // 14


def test_a_state_that_cannot_be_measured_has_no_score() -> None:
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.fill_(3e38)
    x, y = np.full((4, 3), 3e38, dtype=np.float32), np.zeros((4, 1), dtype=np.float32)
    assignment, state = job_like(model, "mse", torch.ones(4, 3), torch.ones(4, 1), Samples(x, y), "loss")
    assert score(COMPUTE, assignment, state) == UNSCORED


class Says:
    """A processor on which every program says the same."""

    def __init__(self, *outputs: torch.Tensor) -> None:
        self.outputs = outputs

    def runner(self, _: object) -> "Says":
        return self

    def run(self, _: object) -> list[torch.Tensor]:
        return list(self.outputs)


COUNT, LOSS = torch.tensor(2), torch.tensor(1.0)


@pytest.mark.parametrize(
    "outputs",
    [
        (torch.tensor(1 << 62), LOSS),
        (torch.tensor(-1), LOSS),
        (torch.tensor(5), LOSS),
        (COUNT, torch.tensor(torch.nan)),
        (COUNT, torch.tensor(-torch.inf)),
        (COUNT.reshape(1), LOSS),
        (COUNT.double(), LOSS),
        (COUNT, LOSS.double()),
        (COUNT, LOSS.expand(2)),
        (COUNT,),
        (),
    ],
    ids=repr,
)
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_what_no_batch_comes_to_is_no_measure(outputs: tuple[torch.Tensor, ...], metric: str) -> None:
    x, y = np.zeros((4, 3), dtype=np.float32), np.zeros(4, dtype=np.int64)
    bundle = SimpleNamespace(evaluate=None)
    assignment: Any = SimpleNamespace(
        bundle=bundle, test=Samples(x, y), batch_size=4, metric=metric, ignored_target=None
    )
    assert score(cast(Any, Says(COUNT, LOSS)), assignment, []) != UNSCORED
    assert score(cast(Any, Says(*outputs)), assignment, []) == UNSCORED


def test_numbers_have_no_accuracy() -> None:
    job = Job.from_tables(
        {
            "job": {"name": "a", "budget": "250"},
            "model": {"architecture": "assay.architectures:mlp"},
            "data": {"source": "sklearn:digits"},
            "train": {"optimizer": SGD, "stop": {"metric": "accuracy", "at": 0.9}},
        }
    )
    bundle = capture(nn.Linear(3, 1), "mse", SGD, torch.ones(4, 3), torch.ones(4, 1), counts=[1], init="given")
    with pytest.raises(Refused, match="no accuracy"):
        check_stop(cast(Job, job), bundle)
