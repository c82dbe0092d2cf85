"""What does exact arithmetic cost? One training step, native float32 and exact in turn, in the same call.

    python -m bench.exact [--json] [--write] [--repeats N] [--only NAME,...] [--threads 1,2]

`NAME/PROFILE/THREADS` is the ratio of medians: the exact step over stock PyTorch's on the same model, batch and
threads. `-f64` takes products in binary64, `-torch` the tensor operations of the reference instead of compiled loops.
The floor is not 1.00: an int8 product is faster than a float32 one where the processor has VNNI.
"""

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.architectures import gpt
from assay.exact import kernels
from assay.work.capture import capture
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.interpret import Runner
from assay.work.program import Bundle
from bench import _record

SGD = {"name": "sgd", "lr": 0.01, "momentum": 0.9}
ADAMW = {"name": "adamw", "lr": 1e-3}
Example = tuple[nn.Module, Tensor, Tensor, dict[str, Any]]
GPT_BATCH, GPT_LENGTH, GPT_WORDS = 8, 128, 256


def mlp() -> Example:
    """784-1024-1024-10, 512 samples."""
    layers = (nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    return nn.Sequential(*layers), torch.rand(512, 784), torch.arange(512) % 10, SGD


def cnn(batch: int) -> Example:
    """Two convolutions on 8x8 pictures."""
    layers = (
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    return nn.Sequential(*layers), torch.rand(batch, 1, 8, 8), torch.arange(batch) % 10, SGD


def transformer() -> Example:
    """Four layers of width 256, 8 x 128 tokens, AdamW."""
    model = gpt(GPT_WORDS, GPT_LENGTH, 256, 4, 4)
    words = torch.randint(0, GPT_WORDS, (GPT_BATCH, GPT_LENGTH + 1))
    return model, words[:, :-1].contiguous(), words[:, 1:].reshape(-1).contiguous(), ADAMW


EXAMPLES: dict[str, Callable[[], Example]] = {
    "mlp": mlp, "cnn": lambda: cnn(64), "cnn512": lambda: cnn(512), "gpt": transformer,
}  # fmt: skip
CASES = (
    ("mlp", "exact15"), ("mlp", "exact15-f64"), ("mlp", "exact8"), ("cnn", "exact15"), ("cnn512", "exact15"),
    ("gpt", "exact15"), ("gpt", "exact8"), ("mlp", "exact15-torch"), ("cnn", "exact15-torch"), ("gpt", "exact15-torch"),
)  # fmt: skip


def native_step(example: Example) -> Callable[[], object]:
    """A step of stock PyTorch."""
    model, x, y, rule = example
    parameters = list(model.parameters())
    if rule["name"] == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=rule["lr"], momentum=rule["momentum"])
    else:
        optimizer = torch.optim.AdamW(parameters, lr=rule["lr"])

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def exact_step(example: Example, case: str, captured: Bundle | None = None) -> Callable[[], object]:
    """The same step, captured; each goes on from the state before it."""
    model, x, y, rule = example
    profile, _, how = case.partition("-")
    bundle = captured or capture(model, "cross_entropy", rule, x, y, profile, counts=(1,))
    path = "float64" if how == "f64" else kernels.best_path()
    runner = Runner(bundle.step, path) if how == "torch" or not compiler() else CompiledRunner(bundle.step, path)
    held = {"state": list(bundle.state.values())}

    def step() -> None:
        results = runner.run([*held["state"], x, y])
        assert isinstance(results, list), results
        held["state"] = results[: len(held["state"])]

    return step


def in_turn(steps: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each, taken in turn after two to warm up."""
    times: list[list[float]] = [[] for _ in steps]
    for at in range(repeats + 2):
        for step, found in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            if at >= 2:
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


def measure(name: str, case: str, threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of both, and their ratio."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    native_s, exact_s = in_turn([native_step(EXAMPLES[name]()), exact_step(EXAMPLES[name](), case)], repeats)
    return {"native_ms": native_s * 1e3, "exact_ms": exact_s * 1e3, "ratio": exact_s / native_s}


PEAK = """
import sys
import torch
from bench import exact
from assay.work.interpret import Runner
torch.set_num_threads(1)
example, case, bundle = exact.EXAMPLES[sys.argv[1]](), sys.argv[2], None
if case != "native":
    bundle = exact.capture(example[0], "cross_entropy", example[3], *example[1:3], counts=(1,))
held = exact.resident("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
step = exact.native_step(example) if case == "native" else exact.exact_step(example, case, bundle)
for _ in range(3):
    step()
print(exact.resident("VmHWM") - held)
"""


def resident(key: str) -> int:
    """Kibibytes of this process, as Linux counts them."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(f"{key}:"))


def peak_ratio(name: str) -> float | None:
    """What steps take of memory beyond the model and its program, exact over native, each in a process of its own;
    nothing where this system does not say."""
    peaks = []
    for case in ("native", "exact15"):
        done = subprocess.run([sys.executable, "-c", PEAK, name, case], capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        peaks.append(int(done.stdout.split()[0]))
    return round(peaks[1] / peaks[0], 3)


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.exact", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/exact.md")
    parser.add_argument("--repeats", type=int, default=15, help="steps of which the median counts")
    parser.add_argument("--only", default="", help="models, by comma")
    parser.add_argument("--threads", default="1,2", help="by comma")
    options = parser.parse_args()
    load = _record.load_average()
    names = options.only.split(",") if options.only else list(EXAMPLES)
    rows: dict[str, dict[str, float]] = {}
    for name, case in CASES:
        for threads in map(int, options.threads.split(",")):
            if name in names:
                key = f"{name}/{case}/{threads}"
                rows[key] = measure(name, case, threads, options.repeats)
                if not options.json:
                    print(key, *(f"{each} {value:.3f}" for each, value in rows[key].items()), flush=True)
    peaks = {name: peak_ratio(name) for name in names}
    report = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "compiler": compiler() is not None,
        "path": kernels.best_path(),
        "load_average": load,
        "ratios": {key: round(row["ratio"], 3) for key, row in rows.items()},
        "peak_memory_ratio": peaks,
        "milliseconds": rows,
    }
    if options.write:
        write(report)
    print(json.dumps(report) if options.json else f"peak memory {report['peak_memory_ratio']}")


def write(report: dict[str, Any]) -> None:
    """Keeps the figures."""
    command = shlex.join(["python", "-m", "bench.exact", *sys.argv[1:]])
    versions = f"torch {report['torch']} ({report['cpu_capability']})"
    head = ("model / profile / threads", "native ms", "exact ms", "times native")
    lines = [
        (key, f"{row['native_ms']:.2f}", f"{row['exact_ms']:.2f}", f"{row['ratio']:.2f}")
        for key, row in report["milliseconds"].items()
    ]
    peaks = list(report["peak_memory_ratio"].items())
    parts = (
        "## One training step",
        _record.table(head, lines),
        "Medians, native and exact in turn. `-f64`: products in binary64; `-torch`: tensor operations instead of"
        " compiled loops.",
        "## Peak memory of steps, beyond model and program",
        _record.table(("model", "times native"), peaks),
    )
    _record.write("exact", "The cost of exact arithmetic", command, versions, report["load_average"], parts)


if __name__ == "__main__":
    main()
