"""Stock PyTorch's optimizers in the words of a job file: what they do, or a refusal of what no table can say."""

from typing import Any

import torch
from torch import nn

from assay.protocol.errors import BadInput, Unsupported

SCHEDULED = "initial_lr"
"""What a schedule of PyTorch's leaves in an optimizer's groups."""


def read_optimizer(optimizer: object, model: nn.Module | None = None) -> dict[str, Any] | None:
    """An optimizer as a job file's table. Errors: `Unsupported` for a kind or setting that it cannot say, where a
    schedule would change its rate, and where it does not train just what `model` has to train."""
    if optimizer is None:
        return None
    if isinstance(optimizer, dict):
        return dict(optimizer)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BadInput(
            f"{type(optimizer).__name__} is not an optimizer",
            hint='give torch.optim.SGD, AdamW or {"name": "sgd", ...}',
        )
    _refuse_groups(optimizer)
    _refuse_schedules(optimizer)
    if model is not None:
        _refuse_others(optimizer, model)
    group, kind = optimizer.param_groups[0], type(optimizer)
    if kind is torch.optim.SGD:
        _refuse_settings(kind, group, {"dampening": 0, "maximize": False})
        table = {"name": "sgd", "momentum": float(group["momentum"]), "nesterov": bool(group["nesterov"])}
    elif kind in (torch.optim.AdamW, torch.optim.Adam):
        _refuse_settings(kind, group, {"amsgrad": False, "maximize": False})
        # In newer releases of PyTorch an AdamW is an Adam that says so; without decay the two are one.
        name = "adam" if kind is torch.optim.Adam and group["weight_decay"] else "adamw"
        table = {"name": name, "betas": [float(beta) for beta in group["betas"]], "eps": float(group["eps"])}
    elif kind is torch.optim.Adagrad:
        _refuse_settings(kind, group, {"lr_decay": 0, "initial_accumulator_value": 0, "maximize": False})
        table = {"name": "adagrad", "eps": float(group["eps"])}
    else:
        raise Unsupported(f"the optimizer {kind.__name__}", hint="use torch.optim.SGD, Adam, AdamW or Adagrad")
    return {**table, "lr": float(group["lr"]), "weight_decay": float(group["weight_decay"])}


def _refuse_groups(optimizer: torch.optim.Optimizer) -> None:
    """A job trains all parameters by one rule."""
    first, *rest = optimizer.param_groups
    for group in rest:
        odd = [name for name in first if name not in ("params", "param_names") and group.get(name) != first[name]]
        if odd:
            raise Unsupported(
                f"an optimizer of several parameter groups: {odd[0]} is {first[odd[0]]} in one, {group.get(odd[0])}"
                " in another",
                hint="train all parameters by one rule",
            )


def _refuse_schedules(optimizer: torch.optim.Optimizer) -> None:
    """A schedule of PyTorch's changes the rate between steps, which a captured step does not see."""
    if any(SCHEDULED in group for group in optimizer.param_groups):
        raise Unsupported(
            "an optimizer with a schedule of learning rates",
            hint='write the rates down, one per step: {"name": "sgd", "lr": [0.1, 0.09, ...]}',
        )


def _refuse_others(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """A job trains every parameter of the model that is not frozen: no fewer and no others."""
    held = {id(each) for group in optimizer.param_groups for each in group["params"]}
    named = dict(model.named_parameters())
    wanted = {name: each for name, each in named.items() if each.requires_grad}
    trained = [name for name, each in wanted.items() if id(each) in held]
    strange = len(held - {id(each) for each in named.values()})
    if strange:
        raise Unsupported(
            f"the optimizer holds {strange} parameters that are not this model's", hint="give it model.parameters()"
        )
    if len(trained) < len(wanted):
        left = next(name for name in wanted if name not in trained)
        raise Unsupported(
            f"the optimizer trains {len(trained)} of {len(wanted)} parameters, {left} is not among them",
            hint="freeze the rest with requires_grad_(False), or give it model.parameters()",
        )


def _refuse_settings(kind: type, group: dict[str, Any], plain: dict[str, object]) -> None:
    for setting, value in plain.items():
        if group.get(setting, value) != value:
            raise Unsupported(f"{kind.__name__} with {setting} = {group[setting]}", hint=f"leave out {setting}")
