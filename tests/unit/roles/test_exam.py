"""What a model is worth: only targets that are there count, whatever the size of a batch."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from assay.protocol.errors import Refused, Unsupported
from assay.protocol.job import Job
from assay.protocol.score import UNSCORED, BatchMark, Marks
from assay.protocol.transcript import ZERO
from assay.roles.assignment import check_stop
from assay.roles.exam import evaluate, marks, score
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.segment import fault_of
from assay.work.walk import Fault

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
) -> Any:
    bundle = capture(model, loss, SGD, x, y, counts=[1], init="given")
    assignment = SimpleNamespace(bundle=bundle, test=samples, batch_size=len(x), metric=metric)
    return assignment, list(bundle.state.values())


def test_the_loss_of_numbers_is_not_thinned_by_padding() -> None:
    torch.manual_seed(1)
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    x, y = np.ones((5, 3), dtype=np.float32), np.full((5, 1), 2.0, dtype=np.float32)
    assignment, state = job_like(model, "mse", torch.ones(4, 3), torch.ones(4, 1), Samples(x, y), "loss")
    mark = evaluate(COMPUTE, assignment, state, assignment.test)
    assert (mark.target_count, mark.loss) == (8, pytest.approx(4.0))
    assert score(COMPUTE, assignment, state) == -4_000_000
    sixteen = BatchMark(0, 4, 0x41800000)
    assert marks(COMPUTE, assignment, state, assignment.test) == Marks(0, (sixteen, sixteen))


def test_what_a_loss_ignores_does_not_count() -> None:
    model = nn.Embedding(5, 5)
    with torch.no_grad():
        model.weight.copy_(8 * torch.eye(5))
    tokens = np.arange(10, dtype=np.int64) % 5
    zeros, loss = torch.zeros(4, dtype=torch.int64), {"name": "cross_entropy", "ignore": 3}
    for targets, counted in ((tokens, 8), (np.where(tokens == 1, -100, tokens), 6)):
        assignment, state = job_like(model, loss, zeros, zeros, Samples(tokens, targets), "accuracy")
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
    x, y = np.zeros((8, 3), dtype=np.float32), np.zeros((8, 1), dtype=np.float32)
    x[4:] = 3e38
    assignment, state = job_like(model, "mse", torch.ones(4, 3), torch.ones(4, 1), Samples(x, y), "loss")
    assert score(COMPUTE, assignment, state) == UNSCORED
    fault = Runner(assignment.bundle.evaluate).run([*state, torch.from_numpy(x[4:]), torch.zeros(4, 1)])
    assert isinstance(fault, Fault)
    assert marks(COMPUTE, assignment, state, assignment.test) == Marks(1, (), fault_of(1, fault))
    with pytest.raises(Unsupported, match=fault.operator):
        evaluate(COMPUTE, assignment, state, assignment.test)


class Says:
    """A processor on which every program says this of one batch, and that of all others."""

    def __init__(self, *outputs: list[torch.Tensor]) -> None:
        self.outputs = list(outputs)

    def runner(self, _: object) -> "Says":
        return self

    def run(self, _: object) -> list[torch.Tensor]:
        return self.outputs.pop(0)


COUNT, TARGETS, LOSS = torch.tensor(2), torch.tensor(4), torch.tensor(1.0)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ((torch.tensor(1 << 62), TARGETS, LOSS), "right answers to 4 targets"),
        ((torch.tensor(-1), TARGETS, LOSS), "-1 right answers"),
        ((torch.tensor(5), TARGETS, LOSS), "5 right answers"),
        ((COUNT, torch.tensor(-4), LOSS), "2 right answers to -4 targets"),
        ((COUNT, TARGETS, torch.tensor(torch.nan)), "not finite"),
        ((COUNT, TARGETS, torch.tensor(-torch.inf)), "not finite"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_what_no_batch_comes_to_is_no_measure(outputs: tuple[torch.Tensor, ...], message: str, metric: str) -> None:
    x, y = np.zeros((12, 3), dtype=np.float32), np.zeros(12, dtype=np.int64)
    assignment: Any = SimpleNamespace(
        bundle=SimpleNamespace(evaluate=None), test=Samples(x, y), batch_size=4, metric=metric
    )
    good = [COUNT, TARGETS, LOSS]
    assert score(cast(Any, Says(good, good, good)), assignment, []) == (500_000 if metric == "accuracy" else -250_000)
    says = [good, list(outputs), good]
    assert score(cast(Any, Says(*says)), assignment, []) == UNSCORED
    shown = marks(cast(Any, Says(*says)), assignment, [], assignment.test)
    assert (shown.first, len(shown.batches), shown.fault) == (1, 1, ZERO)
    assert not shown.batches[0].is_possible
    with pytest.raises(Unsupported, match=message):
        evaluate(cast(Any, Says(*says)), assignment, [], assignment.test)


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
