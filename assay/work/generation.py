"""Generation of tokens, one after another, with what attention has seen kept: two programs of a model that can do it.

    prefill    weights, tokens [B, L], count         -> scores [B, V] of the next token, the best [B], cache
    step       weights, token [B], place, cache      -> the same, with the token at `place` in the cache

L is the model's longest context, and the cache has room for it from the start; `count` and `place` are int64 []. A step
gives the bits that a prefill of the longer context gives, so a cache may be thrown away at any time. Greedy: the best
is the first of the highest scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from assay.protocol.errors import BadInput, Unsupported
from assay.work.average import averaged
from assay.work.interpret import Runner
from assay.work.normal import Graph, type_of
from assay.work.program import Program
from assay.work.trace import is_random, lower, trace
from assay.work.walk import Fault
from assay.work.widths import Spec, Widths


class Generative(Protocol):
    """A model that can go on from what it has seen, such as `assay.architectures.GPT`."""

    @property
    def length(self) -> int:
        """How many tokens there may be."""
        ...

    def begin(self, tokens_bl: Tensor, count: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores [B, V] after the first `count` tokens, and the cache."""
        ...

    def proceed(self, token_b: Tensor, place: Tensor, cache: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Scores [B, V] after a token at `place`, and the cache with it."""
        ...


@dataclass(frozen=True)
class Generation:
    """The two programs, and the names of the weights that they begin with."""

    prefill: Program
    step: Program
    names: tuple[str, ...]

    @property
    def batch_size(self) -> int:
        """Sequences that are generated side by side, B."""
        return self.prefill.inputs[len(self.names)].shape[0]

    @property
    def length(self) -> int:
        """Tokens that fit, L."""
        return self.prefill.inputs[len(self.names)].shape[1]

    def weights(self, state: Mapping[str, Tensor]) -> list[Tensor]:
        """What both programs take of a job's state, by its names; the average, where the state has one."""
        return list(averaged(state, self.names).values())

    def generate(self, weights: Sequence[Tensor], prompt_bt: Tensor, count: int) -> Tensor:
        """Prompts int64 [B, T] and the `count` best tokens after them: [B, T + count]. Errors: `BadInput` for what does
        not fit, `Unsupported` where a program faults."""
        size_b, start = prompt_bt.shape
        if size_b != self.batch_size or start < 1 or count < 0 or start + count > self.length:
            raise BadInput(
                f"prompts of shape {list(prompt_bt.shape)} and {count} tokens more do not fit",
                hint=f"give {self.batch_size} prompts; {self.length} tokens fit in all",
            )
        tokens = prompt_bt.new_zeros((size_b, self.length))
        tokens[:, :start] = prompt_bt
        proceed, held = Runner(self.step), list(weights)
        cache: list[Tensor] = []
        for place in range(start, start + count):
            if place == start:
                _, best, *cache = answer(Runner(self.prefill), [*held, tokens, torch.tensor(start)])
            else:
                token, last = tokens[:, place - 1].contiguous(), torch.tensor(place - 1)
                _, best, *cache = answer(proceed, [*held, token, last, *cache])
            tokens[:, place] = best
        return tokens[:, : start + count]


def answer(runner: Runner, inputs: Sequence[Tensor]) -> list[Tensor]:
    """A program's outputs. Errors: `Unsupported` for a fault."""
    outputs = runner.run(inputs)
    if isinstance(outputs, Fault):
        raise Unsupported(f"the model cannot go on: {outputs.reason} in {outputs.operator}", source=outputs.source)
    return outputs


class Part(nn.Module):
    """A method of a model as a module's forward, for a call with other weights."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *args: Any) -> Any:
        """What the method gives."""
        return getattr(self.model, self.method)(*args)


def capture_generation(model: nn.Module, batch_size: int = 1, profile: Spec = "exact15") -> Generation:
    """The programs of a model with `begin`, `proceed` and `length` (`Generative`), for `batch_size` sequences at once.

    Errors: `BadInput` for another model; `Unsupported` for an operator without an exact form, with its place.
    """
    if not all(hasattr(model, name) for name in ("begin", "proceed", "length")):
        raise BadInput(
            f"{type(model).__name__} cannot generate",
            hint="give it begin, proceed and length, as assay.architectures.GPT",
        )
    tensors = {name: each.detach().clone() for name, each in (*model.named_parameters(), *model.named_buffers())}
    names, widths, was_training = list(tensors), Widths.parse(profile, model), model.training
    model.eval()

    def build(method: str, inputs: Mapping[str, Tensor], cached: int) -> tuple[Program, list[Tensor]]:
        examples = [*tensors.values(), *inputs.values()]
        part = Part(model, method)

        def run(*args: Tensor) -> list[Tensor]:
            weights = {f"model.{name}": tensor for name, tensor in zip(names, args, strict=False)}
            plain, cache = args[len(names) : len(args) - cached], list(args[len(args) - cached :])
            with torch.no_grad():
                scores, known = functional_call(part, weights, (*plain, cache) if cached else plain)
                return [scores, scores.argmax(-1), *known]

        return lowered(run, examples, [*(f"state:{name}" for name in names), *inputs], model, widths)

    tokens = torch.zeros((batch_size, int(model.length)), dtype=torch.int64)  # type: ignore[arg-type]
    prefill, (_, _, *cache) = build("begin", {"tokens": tokens, "count": torch.tensor(1)}, 0)
    inputs = {"token": tokens[:, 0].clone(), "place": torch.tensor(1)}
    cached = {f"cache:{place}": tensor for place, tensor in enumerate(cache)}
    step, _ = build("proceed", {**inputs, **cached}, len(cache))
    model.train(was_training)
    return Generation(prefill, step, tuple(names))


def lowered(
    function: Callable[..., list[Tensor]],
    examples: Sequence[Tensor],
    names: Sequence[str],
    model: nn.Module,
    widths: Widths,
) -> tuple[Program, list[Tensor]]:
    """The program of a function, and what the function gives for the examples."""
    graph = Graph(widths.default, widths if widths.parts else None)
    for name, tensor in zip(names, examples, strict=True):
        graph.add_input(name, *type_of(tensor))
    traced = trace(function, examples, model)
    if is_random(traced):
        raise Unsupported("random numbers outside training", hint="drop out only where self.training")
    outputs = function(*examples)
    values = lower(graph, traced, range(len(examples)))
    cache = [f"cache:{place}" for place in range(len(outputs) - 2)]
    return graph.finish(values, ["scores", "best", *cache]), outputs
