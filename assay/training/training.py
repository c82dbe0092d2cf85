"""Train a model by exact arithmetic: the same bits on every machine.

    step = assay.exact.compile(model, loss, optimizer)
    for x, y in loader:
        loss = step(x, y)
    print(step.root)
    model = step.model()

Batches, their order and everything else are the caller's; a `Training` holds the state and moves it.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from assay.protocol.errors import AtFault, BadInput, LimitExceeded, NotFinite, Unsupported
from assay.protocol.plain import write_plain
from assay.training import checkpoint
from assay.training.checkpoint import Note
from assay.training.programs import Programs, admit_tensor
from assay.work.capture import check_size
from assay.work.compiled.engine import CompiledRunner
from assay.work.initial import derive_rules, draw_state
from assay.work.interpret import Runner
from assay.work.losses import Loss, function_of, parse_loss
from assay.work.mark import Mark as Mark
from assay.work.optimizer import Optimizer
from assay.work.state import DTYPE_NAMES, Signature, state_root
from assay.work.stock import read_optimizer
from assay.work.walk import Fault
from assay.work.weights import fill, weights_of

PART = 256
"""Samples that are evaluated or predicted at once. A constant, since the sum of losses is rounded once per part."""
SEEDS = 1 << 64
SCALE = "lower the learning rate, or scale the inputs to about -1 to 1"


def compile(
    model: nn.Module,
    loss: str | Mapping[str, Any] | Loss,
    optimizer: Optimizer | Mapping[str, Any] | torch.optim.Optimizer,
    *,
    profile: str = "exact15",
    init: str = "given",
    seed: int = 0,
    compiled: bool | None = None,
) -> "Training":
    """A training of a copy of `model`, which itself stays as it is.

    `loss` is one by name (`assay.work.losses`), as a table where it has settings, or a function or module of
    (output, y) that gives the mean. `optimizer` is SGD,
    Adam, AdamW or Adagrad of `torch.optim`, or a table such as `{"name": "adamw", "lr": 1e-3}`, where `lr` may list one
    rate per step and the last one stays. `init` is `given` (the weights of the model) or `seed:N` (drawn by integers,
    the same everywhere). `seed` is that of dropout. `compiled`: whether steps run as loops in C; by default where a C
    compiler takes them. The bits are the same. Errors: `BadInput`, `Unsupported`.
    """
    _check_model(model)
    if isinstance(optimizer, torch.optim.Optimizer) and optimizer.state:
        raise Unsupported("an optimizer that has moments already", hint="give a fresh one, or its settings as a table")
    table = optimizer if isinstance(optimizer, Optimizer) else read_optimizer(optimizer, model)
    if table is None:
        raise BadInput("no optimizer", hint='give torch.optim.SGD, AdamW or {"name": "sgd", "lr": 0.1}')
    if type(seed) is not int or not 0 <= seed < SEEDS:
        raise BadInput("the seed must be a whole number from 0 to 2^64 - 1")
    with torch.inference_mode(False):
        programs = Programs(model, _loss_of(loss), Optimizer.parse(table), profile, compiled=compiled)
        begun = programs.begin()
        if not begun.trained:
            raise BadInput("the model has no parameter to train", hint="requires_grad_(True)")
        start = begun.start
        if init != "given":
            start = draw_state(derive_rules(programs.module, start, begun.tensors), init)
        return Training(programs, start, seed)


class Training:
    """A model in training: call it with a batch to take a step. Made by `compile`."""

    def __init__(self, programs: Programs, state: Mapping[str, Tensor], seed: int) -> None:
        self._programs = programs
        self._signature = Signature.of(state)
        self._names = list(state)
        self._state = list(state.values())
        self._seed, self._key = seed, dropout_key(seed)
        self._count = 0

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Take one step; the loss before it, a float32 scalar.

        The first batch of a form captures its program, which takes seconds; later ones run it. Errors: `BadInput` for
        what is no batch or leaves the model's domain, `NotFinite` and `AtFault` for numbers that are not finite,
        `Unsupported`, `Refused`. After any of them the state is what it was.
        """
        x, y = admit_tensor("x", x), admit_tensor("y", y)
        runner = self._programs.step(x, y)
        inputs = [*self._state, x, y]
        if len(runner.program.inputs) > len(inputs):
            inputs += [self._key, torch.tensor(self._count)]
        *state, loss = self._run(runner, inputs)
        self._state, self._count = state, self._count + 1
        return loss

    def evaluate(self, x: Tensor, y: Tensor) -> Mark:
        """What the model is worth on samples x [N, ...] of any N, in evaluation mode.

        Where targets are classes the loss is cross-entropy, and negative targets do not count. Errors: as of a step.
        """
        x, y = admit_tensor("x", x), admit_tensor("y", y)
        if len(y) % len(x):
            raise BadInput(f"{len(x)} samples have {len(y)} targets", hint="as many for each sample")
        each, correct, targets, loss_sum = len(y) // len(x), 0, 0, 0.0
        for part in _parts(len(x)):
            x_part, y_part = x[part], y[part.start * each : part.stop * each]
            outputs = self._run(self._programs.evaluate(x_part, y_part), [*self._state, x_part, y_part])
            right, kept, losses = (each.item() for each in outputs)
            correct, targets, loss_sum = correct + int(right), targets + int(kept), loss_sum + losses
        return Mark.of_sums(correct, targets, loss_sum)

    def predict(self, x: Tensor) -> Tensor:
        """Outputs of the model in evaluation mode for x [N, ...] of any N. Errors: as of a step."""
        x = admit_tensor("x", x)
        parts = [x[part] for part in _parts(len(x))]
        return torch.cat([self._run(self._programs.predict(each), [*self._state, each])[0] for each in parts])

    def model(self, module: nn.Module | None = None) -> nn.Module:
        """A copy of the model with the trained weights; or `module`, with them written into it. Errors: `BadInput`
        where that is another model."""
        module = copy.deepcopy(self._programs.module) if module is None else module
        return fill(module, weights_of(self.state.items()))

    @property
    def state(self) -> dict[str, Tensor]:
        """Parameters, buffers and the optimizer's tensors by name, in order. Not to be written to."""
        return dict(zip(self._names, self._state, strict=True))

    @property
    def count(self) -> int:
        """Steps done."""
        return self._count

    @property
    def root(self) -> str:
        """Hash of the state in hexadecimal digits: equal on two machines if and only if every bit is."""
        return state_root(self._state).hex()

    @property
    def programs(self) -> dict[str, str]:
        """The root of each step's program by the form of its batches. Where roots of states differ, compare these."""
        return self._programs.roots

    def save(self, path: str | Path) -> None:
        """Write a checkpoint with everything that going on takes, in place of what was there. Errors: `OSError`."""
        target = Path(path)
        beside = target.with_name(f"{target.name}.part")
        beside.write_bytes(checkpoint.encode(self._signature, self._state, self._note()))
        beside.replace(target)

    def load(self, path: str | Path) -> None:
        """Go on from a checkpoint. Errors: `Malformed` for a file that is none, or is damaged; `BadInput` for one of
        another model, profile, optimizer, seed or program, then nothing is changed; `OSError`."""
        size_max = checkpoint.HEADER_MAX_BYTES + self._signature.size_bytes
        with Path(path).open("rb") as file:
            content = file.read(size_max + 1)
        note = checkpoint.decode_note(content)
        note.require(self._note())
        if len(content) > size_max:
            raise LimitExceeded("the checkpoint is too large for this model", limit=size_max, actual=len(content))
        self._state = checkpoint.decode_tensors(content, self._signature, note)
        self._count = note.count
        self._programs.expect(note.programs)

    def _note(self) -> Note:
        """What a checkpoint of this moment says of itself."""
        programs = self._programs
        optimizer = write_plain(asdict(programs.optimizer)).decode()
        return Note(programs.profile, optimizer, self._seed, self._count, self.root, programs.roots)

    def _run(self, runner: Runner | CompiledRunner, inputs: list[Tensor]) -> list[Tensor]:
        """Outputs of a program. Errors: those of a fault."""
        with torch.inference_mode(False):
            outputs = runner.run(inputs)
        if isinstance(outputs, Fault):
            raise _refusal(outputs, self._count)
        return outputs


def dropout_key(seed: int) -> Tensor:
    """The key of a training's dropout, int64 [2] of 32-bit words; apart from what draws weights by the same seed."""
    digest = sha256(b"assay.training.1" + seed.to_bytes(8, "big")).digest()
    return torch.tensor([int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")])


def _parts(count: int) -> Iterator[slice]:
    for at in range(0, count, PART):
        yield slice(at, min(at + PART, count))


def _check_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise BadInput(f"{type(model).__name__} is not an nn.Module", hint="give the model itself, not its class")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise BadInput(f"{name} has no shape yet", hint="call the model once with a batch before")
        if tensor.device.type != "cpu":
            raise BadInput(f"{name} is on {tensor.device}", hint="programs run on the CPU so far: model.cpu()")
        if tensor.dtype not in DTYPE_NAMES:
            raise Unsupported(f"{name} is {tensor.dtype}", hint="convert the model to float32")
    check_size(model)


def _loss_of(loss: object) -> Loss:
    if isinstance(loss, str | Mapping):
        named = parse_loss(loss)
        return lambda output, y: function_of(named, y)(output, y)
    if not callable(loss):
        raise BadInput(f"a loss of type {type(loss).__name__}", hint="give a function of (output, y)")
    if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
        raise Unsupported("a loss with parameters of its own", hint="put them into the model")
    return loss


def _refusal(fault: Fault, count: int) -> Exception:
    """What a fault means to whoever gave the batch."""
    place = f"{fault.operator} at {fault.source}" if fault.source else fault.operator
    known = {"operator": fault.operator, "source": fault.source, "step": count}
    if fault.node_index < 0:
        return NotFinite(f"{fault.source} has numbers that are not finite", hint="mend or leave out the batch", **known)
    if fault.reason == "not finite":
        return AtFault(f"after {count} steps {place} gives numbers that are not finite", hint=SCALE, **known)
    return BadInput(f"{place}: {fault.reason}", hint="a class or token is beyond those that the model has", **known)
