"""Captured programs train as PyTorch does, aggregate as the rules say, and refuse what has no exact form."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from sklearn.datasets import load_digits
from torch import Tensor, nn

from assay.aggregate.krum import Krum
from assay.architectures import cnn, mlp
from assay.proof.rows import is_end
from assay.protocol.errors import BadInput, Unsupported
from assay.work.capture import capture
from assay.work.initial import draw_state
from assay.work.interpret import Runner
from assay.work.program import Bundle, Program

SGD = {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-4}
ADAMW = {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01}


@cache
def digits() -> tuple[Tensor, Tensor]:
    raw = load_digits()
    return torch.tensor(raw.images / 16, dtype=torch.float32)[:, None], torch.tensor(raw.target)


def run(program: Program, inputs: list[Tensor]) -> list[Tensor]:
    result = Runner(program).run(inputs)
    assert isinstance(result, list), result
    return result


def native_losses(model: nn.Module, spec: dict, batches: list[tuple[Tensor, Tensor]]) -> list[float]:
    options = {key: value for key, value in spec.items() if key != "name"}
    family = torch.optim.SGD if spec["name"] == "sgd" else torch.optim.AdamW
    optimizer = family(model.parameters(), **options)
    losses = []
    for x, y in batches:
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("spec", [SGD, {**SGD, "nesterov": True}, ADAMW], ids=["sgd", "nesterov", "adamw"])
@pytest.mark.parametrize("build", [mlp, cnn])
def test_fifty_steps_cost_what_native_steps_cost(build, spec: dict) -> None:
    torch.manual_seed(4)
    model = build()
    x, y = digits()
    batches = [(x[at : at + 32], y[at : at + 32]) for at in range(0, 1600, 32)]
    bundle = capture(model, "cross_entropy", spec, *batches[0], counts=[1])
    runner = Runner(bundle.step)
    state, losses = list(bundle.state.values()), []
    for batch in batches:
        result = runner.run([*state, *batch])
        assert isinstance(result, list)
        *state, loss = result
        losses.append(float(loss))
    expected = native_losses(copy.deepcopy(model), spec, batches)
    assert np.max(np.abs(np.array(losses[:20]) - expected[:20])) < 1e-3
    assert abs(np.mean(losses) - np.mean(expected)) < 1e-3
    assert losses[-1] < 0.9 * losses[0]


def small(optimizer: dict = SGD, **options) -> Bundle:
    x, y = digits()
    return capture(mlp(), "cross_entropy", optimizer, x[:8], y[:8], init="seed:3", **options)


def random_state(bundle: Bundle, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        each + torch.randn(each.shape, generator=generator) if each.dtype == torch.float32 else each
        for each in bundle.state.values()
    ]


def test_names_tell_inputs_and_outputs() -> None:
    bundle = small()
    names = bundle.step.side.input_names
    assert names[:4] == tuple(f"state:layers.{place}" for place in ("0.weight", "0.bias", "1.weight", "1.bias"))
    assert names[-2:] == ("x", "y")
    assert bundle.step.side.output_names == (*names[:-2], "loss")
    assert bundle.emit.side.output_names == tuple(name.replace("state:", "update:") for name in names[:4])
    assert bundle.state_names == tuple(bundle.state)
    assert not bundle.is_random
    assert all(bundle.step.side.sources)
    assert any(
        source.startswith("backward of layers.0: assay.architectures.mlp:") for source in bundle.step.side.sources
    )


def test_emit_is_the_difference_and_mean_is_exact() -> None:
    bundle = small(counts=[1, 2, 3, 5])
    start = list(bundle.state.values())
    ends = [random_state(bundle, seed) for seed in range(5)]
    updates = [run(bundle.emit, [*start, *end]) for end in ends]
    for update, begin, end in zip(updates[0], start, ends[0], strict=False):
        assert torch.equal(update, end - begin)
    for count in (1, 2, 3, 5):
        chosen = updates[:count]
        new = run(bundle.aggregate[count], [*start, *(each for update in chosen for each in update)])
        for place in range(4):
            mean = torch.stack([update[place].double() for update in chosen]).mean(0)
            assert torch.allclose(new[place].double(), start[place] + mean, rtol=1e-6, atol=1e-6)
        assert all(not tensor.any() for tensor in new[4:])


def test_aggregation_restarts_adamw() -> None:
    bundle = small(ADAMW, counts=[2])
    state = random_state(bundle, 1)
    update = run(bundle.emit, [*bundle.state.values(), *state])
    new = run(bundle.aggregate[2], [*state, *update, *update])
    for name, tensor in zip(bundle.state, new, strict=True):
        if name.startswith("optimizer."):
            assert torch.equal(tensor, bundle.state[name])


def test_outer_nesterov_moves_by_its_velocity() -> None:
    bundle = small(counts=[2], outer={"name": "nesterov", "lr": 0.7, "momentum": 0.9})
    state = list(bundle.state.values())
    velocity = list(bundle.state).index("outer.velocity.layers.0.weight")
    x, y = digits()
    trained = run(bundle.step, [*state, x[:8], y[:8]])[:-1]
    assert torch.equal(trained[velocity], state[velocity])
    update = run(bundle.emit, [*state, *trained])
    parameter = torch.nn.Parameter(state[0].clone())
    outer = torch.optim.SGD([parameter], lr=0.7, momentum=0.9, nesterov=True)
    for _ in range(3):
        state = run(bundle.aggregate[2], [*state, *update, *update])
        parameter.grad = -update[0]
        outer.step()
        assert torch.allclose(state[0], parameter.detach(), atol=1e-6)
    with pytest.raises(BadInput, match="adagrad"):
        small(counts=[2], outer={"name": "adagrad"})


def test_a_rule_says_how_updates_merge() -> None:
    bundle = small(counts=[5], rule=Krum(1))
    start = list(bundle.state.values())
    ends = [random_state(bundle, 10)] * 4 + [[each * 50 for each in random_state(bundle, 11)]]
    updates = [run(bundle.emit, [*start, *end]) for end in ends]
    new = run(bundle.aggregate[5], [*start, *(each for update in updates for each in update)])
    for place in range(4):
        assert torch.equal(new[place], start[place] + updates[0][place])


def test_evaluate_leaves_padding_out_and_predict_answers() -> None:
    bundle = small(counts=[1])
    x, y = digits()
    state = list(bundle.state.values())
    logits, answers = run(bundle.predict, [*state, x[:8]])
    assert torch.equal(answers, logits.argmax(-1))
    padded = y[:8].clone()
    padded[5:] = -1
    correct, targets, total = run(bundle.evaluate, [*state, x[:8], padded])
    assert int(targets) == 5
    assert int(correct) == int((answers[:5] == y[:5]).sum())
    expected = functional.cross_entropy(logits[:5], y[:5], reduction="sum")
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


def test_a_seed_gives_one_state() -> None:
    first, second = small(counts=[1]), small(counts=[1])
    assert first.root == second.root
    assert all(torch.equal(a, b) for a, b in zip(first.state.values(), second.state.values(), strict=True))
    other = draw_state(first.rules, "seed:4")
    assert not torch.equal(other["layers.0.weight"], first.state["layers.0.weight"])
    bound = 1 / 8
    weight = first.state["layers.0.weight"]
    assert float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    with pytest.raises(BadInput, match="seed:7"):
        draw_state(first.rules, "seven")


class Mean(nn.Module):
    """A regression with a learning-rate table."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.line(x)


def test_rates_follow_their_table() -> None:
    x, y = torch.ones(4, 3), torch.zeros(4, 1)
    bundle = capture(Mean(), "mse", {"name": "sgd", "lr": [0.1, 0.0]}, x, y, init="seed:1", counts=[1])
    state = list(bundle.state.values())
    *first, _ = run(bundle.step, [*state, x, y])
    *second, _ = run(bundle.step, [*first, x, y])
    *third, _ = run(bundle.step, [*second, x, y])
    assert not torch.equal(first[0], state[0])
    assert torch.equal(second[0], first[0])
    assert torch.equal(third[0], first[0])
    assert int(third[2]) == 3


class Sorting(nn.Module):
    """Not exact: sorts."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sort(self.inner(x.flatten(1)))[0]


def test_an_operator_without_exact_form_is_refused_with_its_place() -> None:
    x, y = digits()
    with pytest.raises(Unsupported, match=r"sort\.default at Sorting: .*test_capture:\d+") as caught:
        capture(Sorting(), "cross_entropy", SGD, x[:4], y[:4])
    assert "argmax" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "shampoo", "lr": 1}, "shampoo"),
        ({"name": "sgd"}, "takes lr"),
        ({"name": "sgd", "lr": 1, "rate": 2}, "rate"),
        ({"name": "sgd", "lr": "fast"}, "lr"),
    ],
)
def test_odd_optimizers_are_refused(spec: dict, message: str) -> None:
    x, y = digits()
    with pytest.raises(BadInput, match=message):
        capture(mlp(), "cross_entropy", spec, x[:4], y[:4])


def test_odd_losses_and_weights_are_refused() -> None:
    x, y = digits()
    with pytest.raises(BadInput, match="hinge"):
        capture(mlp(), "hinge", SGD, x[:4], y[:4])
    with pytest.raises(Unsupported, match="float64"):
        capture(mlp().double(), "cross_entropy", SGD, x[:4].double(), y[:4])


def test_one_tensor_as_input_and_target_makes_two_inputs():
    x = torch.rand(4, 3)
    bundle = capture(nn.Linear(3, 3), "mse", {"name": "sgd", "lr": 0.1}, x, x, counts=[1])
    outputs = Runner(bundle.evaluate).run([*bundle.state.values(), torch.zeros(4, 3), torch.zeros(4, 3)])
    other = Runner(bundle.evaluate).run([*bundle.state.values(), torch.zeros(4, 3), torch.ones(4, 3)])
    assert [int(count) for count in outputs[:2]] == [int(count) for count in other[:2]] == [0, 4]
    assert not torch.equal(outputs[2], other[2])


@pytest.mark.parametrize("classes", [True, False])
def test_each_count_of_an_evaluation_is_what_a_node_of_its_own_gives(classes):
    y = torch.zeros(4, dtype=torch.int64) if classes else torch.zeros(4, 1)
    model, loss = nn.Linear(3, 1), "cross_entropy" if classes else "mse"
    program = capture(model, loss, {"name": "sgd", "lr": 0.1}, torch.rand(4, 3), y, counts=[1]).evaluate
    assert len(set(program.outputs)) == 3
    assert all(is_end(program, output) for output in program.outputs)


class ManyAxes(nn.Module):
    """A tensor of seven axes on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.reshape(2, 1, 1, 1, 1, 2, 2)
        return self.head((wide * 2.0).reshape(2, 4))


def test_more_than_six_axes_are_refused_with_their_line() -> None:
    y = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(Unsupported, match=r"a tensor of 7 axes at ManyAxes: test_capture:\d+"):
        capture(ManyAxes(), "cross_entropy", {"name": "sgd", "lr": 0.1}, torch.zeros(2, 4), y, counts=[1])
    with pytest.raises(Unsupported, match="a tensor of 7 axes"):
        capture(nn.Flatten(), "mse", {"name": "sgd", "lr": 0.1}, torch.zeros((1,) * 7), torch.zeros(1, 1), counts=[1])
