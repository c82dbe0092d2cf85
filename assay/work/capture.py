"""Capture: a model, its loss and its optimizer as the programs of a job.

    step       state, x, y                     -> new state, loss       (with dropout also key, step after y)
    emit       state at start, state at end    -> update of each parameter and float buffer (end - start), and of an
                                                  average's distance from the weights
    aggregate  state at start, n updates       -> start + the merged update; the optimizer restarts
    evaluate   state, x, y (< 0 is padding)    -> counts of correct answers and of targets, sum of losses
    predict    state, x                        -> outputs of the model, their argmax

A state is an ordered table of named tensors: parameters, buffers, the optimizer's, the outer optimizer's, an average's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.func import functional_call

from assay.protocol.errors import BadInput, Unsupported
from assay.protocol.sections import NamedLoss
from assay.work.average import Average, averaged
from assay.work.initial import derive_rules, draw_state, given_rules
from assay.work.limits import DEFAULT_LIMITS, admit
from assay.work.losses import Loss, function_of, parse_loss
from assay.work.lower_norms import DEFAULT_IGNORED
from assay.work.normal import Graph, type_of
from assay.work.optimizer import Optimizer
from assay.work.outer import PREFIX, Outer
from assay.work.program import PHYSICAL_BYTES, Bundle, Program
from assay.work.trace import is_random, lower, trace
from assay.work.widths import Spec, Widths

PARTS = 256
"""Most micro-batches of a step: as many gradients as one node joins."""


class Rule(Protocol):
    """How updates become one. A rule sees whole updates: it gets the stacks of all parameters at once."""

    name: ClassVar[str]

    @property
    def byzantine_count(self) -> int:
        """How many arbitrary updates it is to bear."""
        ...

    @property
    def setting(self) -> str:
        """What else it was given, in words that follow its name; nothing for most."""
        ...

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per parameter the coordinate-major stack [D, n] of n updates, in; the merged update [D], out."""
        ...


@dataclass(frozen=True)
class Mean:
    """The exact sum of each coordinate divided by the count of updates; one arbitrary update moves it anywhere."""

    name: ClassVar[str] = "mean"
    byzantine_count: ClassVar[int] = 0
    setting: ClassVar[str] = ""

    def merge(self, graph: Graph, stacks: list[int]) -> list[int]:
        """Per stack of updates [D, n] their mean [D]."""
        return [graph.mean(stack, (1,)) for stack in stacks]


MEAN = Mean()


def rule_source(rule: Rule) -> str:
    """What an aggregate's nodes name as their source."""
    bears = f" bearing {rule.byzantine_count}" if rule.byzantine_count else ""
    return f"aggregate by {rule.name}{rule.setting}{bears}"


def capture(
    model: nn.Module,
    loss: str | Mapping[str, Any] | NamedLoss | Loss,
    optimizer: Optimizer | Mapping[str, Any],
    x_example: Tensor,
    y_example: Tensor,
    profile: Spec = "exact15",
    *,
    counts: Iterable[int] = range(1, 9),
    init: str = "given",
    rule: Rule = MEAN,
    outer: Outer | Mapping[str, Any] | None = None,
    accumulate: int = 1,
    average: float | None = None,
) -> Bundle:
    """Capture a job's programs at the batch shape of the examples.

    `loss` is one by name (`assay.work.losses`), as a table where it has settings, or a function of (output, y) that
    gives the mean. `profile` is the arithmetic, one name or a table by module path (`assay.work.widths`). `init` is
    `given` (the weights of the model) or `seed:N` (drawn by integer arithmetic, the same everywhere). `counts` are the
    numbers of updates an aggregate may have; `rule` merges them, `assay.aggregate.rules.rule_of` is a job's.

    `accumulate`: a step takes its batch in so many equal parts, one after another, each of consecutive samples; its
    loss is the mean of theirs, its gradient the exact sum of theirs, rounded once, divided by their number. `average`:
    the share of an exponential moving average of the weights that a step keeps (`assay.work.average`).

    Errors: `Unsupported` for an operator without an exact form, with its place; `BadInput`.
    """
    named = parse_loss(loss) if isinstance(loss, str | Mapping | NamedLoss) else None
    chosen = loss if named is None else function_of(named, y_example)
    assert callable(chosen)
    was_training = model.training
    capturing = Capture(model, chosen, Optimizer.parse(optimizer), Outer.parse(outer), x_example, y_example, profile)
    capturing.ignored = None if named is None else named.ignore
    capturing.split_batch(accumulate)
    capturing.keep_average(Average(average))
    rules = derive_rules(model, capturing.start, capturing.tensors) if init != "given" else given_rules(capturing.start)
    programs = {
        "step": capturing.step(),
        "emit": capturing.emit(),
        "evaluate": capturing.evaluate(),
        "predict": capturing.predict(),
    }
    model.train(was_training)
    aggregate = {count: capturing.aggregate(count, rule) for count in counts}
    state = capturing.start if init == "given" else draw_state(rules, init)
    return Bundle(**programs, aggregate=aggregate, rules=tuple(rules), init=init, state=state)


def check_size(model: nn.Module) -> None:
    """Refuses before anything is copied or traced what no program may hold. Errors: `LimitExceeded`."""
    sizes = [each.numel() for each in (*model.parameters(), *model.buffers())]
    admit("largest value", max(sizes, default=0), DEFAULT_LIMITS.value_elements)
    admit("memory in bytes", PHYSICAL_BYTES * sum(sizes), DEFAULT_LIMITS.live_bytes)


class Capture:
    """The parts of a step that all of a job's programs share."""

    def __init__(
        self, model: nn.Module, loss: Loss, optimizer: Optimizer, outer: Outer, x: Tensor, y: Tensor, profile: Spec
    ) -> None:
        self.model, self.loss, self.optimizer, self.outer = model, loss, optimizer, outer
        check_size(model)
        # Two inputs even where both are one tensor, as in an autoencoder: a trace tells them apart as objects.
        self.x, self.y = x.detach(), y.detach()
        self.widths = Widths.parse(profile, model)
        self.ignored: int | None = None
        """Targets that the loss was told to leave out."""
        self.parts = 1
        self.average = Average()
        parameters = {name: value.detach().clone() for name, value in model.named_parameters()}
        buffers = {name: value.detach().clone() for name, value in model.named_buffers()}
        for name, value in parameters.items():
            if value.dtype != torch.float32:
                raise Unsupported(f"parameter {name} is {value.dtype}", hint="convert the model to float32")
        self.trained = [name for name, value in model.named_parameters() if value.requires_grad]
        self.tensors = [*parameters, *buffers]
        self.merged = [name for name in self.tensors if (parameters | buffers)[name].dtype == torch.float32]
        inner = optimizer.initial({name: parameters[name] for name in self.trained})
        self.start = {**parameters, **buffers, **inner, **outer.initial(parameters, self.trained)}

    def keep_average(self, average: Average) -> None:
        """Makes an average of the weights part of the state."""
        distances = average.initial(self.start, self.trained)
        self.average = average
        self.start |= distances
        self.merged += distances

    def split_batch(self, parts: int) -> None:
        """Has a step take its batch in parts. Errors: `BadInput` where they would not be equal."""
        rows = (len(self.x), len(self.y))
        if not 1 <= parts <= PARTS or any(count % parts for count in rows):
            raise BadInput(
                f"a batch of {rows[0]} samples and {rows[1]} targets does not make {parts} equal micro-batches",
                hint=f"accumulate takes a divisor of both, at most {PARTS}",
                about="accumulate",
                allowed=f"a divisor of {rows[0]} and {rows[1]}, at most {PARTS}",
            )
        self.parts = parts

    def graph(self, *groups: tuple[str, Mapping[str, Tensor]]) -> Graph:
        """A graph with inputs `prefix:name` for each group."""
        graph = Graph(self.widths.default, self.widths if self.widths.parts else None)
        for prefix, tensors in groups:
            for name, tensor in tensors.items():
                graph.add_input(f"{prefix}:{name}" if prefix else name, *type_of(tensor))
        return graph

    def build(self, function: Callable[..., Any], inputs: Mapping[str, Tensor], outputs: list[str]) -> Program:
        """The program of a traced function of the state and `inputs`."""
        graph = self.graph(("state", self.start), ("", inputs))
        examples = [*self.start.values(), *inputs.values()]
        graph.ignores = self.classifies and (self.ignored == DEFAULT_IGNORED or bool((self.y == DEFAULT_IGNORED).any()))
        traced = trace(function, examples, self.model)
        if is_random(traced):
            if "y" not in inputs or not self.model.training:
                raise Unsupported("random numbers outside training", hint="drop out only where self.training")
            graph.randomness = (graph.add_input("key", "I64", (2,)), graph.add_input("step", "I64", ()))
        values = lower(graph, traced, range(len(examples)))
        return graph.finish(values, outputs)

    def step(self) -> Program:
        """One step of training."""
        names = list(self.start)

        def step(*args: Tensor) -> list[Tensor]:
            state = dict(zip(names, args[: len(names)], strict=True))
            x, y = args[len(names) :]
            leaves = {name: state[name].detach().requires_grad_(name in self.trained) for name in self.tensors}
            for name in self.tensors:
                if name not in self.trained:
                    leaves[name] = state[name].detach().clone()
            trained = {name: leaves[name] for name in self.trained}
            loss, gradients = self.gradients(leaves, x, y)
            inner = {name: value for name, value in state.items() if name not in self.tensors}
            with torch.no_grad():
                updated, inner = self.optimizer.update({name: state[name] for name in trained}, gradients, inner)
                moved = self.average.move({name: state[name] for name in trained}, updated, state)
            new = {**{name: leaves[name].detach() for name in self.tensors}, **updated, **inner, **moved}
            return [*(new[name] for name in names), loss.detach()]

        self.model.train()
        outputs = [*(f"state:{name}" for name in names), "loss"]
        return self.build(step, {"x": self.x, "y": self.y}, outputs)

    def gradients(self, leaves: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Loss and gradients of a batch, taken in parts; buffers among the leaves go on from part to part."""
        trained = [leaves[name] for name in self.trained]
        losses, rows = [], []
        for x_part, y_part in zip(x.chunk(self.parts), y.chunk(self.parts), strict=True):
            loss = self.loss(functional_call(self.model, leaves, (x_part,)), y_part)
            rows.append(torch.autograd.grad(loss, trained))
            losses.append(loss.detach())
        if self.parts == 1:
            return losses[0], rows[0]
        with torch.no_grad():
            means = [torch.stack(each).mean(0) for each in zip(*rows, strict=True)]
            return torch.stack(losses).mean(0), means

    def answer(self, args: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The model's output for a state and x; the arguments after x."""
        state = dict(zip(self.start, args[: len(self.start)], strict=True))
        x, *rest = args[len(self.start) :]
        return functional_call(self.model, averaged(state, self.tensors), (x,)), tuple(rest)

    @property
    def classifies(self) -> bool:
        """Whether the targets are class numbers."""
        return self.y.dtype == torch.int64

    def evaluate(self) -> Program:
        """Correct answers, targets that are not padding, and the sum of losses over these.

        Numbers have no padding and no correct answers: a batch has as many targets as samples.
        """

        def evaluate(*args: Tensor) -> list[Tensor]:
            with torch.no_grad():
                output, (y,) = self.answer(args)
                if not self.classifies:
                    loss = self.loss(output, y)
                    counts = [torch.full((), count, dtype=torch.int64) for count in (0, len(y))]
                    return [*counts, loss * float(len(y))]
                rows, targets = output.reshape(-1, output.shape[-1]), y.reshape(-1)
                kept = targets >= 0
                if self.ignored is not None and self.ignored >= 0:
                    kept = torch.logical_and(kept, targets != self.ignored)
                safe = torch.where(kept, targets, 0)
                losses = functional.cross_entropy(rows, safe, reduction="none")
                correct = torch.logical_and(kept, rows.argmax(-1) == targets)
                return [correct.sum(), kept.sum(), torch.where(kept, losses, 0.0).sum()]

        self.model.eval()
        return self.build(evaluate, {"x": self.x, "y": self.y}, ["correct", "targets", "loss_sum"])

    def predict(self) -> Program:
        """Outputs and, for class scores, the best class."""

        def predict(*args: Tensor) -> list[Tensor]:
            with torch.no_grad():
                output, _ = self.answer(args)
                return [output, output.argmax(-1)] if self.classifies else [output]

        self.model.eval()
        outputs = ["output", "answer"] if self.classifies else ["output"]
        return self.build(predict, {"x": self.x}, outputs)

    def emit(self) -> Program:
        """The update of a slot: end less start of every parameter, float buffer and distance of an average."""
        graph = self.graph(("start", self.start), ("end", self.start))
        names = list(self.start)
        places = [names.index(name) for name in self.merged]
        graph.source = "emit"
        results = [graph.map("sub", len(names) + place, place) for place in places]
        return graph.finish(results, [f"update:{name}" for name in self.merged])

    def aggregate(self, count: int, rule: Rule) -> Program:
        """The next round's state from the start state and `count` updates."""
        updates = {name: self.start[name] for name in self.merged}
        graph = self.graph(("start", self.start), *((f"update.{index}", updates) for index in range(count)))
        graph.source = rule_source(rule)
        names = list(self.start)
        offset = len(names)
        stacks = []
        for place, name in enumerate(self.merged):
            columns = [offset + index * len(self.merged) + place for index in range(count)]
            stacks.append(graph.concat([graph.reshape(each, (updates[name].numel(), 1)) for each in columns], 1))
        merged = rule.merge(graph, stacks)
        new = {name: place for place, name in enumerate(names)}
        for name, stacked in zip(self.merged, merged, strict=True):
            update = graph.reshape(stacked, tuple(updates[name].shape))
            velocity = f"{PREFIX}{name}"
            if velocity in new:
                update, new[velocity] = self.outer.move(graph, update, new[velocity])
            new[name] = graph.map("add", new[name], update)
        for name in names:
            if name.startswith("optimizer."):
                first = self.start[name].reshape(-1)[0]
                new[name] = graph.expand(graph.constant(first), tuple(self.start[name].shape))
        return graph.finish(list(new.values()), [f"state:{name}" for name in names])
