"""Compiled programs under the address sanitizer: `python -m tests.unit.compiled.watched_memory SEED COUNT`.

Run with the sanitizer's library loaded first; a loop that reads or writes beyond a buffer ends the process. Every
buffer is a piece of its own of just its size, with the sanitizer's red zones around it. With `--reach` loops are broken
on purpose, to see that it would be found.
"""

# ruff: noqa: T201

import re
import sys

from torch import Tensor

from assay.architectures import load_shipped
from assay.exact import kernels
from assay.work.compiled import engine, layout, toolchain
from assay.work.compiled.engine import CompiledRunner
from assay.work.program import Program
from assay.work.walk import Fault
from tests.properties.exact.test_drawn_programs import Maker, inputs_of
from tests.unit.compiled.test_compiled_bits import inputs_of as shipped_inputs

SHIPPED = ("digits-mlp", "digits-cnn", "gpt-tiny")
BOUND = re.compile(r"< (\d+)L; a")


class Apart(CompiledRunner):
    """A compiled program whose buffers share no memory."""

    def _allot(self) -> tuple[list[int], dict[int, int]]:
        values = [
            value
            for step in self.plan.steps
            for value in step.writes
            if value in self.plan.buffers and value not in self.program.outputs
        ]
        return [self._bytes_of(value) for value in values], {value: place for place, value in enumerate(values)}


def watch(reach: bool) -> None:
    """Compiles with the sanitizer from here on."""
    vars(toolchain)["FLAGS"] = (*toolchain.FLAGS, "-fsanitize=address", "-g0")
    # The compiler itself needs no watching; the sanitizer wants more addresses than it may have.
    vars(toolchain)["BOUNDS"] = 'unset LD_PRELOAD; exec "$@"'
    layout.INT8_LENGTH_MIN, layout.INT8_WORK = 2, 1
    if reach:
        vars(engine)["build"] = lambda source, *more: toolchain.build(BOUND.sub(farther, source), *more)


def farther(bound: re.Match[str]) -> str:
    """A loop's bound, moved."""
    return f"< {int(bound[1]) + 64}L; a"


def main() -> None:
    """Runs shipped steps and drawn programs."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    watch("--reach" in sys.argv)
    faults = 0
    for name in SHIPPED:
        bundle = load_shipped(name)
        for program in (bundle.step, bundle.evaluate, bundle.emit):
            run(program, shipped_inputs(program, list(bundle.state.values()), 1))
    for seed in range(first, first + count):
        program = Maker(seed).finish()
        faults += run(program, inputs_of(program, seed))
    print(f"{count} drawn programs, {faults} of them faults")


def run(program: Program, inputs: list[Tensor]) -> bool:
    """Whether it ends in a fault, by every path of this machine."""
    found: object = None
    for path in ("float64", "int8"):
        if kernels.agrees(path):
            found = Apart(program, path)._run(inputs)
    return isinstance(found, Fault)


if __name__ == "__main__":
    main()
