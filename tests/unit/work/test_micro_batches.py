"""Micro-batches and averaged weights: as plain PyTorch does them, and through whole rounds."""

import copy

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.aggregate.krum import Krum
from assay.architectures import gpt, mlp
from assay.protocol.errors import BadInput
from assay.work.average import averaged
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.program import Bundle, Program
from assay.work.state import state_root

SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
DECAY = 0.75


def run(program: Program, inputs: list[Tensor]) -> list[Tensor]:
    result, reference = Runner(program).run(inputs), Runner(program, "int64").run(inputs)
    assert isinstance(result, list), result
    assert isinstance(reference, list), reference
    assert all(torch.equal(a, b) for a, b in zip(result, reference, strict=True))
    return result


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [
        (torch.randn(12, 6, generator=generator), torch.randint(0, 3, (12,), generator=generator)) for _ in range(count)
    ]


def small(**options: object) -> tuple[nn.Module, Bundle]:
    torch.manual_seed(3)
    model = mlp(6, (5,), 3)
    return model, capture(model, "cross_entropy", SGD, *batches(1)[0], counts=[1, 3], **options)


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_micro_batches_give_the_mean_of_their_gradients(parts: int) -> None:
    model, bundle = small(accumulate=parts)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    state = list(bundle.state.values())
    for x, y in batches(4):
        *state, loss = run(bundle.step, [*state, x, y])
        optimizer.zero_grad()
        costs = []
        for x_part, y_part in zip(x.chunk(parts), y.chunk(parts), strict=True):
            cost = functional.cross_entropy(model(x_part), y_part) / parts
            cost.backward()
            costs.append(float(cost.detach()))
        optimizer.step()
        assert float(loss) == pytest.approx(sum(costs), abs=1e-4)
    for tensor, parameter in zip(state, model.parameters(), strict=False):
        assert torch.allclose(tensor, parameter, atol=2e-4)


def test_micro_batches_of_tokens_and_of_a_norm_with_statistics() -> None:
    torch.manual_seed(1)
    net, x, y = gpt(11, 4, 8, 1, 2), torch.randint(0, 11, (6, 4)), torch.randint(0, 11, (24,))
    whole, split = (capture(net, "cross_entropy", SGD, x, y, counts=[1], accumulate=parts) for parts in (1, 3))
    one, three = (run(each.step, [*each.state.values(), x, y]) for each in (whole, split))
    assert all(torch.allclose(a, b, atol=2e-3) for a, b in zip(one, three, strict=True))
    assert split.root != whole.root
    normed = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    x, y = batches(1)[0]
    bundle = capture(normed, "cross_entropy", SGD, x, y, counts=[1], accumulate=2)
    new = dict(zip(bundle.state, run(bundle.step, [*bundle.state.values(), x, y]), strict=False))
    native = copy.deepcopy(normed).train()
    for part in x.chunk(2):
        native(part)
    assert int(new["1.num_batches_tracked"]) == 2
    assert torch.allclose(new["1.running_mean"], dict(native.named_buffers())["1.running_mean"], atol=1e-4)


@pytest.mark.parametrize("parts", [0, 5, 24])
def test_parts_that_are_not_equal_are_refused(parts: int) -> None:
    with pytest.raises(BadInput, match="equal micro-batches"):
        small(accumulate=parts)


def test_the_average_is_that_of_pytorch() -> None:
    model, bundle = small(average=DECAY)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    mean = [parameter.detach().clone() for parameter in model.parameters()]
    state = list(bundle.state.values())
    assert list(bundle.state)[-1] == "average.layers.1.bias"
    for x, y in batches(6):
        *state, _ = run(bundle.step, [*state, x, y])
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        mean = [DECAY * old + (1 - DECAY) * new.detach() for old, new in zip(mean, model.parameters(), strict=True)]
    found = averaged(dict(zip(bundle.state, state, strict=True)), [name for name, _ in model.named_parameters()])
    for tensor, expected in zip(found.values(), mean, strict=True):
        assert torch.allclose(tensor, expected, atol=2e-4)
    assert not torch.allclose(state[0], mean[0], atol=2e-3)
    # What predicts and evaluates is the average.
    x, y = batches(1)[0]
    with torch.no_grad():
        for parameter, tensor in zip(model.parameters(), found.values(), strict=True):
            parameter.copy_(tensor)
        expected = model(x)
    logits, answers = run(bundle.predict, [*state, x])
    assert torch.allclose(logits, expected, atol=2e-3)
    correct, _, loss = run(bundle.evaluate, [*state, x, y])
    assert int(correct) == int((answers == y).sum())
    assert float(loss) == pytest.approx(float(functional.cross_entropy(expected, y, reduction="sum")), rel=1e-3)


def test_an_average_leaves_the_weights_alone_and_begins_from_a_seed() -> None:
    (_, plain), (_, kept) = small(), small(average=DECAY)
    first, second = list(plain.state.values()), list(kept.state.values())
    for batch in batches(3):
        *first, _ = run(plain.step, [*first, *batch])
        *second, _ = run(kept.step, [*second, *batch])
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=False))
    _, seeded = small(average=DECAY, init="seed:7")
    again = Bundle.from_bytes(seeded.to_bytes())
    assert state_root(list(again.state.values())) == state_root(list(seeded.state.values()))
    assert not again.state["average.layers.0.weight"].any()
    assert again.state["layers.0.weight"].any()


def test_aggregates_merge_averages_and_rounds_resume() -> None:
    _, bundle = small(average=DECAY)
    start, names = list(bundle.state.values()), list(bundle.state)
    ends = []
    for slot in range(3):
        state = start
        for x, y in batches(2):
            *state, _ = run(bundle.step, [*state, x.roll(slot + 1, 1), y])
        ends.append(state)
    updates = [run(bundle.emit, [*start, *end]) for end in ends]
    assert len(updates[0]) == 8
    merged = run(bundle.aggregate[3], [*start, *(each for update in updates for each in update)])
    weights = [name for name in names if name.startswith("layers.")]
    found = averaged(dict(zip(names, merged, strict=True)), weights)
    means = [averaged(dict(zip(names, end, strict=True)), weights) for end in ends]
    for name in weights:
        expected = torch.stack([each[name].double() for each in means]).mean(0)
        assert torch.allclose(found[name].double(), expected, atol=1e-6)
    # A round goes on from any state between two steps, bit for bit.
    state = merged
    for x, y in batches(4):
        *state, _ = run(bundle.step, [*state, x, y])
    halfway = merged
    for x, y in batches(4)[:2]:
        *halfway, _ = run(bundle.step, [*halfway, x, y])
    halfway = [tensor.clone() for tensor in halfway]
    for x, y in batches(4)[2:]:
        *halfway, _ = run(Bundle.from_bytes(bundle.to_bytes()).step, [*halfway, x, y])
    assert state_root(state) == state_root(halfway)


def test_a_rule_chooses_an_average_with_its_weights() -> None:
    torch.manual_seed(3)
    x, y = batches(1)[0]
    bundle = capture(mlp(6, (5,), 3), "cross_entropy", SGD, x, y, counts=[3], average=DECAY, rule=Krum(0))
    start = list(bundle.state.values())
    ends = [run(bundle.step, [*start, x * scale, y])[:-1] for scale in (1.0, 1.01, 9.0)]
    updates = [run(bundle.emit, [*start, *end]) for end in ends]
    merged = run(bundle.aggregate[3], [*start, *(each for update in updates for each in update)])
    distance = list(bundle.state).index("average.layers.0.weight")
    chosen = [torch.equal(merged[0], start[0] + update[0]) for update in updates]
    assert sum(chosen) >= 1
    assert torch.equal(merged[distance], start[distance] + updates[chosen.index(True)][4])


@pytest.mark.parametrize("average", [0.0, 1.0, -0.5])
def test_odd_averages_are_refused(average: float) -> None:
    with pytest.raises(BadInput, match="average"):
        small(average=average)
