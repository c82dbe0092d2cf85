"""When a program is compiled behind a party's back, and that nobody can tell."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from assay.architectures import load_shipped
from assay.protocol.errors import Unsupported
from assay.roles.world import Compute
from assay.work.capture import capture
from assay.work.compiled import toolchain, warm
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.compiled.warm import COMPILE_S, WARM_S, Warmth
from assay.work.interpret import Runner
from assay.work.limits import Space
from assay.work.program import Program
from tests.unit.compiled.test_compiled_bits import bits, inputs_of

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler here")


class Ticks:
    """A timer by which everything that is timed takes as long as is said."""

    def __init__(self, each_s: float) -> None:
        self.now_s, self.each_s = 0.0, each_s

    def __call__(self) -> float:
        self.now_s += self.each_s
        return self.now_s


@pytest.fixture
def program() -> Program:
    return load_shipped("digits-mlp").step


@pytest.fixture
def inputs(program: Program) -> list[torch.Tensor]:
    return inputs_of(program, list(load_shipped("digits-mlp").state.values()), 1)


def compiles(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The programs that are compiled from here on."""
    seen: list[Program] = []
    init = CompiledRunner.__init__

    def noted(self: CompiledRunner, program: Program, *args: object, **more: object) -> None:
        seen.append(program)
        init(self, program, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(CompiledRunner, "__init__", noted)
    return seen


def eager(timer: Callable[[], float]) -> Compute:
    """Compiles what has taken long by this timer."""
    return Compute(timer, warmth=Warmth(compiles=True))


def run(compute: Compute, program: Program, inputs: list[torch.Tensor], times: int = 1) -> list[tuple[object, ...]]:
    found = []
    for _ in range(times):
        outputs = compute.runner(program).run(inputs)
        assert isinstance(outputs, list)
        found.append(bits(outputs))
    assert all(each == found[0] for each in found)
    return found[0]


@needs_compiler
def test_it_is_compiled_once_it_has_taken_long(
    program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = compiles(monkeypatch)
    compute = eager(Ticks(WARM_S / 2))
    assert run(compute, program, inputs, 2)
    assert not seen
    assert run(compute, program, inputs, 3) == run(Compute(lambda: 0.0), program, inputs)
    assert seen == [program]


@needs_compiler
def test_parties_of_one_process_compile_once_and_share_no_memory(
    program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, warmth = compiles(monkeypatch), Warmth(compiles=True)
    one, other = Compute(Ticks(WARM_S), warmth=warmth), Compute(lambda: 0.0, Space(), warmth)
    wanted = run(one, program, inputs, 2)
    monkeypatch.setattr(Runner, "run", lambda *_: pytest.fail("bits that were compared already are compared again"))
    assert run(other, program, inputs, 2) == wanted
    assert seen == [program]
    parts = [compute.runner(program)._compiled for compute in (one, other)]
    assert parts[0]
    assert parts[1]
    places = [{tensor.data_ptr() for tensor in part._memory.values()} for part in parts if part]
    assert places[0]
    assert places[1]
    assert not places[0] & places[1]
    with other.within(1.0):
        assert run(other, program, inputs) == wanted
    assert not parts[1]._memory, "what a run keeps for the next one is kept beyond its piece of work"
    assert run(one, program, inputs) == wanted


@needs_compiler
def test_nothing_is_compiled_where_little_time_is_left(
    program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, timer = compiles(monkeypatch), Ticks(0.0)
    compute = eager(timer)
    timer.each_s = WARM_S
    run(compute, program, inputs)
    timer.each_s = 0.0
    with compute.within(COMPILE_S / 2):
        run(compute, program, inputs)
    assert not seen
    with compute.within(COMPILE_S):
        run(compute, program, inputs)
    assert seen == [program]


def test_nothing_is_compiled_unasked(
    program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = compiles(monkeypatch)
    run(Compute(Ticks(WARM_S), warmth=Warmth()), program, inputs, 3)
    assert not seen


@pytest.mark.parametrize("trouble", ["none", "slow", "other bits", "large"])
def test_what_keeps_a_program_from_being_compiled_keeps_nobody_from_its_result(
    trouble: str, program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run(Compute(lambda: 0.0), program, inputs)
    if trouble == "none":
        monkeypatch.setattr(warm, "compiler", lambda: None)
    elif trouble == "slow":
        monkeypatch.setattr(warm, "COMPILE_S", 0.001)
    elif trouble == "large":
        monkeypatch.setattr(CompiledRunner, "memory_bytes", property(lambda _: 1 << 40))
    else:
        monkeypatch.setattr("assay.work.compiled.engine._is_same", lambda *_: False)
    seen = compiles(monkeypatch)
    compute = eager(Ticks(WARM_S))
    assert run(compute, program, inputs, 4) == wanted
    assert len(seen) <= 1, "it is tried again and again"
    assert compute.runner(program)._compiled is None


@needs_compiler
@pytest.mark.parametrize("chain", ["cheap", "shifts", "reshapes", "deep"])
def test_a_program_that_would_blow_up_is_planned_or_left_alone(chain: str) -> None:
    """Work that doubled at each link would not end, nor would this."""
    recursion = sys.getrecursionlimit()
    x, y = torch.rand(35, 64), torch.rand(35, 1)
    bundle = capture(Chain(chain), "mse", {"name": "sgd", "lr": 0.1}, x, y, counts=(1,))
    given = [*bundle.state.values(), x]
    wanted = run(Compute(lambda: 0.0), bundle.predict, given)
    sys.setrecursionlimit(1_000)
    try:
        assert run(eager(Ticks(WARM_S)), bundle.predict, given, 3) == wanted
    finally:
        sys.setrecursionlimit(recursion)


class Chain(nn.Module):
    """A layer, and a chain in which each link reads the one before it twice."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer, self.kind = nn.Linear(64, 1), kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        mask = x > 0.5
        if self.kind == "cheap":
            for _ in range(60):
                mask = mask & mask
        elif self.kind == "shifts":
            for power in range(5):
                mask = mask[:, : -(1 << power)] & mask[:, 1 << power :]
        elif self.kind == "reshapes":
            for _ in range(40):
                mask = mask.t().reshape(35, 64)
        else:
            for _ in range(900):
                y = y * 0.999 + 0.001
        return y + torch.where(mask, 0.5, 0.0)[:, :1]


@needs_compiler
@pytest.mark.parametrize("script", ["exit 0", "echo nothing > $last", "sleep 60 & sleep 60"])
def test_a_compiler_that_does_what_it_should_not(
    script: str, tmp_path: Path, program: Program, inputs: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "cc"
    fake.write_text(f'#!/bin/sh\nfor last; do case "$last" in *.so) break;; esac; done\n{script}\n')
    fake.chmod(0o755)
    monkeypatch.setattr(toolchain, "compiler", lambda: str(fake))
    monkeypatch.setattr(warm, "COMPILE_S", 1.0)
    warmth = Warmth(compiles=True)
    wanted = run(Compute(lambda: 0.0), program, inputs)
    seen = compiles(monkeypatch)
    for _ in range(2):
        assert run(Compute(Ticks(WARM_S), warmth=warmth), program, inputs, 3) == wanted
    assert len(seen) == 1, "another party tries again"


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux whether a process lives")
def test_what_a_slow_compiler_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "child"
    fake = tmp_path / "cc"
    fake.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {noted}\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setattr(toolchain, "compiler", lambda: str(fake))
    with pytest.raises(Unsupported, match="too long"):
        toolchain.build("int f(void) { return 0; }", compile_s=2.0)
    status = Path(f"/proc/{int(noted.read_text())}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the compiler's child goes on")


def test_strangers_programs_are_remembered_in_bounds() -> None:
    warmth = Warmth()
    for number in range(warm.SPENT_KEPT + 10):
        warmth.spend(number.to_bytes(32, "big"), 1.0)
    assert len(warmth.spent_s) == warm.SPENT_KEPT


def test_the_reference_says_why_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    monkeypatch.setattr("assay.work.compiled.toolchain.compiler", lambda: None)
    with pytest.raises(Unsupported, match="no C compiler"):
        CompiledRunner(program)
