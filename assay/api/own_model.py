"""A user's own model: found by its name, its loss and optimizer put into the words of a job file, captured.

A job file names `file:name`; what stands there is called with the job's options and gives an `nn.Module`. It runs
on the machine of whoever posts, once they have agreed, and nowhere else: what is published is the captured program.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.aggregate.rules import rule_of
from assay.api.job import Job
from assay.api.own_file import OWN, SHIPPED, THEIRS, find_own, find_shipped, takes, theirs, wrong
from assay.protocol import keys
from assay.protocol.errors import AssayError, BadInput, BadKey, Unsupported
from assay.protocol.sections import LOSSES as NAMED
from assay.protocol.sections import NamedLoss, Optimizer
from assay.store.samples import Samples
from assay.work.capture import capture as capture_programs
from assay.work.capture import check_size
from assay.work.losses import OF_CLASSES, Loss, function_of, parse_loss
from assay.work.lower_norms import DEFAULT_IGNORED
from assay.work.program import Bundle
from assay.work.stock import read_optimizer

LOSSES: dict[object, str] = {
    functional.cross_entropy: "cross_entropy",
    functional.mse_loss: "mse",
    functional.l1_loss: "l1",
    functional.smooth_l1_loss: "smooth_l1",
    functional.huber_loss: "huber",
    functional.binary_cross_entropy_with_logits: "bce_with_logits",
    functional.nll_loss: "nll",
}
LOSS_KINDS: dict[type[nn.Module], tuple[str, dict[str, object]]] = {
    nn.CrossEntropyLoss: ("cross_entropy", {"weight": None, "reduction": "mean"}),
    nn.MSELoss: ("mse", {"reduction": "mean"}),
    nn.L1Loss: ("l1", {"reduction": "mean"}),
    nn.SmoothL1Loss: ("smooth_l1", {"reduction": "mean"}),
    nn.HuberLoss: ("huber", {"reduction": "mean"}),
    nn.BCEWithLogitsLoss: ("bce_with_logits", {"weight": None, "pos_weight": None, "reduction": "mean"}),
    nn.KLDivLoss: ("kl_div", {"log_target": False, "reduction": "batchmean"}),
    nn.NLLLoss: ("nll", {"weight": None, "reduction": "mean"}),
}
"""Losses that a job file can name, and the settings with which they are those."""
SETTINGS: dict[str, tuple[str, object]] = {
    "smoothing": ("label_smoothing", 0.0),
    "ignore": ("ignore_index", DEFAULT_IGNORED),
    "beta": ("beta", 1.0),
    "delta": ("delta", 1.0),
}
"""Settings of named losses: what PyTorch's modules call them, and the value that need not be said."""
ABOUT = {"loss": "model.loss", "arithmetic": "train.arithmetic", "accumulate": "train.accumulate"}
"""Keys of a job file by what a capture says that a refusal is about."""
ADDRESS = "sha256:"
"""How the address of a program or a state begins."""
WRAP = "def loss(output, y): return torch.nn.functional.cross_entropy(output, y"
"""How a loss with settings of its own is written, but for them."""


@dataclass
class OwnModel:
    """A module and how it is trained: `loss` by name, `optimizer` as a job file has it; None where the job says.

    `function` is the loss itself where it is the user's own.
    """

    module: nn.Module
    loss: str | NamedLoss | None = None
    optimizer: dict[str, Any] | None = None
    name: str = ""
    function: Loss | None = None

    def settle(self, job: Job) -> Job:
        """The job with this model's name, loss and optimizer in it."""
        model, train = job.model, job.train
        if self.name:
            model = replace(model, architecture=self.name, options=())
        if self.loss is not None:
            model = replace(model, loss=self.loss)
        if self.optimizer is not None:
            optimizer = keys.read_section(Optimizer, self.optimizer, "train.optimizer")
            train = replace(train, optimizer=optimizer)
        return replace(job, model=model, train=train)

    def capture(self, job: Job, samples: Samples) -> Bundle:
        """The programs of a job, at its batch's shape. Errors: `Unsupported` with the operator and its source line;
        `BadInput`."""
        check_size(self.module)
        size = job.train.batch_size
        x = torch.zeros((size, *samples.x.shape[1:]), dtype=torch.from_numpy(samples.x[:1]).dtype)
        y = torch.zeros((size, *samples.y.shape[1:]), dtype=torch.from_numpy(samples.y[:1]).dtype)
        optimizer = keys.write_section(job.train.optimizer)
        rule = rule_of(job)
        if y.dtype == torch.int64 and len(y) and bool((samples.y == DEFAULT_IGNORED).any()):
            # Where some targets of the data are left out, the batch at capture says so.
            y.view(-1)[0] = DEFAULT_IGNORED
        loss = self.function or (load_loss(job) if ":" in job.model.loss_name else job.model.loss)
        batch = f"x {list(x.shape)} {_name(x)} and y {list(y.shape)} {_name(y)}"
        try:
            # Once as it is: what its own code raises is the user's, what capturing raises beyond refusals is a bug.
            output = answer(self.module, x)
            function = loss if callable(loss) else function_of(parse_loss(loss), y)
            if not callable(loss) and parse_loss(loss).name not in OF_CLASSES:
                self._check_shape(job, output, y)
            check_loss(function, output, y)
        except AssayError as error:
            raise of_the_job(job, error) from error
        except THEIRS as error:
            raise self._does_not_take(job, batch, error) from error
        try:
            return capture_programs(
                self.module,
                loss,
                optimizer,
                x,
                y,
                job.train.arithmetic,
                accumulate=job.train.accumulate,
                average=job.train.average,
                counts=range(job.aggregate.reports_min, job.match.providers + 1),
                init="given" if job.model.init.startswith(ADDRESS) else job.model.init,
                rule=rule,
            )
        except AssayError as error:
            if "init=" in error.hint:
                error.hint = 'set model.init = "given"'
            raise of_the_job(job, error) from error
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise self._does_not_take(job, batch, error) from error

    def _check_shape(self, job: Job, output: object, y: Tensor) -> None:
        """That each number has its target: PyTorch would stretch one over the others. Errors: `BadKey`."""
        if isinstance(output, Tensor) and output.shape != y.shape:
            given, wanted, loss = list(output.shape), list(y.shape), job.model.loss_name
            raise wrong(
                "model.architecture",
                job.model.architecture,
                f"the model gives {given} for a batch, and y is {wanted}: {loss} compares number by number",
                "give the output the targets' shape, with reshape or squeeze",
                f"a model that gives {wanted}, as y has",
            )

    def _does_not_take(self, job: Job, batch: str, error: BaseException) -> BadKey:
        """The refusal of a model that met a batch which it was not written for: their error, with their words."""
        place, source = job.model.architecture, job.data.source
        allowed = f"a model that takes {batch}, as data.source = {source} gives"
        refusal = theirs(error, "the model does not take this data", "model.architecture", place, allowed)
        refusal.hint = f"a batch has {batch}"
        return refusal


def of_the_job(job: Job, error: AssayError) -> AssayError:
    """A refusal of the capture as one of the key that asked for it, where it is about one."""
    key = ABOUT.get(str(error.fields.get("about")))
    if key is None:
        return error
    allowed = error.fields.get("allowed", "")
    return BadKey(error.message, hint=error.hint, key=key, value=job.value_of(key), allowed=allowed)


def answer(module: nn.Module, x: Tensor) -> Tensor:
    """What a module gives, which stays as it was: a call may change its buffers."""
    buffers = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    try:
        with torch.no_grad():
            output: Tensor = module(x)
        return output
    finally:
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                if name in buffers and buffers[name].shape == buffer.shape:
                    buffer.copy_(buffers[name])


def capture(
    model: nn.Module,
    loss: object = None,
    optimizer: object = None,
    x: Tensor | None = None,
    y: Tensor | None = None,
) -> OwnModel:
    """A module with the loss and optimizer that it is trained with, as PyTorch has them or as a job file names them.

    `loss`: by name like "cross_entropy", PyTorch's function or module of that, or a function of yours: (output, y) to
    the mean over a batch. `optimizer`: SGD, Adam, AdamW or Adagrad of `torch.optim`, or a
    table like `{"name": "sgd", "lr": 0.1}`. What is left out the job file says. With a batch `x`, `y` the programs are
    captured once here, so that an operator without an exact form is refused at once. Errors: `Unsupported`, `BadInput`.
    """
    if not isinstance(model, nn.Module):
        raise BadInput(f"{type(model).__name__} is not an nn.Module", hint="give the model itself, not its class")
    kind = type(model)
    name, function = read_loss(loss)
    place = f"{_plain(kind.__module__)}:{kind.__name__}"
    own = OwnModel(model, name, read_optimizer(optimizer, model), place, function)
    if x is not None and y is not None:
        chosen = own.optimizer or {"name": "sgd", "lr": 0.1}
        if function is not None:
            check_loss(function, answer(model, x), y)
        elif name is not None:
            check_loss(function_of(parse_loss(name), y), answer(model, x), y)
        capture_programs(model, function or own.loss or "cross_entropy", chosen, x, y, counts=(1,))
    return own


def read_loss(loss: object) -> tuple[str | NamedLoss | None, Loss | None]:
    """A loss's name in a job file, with settings, and the loss itself where it is the user's own. Errors:
    `Unsupported`, `BadInput`."""
    if loss is None or isinstance(loss, NamedLoss) or (isinstance(loss, str) and loss in NAMED):
        return loss, None
    if isinstance(loss, Mapping):
        return parse_loss(loss), None
    if isinstance(loss, nn.Module) and type(loss) in LOSS_KINDS:
        name, settings = LOSS_KINDS[type(loss)]
        odd = [key for key, value in settings.items() if getattr(loss, key, value) != value]
        if not odd:
            given = {key: getattr(loss, SETTINGS[key][0]) for key in NAMED[name]}
            said = {key: value for key, value in given.items() if value != SETTINGS[key][1]}
            return (NamedLoss(name, **said) if said else name), None
        raise Unsupported(
            f"{type(loss).__name__} with {odd[0]} has no name in a job file", hint=f"{WRAP}, {odd[0]}=...)"
        )
    if isinstance(loss, FunctionType):
        if loss in LOSSES:
            return LOSSES[loss], None
        if loss.__name__.isidentifier():
            return f"{_plain(loss.__module__)}:{loss.__name__}", loss
    raise Unsupported(
        f"the loss {getattr(loss, '__name__', type(loss).__name__)!r} has no name in a job file",
        hint=f"use one of {', '.join(NAMED)}, or a function: {WRAP})",
    )


def load_loss(job: Job) -> Loss:
    """The loss that a job file names as file:function. Errors: `BadKey`."""
    loss: Loss = find_own(job.model.loss_name, job.folder, "model.loss", job.consent)
    return loss


def check_loss(loss: Loss, output: Tensor, y: Tensor) -> None:
    """That a user's loss gives one number. Errors: `BadKey` with their own error where it raises one."""
    name = getattr(loss, "__name__", "a loss")
    try:
        with torch.no_grad():
            given = loss(output, y)
    except AssayError:
        raise
    except THEIRS as error:
        raise theirs(error, "the loss does not take this batch", "model.loss", name) from error
    if not isinstance(given, Tensor) or given.shape != () or not given.is_floating_point():
        what = f"{_name(given)} of shape {list(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
        raise wrong("model.loss", name, f"the loss gives {what}, not one number", "return the mean over the batch")


def load_architecture(job: Job) -> OwnModel:
    """The model that a job file names, made by its function or class. Errors: `BadKey` with the user's own error, and
    what the job's consent raises before a file of the user's is run."""
    key, place = "model.architecture", job.model.architecture
    is_shipped = place.partition(":")[0] == SHIPPED
    factory = find_shipped(place, key) if is_shipped else find_own(place, job.folder, key, job.consent)
    try:
        made = factory(**dict(job.model.options))
    except THEIRS as error:
        options = dict(job.model.options)
        raise theirs(error, f"{place} cannot be made", "model.options", options, takes(factory)) from error
    if not isinstance(made, nn.Module):
        words, hint = f"{place} gives {type(made).__name__}, not an nn.Module", "name a class, or a function that"
        raise wrong(key, place, words, f"{hint} returns a module")
    return OwnModel(made)


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _plain(module: str) -> str:
    name = module.removeprefix(f"{OWN}.")
    return name if name.replace(".", "_").isidentifier() and name != "__main__" else "main"
