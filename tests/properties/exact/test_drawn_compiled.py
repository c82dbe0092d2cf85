"""Programs drawn at random, compiled: the bits, or the fault, of the definition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.exact import kernels
from assay.work.compiled import layout
from assay.work.compiled.engine import CompiledRunner
from assay.work.compiled.toolchain import compiler
from assay.work.interpret import Runner
from assay.work.walk import Fault
from tests.properties.exact.test_drawn_programs import Maker, inputs_of

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler here")


@pytest.fixture(autouse=True)
def _every_size_by_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "INT8_LENGTH_MIN", 2)
    monkeypatch.setattr(layout, "INT8_WORK", 1)


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
def test_drawn_programs_compiled(seed: int) -> None:
    program = Maker(seed).finish()
    tensors = inputs_of(program, seed)
    expected = Runner(program, "int64").run(tensors)
    for path in [path for path in ("float64", "int8") if kernels.agrees(path)]:
        found = CompiledRunner(program, path)._run(tensors)
        if isinstance(expected, Fault) or isinstance(found, Fault):
            assert found == expected
            continue
        for one, other in zip(found, expected, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()
