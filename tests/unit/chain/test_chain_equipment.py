"""Which engine and which curve are at work, where a compiled package is there, is not, or does not load."""

import sys
from importlib import util
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from assay.chain.engine import open_engine
from assay.chain.equipment import find_curve, find_engine
from assay.chain.interpreter import Interpreter
from assay.chain.state import State
from assay.protocol.errors import BadInput


def hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither package can be imported."""
    monkeypatch.setitem(sys.modules, "pyrevm", None)
    monkeypatch.setitem(sys.modules, "coincurve", None)
    monkeypatch.delitem(sys.modules, "assay.chain.revm", raising=False)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither package is installed."""
    found = util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        return None if name in ("pyrevm", "coincurve") else found(name, package)

    monkeypatch.setattr(util, "find_spec", find)
    hide(monkeypatch)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are installed, and neither loads: a wheel of another platform."""
    monkeypatch.setattr(util, "find_spec", lambda name, package=None: ModuleSpec(name, None))
    hide(monkeypatch)


def test_where_both_are_there_they_are_used_and_named() -> None:
    pytest.importorskip("pyrevm")
    pytest.importorskip("coincurve")
    assert open_engine(State()).name == "revm" == find_engine().choice
    assert find_engine().words.startswith("pyrevm 0.")
    assert find_curve().words.startswith("coincurve 2")
    assert not find_engine().missing


@pytest.mark.usefixtures("absent")
def test_where_they_are_not_python_takes_their_place_and_says_so() -> None:
    engine = open_engine(State())
    assert isinstance(engine, Interpreter)
    assert find_engine().choice == find_engine(engine.name).choice == "interpreter"
    assert find_engine().words.startswith("our interpreter, exact but slower: pyrevm is not installed (Python 3.")
    assert find_curve().words.startswith("eth-keys in Python, exact but slower: coincurve is not installed")
    with pytest.raises(BadInput, match="pyrevm is not installed here"):
        open_engine(State(), "revm")


@pytest.mark.usefixtures("broken")
def test_where_one_does_not_load_that_is_said() -> None:
    engine = open_engine(State())
    assert engine.name == "interpreter"
    assert "pyrevm does not load" in find_engine(engine.name).words
    assert "coincurve does not load" in find_curve().words


def test_the_interpreter_can_be_asked_for() -> None:
    assert isinstance(open_engine(State(), "interpreter"), Interpreter)
