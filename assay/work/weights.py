"""A model's own tensors among those of a state, and their way back into an `nn.Module`."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from assay.protocol.errors import BadInput
from assay.work.average import PREFIX as AVERAGE
from assay.work.average import averaged
from assay.work.outer import PREFIX as OUTER

NOT_WEIGHTS = ("optimizer.", OUTER, AVERAGE)
"""What a state holds besides the model's own tensors."""


def weights_of(rows: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Of a state's names and tensors the model's own, by the names that the module had for them; averaged, where the
    state holds an average."""
    state = dict(rows)
    return averaged(state, [name for name in state if not name.startswith(NOT_WEIGHTS)])


def fill(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """The module, with these weights in it. Errors: `BadInput` where it is another model."""
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    odd = sorted(set(own) ^ set(weights)) or [name for name in own if own[name].shape != weights[name].shape]
    if odd:
        raise BadInput(
            f"the module differs from what was trained in {odd[0]!r}", hint="give the module that was captured"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
    return module
