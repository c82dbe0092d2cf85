"""Which paths compute inner products rightly here, by known answers, and which of those is fast.

`float64` is right everywhere. `int8` is several times faster on large products where the processor has VNNI and wrong
where it has not, because oneDNN's product saturates there: it is admitted only if extreme operands give the known
integers. For K = 1 `torch._int_mm` reads the wrong elements, so small products never take it.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from assay.exact.contract import INT8_LENGTH, contract_float64, contract_int8, contract_int64
from assay.protocol.errors import Unsupported

PATHS = ("float64", "int8", "int64")
INT8_WORK = 1 << 22
"""Multiplications below which splitting into slices costs more than it saves."""
INT8_SIDE = 32
"""Rows, columns and length below which it does too."""
INT8_LIMIT = 127 * 128 + 63
VNNI = ("avx512_vnni", "avx_vnni")


def known_answers() -> list[tuple[Tensor, Tensor]]:
    """Operands [1, M, K] and [1, N, K] that saturate 16-bit accumulators, and mixed ones, of awkward and even sizes."""
    cases = []
    for rows, columns, length in ((32, 16, 64), (33, 17, 67), (1, 3, 8), (5, 40, 256)):
        steps = torch.arange(rows * length, dtype=torch.int64).reshape(1, rows, length)
        turns = torch.arange(columns * length, dtype=torch.int64).reshape(1, columns, length)
        left = (steps * 40503) % (2 * INT8_LIMIT + 1) - INT8_LIMIT
        right = (turns * 30011) % (2 * INT8_LIMIT + 1) - INT8_LIMIT
        cases.append((left, right))
        cases.append((torch.full_like(left, INT8_LIMIT), torch.full_like(right, -INT8_LIMIT)))
        cases.append((torch.full_like(left, INT8_LIMIT), torch.full_like(right, INT8_LIMIT)))
    return cases


@cache
def agrees(path: str) -> bool:
    """Whether a path gives the known answers on this machine."""
    try:
        for left, right in known_answers():
            expected = contract_int64(left, right)
            result = PATH_FUNCTIONS[path](left.double(), right.double())
            if not torch.equal(result.to(torch.int64), expected):
                return False
    except RuntimeError:
        return False
    return True


PATH_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "float64": contract_float64,
    "int8": contract_int8,
    "int64": lambda left, right: contract_int64(left.long(), right.long()).double(),
}


def require_subnormals() -> None:
    """Refuse a process that flushes subnormal floats to zero: its bits are not ours. Errors: `Unsupported`."""
    small = torch.full((64,), 2.0**-130)
    halves = small * torch.tensor(0.5)
    rounded = (small.double() * 0.5).float()
    if not (bool((halves > 0).all()) and bool((rounded > 0).all())):
        raise Unsupported("this process flushes subnormal floats", hint="call torch.set_flush_denormal(False)")


def sure_path() -> str:
    """The path that needs no comparison of speeds: `float64`, or the reference should this machine get that wrong."""
    return "float64" if agrees("float64") else "int64"


def best_path() -> str:
    """The fastest path that gives the known answers here. Without VNNI int8 may be right and take a hundred times as
    long as binary64."""
    has_vnni = any(torch.cpu.get_capabilities().get(name) for name in VNNI)
    sure = sure_path()
    return "int8" if sure == "float64" and has_vnni and agrees("int8") else sure


def contraction(path: str, left: tuple[int, ...], columns: int, bound: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The function for operands `left` [B, M, K] and [B, columns, K] whose integers are at most `bound`."""
    _, rows, length = left
    fits = bound <= INT8_LIMIT and length <= INT8_LENGTH and min(rows, columns, length) >= INT8_SIDE
    if path == "int8" and fits and rows * columns * length >= INT8_WORK:
        return contract_int8
    return contract_float64
