"""What does exact arithmetic cost? Products and whole steps by path, against native float32 in the same call.

    python -m bench.exact [--json] [--write] [--threads N] [--repeats N]

The floor is native float32, 1.00 times: exact arithmetic uses the same vendors' kernels and does more around them. One
large int8 product alone may go below it.
"""

import argparse
import json
import os
import platform
import shlex
import sys
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
from bench import _record

PRODUCTS = ((64, 128, 784), (4096, 16, 72), (256, 256, 512), (1024, 768, 256))
PATHS = ("float64", "int8")
FLOOR = (
    "The floor is native float32 (stock PyTorch, the same shapes, in the same call), 1.00 times: exact arithmetic uses"
    " the same vendors' kernels and does more around them. One large int8 product alone may go below it. Times are the"
    " best of {repeats}."
)


def best_ms(function: Callable[[], object], repeats: int) -> float:
    """Best of several calls, after one to warm up."""
    function()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def right_paths() -> list[str]:
    """The fast paths that give the known answers here."""
    return [path for path in PATHS if kernels.agrees(path)]


def bench_product(rows: int, columns: int, length: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of one product [rows, length] x [columns, length] by each right path, from quantised operands."""
    limit = kernels.INT8_LIMIT
    left = torch.randint(-limit, limit + 1, (1, rows, length)).double()
    right = torch.randint(-limit, limit + 1, (1, columns, length)).double()
    a, b = left[0].float(), right[0].float()
    times = {
        f"{path}_ms": best_ms(partial(kernels.PATH_FUNCTIONS[path], left, right), repeats) for path in right_paths()
    }
    return {"shape": [rows, columns, length], "native_ms": best_ms(lambda: a @ b.t(), repeats), **times}


def native_step(model: nn.Module, rate: float, x: torch.Tensor, y: torch.Tensor) -> Callable[[], object]:
    """A step of stock PyTorch with momentum."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def bench_program(name: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of one step of a shipped program, native and exact by each right path."""
    bundle, shipped = load_shipped(name), SHIPPED[name]
    x = torch.rand(bundle.step.inputs[len(bundle.rules)].shape)
    inputs = [*bundle.state.values(), x, torch.arange(len(x)) % 10]
    native = native_step(shipped.architecture(**shipped.options), 0.01, x, inputs[-1])
    times = {f"{path}_ms": best_ms(partial(Runner(bundle.step, path).run, inputs), repeats) for path in right_paths()}
    return {"program": name, "nodes": len(bundle.step.nodes), "native_ms": best_ms(native, repeats), **times}


def describe(row: dict[str, Any], key: str) -> list[str]:
    """A row as cells: what it is of, native milliseconds, and per path milliseconds and how many times native."""
    named = " x ".join(map(str, row[key])) if isinstance(row[key], list) else str(row[key])
    exact = [row.get(f"{path}_ms") for path in PATHS]
    ratios = ["wrong here" if each is None else f"{each:.3f} ({each / row['native_ms']:.2f} times)" for each in exact]
    return [named, f"{row['native_ms']:.3f}", *ratios]


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.exact", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/exact.md")
    parser.add_argument("--threads", type=int, default=1, help="threads of every kernel")
    parser.add_argument("--repeats", type=int, default=20, help="calls of which the best counts")
    options = parser.parse_args()
    load = _record.load_average()
    torch.set_num_threads(options.threads)
    names = [name for name in SHIPPED if name.startswith(("digits", "mnist")) and not name.endswith("adamw")]
    report = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": options.threads,
        "load_average": load,
        "best_path": kernels.best_path(time.perf_counter, os.environ.get("ASSAY_EXACT_PATH") or None),
        "products": [bench_product(*shape, options.repeats) for shape in PRODUCTS],
        "programs": [bench_program(name, options.repeats) for name in names],
    }
    if options.write:
        write(report, options.repeats)
    if options.json:
        print(json.dumps(report))
        return
    for key in ("product", "program"):
        for row in report[f"{key}s"]:
            print(" | ".join(describe(row, "shape" if key == "product" else key)))
    print(f"fastest right path for products of a middling size: {report['best_path']}")


def write(report: dict[str, Any], repeats: int) -> None:
    """Keeps the figures."""
    head = ("native ms", *(f"{path} ms" for path in PATHS))
    versions = f"torch {report['torch']} ({report['cpu_capability']}), {report['threads']} thread(s)"
    command = shlex.join(["python", "-m", "bench.exact", *sys.argv[1:]])
    parts = (
        "## One product, rows x columns x length",
        _record.table(("shape", *head), (describe(row, "shape") for row in report["products"])),
        "## One training step of a shipped program",
        _record.table(("program", *head), (describe(row, "program") for row in report["programs"])),
        FLOOR.format(repeats=repeats),
    )
    _record.write("exact", "The cost of exact arithmetic", command, versions, report["load_average"], parts)


if __name__ == "__main__":
    main()
