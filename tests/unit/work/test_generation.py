"""Tokens one after another: the bits of a whole context each time, and PyTorch's answers."""

import pytest
import torch
from torch import Tensor

from assay.architectures import gpt, load_shipped, mlp
from assay.architectures.ship import GPT_TINY
from assay.protocol.errors import BadInput, Unsupported
from assay.work.capture import capture
from assay.work.generation import Generation, capture_generation
from assay.work.interpret import Runner
from assay.work.program import Program
from assay.work.walk import Fault

VOCABULARY, LENGTH = 11, 9


def made(profile: str = "exact15") -> tuple[torch.nn.Module, Generation, list[Tensor]]:
    torch.manual_seed(4)
    model = gpt(VOCABULARY, LENGTH, 16, 2, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    generation = capture_generation(model, 2, profile)
    return model, generation, generation.weights({name: each.detach() for name, each in model.named_parameters()})


def run(program: Program, *inputs: Tensor) -> list[Tensor]:
    fast, reference = Runner(program).run(inputs), Runner(program, "int64").run(inputs)
    assert isinstance(fast, list), fast
    assert isinstance(reference, list), reference
    assert all(torch.equal(a, b) for a, b in zip(fast, reference, strict=True))
    return fast


@pytest.mark.parametrize("profile", ["exact8", "exact15"])
def test_a_cache_gives_the_bits_of_the_whole_context(profile: str) -> None:
    model, generation, weights = made(profile)
    tokens = torch.randint(0, VOCABULARY, (2, LENGTH))
    _, _, *cache = run(generation.prefill, *weights, tokens, torch.tensor(1))
    for count in range(2, LENGTH + 1):
        whole = run(generation.prefill, *weights, tokens, torch.tensor(count))
        scores, best, *cache = run(
            generation.step, *weights, tokens[:, count - 1].contiguous(), torch.tensor(count - 1), *cache
        )
        for one, other in zip(whole, [scores, best, *cache], strict=True):
            assert one.numpy().tobytes() == other.numpy().tobytes()
        # What follows makes no difference to any bit.
        other = tokens.clone()
        other[:, count:] = (other[:, count:] + 3) % VOCABULARY
        again = run(generation.prefill, *weights, other, torch.tensor(count))
        assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
        native = model(tokens[:, :count]).view(2, count, VOCABULARY)[:, -1].detach()
        assert torch.allclose(scores, native, atol=0.3 if profile == "exact8" else 3e-3)


def test_generating_is_predicting_with_the_whole_context_each_time() -> None:
    model, generation, weights = made()
    prompt = torch.tensor([[3, 1, 4], [1, 5, 9]])
    generated = generation.generate(weights, prompt, 3)
    assert generated.shape == (2, 6)
    tokens = prompt
    for _ in range(3):
        padded = torch.nn.functional.pad(tokens, (0, LENGTH - tokens.shape[1]))
        _, best, *_ = run(generation.prefill, *weights, padded, torch.tensor(tokens.shape[1]))
        assert torch.equal(best, model(tokens).view(2, -1, VOCABULARY)[:, -1].argmax(-1))
        # The program of predictions, captured for contexts of this length, chooses the same.
        shape = tokens.shape
        targets = torch.zeros(shape[0] * shape[1], dtype=torch.int64)
        bundle = capture(model, "cross_entropy", {"name": "sgd", "lr": 0.1}, tokens, targets, counts=[1])
        _, answers = run(bundle.predict, *bundle.state.values(), tokens)
        assert torch.equal(answers.view(shape)[:, -1], best)
        tokens = torch.cat([tokens, best[:, None]], 1)
    assert torch.equal(tokens, generated)


def test_a_shipped_model_generates_from_its_state() -> None:
    bundle = load_shipped("gpt-tiny")
    generation = capture_generation(gpt(**GPT_TINY))
    weights = generation.weights(bundle.state)
    assert (generation.length, generation.batch_size) == (16, 1)
    generated = generation.generate(weights, torch.tensor([[1, 2, 3]]), 5)
    assert torch.equal(generated, generation.generate(weights, torch.tensor([[1, 2, 3]]), 5))
    assert torch.equal(generation.generate(weights, generated[:, :5].contiguous(), 3), generated)


def test_an_average_generates_where_there_is_one() -> None:
    model, generation, weights = made()
    state = {name: each.detach() for name, each in model.named_parameters()}
    state["average.head.weight"] = torch.ones_like(state["head.weight"])
    head = generation.names.index("head.weight")
    assert torch.equal(generation.weights(state)[head], weights[head] + 1.0)


@pytest.mark.parametrize(("shape", "count"), [((1, 3), 2), ((2, 0), 2), ((2, 4), 6), ((2, 4), -1)])
def test_what_does_not_fit_is_refused(shape: tuple[int, int], count: int) -> None:
    _, generation, weights = made()
    with pytest.raises(BadInput, match="do not fit"):
        generation.generate(weights, torch.zeros(shape, dtype=torch.int64), count)


def test_models_and_tokens_that_cannot_go_on_are_refused() -> None:
    with pytest.raises(BadInput, match="cannot generate"):
        capture_generation(mlp())
    _, generation, weights = made()
    with pytest.raises(Unsupported, match="gather"):
        generation.generate(weights, torch.full((2, 3), VOCABULARY), 2)
    for count in (0, LENGTH + 1):
        inputs = [*weights, torch.zeros(2, LENGTH, dtype=torch.int64), torch.tensor(count)]
        assert isinstance(Runner(generation.prefill).run(inputs), Fault)
