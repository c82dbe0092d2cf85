"""What verbs keep for a person lies in a folder of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("person") / "home"
    monkeypatch.setenv("ASSAY_HOME", str(home))
    return home
