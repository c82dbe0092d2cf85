"""What a job file says of loss, micro-batches, averages and arithmetic is what its programs do."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from own_jobs import make_net, tiny_job, tiny_samples

from assay.api.draft import make_draft
from assay.api.model import Model
from assay.protocol.errors import BadInput
from assay.roles.assignment import signature_of
from assay.roles.exam import evaluate
from assay.roles.world import Compute
from assay.store.samples import Samples
from assay.work.interpret import Runner

BATCH = "batch_size = 4"


def draft_of(more: str = BATCH, loss: str = "", samples: Any = None) -> Any:
    changes = {BATCH: more, 'init = "given"': f'init = "given"\n{loss}'}
    return make_draft(tiny_job(**changes), make_net(), samples or tiny_samples())


def train(bundle: Any, samples: Any, steps: int) -> list[torch.Tensor]:
    state, runner = list(bundle.state.values()), Runner(bundle.step)
    for at in range(0, 4 * steps, 4):
        batch = torch.from_numpy(samples.x[at : at + 4]), torch.from_numpy(samples.y[at : at + 4])
        result = runner.run([*state, *batch])
        assert isinstance(result, list), result
        *state, _ = result
    return state


def test_an_average_is_the_model() -> None:
    draft = draft_of(f"{BATCH}\naccumulate = 2\naverage = 0.5")
    samples = tiny_samples()
    state = train(draft.bundle, samples, 3)
    assignment: Any = SimpleNamespace(signature=signature_of(draft.bundle), bundle=draft.bundle)
    model = Model(assignment, state, None)  # type: ignore[arg-type]
    assert list(model.weights) == [name for name, _ in make_net().named_parameters()]
    distances = dict(zip(draft.bundle.state, state, strict=True))
    for name, tensor in model.weights.items():
        assert torch.equal(tensor, distances[name] + distances[f"average.{name}"])
        assert not torch.equal(tensor, distances[name])
    x = torch.from_numpy(samples.x[:4])
    filled = model.fill(make_net())
    assert torch.allclose(filled(x), model.module()(x), atol=2e-3)


def test_arithmetic_by_module_is_posted_with_its_default() -> None:
    plain, wide = draft_of(), draft_of(f'{BATCH}\narithmetic = {{ default = "exact8", second = "exact22" }}')
    assert (plain.order.profile.rstrip(b"\0"), wide.order.profile.rstrip(b"\0")) == (b"exact15", b"exact8")
    assert wide.bundle.step.profile.name == "exact8"
    assert wide.bundle.root != plain.bundle.root
    assert wide.bundle.rules == plain.bundle.rules
    with pytest.raises(BadInput, match="no module") as refusal:
        draft_of(f'{BATCH}\narithmetic = {{ secnd = "exact22" }}')
    assert refusal.value.fields["key"] == "train.arithmetic"
    assert refusal.value.fields["allowed"] == "paths of modules: first, second"
    assert refusal.value.hint == 'did you mean "second"?'


def test_labels_that_are_left_out_are_neither_trained_on_nor_counted() -> None:
    samples = tiny_samples()
    samples.y[::3] = -100
    draft = draft_of(samples=samples)
    state = train(draft.bundle, samples, 3)
    net = make_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    for at in range(0, 12, 4):
        optimizer.zero_grad()
        x, y = torch.from_numpy(samples.x[at : at + 4]), torch.from_numpy(samples.y[at : at + 4])
        functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert all(torch.allclose(a, b, atol=2e-3) for a, b in zip(state, net.parameters(), strict=False))
    mark = evaluate(Compute(lambda: 0.0), draft.assignment(), state, samples)
    assert mark.target_count == int((samples.y >= 0).sum())


def test_what_a_named_loss_ignores_is_not_counted() -> None:
    samples = tiny_samples()
    samples.y[:10] = 7
    draft = draft_of(loss='loss = { name = "cross_entropy", smoothing = 0.1, ignore = 7 }', samples=samples)
    assignment = draft.assignment()
    mark = evaluate(Compute(lambda: 0.0), assignment, train(draft.bundle, samples, 4), samples)
    assert mark.target_count == 50
    samples.y[:] = 7
    with pytest.raises(BadInput, match="every label"):
        draft_of(loss='loss = { name = "cross_entropy", ignore = 7 }', samples=samples)


def test_losses_of_numbers_take_numbers() -> None:
    samples = tiny_samples()
    with pytest.raises(BadInput, match="compares with numbers") as refusal:
        draft_of(loss='loss = "huber"', samples=samples)
    assert (refusal.value.fields["key"], refusal.value.fields["value"]) == ("model.loss", "'huber'")
    samples = Samples(samples.x, np.ascontiguousarray(samples.x[:, :2]))
    bundle = draft_of(loss='loss = { name = "huber", delta = 0.5 }', samples=samples).bundle
    assert bundle.step.inputs[-1].dtype == "F32"
    assert refusal.value.hint


def test_more_held_out_batches_than_a_score_may_show_are_told_before_anything_is_paid(monkeypatch) -> None:
    monkeypatch.setattr("assay.roles.assignment.BATCHES_MAX", 2)
    with pytest.raises(BadInput, match="held-out samples are 3 batches") as refusal:
        draft_of()
    assert refusal.value.fields["key"] == "train.batch_size"
    assert refusal.value.hint == "raise train.batch_size, or lower data.held_out"
