"""A training's programs, each captured when a batch of its form first comes.

A form is the element types and shapes of a batch. The step's program for a form is the one that a job's bundle would
have (`assay.work.capture`); a bundle is bound to one form, a training takes a few.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from assay.exact import kernels
from assay.exact.values import RANK_LIMIT, TORCH_DTYPES
from assay.protocol.errors import BadInput, Refused, Unsupported
from assay.training.checkpoint import PROGRAMS_MAX, require_program
from assay.work.capture import Capture
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.interpret import Runner
from assay.work.losses import Loss
from assay.work.lower_norms import DEFAULT_IGNORED
from assay.work.optimizer import Optimizer
from assay.work.outer import Outer
from assay.work.program import Program
from assay.work.state import DTYPE_NAMES

ANSWERS_MAX = 8
"""Programs of evaluation, and of prediction, that are kept; the one made first is dropped and captured again."""


class Programs:
    """What a model, a loss and an optimizer come to, per form of batch. The module is a copy, and stays as it is."""

    def __init__(
        self, module: nn.Module, loss: Loss, optimizer: Optimizer, profile: str, *, compiled: bool | None = None
    ) -> None:
        self.module = copy.deepcopy(module)
        self._compiled = compiled
        self.loss, self.optimizer, self.profile = loss, optimizer, profile
        self._expected: Mapping[str, str] = {}
        self._steps: dict[str, Runner | CompiledRunner] = {}
        self._evaluates: dict[str, Runner] = {}
        self._predicts: dict[str, Runner] = {}

    @property
    def roots(self) -> dict[str, str]:
        """The root of each step's program by the form of its batches: those captured here and those of a checkpoint."""
        return {**self._expected, **{form: runner.program.root.hex() for form, runner in self._steps.items()}}

    def expect(self, roots: Mapping[str, str]) -> None:
        """From here on steps of these forms have these programs, as a checkpoint says; others count as not yet seen."""
        self._expected = roots
        self._steps = {form: runner for form, runner in self._steps.items() if form in roots}

    def begin(self) -> Capture:
        """A capture that has seen no batch: names, types and the model's own start of the state."""
        return self._capture(torch.zeros(1), torch.zeros(1))

    def step(self, x: Tensor, y: Tensor) -> Runner | CompiledRunner:
        """The program of a step. Errors: `Unsupported` with operator and source; `BadInput` where a checkpoint had
        another; `Refused` for one form of batch too many."""
        ignores = y.dtype == torch.int64 and bool((y == DEFAULT_IGNORED).any())
        form = f"x {form_of(x)}, y {form_of(y)}" + (" with targets left out" if ignores else "")
        if form in self._steps:
            return self._steps[form]
        if len(self.roots.keys() | {form}) > PROGRAMS_MAX:
            raise Refused(
                f"batches come in more than {PROGRAMS_MAX} forms, and each takes a program of its own",
                hint="pad batches to one shape, or leave the last out: DataLoader(..., drop_last=True)",
            )
        first = DEFAULT_IGNORED if ignores else 0
        program = self._trace(lambda: self._capture(torch.zeros_like(x), beginning_with(first, y)).step())
        loss = program.values[program.outputs[-1]]
        if (loss.dtype, loss.shape) != ("F32", ()):
            raise BadInput(f"the loss gives {loss.dtype}{list(loss.shape)}", hint="return the mean over the batch")
        require_program(form, self._expected.get(form, program.root.hex()), program.root.hex())
        self._steps[form] = self._runner(program)
        return self._steps[form]

    def _runner(self, program: Program) -> Runner | CompiledRunner:
        path = kernels.best_path()
        if self._compiled:
            return CompiledRunner(program, path)
        if self._compiled is None and compiler():
            with suppress(Unsupported):
                return CompiledRunner(program, path)
        return Runner(program, path)

    def evaluate(self, x: Tensor, y: Tensor) -> Runner:
        """The program of evaluation: state, x, y to counts of right answers and of targets, and the sum of losses."""
        form = f"{form_of(x)} {form_of(y)}"
        return self._answer(
            self._evaluates, form, lambda: self._capture(torch.zeros_like(x), torch.zeros_like(y)).evaluate()
        )

    def predict(self, x: Tensor) -> Runner:
        """The program of prediction: state, x to outputs."""
        return self._answer(
            self._predicts, form_of(x), lambda: self._capture(torch.zeros_like(x), torch.zeros(1)).predict()
        )

    def _answer(self, known: dict[str, Runner], form: str, make: Callable[[], Program]) -> Runner:
        if form not in known:
            known[form] = Runner(self._trace(make))
            if len(known) > ANSWERS_MAX:
                del known[next(iter(known))]
        return known[form]

    def _capture(self, x: Tensor, y: Tensor) -> Capture:
        return Capture(self.module, self.loss, self.optimizer, Outer(), x, y, self.profile)

    def _trace(self, make: Callable[[], Program]) -> Program:
        with undisturbed(self.module):
            return make()


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Capturing runs the model once: in whatever mode the caller is, and without a trace of it.

    A shuffle by PyTorch's generator would give another order after a capture than without one.
    """
    modes = [(each, each.training) for each in module.modules()]
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for each, mode in modes:
            each.training = mode


def form_of(tensor: Tensor) -> str:
    """Element type and shape in words."""
    return f"{DTYPE_NAMES[tensor.dtype]}[{','.join(map(str, tensor.shape))}]"


def beginning_with(first: int, like: Tensor) -> Tensor:
    """Zeros after a first element."""
    zeros = torch.zeros_like(like)
    zeros.view(-1)[0] = first
    return zeros


def admit_tensor(name: str, tensor: object) -> Tensor:
    """A batch's x or y as a program takes it. Errors: `BadInput` with what to write instead."""
    if not isinstance(tensor, Tensor):
        raise BadInput(f"{name} is {type(tensor).__name__}, not a tensor", hint="a batch is x and y, two tensors")
    if tensor.device.type != "cpu":
        raise BadInput(f"{name} is on {tensor.device}", hint=f"programs run on the CPU so far: {name}.cpu()")
    if tensor.dtype not in TORCH_DTYPES.values():
        hint = f"write {name}.float()" if tensor.dtype.is_floating_point else f"write {name}.float() or {name}.long()"
        raise BadInput(f"{name} is {str(tensor.dtype).removeprefix('torch.')}", hint=hint)
    if not 1 <= tensor.ndim <= RANK_LIMIT or not tensor.numel():
        raise BadInput(f"{name} has shape {list(tensor.shape)}", hint=f"1 to {RANK_LIMIT} axes, none of them empty")
    return tensor.detach().contiguous()
