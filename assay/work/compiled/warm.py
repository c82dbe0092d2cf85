"""A program's runner that compiles it once that pays: when interpreting it has taken as long as compiling may.

The bits are the same, so nobody can tell when it happened. What keeps it from happening (no compiler, one that is slow,
one that gives other bits, a program too large) keeps nobody from the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from assay.exact import kernels
from assay.protocol.errors import Unsupported
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.interpret import Runner
from assay.work.limits import Allowance
from assay.work.program import Program
from assay.work.walk import Fault

WARM_S = 3.0
"""Of interpreting, before a program is compiled. A training step of 300 nodes takes 1 to 5 s to compile."""
COMPILE_S = 15.0
"""What takes longer stays interpreted; nor is anything compiled where less is left of the time that is allowed."""
NODES_MAX = 4_096
SPENT_KEPT, BUILT_KEPT = 4_096, 16
"""Programs of strangers' jobs that are remembered."""


@dataclass
class Warmth:
    """What parties of one process share, by a program's root: seconds spent on interpreting it, and what was compiled
    last, of which the others run a twin, or that it could not be. Nothing is compiled unless `compiles` says so, since
    most programs are strangers'."""

    compiles: bool = False
    spent_s: dict[bytes, float] = field(default_factory=dict)
    built: dict[bytes, CompiledRunner | None] = field(default_factory=dict)

    def spend(self, root: bytes, elapsed_s: float) -> None:
        """Adds what a run took."""
        self.spent_s[root] = self.spent_s.get(root, 0.0) + elapsed_s
        if len(self.spent_s) > SPENT_KEPT:
            del self.spent_s[next(iter(self.spent_s))]

    def keep(self, root: bytes, made: CompiledRunner | None) -> None:
        """What the next one need not compile, or need not try to."""
        self.built[root] = made
        if len(self.built) > BUILT_KEPT:
            del self.built[next(iter(self.built))]


class WarmRunner:
    """`Runner` with `CompiledRunner` behind it, by `timer`."""

    def __init__(
        self, program: Program, allowance: Allowance, timer: Callable[[], float], warmth: Warmth | None = None
    ) -> None:
        self.reference = Runner(program, kernels.best_path(), allowance)
        self.program = program
        self._allowance, self._timer = allowance, timer
        self._compiled: CompiledRunner | None = None
        self._warmth = warmth or Warmth()
        self._stays = len(program.nodes) > NODES_MAX

    @property
    def constants(self) -> dict[int, Tensor]:
        """What is kept for the program beside the runs."""
        return self.reference.constants

    def release(self) -> None:
        """Gives back what a run keeps for the next one."""
        if self._compiled is not None:
            self._compiled.release()

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor] | Fault:
        """As `Runner.run`."""
        if self._compiled is None and not self._stays and self._is_due():
            self._compile()
        if self._compiled is not None:
            try:
                return self._compiled.run(inputs)
            except Unsupported:
                self._compiled, self._stays = None, True
                self._warmth.keep(self.program.root, None)
        began_s = self._timer()
        try:
            return self.reference.run(inputs)
        finally:
            self._warmth.spend(self.program.root, self._timer() - began_s)

    def _is_due(self) -> bool:
        if not self._warmth.compiles:
            return False
        root, left_s = self.program.root, self._allowance.until_s - self._allowance.timer()
        return root in self._warmth.built or (self._warmth.spent_s.get(root, 0.0) >= WARM_S and left_s >= COMPILE_S)

    def _compile(self) -> None:
        root = self.program.root
        if root in self._warmth.built:
            known = self._warmth.built[root]
            # A twin of one whose bits were compared already need not run the reference again.
            self._compiled = known.twin(self.reference) if known else None
        else:
            self._compiled = self._make()
            self._warmth.keep(root, self._compiled)
        self._stays = self._compiled is None

    def _make(self) -> CompiledRunner | None:
        try:
            if compiler() is None:
                return None
            made = CompiledRunner(self.program, reference=self.reference, compile_s=COMPILE_S)
        except Unsupported:
            return None
        # What a job may take of the memory was reckoned for interpreting it.
        return made if made.memory_bytes <= self.program.live_bytes else None
