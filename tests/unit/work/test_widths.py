"""Arithmetic profiles: all train, the wider the nearer to exact numbers, and by module where that is asked for."""

import copy
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.architectures import cnn, gpt, mlp
from assay.exact.primitives import BY_NAME, BY_OPCODE
from assay.exact.profile import EXACT22, PROFILES
from assay.protocol.errors import BadInput, Unsupported
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Bundle, Program

SGD = {"name": "sgd", "lr": 0.05}
STEPS = 20


@cache
def case(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A small model and a batch that it can learn by heart."""
    torch.manual_seed(6)
    if name == "gpt":
        return gpt(17, 6, 16, 2, 2), torch.randint(0, 17, (4, 6)), torch.randint(0, 17, (24,))
    x, y = torch.randn(8, 1, 8, 8), torch.arange(8) % 3
    return (mlp(64, (16,), 3) if name == "mlp" else cnn(1, 8, (4, 6), 3)), x, y


def captured(name: str, profile: Any) -> Bundle:
    return captured_once(name, profile if isinstance(profile, str) else tuple(profile.items()))


@cache
def captured_once(name: str, profile: Any) -> Bundle:
    model, x, y = case(name)
    return capture(copy.deepcopy(model), "cross_entropy", SGD, x, y, profile, counts=[1])


def step(program: Program, state: list[Tensor], *batch: Tensor) -> list[Tensor]:
    result = Runner(program).run([*state, *batch])
    assert isinstance(result, list), result
    return result


def widths_of(program: Program) -> Counter[int]:
    """How many operands of inner products have how many bits."""
    opcode, count = BY_NAME["contract"].opcode, len(program.inputs)
    bounds = [program.values[each].bound for node in program.nodes if node.opcode == opcode for each in node.inputs]
    assert count
    return Counter(next(each.bits for each in PROFILES.values() if each.limit == bound) for bound in bounds)


def error(name: str, profile: Any) -> float:
    """Relative error of one step's movement, against float64."""
    model, x, y = case(name)
    exact = copy.deepcopy(model).double()
    functional.cross_entropy(exact(x if x.dtype == torch.int64 else x.double()), y).backward()
    bundle = captured(name, profile)
    start = list(bundle.state.values())
    end = step(bundle.step, start, x, y)
    moved = torch.cat([((a.double() - b.double()) / SGD["lr"]).flatten() for a, b in zip(start, end, strict=False)])
    expected = torch.cat([each.grad.flatten() for each in exact.parameters()])
    return float((moved - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_the_wider_the_nearer(name: str) -> None:
    errors = {profile: error(name, profile) for profile in ("exact8", "exact15", "exact22")}
    assert errors["exact22"] * 3 < errors["exact15"]
    assert errors["exact15"] * 20 < errors["exact8"] < 0.2


@pytest.mark.parametrize("profile", ["exact8", "exact22"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_every_profile_trains(name: str, profile: str) -> None:
    _, x, y = case(name)
    bundle = captured(name, profile)
    again = Bundle.from_bytes(bundle.to_bytes())
    assert again.step.profile.name == profile
    assert again.root == bundle.root != captured(name, "exact15").root
    state, losses = list(bundle.state.values()), []
    for _ in range(STEPS):
        *state, loss = step(again.step, state, x, y)
        losses.append(float(loss))
    assert losses[-1] < 0.9 * losses[0]
    reference = Runner(bundle.step, "int64").run([*bundle.state.values(), x, y])
    assert isinstance(reference, list)
    assert all(
        torch.equal(a, b) for a, b in zip(step(bundle.step, list(bundle.state.values()), x, y), reference, strict=True)
    )


def test_parts_of_a_model_have_widths_of_their_own() -> None:
    plain, wide = captured("gpt", "exact15"), captured("gpt", {"default": "exact15", "head": "exact22"})
    assert widths_of(plain.step) == Counter({15: widths_of(plain.step)[15]})
    # The head's product and its two gradients.
    assert widths_of(wide.step)[22] == 6
    assert widths_of(wide.step).total() == widths_of(plain.step).total()
    assert wide.root != plain.root
    assert wide.step.profile == plain.step.profile
    assert (wide.emit, wide.aggregate, wide.rules) == (plain.emit, plain.aggregate, plain.rules)
    assert widths_of(wide.predict)[22] == 2
    for program, other in ((plain.step, wide.step), (plain.evaluate, wide.evaluate)):
        assert program.inputs == other.inputs
        # Elsewhere nodes are what they were.
        outside = [
            [
                (node.opcode, node.shape, node.attributes)
                for node, source in zip(each.nodes, each.side.sources, strict=True)
                if not source.removeprefix("backward of ").startswith("head:")
            ]
            for each in (program, other)
        ]
        assert outside[0] == outside[1]
    assert error("gpt", {"default": "exact8", "head": "exact22"}) < error("gpt", "exact8")


def test_the_longest_path_decides() -> None:
    mixed = captured("gpt", {"default": "exact8", "blocks": "exact15", "blocks.1": "exact22"})
    found, plain = widths_of(mixed.predict), widths_of(captured("gpt", "exact15").predict)
    assert found == Counter({8: 2, 15: (plain[15] - 2) // 2, 22: (plain[15] - 2) // 2})
    same = captured("gpt", {"head": "exact15", "blocks": "exact15"})
    assert same.root == captured("gpt", "exact15").root


@pytest.mark.parametrize(
    "profile", ["exact16", {"default": "exact9"}, {"head": "exact16"}, {"tail": "exact15"}, {"": "exact8"}]
)
def test_odd_profiles_are_refused(profile: Any) -> None:
    with pytest.raises(BadInput, match="arithmetic"):
        captured("gpt", profile)


def product(length: int, bound: float = 1.0) -> tuple[Program, list[Tensor]]:
    graph = Graph(EXACT22)
    left = graph.add_input("left", "F32", (1, 3, length))
    right = graph.add_input("right", "F32", (1, 2, length))
    program = graph.finish([graph.matmul(left, right)], ["out"])
    generator = torch.Generator().manual_seed(length)
    return program, [torch.randn(1, rows, length, generator=generator) * bound for rows in (3, 2)]


@pytest.mark.parametrize(("length", "stretches"), [(2047, 1), (2048, 1), (2049, 2), (4096, 2), (4097, 3), (70_000, 35)])
def test_long_products_of_22_bits_are_added_in_stretches(length: int, stretches: int) -> None:
    program, (left, right) = product(length)
    assert Counter(BY_OPCODE[node.opcode].name for node in program.nodes)["contract"] == stretches
    fast, reference = Runner(program).run([left, right]), Runner(program, "int64").run([left, right])
    assert isinstance(fast, list)
    assert isinstance(reference, list)
    assert torch.equal(fast[0], reference[0])
    expected = left.double() @ right.double().transpose(1, 2)
    scale = left.double().norm(dim=2)[:, :, None] * right.double().norm(dim=2)[:, None, :]
    assert float(((fast[0].double() - expected) / scale).abs().max()) < 3e-7
    # The largest integers there are: the border is where their sum would pass 2^53.
    ones = [torch.ones_like(left), torch.ones_like(right)]
    largest = Runner(program).run(ones)
    assert isinstance(largest, list)
    assert largest[0].unique().tolist() == [float(length)]


def test_gradients_of_long_products_are_within_reach() -> None:
    """A weight's gradient is a product along all samples and places: 4,096 here."""
    torch.manual_seed(1)
    model, x, y = (
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(2048, 2)),
        torch.randn(4, 1, 32, 32),
        torch.arange(4) % 2,
    )
    bundle = capture(model, "cross_entropy", SGD, x, y, "exact22", counts=[1])
    start = list(bundle.state.values())
    *end, _ = step(bundle.step, start, x, y)
    functional.cross_entropy(model(x), y).backward()
    for old, new, parameter in zip(start, end, model.parameters(), strict=True):
        assert torch.allclose((old - new) / SGD["lr"], parameter.grad, atol=2e-5)


def test_a_product_of_too_many_stretches_is_refused() -> None:
    with pytest.raises(Unsupported, match="stretches under exact22"):
        product(256 * 2048 + 1)
