"""The embedded chain's engines answer as Ethereum's executable specification does, on programs drawn once for all."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.chain.interpreter import Interpreter
from tests.conformance.chain.chain_vectors import pack_outcome, unpack_case
from tests.properties.chain.chain_programs import make_context

VECTORS = json.loads((Path(__file__).resolve().parents[3] / "vectors" / "chain" / "cancun.json").read_text())["vectors"]
EXPECTED = ("success", "halted", "gas_used", "output", "logs", "created", "changed")


def check(engine: Any, vector: dict[str, Any]) -> None:
    """The engine's outcome of one vector, in every field."""
    case = unpack_case(vector)
    found = pack_outcome(case, engine(case.open_state()).execute(make_context(), case.message))
    assert found == {name: vector[name] for name in EXPECTED}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_interpreter_answers_as_the_specification(vector: dict[str, Any]) -> None:
    check(Interpreter, vector)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_pyrevm_answers_as_the_specification(vector: dict[str, Any]) -> None:
    revm = pytest.importorskip("assay.chain.revm", exc_type=ImportError)
    check(revm.Revm, vector)


def test_the_vectors_end_in_every_way() -> None:
    ends = {(vector["success"], vector["halted"]) for vector in VECTORS}
    assert ends == {(True, False), (False, True), (False, False)}
    assert any(vector["logs"] for vector in VECTORS)
    assert any(vector["created"] and vector["success"] for vector in VECTORS)
