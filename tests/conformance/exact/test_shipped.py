"""Capturing gives the programs that ship: a change of the lowering that changes them is no accident."""

import pytest

from assay.architectures import SHIPPED, load_shipped


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_capturing_gives_what_ships(name: str) -> None:
    assert SHIPPED[name].capture().root == load_shipped(name).root
