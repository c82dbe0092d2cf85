"""What `assay.exact.compile` gives: the bits of the captured programs, whatever is around it, or a refusal."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

import assay
import assay.exact
from assay.exact import Training
from assay.exact.random import random_words
from assay.protocol.errors import AtFault, BadInput, LimitExceeded, NotFinite, Refused, Unsupported
from assay.training.programs import ANSWERS_MAX, PROGRAMS_MAX
from assay.training.training import dropout_key
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.state import state_root

SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
SEED = "seed:7"


class Net(nn.Module):
    """Small, with a buffer that steps change."""

    def __init__(self, *, drops: bool = False) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(6, 8), nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5) if drops else nn.Identity()
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(torch.relu(self.norm(self.first(x)))))


def drawn(count: int, stream: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs [count, 6] and classes [count] of three."""
    words = random_words(torch.tensor([1, 2]), torch.tensor(0), stream, 7 * count)
    return (words[: 6 * count] % 251).float().reshape(count, 6) / 256, words[6 * count :] % 3


def compiled(optimizer: object = SGD, **options) -> Training:
    drops = options.pop("drops", False)
    return assay.exact.compile(Net(drops=drops), "cross_entropy", optimizer, init=SEED, **options)


def run(program, inputs: list[Tensor]) -> list[Tensor]:
    outputs = Runner(program).run(inputs)
    assert isinstance(outputs, list)
    return outputs


@pytest.mark.parametrize("optimizer", [SGD, {"name": "adamw", "lr": 0.01, "clip_norm": 0.5}], ids=["sgd", "adamw"])
def test_steps_are_the_captured_programs_run_by_hand(optimizer: dict) -> None:
    batches = [drawn(8, stream) for stream in range(4)]
    bundle = capture(Net(), "cross_entropy", optimizer, *batches[0], init=SEED, counts=[1])
    step, state = compiled(optimizer), list(bundle.state.values())
    assert step.root == state_root(state).hex()
    for x, y in batches:
        *state, loss = run(bundle.step, [*state, x, y])
        assert torch.equal(step(x, y), loss)
        assert step.root == state_root(state).hex()
    assert list(step.state) == list(bundle.state)
    assert step.programs == {"x F32[8,6], y I64[8]": bundle.step.root.hex()}
    assert step.count == 4
    x, y = batches[0]
    correct, targets, loss_sum = run(bundle.evaluate, [*state, x, y])
    mark = step.evaluate(x, y)
    assert int(targets) == 8
    assert (mark.correct_count, mark.target_count, mark.loss) == (int(correct), 8, float(loss_sum) / 8)
    assert mark.accuracy == int(correct) / 8
    assert torch.equal(step.predict(x), run(bundle.predict, [*state, x])[0])


def test_dropout_follows_from_the_seed_and_the_count_of_steps() -> None:
    x, y = drawn(8)
    bundle = capture(Net(drops=True), "cross_entropy", SGD, x, y, init=SEED, counts=[1])
    assert bundle.is_random
    step, state = compiled(drops=True, seed=5), list(bundle.state.values())
    for count in range(3):
        *state, loss = run(bundle.step, [*state, x, y, dropout_key(5), torch.tensor(count)])
        assert torch.equal(step(x, y), loss)
    assert step.root == state_root(state).hex()
    other = compiled(drops=True, seed=6)
    other(x, y)
    first = compiled(drops=True, seed=5)
    first(x, y)
    assert other.root != first.root


def test_going_on_from_a_checkpoint_gives_the_same_bits(tmp_path: Path) -> None:
    batches = [drawn(8, stream) for stream in range(3)] + [drawn(5, 3), drawn(8, 4)]
    adam = {"name": "adamw", "lr": [0.1, 0.05, 0.02, 0.01]}
    step = compiled(adam, drops=True)
    for batch in batches[:2]:
        step(*batch)
    step.save(tmp_path / "two")
    losses = [step(*batch) for batch in batches[2:]]
    again = compiled(adam, drops=True)
    again(*batches[4])
    again.load(tmp_path / "two")
    assert again.count == 2
    assert [again(*batch) for batch in batches[2:]] == losses
    assert again.root == step.root
    assert again.programs == step.programs
    again.save(tmp_path / "again")
    step.save(tmp_path / "step")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "step").read_bytes()
    other = compiled({**adam, "lr": [0.1, 0.05, 0.02, 0.02]}, drops=True)
    for batch in batches:
        other(*batch)
    assert other.root != step.root


def test_the_weights_are_the_models_own_unless_a_seed_draws_them() -> None:
    net = Net()
    given = assay.exact.compile(net, "cross_entropy", SGD)
    assert torch.equal(given.state["first.weight"], net.first.weight)
    assert compiled().root == compiled().root != given.root
    given(*drawn(8))
    assert not torch.equal(given.state["first.weight"], net.first.weight)
    assert int(net.norm.num_batches_tracked) == 0


def test_the_model_comes_back_with_its_weights_and_in_its_mode() -> None:
    net = Net()
    net.norm.eval()
    step = assay.exact.compile(net, "cross_entropy", SGD)
    x, y = drawn(8)
    step(x, y)
    step.evaluate(x, y)
    back = step.model()
    assert isinstance(back, Net)
    assert back.training
    assert not back.norm.training
    assert torch.equal(back.first.weight, step.state["first.weight"])
    assert torch.equal(back.norm.running_mean, step.state["norm.running_mean"])
    assert torch.allclose(back.eval()(x), step.predict(x), atol=1e-3)
    with torch.no_grad():
        back.first.weight.zero_()
    assert step.model(net) is net
    assert torch.equal(net.first.weight, step.state["first.weight"])
    with pytest.raises(BadInput, match="differs from what was trained"):
        step.model(nn.Linear(6, 3))


def test_stock_optimizers_and_losses_are_what_their_tables_say() -> None:
    net = Net()
    ways = [
        ("cross_entropy", {"name": "sgd", "lr": 0.25, "momentum": 0.5}),
        (nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.25, momentum=0.5)),
        (lambda output, y: functional.cross_entropy(output, y), {"name": "sgd", "lr": [0.25], "momentum": 0.5}),
    ]
    steps = [assay.exact.compile(net, loss, optimizer, init=SEED) for loss, optimizer in ways]
    losses = [[step(*drawn(8, stream)) for stream in range(2)] for step in steps]
    assert losses[0] == losses[1] == losses[2]
    assert steps[0].programs == steps[1].programs != steps[2].programs
    smooth = assay.exact.compile(net, nn.CrossEntropyLoss(label_smoothing=0.5), SGD, init=SEED)
    assert smooth(*drawn(8)) != losses[0][0]


def test_profiles_differ_and_are_named() -> None:
    steps = {profile: compiled(profile=profile) for profile in ("exact8", "exact15", "exact22")}
    for step in steps.values():
        step(*drawn(8))
    assert len({step.root for step in steps.values()}) == 3
    with pytest.raises(BadInput, match="exact16"):
        compiled(profile="exact16")


def test_each_form_of_batch_takes_one_program_and_too_many_are_refused() -> None:
    step = compiled()
    for size in (8, 5, 8, 5):
        step(*drawn(size))
    assert list(step.programs) == ["x F32[8,6], y I64[8]", "x F32[5,6], y I64[5]"]
    for size in range(10, 8 + PROGRAMS_MAX):
        step(*drawn(size))
    root = step.root
    with pytest.raises(Refused, match="more than 8 forms") as refusal:
        step(*drawn(30))
    assert "drop_last" in refusal.value.hint
    assert (step.root, step.count) == (root, 2 + PROGRAMS_MAX)
    step(*drawn(8))


def test_answers_in_parts_and_in_any_form() -> None:
    step = compiled()
    x, y = drawn(300)
    outputs = step.predict(x)
    assert torch.equal(outputs, torch.cat([step.predict(x[:256]), step.predict(x[256:])]))
    mark = step.evaluate(x, y)
    assert mark.correct_count == int((outputs.argmax(1) == y).sum())
    assert mark.loss == pytest.approx(float(functional.cross_entropy(outputs, y)), rel=1e-4)
    left_out = y.clone()
    left_out[250:] = -1
    assert step.evaluate(x, left_out).target_count == 250
    for size in range(1, 3 + ANSWERS_MAX):
        assert torch.equal(step.predict(x[:size]), outputs[:size])
    assert len(step._programs._predicts) == ANSWERS_MAX
    assert step.count == 0


def test_a_regression_has_a_loss_and_no_right_answers() -> None:
    step = assay.exact.compile(nn.Linear(6, 1), nn.MSELoss(), SGD)
    x = drawn(20)[0]
    first = step(x, x[:, :1])
    assert step(x, x[:, :1]) < first
    mark = step.evaluate(x, x[:, :1])
    assert (mark.correct_count, mark.target_count) == (0, 20)
    assert mark.loss == pytest.approx(float(functional.mse_loss(step.predict(x), x[:, :1])), rel=1e-4)


def test_several_targets_for_each_sample() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(1, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.line(x.unsqueeze(-1)).reshape(-1, 3)

    step = assay.exact.compile(Tagger(), "cross_entropy", SGD)
    x, y = drawn(40)[0], drawn(240)[1]
    step(x, y)
    mark = step.evaluate(x, y)
    assert (mark.target_count, mark.correct_count) == (240, int((step.predict(x).argmax(1) == y).sum()))
    with pytest.raises(BadInput, match="40 samples have 239 targets"):
        step.evaluate(x, y[:239])


def test_a_batch_with_targets_left_out_takes_a_program_that_knows_them() -> None:
    step = compiled()
    x, y = drawn(8)
    step(x, y)
    y = y.clone()
    y[3] = -100
    loss = step(x, y)
    assert float(loss) > 0
    assert list(step.programs) == ["x F32[8,6], y I64[8]", "x F32[8,6], y I64[8] with targets left out"]


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_mode_and_generator_are_left_alone(around) -> None:
    x, y = drawn(8)
    plain = compiled(drops=True)
    plain(x, y)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with around():
        step = compiled(drops=True)
        torch.manual_seed(3)
        loss = step(x.clone(), y.clone())
        step.evaluate(x, y)
    assert torch.equal(torch.rand(1), expected)
    assert step.root == plain.root
    assert not loss.requires_grad


def test_what_is_not_finite_or_no_class_leaves_the_state_as_it_was() -> None:
    step = compiled()
    x, y = drawn(8)
    step(x, y)
    root = step.root
    broken = x.clone()
    broken[2, 3] = float("nan")
    with pytest.raises(NotFinite, match="x has numbers"):
        step(broken, y)
    with pytest.raises(AtFault, match=r"after 1 steps \w+ at ") as refusal:
        step(x * 1e38, y)
    assert "learning rate" in refusal.value.hint
    beyond = y.clone()
    beyond[0] = 3
    with pytest.raises(BadInput, match=r"an index is outside 0\.\.2"):
        step(x, beyond)
    assert (step.root, step.count) == (root, 1)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([[1.0]], torch.zeros(1), "x is list"),
        (torch.zeros(4, 6).double(), torch.zeros(4), r"x is float64 \(write x.float"),
        (torch.zeros(4, 6), torch.zeros(4, dtype=torch.uint8), "y is uint8"),
        (torch.zeros(0, 6), torch.zeros(0), r"shape \[0, 6\]"),
        (torch.zeros(4, 6), torch.tensor(1), r"y has shape \[\]"),
        (torch.zeros(4, 6, device="meta"), torch.zeros(4), r"x is on meta \(programs run on the CPU"),
    ],
)
def test_what_is_no_batch(x: object, y: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compiled()(x, y)


def scheduled(net: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    return optimizer


def used(net: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(drawn(4)[0]).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (scheduled, "schedule"),
        (used, "has moments already"),
        (lambda net: torch.optim.RMSprop(net.parameters()), "RMSprop"),
        (lambda net: torch.optim.SGD([net.last.weight], lr=0.1), "trains 1 of 6"),
        (lambda net: {"name": "sgd"}, "lr"),
        (lambda net: None, "no optimizer"),
        (lambda net: "sgd", "not an optimizer"),
    ],
)
def test_optimizers_that_would_not_do_what_they_say(optimizer, words: str) -> None:
    net = Net()
    with pytest.raises((BadInput, Unsupported), match=words):
        assay.exact.compile(net, "cross_entropy", optimizer(net))


@pytest.mark.parametrize(
    ("loss", "words"),
    [("hinge", "hinge"), (3, "type int"), (nn.Sequential(nn.Linear(1, 1)), "parameters of its own")],
)
def test_losses_that_are_none(loss, words: str) -> None:
    with pytest.raises((BadInput, Unsupported), match=words):
        assay.exact.compile(Net(), loss, SGD)


def test_a_loss_that_is_not_one_number() -> None:
    step = assay.exact.compile(Net(), lambda output, y: output.sum().reshape(1), SGD)
    with pytest.raises(BadInput, match=r"the loss gives F32\[1\] \(return the mean"):
        step(*drawn(8))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Net, "type is not an nn.Module"),
        (nn.LazyLinear(3), "weight has no shape yet"),
        (nn.Linear(6, 3, device="meta"), "weight is on meta"),
        (nn.Linear(6, 3).half(), "weight is torch.float16"),
        (nn.Linear(6, 3).requires_grad_(False), "no parameter to train"),
        (nn.ReLU(), "no parameter to train"),
    ],
)
def test_models_that_cannot_be_trained(model, words: str) -> None:
    with pytest.raises((BadInput, Unsupported), match=words):
        assay.exact.compile(model, "cross_entropy", SGD)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.0, True])
def test_seeds_that_are_none(seed) -> None:
    with pytest.raises(BadInput, match="whole number"):
        compiled(seed=seed)


def test_an_operator_without_an_exact_form_is_refused_with_its_line() -> None:
    class Sorts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sort(self.line(x))[0]

    step = assay.exact.compile(Sorts(), "cross_entropy", SGD)
    with pytest.raises(Unsupported, match=r"sort\.default at Sorts: .*test_training:\d+"):
        step(*drawn(8))


def test_a_model_that_no_program_holds_is_refused_before_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "deepcopy", lambda _: pytest.fail("copied"))
    large = nn.Linear(1, 1)
    large.weight = nn.Parameter(torch.zeros(1).expand(1 << 16, 1 << 16))
    with pytest.raises(LimitExceeded, match=r"largest value|memory"):
        assay.exact.compile(large, "mse", SGD)


def test_the_door_names_what_is_behind_it() -> None:
    assert assay.exact is __import__("importlib").import_module("assay.exact")
    assert {"Mark", "Training", "compile"} <= set(dir(assay.exact))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        _ = assay.exact.train
