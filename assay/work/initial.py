"""Initial states drawn by integer arithmetic: a seed gives the same weights on every machine and torch release.

Each tensor has a rule: `uniform` in [-amount, amount), `normal` with deviation `amount` (Box and Muller 1958, by the
polynomials of `assay.exact.elementwise`), `constant`, or `given` with the state shipped beside the programs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from assay.exact import elementwise
from assay.exact.random import random_words, unit_interval
from assay.exact.values import RANK_LIMIT, TORCH_DTYPES
from assay.protocol.errors import BadInput, Malformed, Unsupported

KINDS = ("uniform", "normal", "constant", "given")
AMOUNTS = {"F32": 3e38, "I64": 2.0**53, "BOOL": 1.0}
"""Element types of states and the largest amount of each."""


@dataclass(frozen=True)
class Rule:
    """How one tensor of the initial state comes about."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    kind: str
    amount: float

    def to_json(self) -> list[object]:
        """As plain values."""
        return [self.name, self.dtype, list(self.shape), self.kind, self.amount]

    @classmethod
    def from_json(cls, entry: object) -> "Rule":
        """From plain values. Errors: `Malformed`."""
        match entry:
            case [str(name), str(dtype), list(shape), str(kind), int(amount) | float(amount)]:
                sizes = len(shape) <= RANK_LIMIT and all(isinstance(size, int) and 0 < size < 1 << 32 for size in shape)
                drawn = kind in KINDS and (dtype == "F32" or kind in ("constant", "given"))
                if sizes and drawn and dtype in AMOUNTS and -AMOUNTS[dtype] <= amount <= AMOUNTS[dtype]:
                    return cls(name, dtype, tuple(shape), kind, float(amount))
        raise Malformed(f"not a rule of an initial state: {entry!r}"[:200])


def name_dtype(tensor: Tensor) -> str:
    """The element type's name."""
    return next(name for name, dtype in TORCH_DTYPES.items() if dtype == tensor.dtype)


def given_rules(state: Mapping[str, Tensor]) -> list[Rule]:
    """Rules that say the state is shipped."""
    return [Rule(name, name_dtype(each), tuple(each.shape), "given", 0.0) for name, each in state.items()]


def derive_rules(model: nn.Module, state: Mapping[str, Tensor], drawn: list[str]) -> list[Rule]:
    """PyTorch's default distributions by layer; tensors that are one repeated value keep it. Errors: `Unsupported`."""
    amounts: dict[str, tuple[str, float]] = {}
    for prefix, module in model.named_modules():
        dot = f"{prefix}." if prefix else ""
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            fan_in = module.weight[0].numel()
            amounts[f"{dot}weight"] = amounts[f"{dot}bias"] = ("uniform", 1.0 / math.sqrt(fan_in))
        elif isinstance(module, nn.Embedding):
            amounts[f"{dot}weight"] = ("normal", 0.02)
    rules = []
    for name, tensor in state.items():
        first = tensor.reshape(-1)[0]
        if name in amounts and name in drawn:
            kind, amount = amounts[name]
        elif bool((tensor == first).all()):
            kind, amount = "constant", float(first)
        else:
            raise Unsupported(f"no rule draws {name} from a seed", hint='capture with init="given"')
        rules.append(Rule(name, name_dtype(tensor), tuple(tensor.shape), kind, amount))
    return rules


def parse_seed(init: str) -> int:
    """N of `seed:N`. Errors: `BadInput`."""
    head, _, digits = init.partition(":")
    if head != "seed" or not digits.isdecimal() or not digits.isascii() or len(digits) > 20 or int(digits) >= 1 << 64:
        raise BadInput(f"not an initial state: {init!r}", hint='write "seed:7" (below 2^64)')
    return int(digits)


def draw_state(rules: list[Rule] | tuple[Rule, ...], init: str) -> dict[str, Tensor]:
    """The state of a seed. Errors: `BadInput` where a rule says the state is given."""
    seed = parse_seed(init)
    key = torch.tensor([seed & 0xFFFFFFFF, seed >> 32], dtype=torch.int64)
    state = {}
    for stream, rule in enumerate(rules):
        count = math.prod(rule.shape)
        if rule.kind == "given":
            raise BadInput(
                f"{rule.name} of this program is given, not drawn", hint="fetch the state that belongs to it"
            )
        if rule.kind == "constant":
            state[rule.name] = torch.full(rule.shape, rule.amount, dtype=TORCH_DTYPES[rule.dtype])
            continue
        step = torch.zeros((), dtype=torch.int64)
        if rule.kind == "uniform":
            values = unit_interval(random_words(key, step, stream, count)) * 2.0 - 1.0
        else:
            units = unit_interval(random_words(key, step, stream, 2 * count))
            radius = elementwise.sqrt(elementwise.log(units[:count] + 2.0**-25) * -2.0)
            values = radius * elementwise.cos(units[count:] * 6.2831855)
        state[rule.name] = (values * rule.amount).reshape(rule.shape)
    return state
