"""Losses by name, as a job file says them: each a function of (output, y) that gives the mean over a batch.

    cross_entropy     class scores [N, C, ...] and class numbers [N, ...]; `smoothing` spreads a share of each target
                      over all classes, targets that are `ignore` are left out (Szegedy et al. 2016, as in PyTorch)
    nll               the same of logarithms of shares
    mse, l1           squares and magnitudes of output - y
    smooth_l1, huber  parabola near zero, then a line (Girshick 2015; Huber 1964), from `beta` and `delta` on
    bce_with_logits   binary cross-entropy of logits and shares of the same shape
    kl_div            Kullback-Leibler of shares y from logarithms of shares: summed over classes, mean over samples

A mean is over the targets that are not left out; where all are, the loss is 0 (in PyTorch, NaN).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from assay.protocol import keys
from assay.protocol.errors import BadInput
from assay.protocol.sections import LOSSES, NamedLoss
from assay.work.lower_norms import DEFAULT_IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]
OF_CLASSES = ("cross_entropy", "nll")
"""Losses whose targets are class numbers."""


def cross_entropy(output: Tensor, y: Tensor, smoothing: float = 0.0, ignore: int = DEFAULT_IGNORED) -> Tensor:
    """Cross-entropy; classes are along axis 1, or the only one."""
    if not smoothing:
        return functional.cross_entropy(output, y, ignore_index=ignore)
    axis = 1 if output.dim() > 1 else 0
    logs = functional.log_softmax(output, axis)
    hit = functional.nll_loss(logs, y, ignore_index=ignore)
    kept = y != ignore
    count = kept.sum()
    spread = torch.where(kept, -logs.mean(axis), 0.0).sum() / torch.where(count > 0, count, 1)
    return hit * (1.0 - smoothing) + spread * smoothing


def nll(output: Tensor, y: Tensor, ignore: int = DEFAULT_IGNORED) -> Tensor:
    """Negative logarithm of the share of the right class."""
    return functional.nll_loss(output, y, ignore_index=ignore)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth_l1": functional.smooth_l1_loss,
    "huber": functional.huber_loss,
    "bce_with_logits": functional.binary_cross_entropy_with_logits,
    "kl_div": lambda output, y: functional.kl_div(output, y, reduction="batchmean"),
    "nll": nll,
}


def parse_loss(spec: str | Mapping[str, Any] | NamedLoss) -> NamedLoss:
    """A name, or a table such as `{name = "cross_entropy", smoothing = 0.1, ignore = -100}`. Errors: `BadInput`."""
    if isinstance(spec, str):
        if spec not in LOSSES:
            raise BadInput(f"unknown loss {spec!r}", hint=f"choose one of {', '.join(LOSSES)} or give a function")
        spec = NamedLoss(spec)
    loss = spec if isinstance(spec, NamedLoss) else keys.read_section(NamedLoss, spec, "loss")
    odd = [name for name in loss.settings if name not in LOSSES[loss.name]]
    if odd:
        takes = ", ".join(LOSSES[loss.name]) or "no settings"
        raise BadInput(f"the loss {loss.name} has no {odd[0]}", hint=f"it takes {takes}")
    return loss


def function_of(loss: NamedLoss, y: Tensor) -> Loss:
    """The function of a named loss, for targets like `y`. Errors: `BadInput` where it takes no such targets."""
    function, settings = FUNCTIONS[loss.name], loss.settings
    of_classes = y.dtype == torch.int64
    if of_classes != (loss.name in OF_CLASSES):
        wanted = "class numbers (int64)" if loss.name in OF_CLASSES else "numbers of the output's shape (float32)"
        dtype = str(y.dtype).removeprefix("torch.")
        fitting = [name for name in LOSSES if (name in OF_CLASSES) == of_classes]
        raise BadInput(
            f"{loss.name} compares with {wanted}, and y is {dtype}",
            hint="use cross_entropy for class numbers" if of_classes else "use mse for numbers, or make y int64",
            about="loss",
            allowed=", ".join(fitting),
        )
    if not settings:
        return function
    return lambda output, target: function(output, target, **settings)
