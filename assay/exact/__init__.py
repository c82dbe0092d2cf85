"""Arithmetic that has one answer on every machine.

    step = assay.exact.compile(model, loss, optimizer)
    for x, y in loader:
        loss = step(x, y)
    model = step.model()

What trains stands above this room and is loaded when its name is first used: the arithmetic itself knows no training.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.training.training import Mark, Training, compile

__all__ = ["Mark", "Training", "compile"]

_HOME = "assay.training.training"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'assay.exact' has no attribute {name!r}")
    return getattr(import_module(_HOME), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
