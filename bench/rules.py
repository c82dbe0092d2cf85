"""What does an aggregation rule cost? Seconds to merge updates by each rule's program, beside the mean's.

    python -m bench.rules [--json] [--write] [--updates N] [--size N] [--byzantine N] [--repeats N] [--only RULE,RULE]

Updates are drawn from a normal distribution, one tensor each; what a job's aggregate does beside the rule, adding what
was merged to the weights, is left out. Times are of the processor, not of the clock: others may be at work here. One
thread. Memory is the program's own count of what lives at once.
"""

import argparse
import json
import shlex
import sys
import time
from typing import Any

import torch

from assay.aggregate.rules import RULES, get_rule
from assay.exact.profile import EXACT15
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Program
from bench import _record

FLOWER_S = {"krum": 0.42, "median": 0.64, "trimmed-mean": 0.42}
"""What Flower 1.41 took on two cores for 20 updates of a million parameters."""


def program_of(name: str, count: int, size: int, byzantine_count: int) -> Program:
    """A rule's program over updates of one tensor."""
    graph = Graph(EXACT15)
    updates = [graph.add_input(f"update.{index}", "F32", (size,)) for index in range(count)]
    stack = graph.concat([graph.reshape(each, (size, 1)) for each in updates], 1)
    rule = get_rule(name, 0 if name == "mean" else byzantine_count, size**0.5 / 2)
    return graph.finish(rule.merge(graph, [stack]), ["merged"])


def measure(names: list[str], count: int, size: int, byzantine_count: int, repeats: int) -> dict[str, Any]:
    """Per rule the best of several runs."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    updates = [torch.randn(size) for _ in range(count)]
    found = {}
    for name in names:
        program = program_of(name, count, size, byzantine_count)
        runner, times = Runner(program), []
        for _ in range(repeats):
            started_s = time.process_time()
            result = runner.run(updates)
            times.append(time.process_time() - started_s)
            assert isinstance(result, list), result
        found[name] = {"nodes": len(program.nodes), "cpu_s": min(times), "live_mib": program.live_bytes >> 20}
    return found


def parts(found: dict[str, Any]) -> list[str]:
    """The figures as a page."""
    rows = [
        (name, f"{each['cpu_s']:.2f}", FLOWER_S.get(name, "-"), each["live_mib"], each["nodes"])
        for name, each in found.items()
    ]
    return [
        _record.table(("rule", "s of the processor", "Flower 1.41 (20 of 1M), s", "MiB alive at once", "nodes"), rows)
    ]


def main() -> None:
    """Print a table, or with --json one object."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/rules.md")
    parser.add_argument("--updates", type=int, default=20, help="how many are merged")
    parser.add_argument("--size", type=int, default=1_000_000, help="parameters of each")
    parser.add_argument("--byzantine", type=int, default=4, help="how many of them each rule is to bear")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--only", default=",".join(RULES), help="rules, with commas between")
    options = parser.parse_args()
    load = _record.load_average()
    found = measure(options.only.split(","), options.updates, options.size, options.byzantine, options.repeats)
    if options.write:
        command = shlex.join(["python", "-m", "bench.rules", *sys.argv[1:]])
        page = parts(found)
        _record.write("rules", "The cost of aggregation rules", command, f"torch {torch.__version__}", load, page)
    print(json.dumps({"rules": found, "load_average": load}) if options.json else "\n\n".join(parts(found)))


if __name__ == "__main__":
    main()
