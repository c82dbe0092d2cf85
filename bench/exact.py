"""What does exact arithmetic cost? Products by path and whole steps, against native float32 in the same call.

python -m bench.exact [--json] [--threads N]
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from assay.architectures import SHIPPED, load_shipped
from assay.exact import kernels
from assay.work.interpret import Runner

PRODUCTS = ((64, 128, 784), (4096, 16, 72), (256, 256, 512), (1024, 768, 256))
STEPS = 20


def best_ms(function: Callable[[], object], repeats: int) -> float:
    """Best of several calls, after one to warm up."""
    function()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def bench_product(rows: int, columns: int, length: int) -> dict[str, Any]:
    """Milliseconds of one product [rows, length] x [columns, length] by each right path, from quantised operands."""
    limit = kernels.INT8_LIMIT
    left = torch.randint(-limit, limit + 1, (1, rows, length)).double()
    right = torch.randint(-limit, limit + 1, (1, columns, length)).double()
    a, b = left[0].float(), right[0].float()
    times = {
        path: best_ms(partial(kernels.PATH_FUNCTIONS[path], left, right), 10)
        for path in ("float64", "int8")
        if kernels.agrees(path)
    }
    return {"shape": [rows, columns, length], "native_ms": best_ms(lambda: a @ b.t(), 10), **times}


def native_step(model: nn.Module, rate: float, x: torch.Tensor, y: torch.Tensor) -> Callable[[], object]:
    """A step of stock PyTorch with momentum."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def bench_program(name: str) -> dict[str, Any]:
    """Milliseconds of one step of a shipped program, exact and native."""
    bundle, shipped = load_shipped(name), SHIPPED[name]
    x = torch.rand(bundle.step.inputs[len(bundle.rules)].shape)
    inputs = [*bundle.state.values(), x, torch.arange(len(x)) % 10]
    runner = Runner(bundle.step)
    native = native_step(shipped.architecture(**shipped.options), 0.01, x, inputs[-1])
    return {
        "program": name,
        "nodes": len(bundle.step.nodes),
        "path": runner.path,
        "exact_ms": best_ms(lambda: runner.run(inputs), STEPS),
        "native_ms": best_ms(native, STEPS),
    }


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.exact")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": options.threads,
        "products": [bench_product(*shape) for shape in PRODUCTS],
        "programs": [
            bench_program(name)
            for name in SHIPPED
            if name.startswith(("digits", "mnist")) and not name.endswith("adamw")
        ],
    }
    if options.json:
        print(json.dumps(report))
        return
    for row in report["products"]:
        print(*(f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))
    for row in report["programs"]:
        ratio = row["exact_ms"] / row["native_ms"]
        print(f"{row['program']}: {row['exact_ms']:.2f} ms exact, {row['native_ms']:.2f} ms native, {ratio:.2f} times")


if __name__ == "__main__":
    main()
