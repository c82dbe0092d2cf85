"""Where each traced operator comes from: the module's path in the model and the line of source.

Forward operators are noted as they are dispatched, with the innermost frame outside PyTorch and the tracer. A backward
operator runs from the autograd engine, without such a frame: it takes the note of the forward operator whose autograd
node has the same sequence number.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.fx import traceback as fx_traceback
from torch.utils._python_dispatch import TorchDispatchMode

OWN = ("__main__", "assay_own")
"""Modules whose name says less than their file's: the user's own."""
SKIPPED = ("torch", "assay.work.source", "assay.work.trace", "contextlib")
"""Modules whose frames say nothing about a model."""

LOSS = ("assay.work.capture", "assay.work.losses")
"""Modules of ours in which an operator is the loss."""


class SourceMode(TorchDispatchMode):
    """Notes each operator's place in the metadata that the tracer copies to its nodes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.modules: list[str] = []
        self.notes: dict[int, str] = {}
        self.latest = ""

    def place(self) -> str:
        """`module path: python module:line` of what runs now."""
        frame = sys._getframe(2)
        while frame.f_back is not None:
            name = str(frame.f_globals.get("__name__", ""))
            if name in LOSS:
                return "loss"
            if not any(name == skipped or name.startswith(f"{skipped}.") for skipped in SKIPPED):
                break
            frame = frame.f_back
        name = str(frame.f_globals.get("__name__", "?"))
        if name.partition(".")[0] in OWN:
            name = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
        line = f"{name}:{frame.f_lineno}"
        return f"{self.modules[-1]}: {line}" if self.modules else line

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator with its note in place."""
        node: Any = torch._C._current_autograd_node()
        if node is None:
            note = self.place()
            number = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
            self.notes.setdefault(number - 1, note)
        else:
            note = "backward of " + self.notes.get(node._sequence_nr(), node.name())
        self.latest = note
        before = fx_traceback.current_meta.get("stack_trace")
        fx_traceback.current_meta["stack_trace"] = note
        try:
            return func(*args, **(kwargs or {}))
        finally:
            fx_traceback.current_meta["stack_trace"] = before


@contextmanager
def note_sources(model: nn.Module) -> Iterator[SourceMode]:
    """Note sources of all operators in the block; `model`'s modules by their paths. What it gives knows the latest."""
    mode = SourceMode()

    def enter(path: str) -> Callable[..., None]:
        return lambda *_: mode.modules.append(path)

    def leave(*_: Any) -> None:
        mode.modules.pop()

    with ExitStack() as stack:
        for path, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(enter(path or type(module).__name__)).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        with mode:
            yield mode
