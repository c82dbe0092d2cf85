"""The table of cheats: every card has a class, a test, and a place in the documentation; what is not caught is said."""

import inspect
from pathlib import Path

import pytest

from assay.roles.aggregator import Aggregator
from assay.roles.consumer import Consumer
from assay.roles.provider import Provider
from assay.roles.validator import Validator
from assay.roles.zoo import CARDS, CHEATS, UNCAUGHT, Card

HERE = Path(__file__).parent
ROLES = {"provider": Provider, "validator": Validator, "aggregator": Aggregator, "consumer": Consumer}
TESTS = "".join(path.read_text() for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__))
REFERENCE = (HERE.parents[1] / "docs" / "reference" / "zoo.md").read_text()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_is_played_tested_and_documented(card: Card) -> None:
    kind = card.load()
    assert issubclass(kind, ROLES[card.role])
    assert kind.behaviour == card.name
    assert f'"{card.name}"' in TESTS
    assert card.name in REFERENCE


def test_no_cheat_is_called_like_another_or_honest() -> None:
    assert len(CHEATS) == len(CARDS)
    assert "honest" not in CHEATS


def test_every_file_of_the_zoo_is_on_the_table() -> None:
    folder = Path(inspect.getfile(Card)).parent
    files = {path.stem.replace("_", "-") for path in folder.glob("*.py")}
    assert files - {"--init--", "warped"} == set(CHEATS)


def test_what_is_not_caught_is_said_in_the_documentation() -> None:
    assert len(UNCAUGHT) >= 4
    for name, why in UNCAUGHT:
        assert name in REFERENCE
        assert why in REFERENCE
