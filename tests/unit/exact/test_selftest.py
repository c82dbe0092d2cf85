"""The self-test agrees here, notices a wrong answer, and drops a wrong path."""

import json
import subprocess
import sys

import pytest
import torch

from assay.exact import kernels, listing, selftest
from assay.exact.primitives import BY_NAME, BY_OPCODE, PRIMITIVES
from assay.exact.profile import get_profile
from assay.protocol.errors import BadInput, Unsupported


def test_every_operator_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert selftest.main(["--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["agrees"]
    assert set(report["operators"]) == {primitive.name for primitive in PRIMITIVES} - {"constant"}
    assert report["paths"]["float64"]
    assert report["paths"].keys() == set(kernels.PATHS)


def test_a_wrong_answer_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {**selftest.recorded(), "tanh": "00"}
    monkeypatch.setattr(selftest, "recorded", lambda: answers)
    assert selftest.main([]) == 1
    assert "wrong: tanh" in capsys.readouterr().out


def test_a_saturating_path_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return kernels.contract_float64(left, right).clamp(-(2.0**33), 2.0**33)

    monkeypatch.setitem(kernels.PATH_FUNCTIONS, "int8", saturating)
    kernels.agrees.cache_clear()
    try:
        assert not kernels.agrees("int8")
        assert kernels.best_path() == kernels.sure_path() == "float64"
        monkeypatch.setitem(kernels.PATH_FUNCTIONS, "float64", saturating)
        kernels.agrees.cache_clear()
        assert kernels.best_path() == kernels.sure_path() == "int64"
    finally:
        kernels.agrees.cache_clear()


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "avx2"])
def test_int8_is_chosen_where_it_is_right_and_fast(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernels.PATH_FUNCTIONS, "int8", kernels.contract_float64)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True})
    kernels.agrees.cache_clear()
    try:
        assert kernels.best_path() == ("float64" if flag == "avx2" else "int8")
    finally:
        kernels.agrees.cache_clear()


def test_flushed_subnormals_are_refused() -> None:
    kernels.require_subnormals()
    if torch.set_flush_denormal(True):
        try:
            with pytest.raises(Unsupported, match="subnormal"):
                kernels.require_subnormals()
        finally:
            torch.set_flush_denormal(False)
    kernels.require_subnormals()


def test_the_room_imports_no_ledger_and_no_network() -> None:
    code = "import sys, assay.exact.selftest as _; print([x for x in ('web3', 'assay.chain') if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_the_table_is_one_to_one() -> None:
    assert len(BY_NAME) == len(BY_OPCODE) == len(PRIMITIVES)
    assert [primitive.opcode for primitive in PRIMITIVES] == sorted(BY_OPCODE)


def test_profiles_have_names() -> None:
    assert get_profile("exact15").limit == 16319
    with pytest.raises(BadInput, match="exact16"):
        get_profile("exact16")


def test_the_table_is_listed_for_solidity_and_for_people() -> None:
    library, page = listing.solidity_constants(), listing.markdown_table()
    for primitive in PRIMITIVES:
        assert f"{primitive.name.upper()} = {primitive.opcode:#06x};" in library
        assert f"`{primitive.name}`" in page
    assert {row.count("|") for row in page.splitlines()} == {7}
