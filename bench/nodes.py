"""What does a node cost? Seconds to capture a program of many small nodes, and microseconds to interpret each.

    python -m bench.nodes [--json] [--write] [--nodes N] [--repeats N]

The program is the training step of a deep chain of narrow layers, so that what is done around each tensor operation
shows. The floor of interpreting is what of PyTorch a run calls, noted once and called again on the same operands, one
after another from a plain list; what a run takes beyond that is overhead, looking for numbers that are not finite and
giving the outputs included. Times are of the processor, not of the clock: others may be at work here.
"""

import argparse
import gc
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.program import Bundle, Program
from bench import _record

WIDTH, BATCH = 8, 4
SGD = {"name": "sgd", "lr": 0.01, "momentum": 0.9}
NODES = 10_000
CAPTURE_MAX_S, OVERHEAD_MAX_US = 20.0, 1.0
"""What is asked for."""


def chain(layers: int) -> nn.Module:
    """Linear layers with relu between."""
    rows: list[nn.Module] = []
    for _ in range(layers):
        rows += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    return nn.Sequential(*rows, nn.Linear(WIDTH, 3))


def captured(layers: int) -> Bundle:
    """The programs of a chain."""
    x, y = torch.randn(BATCH, WIDTH), torch.arange(BATCH) % 3
    return capture(chain(layers), "cross_entropy", SGD, x, y, counts=[1])


def layers_of(nodes: int) -> int:
    """Layers with which a step has at least so many nodes."""
    few, more = (len(captured(layers).step.nodes) for layers in (2, 4))
    return -(-2 * (nodes - few) // (more - few)) + 2


class Notes(TorchFunctionMode):
    """Notes every call of PyTorch's with its arguments, but for looks at a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Callable[[], Any]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run it, and note it."""
        if getattr(func, "__name__", "") != "__get__":
            self.rows.append(partial(func, *args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


def operations(runner: Runner, inputs: Sequence[Tensor]) -> list[Callable[[], Any]]:
    """What of PyTorch the nodes of a run call."""
    held: dict[int, Tensor] = dict(enumerate(inputs)) | runner.constants
    with Notes() as notes:
        for call in runner.calls:
            held[call.out] = call.run(*[held[value] for value in call.inputs])
    return notes.rows


def best_s(function: Callable[[], object], repeats: int) -> float:
    """The best of several calls, after one to warm up; the collector waits."""
    function()
    best = float("inf")
    gc.collect()
    gc.disable()
    for _ in range(repeats):
        started_s = time.process_time()
        function()
        best = min(best, time.process_time() - started_s)
    gc.enable()
    return best


def loop_us(program: Program, inputs: Sequence[Tensor], repeats: int) -> float:
    """Microseconds a node of the interpreter's loop and its search for what is not finite, where every operation is
    one that does nothing and whose own call is taken off."""
    runner, result = Runner(program), torch.zeros(BATCH, WIDTH)

    def nothing(*_: Tensor) -> Tensor:
        return result

    runner.stretches = [[(nothing, *row[1:]) for row in rows] for rows in runner.stretches]
    calls = [(nothing, (result,) * len(call.inputs)) for call in runner.calls]

    def bare() -> None:
        for run, args in calls:
            run(*args)

    whole_s, bare_s = best_s(lambda: runner.run_calls(inputs), repeats), best_s(bare, repeats)
    return (whole_s - bare_s) / len(calls) * 1e6


def interpret(program: Program, inputs: Sequence[Tensor], repeats: int) -> dict[str, float]:
    """Microseconds a node: of a run, of its tensor operations alone, and of the difference."""
    runner = Runner(program)
    rows = operations(runner, inputs)
    assert isinstance(runner.run(inputs), list)

    def bare() -> None:
        for call in rows:
            call()

    with torch.inference_mode():
        nothing_us = loop_us(program, inputs, repeats)
        turns = [(best_s(lambda: runner.run(inputs), 1), best_s(bare, 1)) for _ in range(repeats)]
    whole_s, bare_s = min(turn[0] for turn in turns), min(turn[1] for turn in turns)
    calls = len(runner.calls)
    return {
        "calls": calls,
        "operations": len(rows),
        "run_us": whole_s / calls * 1e6,
        "operations_us": bare_s / calls * 1e6,
        "overhead_us": (whole_s - bare_s) / calls * 1e6,
        "loop_us": nothing_us,
    }


def measure(nodes: int, repeats: int) -> dict[str, Any]:
    """All figures."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers = layers_of(nodes)
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    bundle = captured(layers)
    capture_s, capture_cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    content = bundle.to_bytes()
    started_s = time.process_time()
    Bundle.from_bytes(content)
    read_s = time.process_time() - started_s
    started_s = time.process_time()
    Runner(bundle.step)
    plan_s = time.process_time() - started_s
    inputs = [*bundle.state.values(), torch.randn(BATCH, WIDTH), torch.arange(BATCH) % 3]
    return {
        "layers": layers,
        "step_nodes": len(bundle.step.nodes),
        "all_nodes": sum(len(program.nodes) for _, _, program in bundle.sections()),
        "capture_s": capture_s,
        "capture_cpu_s": capture_cpu_s,
        "read_s": read_s,
        "plan_s": plan_s,
        **interpret(bundle.step, inputs, repeats),
    }


def parts(found: dict[str, Any]) -> list[str]:
    """The figures as a page."""
    head = ("what", "figure")
    rows = [
        ("nodes of the step, of all programs", f"{found['step_nodes']:,}, {found['all_nodes']:,}"),
        ("capture of all programs, s", f"{found['capture_cpu_s']:.1f} ({found['capture_s']:.1f} by the clock)"),
        ("reading and checking them, s", f"{found['read_s']:.2f}"),
        ("planning the step, s", f"{found['plan_s']:.2f}"),
        ("a run, us a node", f"{found['run_us']:.2f}"),
        (f"its {found['operations']:,} tensor operations alone, us a node", f"{found['operations_us']:.2f}"),
        ("overhead: the difference, us a node", f"{found['overhead_us']:.2f}"),
        ("the loop around operations that do nothing, us a node", f"{found['loop_us']:.2f}"),
    ]
    asked = f"Asked for: capture within {CAPTURE_MAX_S:g} s, overhead below {OVERHEAD_MAX_US:g} us a node."
    return [_record.table(head, rows), asked]


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/nodes.md")
    parser.add_argument("--nodes", type=int, default=NODES, help="nodes of the step, at least")
    parser.add_argument("--repeats", type=int, default=20, help="turns of which the best counts")
    options = parser.parse_args()
    load = _record.load_average()
    found = measure(options.nodes, options.repeats)
    if options.write:
        command = shlex.join(["python", "-m", "bench.nodes", *sys.argv[1:]])
        _record.write("nodes", "The cost of a node", command, f"torch {torch.__version__}", load, parts(found))
    print(json.dumps({**found, "load_average": load}) if options.json else "\n\n".join(parts(found)))


if __name__ == "__main__":
    main()
